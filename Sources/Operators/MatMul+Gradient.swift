public import GraphIR
import TensorCore

extension MatMul: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (a, b, g) = (try context.input(0), try context.input(1), try context.cotangent())
    let (aRank, bRank) = (try builder.rank(of: a), try builder.rank(of: b))
    // Operands of rank 1 become matrices of one row or one column; so does what they leave of the result.
    let left = aRank == 1 ? try builder.append(Unsqueeze(), [a, builder.integers([0])]) : a
    let right = bRank == 1 ? try builder.append(Unsqueeze(), [b, builder.integers([1])]) : b
    var product = g
    if bRank == 1 { product = try builder.append(Unsqueeze(), [product, builder.integers([-1])]) }
    if aRank == 1 { product = try builder.append(Unsqueeze(), [product, builder.integers([-2])]) }
    var results: [ValueID?] = [nil, nil]
    if context.needs(0) {
      let full = try builder.append(MatMul(), [product, builder.transposeMatrices(right)])
      results[0] = try squeezed(full, aRank == 1 ? -2 : nil, &builder)
    }
    if context.needs(1) {
      let full: ValueID
      if bRank <= 2, aRank > 2 {
        // One matrix for the whole batch: its gradient is one product over all rows.
        full = try builder.append(
          Gemm(transposesA: true), [rows(left, &builder), rows(product, &builder)])
      } else {
        full = try builder.append(MatMul(), [builder.transposeMatrices(left), product])
      }
      results[1] = try squeezed(full, bRank == 1 ? -1 : nil, &builder)
    }
    return results
  }

  private func squeezed(_ x: ValueID, _ axis: Int?, _ builder: inout GraphBuilder) throws -> ValueID {
    guard let axis else { return x }
    return try builder.append(Squeeze(), [x, builder.integers([axis], name: "axes")])
  }

  /// All but the last axis as one.
  private func rows(_ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    let rank = try builder.rank(of: x)
    return rank == 2 ? x : try builder.append(Flatten(axis: rank - 1), [x])
  }
}

extension Gemm: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (a, b, g) = (try context.input(0), try context.input(1), try context.cotangent())
    var results = [ValueID?](repeating: nil, count: context.inputs.count)
    if context.needs(0) {
      results[0] =
        transposesA
        ? try builder.append(Gemm(alpha: alpha, transposesA: transposesB, transposesB: true), [b, g])
        : try builder.append(Gemm(alpha: alpha, transposesB: !transposesB), [g, b])
    }
    if context.needs(1) {
      results[1] =
        transposesB
        ? try builder.append(Gemm(alpha: alpha, transposesA: true, transposesB: transposesA), [g, a])
        : try builder.append(Gemm(alpha: alpha, transposesA: !transposesA), [a, g])
    }
    if context.needs(2) { results[2] = try builder.scale(g, by: Double(beta)) }
    return results
  }
}
