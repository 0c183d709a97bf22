public import GraphIR
import Operators
import TensorCore

/// Gives activations that exporters spell out their one operator back:
/// HardSwish as Add-Clip-Mul-Div, HardSigmoid as Add-Clip-Div, SiLU as Sigmoid-Mul or Mul-Sigmoid-Mul.
public struct ActivationRecognition: Pass {
  public let name = "activation-recognition"
  public let summary = "Turns HardSwish, HardSigmoid and SiLU that are spelled out into one operator each."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard let output = graph[id].outputs.first, let output, graph[output].type.element == .float32 else { continue }
      guard let (op, x) = recognize(output, graph) else {
        if let reason = nearMiss(output, graph) { notes.append(PassNote(.rejected, node: graph[id].name, reason)) }
        continue
      }
      guard graph[x].type.isCompatible(with: graph[output].type) else {
        notes.append(PassNote(.rejected, node: graph[id].name, "its numbers change the shape of \(graph[x].name)"))
        continue
      }
      let node = graph[id].name
      try graph.update(id, op: op, inputs: [x])
      notes.append(PassNote(.changed, node: node, "is \(op.name)"))
    }
    return notes
  }

  private func recognize(_ output: ValueID, _ graph: Graph) -> (Unary, ValueID)? {
    if let (product, six) = graph.binaryWithScalar(output, .div), six == 6 {
      if let (x, gate) = factors(product, graph, isGate: { shiftedClip($0, graph) }), gate == x {
        return (Unary(.hardSwish), x)
      }
      if let x = shiftedClip(product, graph) { return (Unary(.hardSigmoid, alpha: 1 / 6, beta: 0.5), x) }
    }
    if let (x, alpha) = swish(output, graph) { return (Unary(.swish, alpha: alpha), x) }
    if let (x, gate) = factors(output, graph, isGate: { hardGate($0, graph) }), gate == x {
      return (Unary(.hardSwish), x)
    }
    return nil
  }

  /// `(x, g)` of a product `x * y` where `isGate(y)` says that `y` is a gate computed from `g`; either order.
  private func factors(
    _ value: ValueID, _ graph: Graph, isGate: (ValueID) -> ValueID?
  ) -> (x: ValueID, gate: ValueID)? {
    guard let (_, inputs) = graph.binary(value, .mul), let a = inputs[0], let b = inputs[1] else { return nil }
    if let gate = isGate(b), gate == a { return (a, gate) }
    if let gate = isGate(a), gate == b { return (b, gate) }
    return nil
  }

  /// `x` of `clip(x + 3, 0, 6)`.
  private func shiftedClip(_ value: ValueID, _ graph: Graph) -> ValueID? {
    guard let (sum, low, high) = graph.clip(value), low == 0, high == 6,
      let (x, three) = graph.binaryWithScalar(sum, .add), three == 3
    else { return nil }
    return x
  }

  /// `x` and `a` of `x * sigmoid(a * x)`, or of `x * sigmoid(x)`.
  private func swish(_ value: ValueID, _ graph: Graph) -> (x: ValueID, alpha: Float)? {
    guard let (_, inputs) = graph.binary(value, .mul), let a = inputs[0], let b = inputs[1] else { return nil }
    for (x, y) in [(a, b), (b, a)] {
      guard let id = graph.producer(of: y), (graph[id].op as? Unary)?.function == .sigmoid,
        let argument = graph[id].inputs[0]
      else { continue }
      if argument == x { return (x, 1) }
      if let (base, alpha) = graph.binaryWithScalar(argument, .mul), base == x { return (x, alpha) }
    }
    return nil
  }

  /// `x` of the gate that HardSwish multiplies by: `clip(x + 3, 0, 6) / 6`, or HardSigmoid with these numbers.
  private func hardGate(_ value: ValueID, _ graph: Graph) -> ValueID? {
    guard let id = graph.producer(of: value) else { return nil }
    if let op = graph[id].op as? Unary, op.function == .hardSigmoid, abs(op.alpha - 1 / 6) < 1e-7, op.beta == 0.5 {
      return graph[id].inputs[0]
    }
    guard let (gate, six) = graph.binaryWithScalar(value, .div), six == 6 else { return nil }
    return shiftedClip(gate, graph)
  }

  // ── What is nearly one ──────────────────────────────────────────────────────
  private func nearMiss(_ output: ValueID, _ graph: Graph) -> String? {
    if let (inner, divisor) = graph.binaryWithScalar(output, .div) {
      if let parts = clippedSum(inner, graph) { return wrongNumbers(parts, divisor) }
      guard let (_, inputs) = graph.binary(inner, .mul), let a = inputs[0], let b = inputs[1] else { return nil }
      for (x, gate) in [(a, b), (b, a)] {
        guard let parts = clippedSum(gate, graph) else { continue }
        return wrongNumbers(parts, divisor) ?? (parts.x == x ? nil : "it clips something else than it multiplies by")
      }
      return nil
    }
    guard let (_, inputs) = graph.binary(output, .mul), let a = inputs[0], let b = inputs[1] else { return nil }
    for (x, gate) in [(a, b), (b, a)] {
      guard let id = graph.producer(of: gate), let op = graph[id].op as? Unary, let argument = graph[id].inputs[0]
      else {
        continue
      }
      // A gate that is as large as x: others are no activations, but scale channels.
      let isGate = graph[gate].type.isSurelyEqual(to: graph[x].type)
      switch op.function {
      case .hardSigmoid where argument == x:
        return "its HardSigmoid has alpha \(op.alpha) and beta \(op.beta), that of HardSwish 1/6 and 0.5"
      case .sigmoid where isGate, .hardSigmoid where isGate:
        return "\(op.name) is of something else than it is multiplied by"
      default: continue
      }
    }
    return nil
  }

  /// The parts of `clip(x + shift, low, high)`.
  private func clippedSum(
    _ value: ValueID, _ graph: Graph
  ) -> (x: ValueID, shift: Float, low: Float, high: Float)? {
    guard let (sum, low, high) = graph.clip(value), let (x, shift) = graph.binaryWithScalar(sum, .add) else {
      return nil
    }
    return (x, shift, low, high)
  }

  private func wrongNumbers(
    _ parts: (x: ValueID, shift: Float, low: Float, high: Float), _ divisor: Float
  ) -> String? {
    var wrong: [String] = []
    if parts.shift != 3 { wrong.append("adds \(parts.shift), not 3") }
    if parts.low != 0 || parts.high != 6 { wrong.append("clips to \(parts.low)...\(parts.high), not to 0...6") }
    if divisor != 6 { wrong.append("divides by \(divisor), not by 6") }
    return wrong.isEmpty ? nil : "it " + wrong.joined(separator: " and ")
  }
}
