public import GraphIR
import Operators
import TensorCore

/// Makes one transposition of two in a row, none of two that undo each other, and a view of one that moves only axes
/// of size 1.
public struct TransposeElimination: NodePass {
  public let name = "transpose-elimination"
  public let summary = "Merges and cancels transpositions; those of axes of size 1 become views."

  public init() {}

  public func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting {
    guard let outer = try graph.transposition(id), let output = graph[id].outputs[0] else { return .none }
    if let producer = graph.producer(of: outer.input), let inner = try graph.transposition(producer),
      inner.order.count == outer.order.count
    {
      let merged = outer.order.map { inner.order[$0] }
      let name = graph[producer].name
      guard merged != Array(0..<merged.count) else {
        try graph.replace(output, with: inner.input)
        try graph.erase(id)
        return .changed("undoes \(name)")
      }
      try graph.update(id, op: Transpose(perm: merged), inputs: [inner.input])
      return .changed("takes over \(name), now as \(merged)")
    }
    guard let before = graph[outer.input].type.shape, let after = graph[output].type.shape else {
      return .rejected("the shape of what it transposes is not known")
    }
    let moved = outer.order.filter { before[$0] != 1 }
    guard moved == moved.sorted() else { return .none }
    guard let target = viewTarget(from: before, to: after) else {
      return .rejected("moves only axes of size 1, but more than one size is open")
    }
    let value = try graph.addIntegers(target, graph[output].name + ".shape")
    try graph.update(id, op: Reshape(), inputs: [outer.input, value])
    return .changed("moves only axes of size 1: reshapes to \(target)")
  }
}

extension Graph {
  /// A node that transposes, with what it transposes and the order of axes; nil while the rank is not known.
  func transposition(_ id: NodeID) throws -> (input: ValueID, order: [Int])? {
    guard let op = self[id].op as? Transpose, let input = self[id].inputs[0], let rank = self[input].type.rank else {
      return nil
    }
    return (input, try op.order(rank: rank))
  }

  /// The same for the node that makes a value.
  func transposition(making value: ValueID?) throws -> (id: NodeID, input: ValueID, order: [Int])? {
    guard let value, let id = producer(of: value), let found = try transposition(id) else { return nil }
    return (id, found.input, found.order)
  }
}
