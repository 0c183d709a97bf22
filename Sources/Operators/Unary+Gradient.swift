public import GraphIR
import TensorCore

extension Unary: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, y, g) = (try context.input(0), try context.output(), try context.cotangent())
    switch function {
    case .neg: return [try builder.negate(g)]
    case .relu: return [try builder.append(ReluGradient(), [y, g])]
    case .thresholdedRelu: return [try builder.keep(g, where: builder.compare(x, .greater, Double(alpha)))]
    case .shrink: return [try builder.keep(g, where: builder.compare(builder.unary(.abs, x), .greater, Double(alpha)))]
    case .floor, .ceil, .round, .sign: return [nil]
    case .hardSigmoid:
      let inside = try builder.append(
        Binary(.and), [builder.compare(y, .greater, 0), builder.compare(y, .less, 1)])
      return [try builder.keep(builder.scale(g, by: Double(alpha)), where: inside)]
    case .leakyRelu:
      return [try builder.select(builder.compare(x, .greater, 0), g, builder.scale(g, by: Double(alpha)))]
    case .log: return [try builder.divide(g, x)]
    case .sqrt: return [try builder.divide(builder.scale(g, by: 0.5), y)]
    default:
      let slope = try smoothSlope(x, y, &builder) ?? trigonometricSlope(x, y, &builder)
      return [try builder.multiply(g, slope)]
    }
  }

  /// The derivative of activations and exponentials.
  private func smoothSlope(_ x: ValueID, _ y: ValueID, _ builder: inout GraphBuilder) throws -> ValueID? {
    switch function {
    case .sigmoid: return try builder.multiply(y, builder.affine(y, times: -1, plus: 1))
    case .tanh: return try builder.affine(builder.square(y), times: -1, plus: 1)
    case .exp: return y
    case .abs: return try builder.unary(.sign, x)
    case .reciprocal: return try builder.negate(builder.square(y))
    case .erf: return try builder.scale(bell(x, -1, &builder), by: 2 / Double.pi.squareRoot())
    case .softplus: return try builder.unary(.sigmoid, x)
    case .softsign:
      return try builder.unary(.reciprocal, builder.square(builder.affine(builder.unary(.abs, x), times: 1, plus: 1)))
    case .hardSwish:
      // x h(x) with h = HardSigmoid of slope 1/6.
      let gate = try builder.append(Unary(.hardSigmoid, alpha: 1 / 6, beta: 0.5), [x])
      let inside = try builder.append(
        Binary(.and), [builder.compare(gate, .greater, 0), builder.compare(gate, .less, 1)])
      return try builder.add(gate, builder.keep(builder.scale(x, by: 1.0 / 6), where: inside))
    case .elu: return try jump(x, 1, builder.affine(y, times: 1, plus: Double(alpha)), &builder)
    case .selu:
      return try jump(x, Double(beta), builder.affine(y, times: 1, plus: Double(alpha) * Double(beta)), &builder)
    case .celu: return try jump(x, 1, builder.affine(y, times: 1 / Double(alpha), plus: 1), &builder)
    case .swish:
      let gate = try builder.unary(.sigmoid, builder.scale(x, by: Double(alpha)))
      let rest = try builder.multiply(builder.scale(y, by: Double(alpha)), builder.affine(gate, times: -1, plus: 1))
      return try builder.add(gate, rest)
    case .mish:
      let gate = try builder.unary(.tanh, builder.unary(.softplus, x))
      let rest = try builder.multiply(
        builder.multiply(x, builder.unary(.sigmoid, x)), builder.affine(builder.square(gate), times: -1, plus: 1))
      return try builder.add(gate, rest)
    case .gelu: return try approximatesByTanh ? tanhGeluSlope(x, &builder) : geluSlope(x, &builder)
    default: return nil
    }
  }

  /// `right` where x > 0, `left` elsewhere.
  private func jump(_ x: ValueID, _ right: Double, _ left: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    try builder.select(builder.compare(x, .greater, 0), builder.number(right, like: x), left)
  }

  /// exp(factor x²)
  private func bell(_ x: ValueID, _ factor: Double, _ builder: inout GraphBuilder) throws -> ValueID {
    try builder.unary(.exp, builder.scale(builder.square(x), by: factor))
  }

  /// Φ(x) + x φ(x) of the normal distribution.
  private func geluSlope(_ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    let error = try builder.unary(.erf, builder.scale(x, by: 0.5.squareRoot()))
    let distribution = try builder.affine(error, times: 0.5, plus: 0.5)
    let density = try builder.scale(bell(x, -0.5, &builder), by: 1 / (2 * Double.pi).squareRoot())
    return try builder.add(distribution, builder.multiply(x, density))
  }

  /// Of x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).
  private func tanhGeluSlope(_ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    let factor = (2 / Double.pi).squareRoot()
    let squared = try builder.square(x)
    let inner = try builder.multiply(x, builder.affine(squared, times: 0.044715 * factor, plus: factor))
    let tanh = try builder.unary(.tanh, inner)
    let innerSlope = try builder.affine(squared, times: 3 * 0.044715 * factor, plus: factor)
    let tanhSlope = try builder.affine(builder.square(tanh), times: -1, plus: 1)
    let rest = try builder.multiply(builder.scale(x, by: 0.5), builder.multiply(tanhSlope, innerSlope))
    return try builder.add(builder.affine(tanh, times: 0.5, plus: 0.5), rest)
  }

  private func trigonometricSlope(_ x: ValueID, _ y: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    /// (sign x² + shift) to the power of -1/2 or -1.
    func inverse(_ sign: Double, _ shift: Double, root: Bool) throws -> ValueID {
      let inner = try builder.affine(builder.square(x), times: sign, plus: shift)
      return try builder.unary(.reciprocal, root ? builder.unary(.sqrt, inner) : inner)
    }
    switch function {
    case .sin: return try builder.unary(.cos, x)
    case .cos: return try builder.negate(builder.unary(.sin, x))
    case .tan: return try builder.affine(builder.square(y), times: 1, plus: 1)
    case .asin: return try inverse(-1, 1, root: true)
    case .acos: return try builder.negate(inverse(-1, 1, root: true))
    case .atan: return try inverse(1, 1, root: false)
    case .sinh: return try builder.unary(.cosh, x)
    case .cosh: return try builder.unary(.sinh, x)
    case .asinh: return try inverse(1, 1, root: true)
    case .acosh: return try inverse(1, -1, root: true)
    default: return try inverse(-1, 1, root: false)  // atanh
    }
  }
}

