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

  /// - Parameters:
  ///   - epilogue: what the node does to its result already.
  ///   - addsResidual: whether the node could add a term of its own size, which `ResidualMatch` looks for.
  init(after id: NodeID, _ output: ValueID, _ epilogue: Epilogue, addsResidual: Bool, _ graph: Graph) {
    (self.epilogue, last) = (epilogue, output)
    guard graph[output].type.element == .float32 else {
      for user in graph.uses(of: output) where graph.fusedActivation(graph[user]) != nil {
        reject(user, "\(graph[id].name) computes in \(graph[output].type.element), not in float32", graph)
      }
      return
    }
    while let next = graph.soleUse(of: last), let result = graph[next].outputs[0] {
      let node = graph[next]
      if self.epilogue == .none, let activation = graph.fusedActivation(node) {
        self.epilogue.activation = activation
        notes.append(PassNote(.changed, node: node.name, "\(node.op.name) is applied by \(graph[id].name)"))
      } else if let (scale, shift) = graph.scaling(node, of: last) {
        let total = (scale: self.epilogue.scale * scale, shift: self.epilogue.shift * scale + shift)
        guard total.scale.isFinite, total.shift.isFinite else {
          reject(next, "its number is not finite", graph)
          return
        }
        (self.epilogue.scale, self.epilogue.shift) = total
        notes.append(PassNote(.changed, node: node.name, "\(node.op.name) by a number is done by \(graph[id].name)"))
      } else {
        if let reason = misfit(node, after: id, addsResidual, graph) { reject(next, reason, graph) }
        return
      }
      absorbed.append(next)
      last = result
    }
    rejectShared(addsResidual, graph)
  }

  private mutating func reject(_ id: NodeID, _ reason: String, _ graph: Graph) {
    notes.append(PassNote(.rejected, node: graph[id].name, reason))
  }

  /// Why the only reader of the last value stays where it is; nil if it is nothing that could be fused anyway.
  private func misfit(_ node: Node, after id: NodeID, _ addsResidual: Bool, _ graph: Graph) -> String? {
    if let op = node.op as? Unary {
      guard graph.fusedActivation(node) == nil else {
        return "\(graph[id].name) already applies an activation or a scale"
      }
      let form = op.function == .swish ? "\(op.name) with alpha \(op.alpha)" : "\(op.name)"
      return "no kernel applies \(form) while it writes its result"
    }
    if node.op is Clip {
      return graph.clip(node) == nil
        ? "its bounds are not constants" : "\(graph[id].name) already applies an activation or a scale"
    }
    guard let op = node.op as? Binary, [.add, .sub, .mul, .div].contains(op.function), node.inputs.count == 2,
      node.inputs[0] != node.inputs[1], let other = node.inputs.first(where: { $0 != last }), let other
    else { return nil }
    if graph.scalar(other) != nil {
      return op.function == .div ? "it divides a number by the result" : "it changes the shape"
    }
    // A term that comes first is what ResidualMatch has spoken about.
    guard op.function == .add, epilogue == .none else {
      if graph.constant(other) != nil { return "its operand is not one number" }
      return op.function == .add ? "\(graph[id].name) applies an activation or a scale before it" : nil
    }
    return addsResidual ? nil : "\(graph[id].op.name) adds no other tensor"
  }

  /// Readers of the last value that would be fused if they were the only ones.
  private mutating func rejectShared(_ addsResidual: Bool, _ graph: Graph) {
    let users = graph.uses(of: last)
    guard graph.isOutput(last) || users.count > 1 else { return }
    let name = graph[last].name
    let reason =
      graph.isOutput(last) ? "\(name), which it reads, is an output, too" : "\(name), which it reads, is read by others"
    for user in users {
      let node = graph[user]
      let isActivation = epilogue == .none && graph.fusedActivation(node) != nil
      let isTerm =
        epilogue == .none && addsResidual && (node.op as? Binary)?.function == .add
        && node.inputs.allSatisfy { input in
          input == last || graph.constant(input) != nil
            || input.map { graph[$0].type.isSurelyEqual(to: graph[last].type) } ?? false
        }
      if isActivation || isTerm || graph.scaling(node, of: last) != nil { reject(user, reason, graph) }
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

  static func find(after id: NodeID, _ output: ValueID, _ graph: Graph) -> Result {
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
    guard !graph.depends(other, on: id) else {
      return .rejected(PassNote(.rejected, node: name, "its other operand is made from what \(graph[id].name) gives"))
    }
    return .found(ResidualMatch(addition: next, other: other, sum: sum))
  }

  func remove(from graph: inout Graph, readersOf output: ValueID) throws {
    try graph.replace(sum, with: output)
    try graph.erase(addition)
  }
}

extension Graph {
  /// Whether a value cannot be made before a node has run.
  func depends(_ value: ValueID, on id: NodeID) -> Bool {
    guard let first = producer(of: value) else { return false }
    var seen: Set = [first]
    var open = [first]
    while let next = open.popLast() {
      if next == id { return true }
      for operand in self[next].operands {
        if let producer = producer(of: operand), seen.insert(producer).inserted { open.append(producer) }
      }
    }
    return false
  }
}
