public import GraphIR
import Operators
import TensorCore

/// Puts the nodes of a branch in the place of an `If` whose condition is a constant.
public struct BranchFolding: Pass {
  public let name = "branch-folding"
  public let summary = "Replaces an If whose condition is known by the branch that it takes."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    var pending = graph.order
    // A branch may hold further nodes of the kind: file and memory bound how deep.
    while let id = pending.popLast() {
      let node = graph[id]
      guard let op = node.op as? If, let condition = node.inputs.first, let condition,
        let tensor = graph.constant(condition), tensor.element == .bool, tensor.count == 1
      else { continue }
      let isTrue = try tensor.integers() == [1]
      let branch = isTrue ? op.whenTrue : op.whenFalse
      guard branch.inputs.count == node.captures.count, branch.outputs.count >= node.outputs.count else {
        notes.append(PassNote(.rejected, node: node.name, "its branch does not take and give what the node does"))
        continue
      }
      var before = Set(graph.order)
      try inline(branch, for: node, &graph)
      try graph.erase(id)
      before.insert(id)
      pending += graph.order.filter { !before.contains($0) }
      notes.append(PassNote(.changed, node: node.name, "its condition is always \(isTrue)"))
    }
    return notes
  }

  private func inline(_ branch: Graph, for node: Node, _ graph: inout Graph) throws {
    var moved = Dictionary(uniqueKeysWithValues: zip(branch.inputs, node.captures))
    for id in branch.valueIDs {
      let value = branch[id]
      guard let tensor = value.tensor else { continue }
      // Branches share constants with what is around them.
      if let same = graph.value(named: value.name), let known = graph.constant(same), known.storage === tensor.storage,
        known.byteOffset == tensor.byteOffset, known.element == tensor.element, known.shape == tensor.shape,
        known.strings == tensor.strings
      {
        moved[id] = same
      } else {
        moved[id] = try graph.addConstant(graph.freshName(value.name), tensor)
      }
    }
    for id in branch.order {
      let inner = branch[id]
      let inputs = try inner.inputs.map { try $0.map { try find($0) } }
      let names = inner.outputs.map { $0.map { graph.freshName(branch[$0].name) } }
      let results = try graph.append(
        inner.op, inputs, captures: inner.captures.map(find), name: "\(node.name)/\(inner.name)", outputs: names)
      for case (let old?, let new?) in zip(inner.outputs, results) {
        moved[old] = new
        graph.refine(new, with: branch[old].type)
      }
    }
    for (output, result) in zip(node.outputs, branch.outputs) {
      guard let output else { continue }
      try graph.replace(output, with: find(result))
    }

    func find(_ id: ValueID) throws -> ValueID {
      guard let found = moved[id] else {
        throw LigatureError(.cycle, "the branch reads '\(branch[id].name)', which nothing makes", node: node.name)
      }
      return found
    }
  }
}
