import TensorCore

extension Graph {
  /// Checks everything anew: single assignment, acyclicity, arity, types, consistency of uses.
  /// Passes are followed by it in tests; it throws the first violation.
  public func verify() throws {
    let order = order
    var defined = Set<ValueID>()
    for id in valueIDs {
      if case .result = self[id].role { continue }
      defined.insert(id)
    }
    for id in order {
      let node = self[id]
      for operand in node.operands {
        guard defined.contains(operand) else {
          throw LigatureError(.cycle, "reads '\(self[operand].name)' before it is made: a cycle", node: node.name)
        }
        guard uses(of: operand).contains(id) else {
          throw LigatureError(.cycle, "is not listed among the users of '\(self[operand].name)'", node: node.name)
        }
      }
      let (types, _) = try Graph.infer(node.op, inferenceContext(of: node), node: node.name)
      for (slot, output) in node.outputs.enumerated() {
        guard let output else { continue }
        guard case .result(of: id, slot: slot) = self[output].role else {
          throw LigatureError(.cycle, "'\(self[output].name)' is not the result of its node", node: node.name)
        }
        guard types[slot].isCompatible(with: self[output].type) else {
          throw LigatureError(
            .type,
            "'\(self[output].name)' is recorded as \(self[output].type), but \(node.op.name) gives \(types[slot])",
            node: node.name)
        }
        defined.insert(output)
      }
    }
    for (value, name) in zip(outputs, outputNames) where !defined.contains(value) {
      throw LigatureError(.cycle, "the output '\(name)' is never made")
    }
  }
}
