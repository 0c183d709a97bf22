public import GraphIR
import Operators

/// Removes nodes that give their input back: `Identity`, `Dropout` at inference, `Cast` to the same type.
public struct IdentityRemoval: Pass {
  public let name = "identity-removal"
  public let summary = "Removes nodes that give their input back unchanged."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order {
      let node = graph[id]
      guard isIdentity(node, graph), let input = node.inputs[0], let output = node.outputs[0] else { continue }
      guard node.outputs.dropFirst().allSatisfy({ $0 == nil }) else {
        notes.append(PassNote(.rejected, node: node.name, "its mask is read"))
        continue
      }
      try graph.replace(output, with: input)
      try graph.erase(id)
      notes.append(PassNote(.changed, node: node.name, "removed"))
    }
    return notes
  }

  private func isIdentity(_ node: Node, _ graph: Graph) -> Bool {
    if node.op is Identity {
      // Dropout's third input may switch it to training.
      guard node.inputs.count > 2, let training = node.inputs[2] else { return true }
      return (try? graph[training].tensor?.integers()) == [0]
    }
    guard let cast = node.op as? Cast, !cast.isLike, let input = node.inputs[0] else { return false }
    return graph[input].type.element == cast.target
  }
}
