public import GraphIR
import Operators
import TensorCore

/// Makes one view of several in a row: `Reshape`, `Squeeze`, `Unsqueeze` and `Flatten` of each other's results. Those
/// that lead back to where they came from vanish.
public struct ViewMerging: NodePass {
  public let name = "view-merging"
  public let summary = "Makes one Reshape of several views in a row, none where they undo each other."

  public init() {}

  public func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting {
    let node = graph[id]
    guard isView(node.op), let middle = node.inputs[0], let output = node.outputs[0],
      let producer = graph.producer(of: middle), isView(graph[producer].op)
    else { return .none }
    var source = middle
    while let producer = graph.producer(of: source), isView(graph[producer].op), let input = graph[producer].inputs[0] {
      source = input
    }
    if graph[source].type.isSurelyEqual(to: graph[output].type) {
      let first = graph[source].name
      try graph.replace(output, with: source)
      try graph.erase(id)
      return .changed("leads back to \(first)")
    }
    guard let before = graph[source].type.shape, let after = graph[output].type.shape else {
      return .rejected("the shapes that it stands between are not known")
    }
    guard let target = viewTarget(from: before, to: after) else {
      return .rejected("\(graph[source].type) to \(graph[output].type) cannot be said with a constant")
    }
    let value = try graph.addIntegers(target, graph[output].name + ".shape")
    try graph.update(id, op: Reshape(), inputs: [source, value])
    return .changed("reshapes \(graph[source].name) to \(target)")
  }

  private func isView(_ op: any Operator) -> Bool { op is Reshape || op is Squeeze || op is Unsqueeze || op is Flatten }
}
