public import GraphIR
import TensorCore

extension BatchNormalization: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, gamma) = (try context.input(0), try context.input(1))
    for index in 1...2 where context.optionalCotangent(index) != nil {
      throw LigatureError(.unsupported, "the running statistics of BatchNormalization cannot be part of a loss")
    }
    let g = try context.cotangent()
    guard isTraining else { return try frozenGradient(x, gamma, g, context, &builder) }
    let results = try builder.append(
      BatchNormalizationGradient(epsilon: epsilon), [x, gamma, g], wanted: [true, true, true])
    return results + [nil, nil]
  }

  /// With recorded statistics it is an affine function of each channel.
  private func frozenGradient(
    _ x: ValueID, _ gamma: ValueID, _ g: ValueID, _ context: GradientContext, _ builder: inout GraphBuilder
  ) throws -> [ValueID?] {
    try context.refuse(3, "a mean that is trained by back-propagation")
    try context.refuse(4, "a variance that is trained by back-propagation")
    let rank = try builder.rank(of: x)
    func perChannel(_ value: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
      try builder.append(Unsqueeze(), [value, builder.integers(Array(1..<rank - 1), name: "axes")])
    }
    let variance = try builder.affine(context.input(4), times: 1, plus: Double(epsilon))
    let deviation = try builder.unary(.sqrt, variance)
    var results = [ValueID?](repeating: nil, count: 5)
    if context.needs(0) {
      results[0] = try builder.multiply(g, perChannel(builder.divide(gamma, deviation), &builder))
    }
    if context.needs(1) {
      let centred = try builder.subtract(x, perChannel(context.input(3), &builder))
      results[1] = try builder.divide(channelSum(builder.multiply(g, centred), &builder), deviation)
    }
    if context.needs(2) { results[2] = try channelSum(g, &builder) }
    return results
  }
}

/// The derivative of batch normalisation in training mode, whose statistics are those of x:
/// `x [N, C, …], scale [C], gradient [N, C, …] → of x [N, C, …], of scale [C], of bias [C]`.
public struct BatchNormalizationGradient: Operator {
  public static let names = [OperatorName("BatchNormalizationGradient", domain: "ligature")]
  public var name: OperatorName { BatchNormalizationGradient.names[0] }
  public let epsilon: Float

  public init(epsilon: Float) { self.epsilon = epsilon }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(epsilon: try attributes.float("epsilon", default: 1e-5))
  }
  public var attributes: Attributes {
    var result = Attributes()
    result.set("epsilon", epsilon)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let inputs = try context.allInputs()
    try expect(try sharedElement([inputs[0], inputs[2]]), in: .floats, "the input")
    guard inputs[2].isCompatible(with: inputs[0]) else {
      throw LigatureError(.shape, "the gradient is \(inputs[2]), but x is \(inputs[0])")
    }
    try expectChannels(inputs[0], [inputs[1]])
    return [inputs[0], inputs[1], inputs[1]]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 8)
  }
  /// Of x, which is usually kept for this alone.
  public var traits: Traits { .canReuseInput0 }
}

extension LayerNormalization: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, gamma, g) = (try context.input(0), try context.input(1), try context.cotangent())
    for index in 1...2 where context.optionalCotangent(index) != nil {
      throw LigatureError(.unsupported, "the statistics of LayerNormalization cannot be part of a loss")
    }
    let rank = try builder.rank(of: x)
    let axes = Array(try normalizedAxis(axis, rank: rank)..<rank)
    let (normal, inverse) = try normalised(x, axes: axes, epsilon: epsilon, &builder)
    let inner = try normalisedGradient(builder.multiply(g, gamma), normal, inverse, axes, &builder)
    return [inner, context.needs(1) ? try builder.multiply(g, normal) : nil, g]
  }
}

extension InstanceNormalization: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, gamma, g) = (try context.input(0), try context.input(1), try context.cotangent())
    let rank = try builder.rank(of: x)
    let axes = Array(2..<rank)
    let (normal, inverse) = try normalised(x, axes: axes, epsilon: epsilon, &builder)
    let scale = try builder.append(Unsqueeze(), [gamma, builder.integers(Array(1..<rank - 1), name: "axes")])
    return [
      try normalisedGradient(builder.multiply(g, scale), normal, inverse, axes, &builder),
      context.needs(1) ? try channelSum(builder.multiply(g, normal), &builder) : nil,
      context.needs(2) ? try channelSum(g, &builder) : nil,
    ]
  }
}

/// x with mean 0 and variance 1 over the axes, and 1 over its standard deviation there.
private func normalised(
  _ x: ValueID, axes: [Int], epsilon: Float, _ builder: inout GraphBuilder
) throws -> (normal: ValueID, inverse: ValueID) {
  let centred = try builder.subtract(x, builder.reduce(.mean, x, axes: axes))
  let variance = try builder.reduce(.mean, builder.square(centred), axes: axes)
  let deviation = try builder.unary(.sqrt, builder.affine(variance, times: 1, plus: Double(epsilon)))
  let inverse = try builder.unary(.reciprocal, deviation)
  return (try builder.multiply(centred, inverse), inverse)
}

/// The gradient of what was normalised, from that of the result: what lies along the mean and along the result itself
/// has no effect.
private func normalisedGradient(
  _ g: ValueID, _ normal: ValueID, _ inverse: ValueID, _ axes: [Int], _ builder: inout GraphBuilder
) throws -> ValueID {
  let along = try builder.reduce(.mean, builder.multiply(g, normal), axes: axes)
  let flat = try builder.subtract(g, builder.reduce(.mean, g, axes: axes))
  return try builder.multiply(builder.subtract(flat, builder.multiply(normal, along)), inverse)
}
