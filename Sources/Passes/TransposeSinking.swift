public import GraphIR
import Operators
import TensorCore

/// Moves transpositions behind what computes element by element or along named axes, where behind it they meet
/// another transposition to merge with: `Transpose(Relu(Transpose(x)))` becomes `Relu(x)`.
///
/// Each is tried on a copy of the graph, which is kept only if it has fewer transpositions.
public struct TransposeSinking: Pass {
  public let name = "transpose-sinking"
  public let summary = "Moves transpositions behind other nodes where there they merge with another one or vanish."
  /// Nodes that one transposition may pass: what is tried must end.
  private static let longestPath = 64

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard try graph.transposition(id) != nil else { continue }
      let name = graph[id].name
      var attempt = Attempt(graph: graph, transpose: id)
      switch try attempt.sink(limit: TransposeSinking.longestPath) {
      case .none: break
      case .rejected(let reason): notes.append(PassNote(.rejected, node: name, reason))
      case .changed(let what):
        graph = attempt.graph
        notes.append(PassNote(.changed, node: name, what))
      }
    }
    return notes
  }

  /// One transposition on its way down.
  struct Attempt {
    var graph: Graph
    var transpose: NodeID
    var passed: [String] = []
  }
}

extension TransposeSinking.Attempt {
  /// Goes down until something is gained, or it can go no further.
  mutating func sink(limit: Int) throws -> Rewriting {
    while passed.count < limit {
      guard let moving = try graph.transposition(transpose), let result = graph[transpose].outputs[0] else {
        return .none
      }
      let users = graph.uses(of: result)
      guard !graph.isOutput(result), users.count == 1 else {
        // One that never moved and has nowhere to go is no near miss.
        return passed.isEmpty ? .none : .rejected("\(path) leads to a result that is read as it is")
      }
      let user = users[0]
      if let other = try graph.transposition(user) {
        // Two in a row without a move are another pass's work.
        return passed.isEmpty ? .none : try merge(moving, other, into: user)
      }
      guard let step = try plan(user, result, moving.order) else {
        return .rejected("it would have to pass \(graph[user].name), which \(graph[user].op.name) does not permit")
      }
      let others = step.absorbed.filter { graph.contains($0) && $0 != transpose }
      try perform(step, user)
      if others.contains(where: { !graph.contains($0) }) { return .changed("\(path) is shared by its operands") }
    }
    return .rejected("meets no other transposition behind \(limit) nodes")
  }

  private var path: String { passed.isEmpty ? "its place" : "behind \(passed.joined(separator: ", "))" }

  private mutating func merge(
    _ moving: (input: ValueID, order: [Int]), _ other: (input: ValueID, order: [Int]), into user: NodeID
  ) throws -> Rewriting {
    let merged = other.order.map { moving.order[$0] }
    let name = graph[user].name
    guard let output = graph[user].outputs[0] else { return .none }
    if merged == Array(0..<merged.count) {
      try graph.replace(output, with: moving.input)
      try graph.erase(user)
    } else {
      try graph.update(user, op: Transpose(perm: merged), inputs: [moving.input])
    }
    try graph.erase(transpose)
    return .changed("\(path) merges with \(name)")
  }

  /// How a node looks once the transposition is behind it.
  struct Step {
    let op: any Operator
    let inputs: [Operand]
    /// What its result is then transposed by.
    let order: [Int]
    /// Transpositions of its operands that it does not read any more.
    let absorbed: [NodeID]
  }
  enum Operand {
    case value(ValueID?)
    case new(Tensor)
    /// A constant to be transposed, which constant folding does.
    case transposed(ValueID, [Int])
  }

  private mutating func perform(_ step: Step, _ user: NodeID) throws {
    let node = graph[user]
    guard let output = node.outputs[0] else { return }
    let inputs = try step.inputs.map { operand -> ValueID? in
      switch operand {
      case .value(let value): value
      case .new(let tensor): try graph.addConstant(graph.freshName(node.name + ".axes"), tensor)
      case .transposed(let value, let order):
        try graph.append(
          Transpose(perm: order), [value], name: graph.freshName(graph[value].name + ".transposed"))
      }
    }
    let name = graph[output].name
    let moved = try graph.append(
      step.op, inputs, name: node.name, outputs: [graph.freshName(name + ".sunk")])
    let back = try graph.append(
      Transpose(perm: step.order), moved, name: graph.freshName(name + ".transposed"),
      outputs: [graph.freshName(name + ".transposed")])
    guard let result = back[0], let next = graph.producer(of: result) else { return }
    try graph.replace(output, with: result)
    try graph.erase(user)
    for id in step.absorbed where graph.contains(id) {
      guard let unread = graph[id].outputs[0], graph.uses(of: unread).isEmpty, !graph.isOutput(unread) else { continue }
      try graph.erase(id)
    }
    transpose = next
    passed.append(node.name)
  }
}

