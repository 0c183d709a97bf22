public import GraphIR
import Operators
import TensorCore

/// Lets a convolution add a residual and apply the activation that follow it while it writes its result.
public struct ConvolutionFusion: Pass {
  public let name = "convolution-fusion"
  public let summary = "Fuses a residual addition and an activation into the convolution before them."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    let order = graph.order
    let positions = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
    for id in order where graph.contains(id) {
      guard let op = graph[id].op as? Conv, op.name == Conv.standardName else { continue }
      if let note = try fuseResidual(id, op, positions, &graph) { notes.append(note) }
      if let note = try fuseActivation(id, &graph) { notes.append(note) }
    }
    return notes
  }

  private func fuseResidual(
    _ id: NodeID, _ op: Conv, _ positions: [NodeID: Int], _ graph: inout Graph
  ) throws -> PassNote? {
    let node = graph[id]
    guard let output = node.outputs[0], graph[output].type.element == .float32,
      let next = graph.soleUse(of: output), (graph[next].op as? Binary)?.function == .add,
      let other = graph[next].inputs.first(where: { $0 != output }), let other, let sum = graph[next].outputs[0]
    else { return nil }
    let name = graph[next].name
    guard graph[other].type.isSurelyEqual(to: graph[output].type),
      graph[sum].type.isSurelyEqual(to: graph[output].type)
    else {
      return PassNote(.rejected, node: name, "the shapes of its operands are not known to be the same")
    }
    if let producer = graph.producer(of: other), let theirs = positions[producer], let ours = positions[id],
      theirs > ours
    {
      return PassNote(.rejected, node: name, "its other operand is made after \(node.name)")
    }
    let bias = node.inputs.count > 2 ? node.inputs[2] : nil
    try graph.update(
      id, op: Conv(fused: op.window, .none), inputs: [node.inputs[0], node.inputs[1], bias, other])
    try graph.replace(sum, with: output)
    try graph.erase(next)
    return PassNote(.changed, node: name, "is added by \(node.name)")
  }

  private func fuseActivation(_ id: NodeID, _ graph: inout Graph) throws -> PassNote? {
    let node = graph[id]
    guard let op = node.op as? Conv, let output = node.outputs[0], graph[output].type.element == .float32,
      let next = graph.soleUse(of: output), let result = graph[next].outputs[0],
      let activation = activation(graph[next], graph)
    else { return nil }
    let follower = graph[next]
    try graph.update(id, op: Conv(fused: op.window, activation), inputs: node.inputs)
    try graph.replace(result, with: output)
    try graph.erase(next)
    return PassNote(.changed, node: follower.name, "\(follower.op.name) is applied by \(node.name)")
  }

  private func activation(_ node: Node, _ graph: Graph) -> FusedActivation? {
    if let (_, low, high) = graph.clip(node) { return .clip(low, high) }
    guard let op = node.op as? Unary else { return nil }
    switch op.function {
    case .relu: return .relu
    case .sigmoid: return .sigmoid
    case .tanh: return .tanh
    case .leakyRelu: return .leakyRelu(op.alpha)
    case .hardSigmoid: return .hardSigmoid(op.alpha, op.beta)
    case .hardSwish: return .hardSwish(1 / 6, 0.5)
    case .swish where op.alpha == 1: return .silu
    default: return nil
    }
  }
}
