public import GraphIR
import TensorCore

extension Einsum: Differentiable {
  /// By each operand it is another such product: of the gradient and the other operands.
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (inputs, g) = (try context.inputs.indices.map(context.input), try context.cotangent())
    let labels = try labels(ranks: inputs.map { try builder.rank(of: $0) })
    return try inputs.indices.map { index in
      guard context.needs(index) else { return nil }
      let others = inputs.indices.filter { $0 != index }
      return try operandGradient(
        labels.operands[index], of: inputs[index], terms: [labels.result] + others.map { labels.operands[$0] },
        values: [g] + others.map { inputs[$0] }, &builder)
    }
  }

  private func operandGradient(
    _ own: [Int], of x: ValueID, terms: [[Int]], values: [ValueID], _ builder: inout GraphBuilder
  ) throws -> ValueID {
    guard Set(own).count == own.count else {
      throw LigatureError(
        .unsupported, "'\(equation)' takes a diagonal, for which Einsum has no gradient rule; take it with GatherND")
    }
    let known = Set(terms.joined())
    let alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    guard known.union(own).count <= alphabet.count else {
      throw LigatureError(.unsupported, "'\(equation)' has more axes than letters; split the product")
    }
    let letters = Dictionary(uniqueKeysWithValues: zip(known.union(own).sorted(), alphabet))
    func text(_ term: [Int]) -> String { String(term.compactMap { letters[$0] }) }
    let product = try builder.append(
      Einsum(terms.map(text).joined(separator: ",") + "->" + text(own.filter(known.contains))), values)
    // Along axes that were summed over on their own the gradient is the same everywhere.
    let alone = own.indices.filter { !known.contains(own[$0]) }
    let whole =
      alone.isEmpty ? product : try builder.append(Unsqueeze(), [product, builder.integers(alone, name: "axes")])
    return try builder.expand(whole, like: x)
  }
}