// ── What a transposition can pass ───────────────────────────────────────────
extension TransposeSinking.Attempt {
  private func plan(_ user: NodeID, _ result: ValueID, _ order: [Int]) throws -> Step? {
    let node = graph[user]
    guard node.outputs.count == 1, node.captures.isEmpty else { return nil }
    switch node.op {
    case is Unary, is Not, is Classify, is Cast, is Clip:
      // Only what is computed with moves; bounds and the like stay.
      guard node.inputs.dropFirst().allSatisfy({ $0 != result }), let source = try source(result) else { return nil }
      let inputs = [Operand.value(source)] + node.inputs.dropFirst().map { .value($0) }
      return Step(op: node.op, inputs: inputs, order: order, absorbed: [transpose])
    case is Binary, is Variadic, is Where: return try elementwise(node, order)
    case let op as Concat:
      let sources = try node.inputs.map { try matching($0, order) }
      guard sources.allSatisfy({ $0 != nil }) else { return nil }
      let axis = order[try normalizedAxis(op.axis, rank: order.count)]
      return Step(
        op: Concat(axis: axis), inputs: sources.map { .value($0?.source) }, order: order,
        absorbed: sources.compactMap { $0?.id })
    case let op as Softmax:
      guard let source = try source(result) else { return nil }
      let axis = order[try normalizedAxis(op.axis, rank: order.count)]
      return Step(
        op: Softmax(axis: axis, logarithm: op.isLogarithm), inputs: [.value(source)], order: order,
        absorbed: [transpose])
    case let op as Reduce: return try reduction(op, node, result, order)
    default: return nil
    }
  }

  private func source(_ result: ValueID) throws -> ValueID? { try graph.transposition(making: result)?.input }

  /// What an operand is transposed from, if it is transposed in that order.
  private func matching(_ operand: ValueID?, _ order: [Int]) throws -> (id: NodeID, source: ValueID)? {
    guard let found = try graph.transposition(making: operand), found.order == order else { return nil }
    return (found.id, found.input)
  }

  /// Every operand must be transposed alike, be a constant, or hold one number.
  private func elementwise(_ node: Node, _ order: [Int]) throws -> Step? {
    let rank = order.count
    var inverse = [Int](repeating: 0, count: rank)
    for (place, axis) in order.enumerated() { inverse[axis] = place }
    var absorbed: [NodeID] = []
    var inputs: [Operand] = []
    for operand in node.inputs {
      guard let operand, let shape = graph[operand].type.shape, shape.count <= rank else { return nil }
      if let (id, source) = try matching(operand, order) {
        absorbed.append(id)
        inputs.append(.value(source))
      } else if shape.allSatisfy({ $0 == 1 }) {
        inputs.append(.value(operand))
      } else if let tensor = graph.constant(operand), tensor.element != .string {
        let padded = Array(repeating: 1, count: rank - shape.count) + tensor.shape
        let full = try tensor.reshaped(padded)
        if padded.count(where: { $0 != 1 }) == 1 {
          inputs.append(.new(try full.reshaped(inverse.map { padded[$0] })))
        } else if shape.count == rank {
          inputs.append(.transposed(operand, inverse))
        } else {
          return nil
        }
      } else {
        return nil
      }
    }
    // The slope of PRelu must broadcast to x, so x must be the one that is transposed.
    guard !absorbed.isEmpty, (node.op as? Binary)?.function != .prelu || !isConstant(node.inputs[0]) else { return nil }
    return Step(op: node.op, inputs: inputs, order: order, absorbed: absorbed)
  }

  private func isConstant(_ value: ValueID?) -> Bool { graph.constant(value) != nil }

  private func reduction(_ op: Reduce, _ node: Node, _ result: ValueID, _ order: [Int]) throws -> Step? {
    guard let source = try source(result), node.inputs.count > 1, let axes = graph.constant(node.inputs[1]) else {
      return nil
    }
    let listed = try axes.integers()
    guard !listed.isEmpty else { return nil }
    let reduced = try normalizedAxes(listed, rank: order.count)
    let moved = reduced.map { order[$0] }
    var rest = order
    if !op.keepsDimensions {
      // The axes that stay, counted without those that go.
      let kept = order.indices.filter { !reduced.contains($0) }.map { order[$0] }
      let ranks = kept.sorted()
      rest = kept.compactMap { ranks.firstIndex(of: $0) }
    }
    return Step(
      op: op, inputs: [.value(source), .new(try Tensor(moved.map(Int64.init), [moved.count]))], order: rest,
      absorbed: [transpose])
  }
}
