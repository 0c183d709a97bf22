public import GraphIR
import Operators
import TensorCore

/// Removes nodes that give their input back: `Identity`, `Dropout` at inference, and whatever moves, resizes or
/// computes nothing with the sizes and constants that it has.
///
/// Results are equal as numbers: where a zero is added, -0 becomes 0 no more.
public struct IdentityRemoval: NodePass {
  public let name = "identity-removal"
  public let summary = "Removes nodes that give their input back unchanged."

  public init() {}

  public func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting {
    let node = graph[id]
    guard let output = node.outputs.first, let output else { return .none }
    guard let same = try unchanged(node, output, graph) else { return .none }
    guard node.outputs.dropFirst().allSatisfy({ $0 == nil }) else {
      return .rejected("\(node.op.name) gives its input back, but its other results are read")
    }
    guard let input = same.input else { return .rejected(same.text) }
    try graph.replace(output, with: input)
    try graph.erase(id)
    return .changed(same.text)
  }

  /// The input that a node gives back; nil with the reason why it may not be taken.
  private struct Same {
    let input: ValueID?
    let text: String
  }

  private func unchanged(_ node: Node, _ output: ValueID, _ graph: Graph) throws -> Same? {
    guard node.captures.isEmpty, let first = node.inputs.first, let x = first else { return nil }
    if let op = node.op as? Binary { return try neutral(op, node, output, graph) }
    guard let doesNothing = try idle(node, x, graph) else { return nil }
    if doesNothing { return Same(input: x, text: "\(node.op.name) does nothing here") }
    // Of the others, those that keep the shape keep everything.
    guard graph[x].type.element == graph[output].type.element else { return nil }
    if graph[x].type.isSurelyEqual(to: graph[output].type) {
      return Same(input: x, text: "\(node.op.name) keeps the shape \(graph[x].type)")
    }
    guard let a = graph[x].type.shape, let b = graph[output].type.shape, a == b else { return nil }
    return Same(input: nil, text: "\(node.op.name) may keep the shape or not: only running tells \(graph[x].type)")
  }

  /// Whether a node does nothing whatever the sizes; false if the sizes decide; nil if it does something.
  private func idle(_ node: Node, _ x: ValueID, _ graph: Graph) throws -> Bool? {
    switch node.op {
    case is Identity:
      // Dropout's third input may switch it to training.
      guard node.inputs.count > 2, let training = node.inputs[2] else { return true }
      return try graph.constant(training)?.integers() == [0] ? true : nil
    case let op as Cast:
      guard op.isLike else { return graph[x].type.element == op.target ? true : nil }
      return node.inputs[1].map { graph[$0].type.element } == graph[x].type.element ? true : nil
    case is Reshape, is Squeeze, is Unsqueeze, is Flatten, is Expand, is Tile: return false
    case let op as Transpose:
      guard let rank = graph[x].type.rank else { return nil }
      return try op.order(rank: rank) == Array(0..<rank) ? true : nil
    case is Concat, is Variadic: return node.inputs.count == 1 ? true : nil
    case is Split: return node.outputs.count == 1 ? false : nil
    case is Slice:
      // Backwards, the shape stays and the order does not.
      guard node.inputs.count > 4, let steps = node.inputs[4] else { return false }
      return try graph.constant(steps)?.integers().allSatisfy({ $0 == 1 }) == true ? false : nil
    case is Pad: return try graph.constant(node.inputs[1])?.integers().allSatisfy({ $0 == 0 }) == true ? true : nil
    case is Clip:
      guard let (_, low, high) = graph.clip(node) else { return nil }
      return low == -.infinity && high == .infinity ? true : nil
    case let op as Resize:
      // At the same size the scale is 1, at which every way of resampling finds the pixels themselves.
      guard op.coordinates != .cropAndResize, op.aspectRatio == .stretch else { return nil }
      guard node.inputs.count > 2, let scales = node.inputs[2], graph[scales].type.sizes != [0] else { return false }
      return try graph.constant(scales)?.floats().allSatisfy({ $0 == 1 }) == true ? true : nil
    default: return nil
    }
  }

  /// x + 0, x - 0, x * 1, x / 1 and x to the power of 1.
  private func neutral(_ op: Binary, _ node: Node, _ output: ValueID, _ graph: Graph) throws -> Same? {
    let wanted: Double
    var places = [1]
    switch op.function {
    case .add: (wanted, places) = (0, [1, 0])
    case .mul: (wanted, places) = (1, [1, 0])
    case .sub: wanted = 0
    case .div, .pow: wanted = 1
    default: return nil
    }
    for place in places {
      guard let x = node.inputs[1 - place], graph.constant(x) == nil, let tensor = graph.constant(node.inputs[place]),
        try tensor.holdsOnly(wanted)
      else { continue }
      if graph[x].type.isSurelyEqual(to: graph[output].type) {
        return Same(input: x, text: "\(op.name) with \(wanted == 0 ? "0" : "1") gives \(graph[x].name) back")
      }
      return Same(
        input: nil,
        text: "\(op.name) with \(wanted == 0 ? "0" : "1") changes no number, but may broadcast \(graph[x].type)")
    }
    return nil
  }
}

extension TensorType {
  /// Whether both are known well enough to be the same whatever the input sizes.
  func isSurelyEqual(to other: TensorType) -> Bool {
    guard element == other.element, element != .undefined, let a = shape, let b = other.shape, a == b else {
      return false
    }
    return a.allSatisfy(\.isDeterminate)
  }
}

extension Tensor {
  /// Whether all of its numbers, a few thousand at most, are that one.
  func holdsOnly(_ number: Double) throws -> Bool {
    guard count > 0, count <= 1 << 12 else { return false }
    if element.isFloatingPoint { return try floats().allSatisfy { Double($0) == number } }
    guard element.isInteger else { return false }
    return try integers().allSatisfy { Double($0) == number }
  }
}
