public import GraphIR
import TensorCore

extension Reduce: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, y) = (try context.input(0), try context.output())
    // Both as broad as x, with size 1 where it was reduced.
    let g = try restored(context.cotangent(), context, &builder)
    let narrow = try restored(y, context, &builder)
    switch function {
    case .sum: return [try builder.expand(g, like: x)]
    case .mean: return [try builder.expand(builder.divide(g, builder.count(of: x, over: y)), like: x)]
    case .max, .min:
      // Equal extremes share the gradient.
      let hits = try builder.cast(builder.binary(.equal, x, narrow), to: builder.type(x).element)
      let total = try restored(
        builder.append(Reduce(.sum, like: self), [hits, context.optional(1)]), context, &builder)
      return [try builder.multiply(hits, builder.divide(g, total))]
    case .l1: return [try builder.multiply(g, builder.unary(.sign, x))]
    case .l2:
      // At 0 the norm has a kink, and 0 is one of its slopes.
      let isZero = try builder.compare(narrow, .equal, 0)
      let share = try builder.select(isZero, builder.number(0, like: g), builder.divide(g, narrow))
      return [try builder.multiply(share, x)]
    case .sumSquare: return [try builder.multiply(builder.scale(g, by: 2), x)]
    case .logSum: return [try builder.expand(builder.multiply(g, builder.unary(.exp, builder.negate(narrow))), like: x)]
    case .logSumExp: return [try builder.multiply(g, builder.unary(.exp, builder.subtract(x, narrow)))]
    case .prod:
      let (values, zeros) = try builder.withoutZeros(x)
      let product = try restored(builder.append(self, [values, context.optional(1)]), context, &builder)
      let count = try restored(
        builder.append(Reduce(.sum, like: self), [zeros, context.optional(1)]), context, &builder)
      return [try builder.multiply(g, builder.cofactor(of: x, product: product, zeros: count))]
    }
  }

  private init(_ function: Function, like other: Reduce) {
    self.init(function, keepsDimensions: other.keepsDimensions, noAxesMeansNone: other.noAxesMeansNone)
  }

  /// A value of the result's shape with the reduced axes put back as 1.
  private func restored(_ value: ValueID, _ context: GradientContext, _ builder: inout GraphBuilder) throws -> ValueID {
    guard !keepsDimensions else { return value }
    let rank = try builder.rank(of: context.input(0))
    let given = try context.optional(1).map { axes in
      guard let integers = try builder.graph[axes].tensor?.integers() else {
        throw LigatureError(.unsupported, "\(name) has no gradient rule for axes that are computed")
      }
      return integers
    }
    let axes = try reducedAxes(given, rank: rank).enumerated().filter(\.element).map(\.offset)
    return axes.isEmpty ? value : try builder.append(Unsqueeze(), [value, builder.integers(axes, name: "axes")])
  }
}

extension CumSum: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [
      try builder.append(
        CumSum(exclusive: isExclusive, reversed: !isReversed), [context.cotangent(), context.input(1)]), nil,
    ]
  }
}
