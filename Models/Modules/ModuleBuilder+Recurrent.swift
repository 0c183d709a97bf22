public import GraphIR
import Operators
import TensorCore

extension ModuleBuilder {
  /// `nn.LSTM` with biases: `[T, N, I] → [T, N, D · H]`, the forward direction's features first.
  ///
  /// Parameters have PyTorch's names, shapes and order of gates (i, f, g, o); nodes that constant folding removes
  /// bring them to ONNX's (i, o, f, c).
  public mutating func lstm(
    _ x: ValueID, _ name: String, hidden: Int, bidirectional: Bool, layers: Int = 1
  ) throws -> ValueID {
    try scoped(name) { m in
      try (0..<layers).reduce(x) { x, layer in
        try m.lstmLayer(x, layer, hidden: hidden, suffixes: bidirectional ? ["", "_reverse"] : [""])
      }
    }
  }

  private mutating func lstmLayer(
    _ x: ValueID, _ layer: Int, hidden: Int, suffixes: [String]
  ) throws -> ValueID {
    let channels = try channels(of: x, axis: 2)
    let start = Initializer.torchDefault(fanIn: hidden)
    var (w, r, b): ([ValueID], [ValueID], [ValueID]) = ([], [], [])
    for suffix in suffixes {
      let end = "l\(layer)\(suffix)"
      w.append(try parameter("weight_ih_\(end)", [4 * hidden, channels], start))
      r.append(try parameter("weight_hh_\(end)", [4 * hidden, hidden], start))
      b.append(try parameter("bias_ih_\(end)", [4 * hidden], start))
      b.append(try parameter("bias_hh_\(end)", [4 * hidden], start))
    }
    var attributes = Attributes()
    attributes.set("hidden_size", hidden)
    attributes.set("direction", suffixes.count == 2 ? "bidirectional" : "forward")
    let op = try Recurrent(name: OperatorName("LSTM"), attributes: attributes)
    let inputs = [
      x, try gates(w, [suffixes.count, 4 * hidden, channels]), try gates(r, [suffixes.count, 4 * hidden, hidden]),
      try gates(b, [suffixes.count, 8 * hidden]),
    ]
    // [T, D, N, H]
    let y = try builder.append(op, inputs)
    let steps = try builder.transpose(y, [0, 2, 1, 3])
    let shape = try builder.append(
      Concat(axis: 0), [builder.append(Shape(end: 2), [x]), builder.integers([suffixes.count * hidden])])
    return try builder.append(Reshape(), [steps, shape])
  }

  /// Parameters `[4 · H, …]` one after the other, each with its gates in ONNX's order, under that shape.
  private mutating func gates(_ parameters: [ValueID], _ shape: [Int]) throws -> ValueID {
    try builder.scoped("gates") { builder in
      var parts: [ValueID] = []
      for parameter in parameters {
        let gates = try builder.append(
          Split(axis: 0, pieces: 4), [parameter], wanted: [true, true, true, true]
        ).compactMap { $0 }
        guard gates.count == 4 else { throw LigatureError(.arity, "Split lacks a result") }
        parts += [gates[0], gates[3], gates[1], gates[2]]
      }
      return try builder.reshape(builder.append(Concat(axis: 0), parts.map { $0 }), to: shape)
    }
  }
}
