public import GraphIR
import TensorCore

extension Binary: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (a, b) = (try context.input(0), try context.input(1))
    let (y, g) = (try context.output(), try context.cotangent())
    switch function {
    case .add: return [g, g]
    case .sub: return [g, context.needs(1) ? try builder.negate(g) : nil]
    case .mul:
      return [
        context.needs(0) ? try builder.multiply(g, b) : nil, context.needs(1) ? try builder.multiply(g, a) : nil,
      ]
    case .div:
      let quotient = try builder.divide(g, b)
      return [quotient, context.needs(1) ? try builder.negate(builder.multiply(quotient, y)) : nil]
    case .pow: return try power(a, b, y, g, context, &builder)
    case .prelu:
      let rises = try builder.compare(a, .greater, 0)
      return [
        context.needs(0) ? try builder.select(rises, g, builder.multiply(g, b)) : nil,
        context.needs(1) ? try builder.select(rises, builder.number(0, like: g), builder.multiply(g, a)) : nil,
      ]
    case .mod:
      // a - b q, and q is constant but for jumps. (a - y) / b is q, up to rounding.
      guard context.needs(1) else { return [g] }
      let whole = try builder.unary(.round, builder.divide(builder.subtract(a, y), b))
      return [g, try builder.negate(builder.multiply(g, whole))]
    case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual, .and, .or, .xor, .bitShift, .bitwiseAnd, .bitwiseOr,
      .bitwiseXor:
      return [nil, nil]
    }
  }

  private func power(
    _ a: ValueID, _ b: ValueID, _ y: ValueID, _ g: ValueID, _ context: GradientContext, _ builder: inout GraphBuilder
  ) throws -> [ValueID?] {
    let element = builder.type(a).element
    let exponent = try builder.cast(b, to: element)
    var results: [ValueID?] = [nil, nil]
    if context.needs(0) {
      let scaled = try builder.multiply(g, exponent)
      if let known = try builder.graph[b].tensor?.floats(), known == [2] {
        results[0] = try builder.multiply(scaled, a)
      } else {
        let lower = try builder.append(
          Binary(.pow), [a, builder.subtract(exponent, builder.number(1, like: exponent))])
        // A constant has derivative 0, also where x^(-1) is infinite.
        let isConstant = try builder.compare(exponent, .equal, 0)
        results[0] = try builder.select(isConstant, builder.number(0, like: g), builder.multiply(scaled, lower))
      }
    }
    if context.needs(1) {
      let logarithm = try builder.unary(.log, a)
      let slope = try builder.multiply(builder.multiply(g, y), logarithm)
      // 0^b is flat for b >= 0.
      let isFlat = try builder.append(
        Binary(.and), [builder.compare(a, .equal, 0), builder.compare(exponent, .greaterOrEqual, 0)])
      let result = try builder.select(isFlat, builder.number(0, like: g), slope)
      results[1] = try builder.cast(result, to: builder.type(b).element)
    }
    return results
  }
}

extension Variadic: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (y, g) = (try context.output(), try context.cotangent())
    let inputs = try context.inputs.indices.map(context.input)
    switch function {
    case .sum: return inputs.map { _ in g }
    case .mean:
      let share = try builder.scale(g, by: 1 / Double(inputs.count))
      return inputs.map { _ in share }
    case .min, .max:
      if inputs.count == 1 { return [g] }
      // Equal extremes share the gradient.
      let hits = try inputs.map { try builder.cast(builder.binary(.equal, $0, y), to: builder.type(y).element) }
      let total = try hits.dropFirst().reduce(hits[0]) { try builder.add($0, $1) }
      let share = try builder.divide(g, total)
      return try hits.enumerated().map { context.needs($0) ? try builder.multiply(share, $1) : nil }
    }
  }
}

extension Where: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (condition, g) = (try context.input(0), try context.cotangent())
    let zero = try builder.number(0, like: g)
    return [
      nil, context.needs(1) ? try builder.select(condition, g, zero) : nil,
      context.needs(2) ? try builder.select(condition, zero, g) : nil,
    ]
  }
}
