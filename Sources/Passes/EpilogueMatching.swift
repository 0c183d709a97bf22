import GraphIR
import Operators
import TensorCore

// What a convolution or a matrix product may do to its result before it writes it.
extension Graph {
  /// The activation that a node applies to its first input, if kernels can fuse it.
  func fusedActivation(_ node: Node) -> FusedActivation? {
    if let (_, low, high) = clip(node) { return .clip(low, high) }
    guard let op = node.op as? Unary else { return nil }
    switch op.function {
    case .relu: return .relu
    case .sigmoid: return .sigmoid
    case .tanh: return .tanh
    case .leakyRelu: return .leakyRelu(op.alpha)
    case .hardSigmoid: return .hardSigmoid(op.alpha, op.beta)
    case .hardSwish: return .hardSwish(1 / 6, 0.5)
    case .swish where op.alpha == 1: return .silu
    case .gelu: return op.approximatesByTanh ? .geluTanh : .gelu
    default: return nil
    }
  }

  /// Scale and shift of a node that multiplies `value` by a number or adds one; the shape stays.
  func scaling(_ node: Node, of value: ValueID) -> (scale: Float, shift: Float)? {
    guard let op = node.op as? Binary, node.inputs.count == 2, let result = node.outputs[0],
      self[result].type.element == .float32, self[result].type.isCompatible(with: self[value].type),
      self[result].type.rank != nil
    else { return nil }
    let isFirst = node.inputs[0] == value
    guard node.inputs[isFirst ? 1 : 0] != value, let number = scalar(node.inputs[isFirst ? 1 : 0]) else { return nil }
    switch op.function {
    case .mul: return (number, 0)
    case .add: return (1, number)
    case .sub: return isFirst ? (1, -number) : (-1, number)
    case .div where isFirst: return (1 / number, 0)
    default: return nil
    }
  }
}

/// What follows a node and goes into it: an activation, then numbers that scale and shift its result.
struct EpilogueMatch {
  private(set) var epilogue: Epilogue
  /// From the first that goes to the last.
  private(set) var absorbed: [NodeID] = []
  private(set) var notes: [PassNote] = []
  /// The value that the last of them makes.
  private(set) var last: ValueID

  /// - Parameter epilogue: what the node does to its result already.
  init(after id: NodeID, _ output: ValueID, _ epilogue: Epilogue, _ graph: Graph) {
    (self.epilogue, last) = (epilogue, output)
    guard graph[output].type.element == .float32 else { return }
    while let next = graph.soleUse(of: last), let result = graph[next].outputs[0] {
      let node = graph[next]
      if self.epilogue == .none, let activation = graph.fusedActivation(node) {
        self.epilogue.activation = activation
        notes.append(PassNote(.changed, node: node.name, "\(node.op.name) is applied by \(graph[id].name)"))
      } else if let (scale, shift) = graph.scaling(node, of: last) {
        let total = (scale: self.epilogue.scale * scale, shift: self.epilogue.shift * scale + shift)
        guard total.scale.isFinite, total.shift.isFinite else {
          notes.append(PassNote(.rejected, node: node.name, "its number is not finite"))
          return
        }
        (self.epilogue.scale, self.epilogue.shift) = total
        notes.append(PassNote(.changed, node: node.name, "\(node.op.name) by a number is done by \(graph[id].name)"))
      } else {
        if self.epilogue != .none, graph.fusedActivation(node) != nil {
          notes.append(
            PassNote(.rejected, node: node.name, "\(graph[id].name) already applies an activation or a scale"))
        }
        return
      }
      absorbed.append(next)
      last = result
    }
  }

  /// Lets the readers of the last value read `output`, and removes what was absorbed.
  func remove(from graph: inout Graph, readersOf output: ValueID) throws {
    try graph.replace(last, with: output)
    for node in absorbed.reversed() { try graph.erase(node) }
  }
}

/// A term of the node's own size that follows it and may be added while it writes.
struct ResidualMatch {
  let addition: NodeID
  let other: ValueID
  let sum: ValueID

  enum Result {
    case none
    case rejected(PassNote)
    case found(ResidualMatch)
  }

  /// - Parameter positions: of all nodes in an order of the graph.
  static func find(after id: NodeID, _ output: ValueID, _ positions: [NodeID: Int], _ graph: Graph) -> Result {
    guard graph[output].type.element == .float32, let next = graph.soleUse(of: output),
      (graph[next].op as? Binary)?.function == .add,
      let other = graph[next].inputs.first(where: { $0 != output }), let other, let sum = graph[next].outputs[0],
      graph.scalar(other) == nil
    else { return .none }
    let name = graph[next].name
    guard graph[other].type.isSurelyEqual(to: graph[output].type),
      graph[sum].type.isSurelyEqual(to: graph[output].type)
    else {
      return .rejected(PassNote(.rejected, node: name, "the shapes of its operands are not known to be the same"))
    }
    if let producer = graph.producer(of: other), let theirs = positions[producer], let ours = positions[id],
      theirs > ours
    {
      return .rejected(PassNote(.rejected, node: name, "its other operand is made after \(graph[id].name)"))
    }
    return .found(ResidualMatch(addition: next, other: other, sum: sum))
  }

  func remove(from graph: inout Graph, readersOf output: ValueID) throws {
    try graph.replace(sum, with: output)
    try graph.erase(addition)
  }
}

extension Graph {
  /// Where every node stands in an order in which they can run.
  var positions: [NodeID: Int] { Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) }) }
}