/// The derivative of `Relu` by its input: `y […], gradient […] → […]`, the gradient where the result y is positive, 0
/// elsewhere. Of the result rather than the input, which need not be kept.
public struct ReluGradient: Operator {
  public static let names = [OperatorName("ReluGradient", domain: "ligature")]
  public var name: OperatorName { ReluGradient.names[0] }

  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}
  public var attributes: Attributes { Attributes() }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (y, g) = (try context.input(0), try context.input(1))
    try expect(try sharedElement([y, g]), in: .floats, "the gradient")
    guard g.isCompatible(with: y) else { throw LigatureError(.shape, "the gradient is \(g), but the result \(y)") }
    return [y]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
  public var traits: Traits { [.canReuseInput0, .canReuseInput1] }
}

extension ReluGradient: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [nil, try builder.append(self, [context.input(0), context.cotangent()])]
  }
}

extension Clip: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, g) = (try context.input(0), try context.cotangent())
    var results: [ValueID?] = [g, nil, nil]
    for (index, comparison) in [(1, Binary.Function.less), (2, .greater)] {
      guard let bound = context.optional(index) else { continue }
      let isOutside = try builder.binary(comparison, x, bound)
      if context.needs(index) { results[index] = try builder.keep(g, where: isOutside) }
      if context.needs(0), let inner = results[0] {
        results[0] = try builder.select(isOutside, builder.number(0, like: g), inner)
      }
    }
    return Array(results.prefix(context.inputs.count))
  }
}

extension Cast: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let x = try context.input(0)
    return [try builder.cast(context.cotangent(), to: builder.type(x).element)]
  }
}

extension Identity: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [try context.cotangent()]
  }
}
