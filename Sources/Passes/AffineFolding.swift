public import GraphIR
import Operators
import TensorCore

/// Folds what scales and shifts channels after a convolution, a Gemm or a MatMul into its weights and bias:
/// BatchNormalization, and addition of, subtraction of, multiplication and division by constants.
/// For inference only: it loses the separate parameters.
///
/// A MatMul has no bias: what is added to its channels is added by one node behind it.
public struct AffineFolding: Pass {
  public let name = "affine-folding"
  public let summary = "Folds BatchNormalization and per-channel constants into the layer before them."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard let layer = AffineLayer(id, graph) else { continue }
      try fold(layer, id, &graph, &notes)
    }
    for id in graph.order where graph[id].op is BatchNormalization {
      notes.append(PassNote(.rejected, node: graph[id].name, try obstacle(id, graph)))
    }
    return notes
  }

  /// Why a normalisation is still there.
  private func obstacle(_ id: NodeID, _ graph: Graph) throws -> String {
    let node = graph[id]
    if (node.op as? BatchNormalization)?.isTraining == true { return "it computes the statistics of its input" }
    guard node.inputs.dropFirst().allSatisfy({ graph.constant($0) != nil }) else {
      return "its statistics and parameters are not all constants"
    }
    guard let x = node.inputs[0], let producer = graph.producer(of: x) else { return "no node makes its input" }
    guard let layer = AffineLayer(producer, graph) else {
      return "\(graph[producer].name) (\(graph[producer].op.name)) before it has no constant weights to fold it into"
    }
    if graph.soleUse(of: layer.output) == nil { return "the result of \(graph[producer].name) is read by others, too" }
    return "its channels are not those of \(graph[producer].name)"
  }

  /// Folds all of those that follow one after the other. Their transforms are composed in double precision and the
  /// weights are rounded once: rounding them again for each node costs accuracy that the model's output shows.
  private func fold(_ layer: AffineLayer, _ id: NodeID, _ graph: inout Graph, _ notes: inout [PassNote]) throws {
    var total = Transform(
      scale: [Double](repeating: 1, count: layer.channels), shift: [Double](repeating: 0, count: layer.channels))
    var folded: [NodeID] = []
    var texts: [PassNote] = []
    var last = layer.output
    while let next = graph.soleUse(of: last) {
      let node = graph[next]
      guard let transform = try affine(node, of: last, layer, graph) else { break }
      let composed = total.followed(by: transform)
      guard composed.isFinite, let result = node.outputs[0] else {
        notes.append(PassNote(.rejected, node: node.name, "its numbers are not finite"))
        break
      }
      guard graph[layer.output].type.isCompatible(with: graph[result].type) else {
        notes.append(PassNote(.rejected, node: node.name, "it changes the shape"))
        break
      }
      (total, last) = (composed, result)
      folded.append(next)
      texts.append(PassNote(.changed, node: node.name, "\(node.op.name) is folded into \(graph[id].name)"))
    }
    // One addition behind a MatMul is what remains at best.
    let scales = total.scale.contains { $0 != 1 }
    guard !folded.isEmpty, layer.takesBias || scales || folded.count > 1 else { return }
    notes += texts
    let (op, weights, bias) = try layer.transformed(by: total)
    let name = graph[layer.weights].name
    let newWeights =
      scales ? try graph.addConstant(graph.freshName(name + ".folded"), weights) : layer.weights
    var result = layer.output
    if layer.takesBias {
      let newBias = try graph.addConstant(graph.freshName(name + ".bias.folded"), bias)
      try graph.update(id, op: op, inputs: [layer.input, newWeights, newBias])
    } else {
      try graph.update(id, op: op, inputs: [layer.input, newWeights])
      if total.shift.contains(where: { $0 != 0 }) {
        let newBias = try graph.addConstant(graph.freshName(name + ".bias.folded"), bias)
        result = try graph.append(
          Binary(.add), [layer.output, newBias], name: graph.freshName(graph[id].name + ".bias"))
      }
    }
    try graph.replace(last, with: result)
    for node in folded.reversed() { try graph.erase(node) }
  }

  /// y = scale * x + shift, channel by channel.
  struct Transform {
    var scale: [Double]
    var shift: [Double]

    func followed(by next: Transform) -> Transform {
      Transform(
        scale: zip(scale, next.scale).map { $0 * $1 },
        shift: zip(shift, zip(next.scale, next.shift)).map { $0 * $1.0 + $1.1 })
    }

    var isFinite: Bool { scale.allSatisfy(\.isFinite) && shift.allSatisfy(\.isFinite) }
  }

  private func affine(_ node: Node, of value: ValueID, _ layer: AffineLayer, _ graph: Graph) throws -> Transform? {
    if let op = node.op as? BatchNormalization {
      return node.inputs[0] == value && layer.channelAxis == 1 ? try normalization(op, node, layer, graph) : nil
    }
    guard let op = node.op as? Binary, node.inputs.count == 2, node.inputs[0] != node.inputs[1] else { return nil }
    let isFirst = node.inputs[0] == value
    guard let tensor = graph.constant(node.inputs[isFirst ? 1 : 0]), let values = try perChannel(tensor, layer) else {
      return nil
    }
    let ones = [Double](repeating: 1, count: layer.channels)
    let zeros = [Double](repeating: 0, count: layer.channels)
    switch op.function {
    case .add: return Transform(scale: ones, shift: values)
    case .mul: return Transform(scale: values, shift: zeros)
    case .sub where isFirst: return Transform(scale: ones, shift: values.map { -$0 })
    case .sub: return Transform(scale: ones.map { -$0 }, shift: values)
    case .div where isFirst: return Transform(scale: values.map { 1 / $0 }, shift: zeros)
    default: return nil
    }
  }

  private func normalization(
    _ op: BatchNormalization, _ node: Node, _ layer: AffineLayer, _ graph: Graph
  ) throws -> Transform? {
    guard !op.isTraining, node.outputs.count == 1, node.inputs.count == 5 else { return nil }
    let parameters = try node.inputs[1...].map { try graph.constant($0)?.floats().map(Double.init) }
    guard let gamma = parameters[0], let beta = parameters[1], let mean = parameters[2], let variance = parameters[3],
      [gamma, beta, mean, variance].allSatisfy({ $0.count == layer.channels })
    else { return nil }
    let scale = (0..<layer.channels).map { gamma[$0] / (variance[$0] + Double(op.epsilon)).squareRoot() }
    return Transform(scale: scale, shift: (0..<layer.channels).map { beta[$0] - mean[$0] * scale[$0] })
  }

  /// A constant that broadcasts along channels only, as one number a channel.
  private func perChannel(_ tensor: Tensor, _ layer: AffineLayer) throws -> [Double]? {
    guard tensor.element == .float32, tensor.shape.count <= layer.rank else { return nil }
    if tensor.count == 1 {
      return try tensor.floats().map { Array(repeating: Double($0), count: layer.channels) }.first
    }
    let shape = Array(repeating: 1, count: layer.rank - tensor.shape.count) + tensor.shape
    guard shape[layer.channelAxis] == layer.channels, tensor.count == layer.channels else { return nil }
    return try tensor.floats().map(Double.init)
  }
}
