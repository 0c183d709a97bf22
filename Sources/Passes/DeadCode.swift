public import GraphIR

/// Removes nodes whose results nobody reads.
public struct DeadCode: Pass {
  public let name = "dead-code"
  public let summary = "Removes nodes whose results nobody reads."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order.reversed() {
      let node = graph[id]
      let isNeeded = node.outputs.contains { output in
        guard let output else { return false }
        return graph.isOutput(output) || !graph.uses(of: output).isEmpty
      }
      guard !isNeeded, !node.op.traits.contains(.isImpure) else { continue }
      try graph.erase(id)
      notes.append(PassNote(.changed, node: node.name, "removed"))
    }
    return notes
  }
}
