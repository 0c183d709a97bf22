public import GraphIR
import TensorCore

// Normalisations besides those that networks for text use.

/// Local response normalisation over channels: `[N, C, …] → [N, C, …]`, x / (bias + alpha / size Σ x²)^beta, the sum
/// over `size` neighbouring channels.
public struct LocalResponseNormalization: Operator {
  public static let names = [OperatorName("LRN")]
  public var name: OperatorName { LocalResponseNormalization.names[0] }
  public let size: Int
  public let alpha: Float
  public let beta: Float
  public let bias: Float

  public init(name: OperatorName, attributes: Attributes) throws {
    size = try attributes.int("size")
    alpha = try attributes.float("alpha", default: 1e-4)
    beta = try attributes.float("beta", default: 0.75)
    bias = try attributes.float("bias", default: 1)
    guard size > 0, size < 1 << 31 else {
      throw LigatureError(.attribute, "attribute 'size' is \(size), but must be positive")
    }
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("size", size)
    result.set("alpha", alpha)
    result.set("beta", beta)
    result.set("bias", bias)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    if let rank = x.rank, rank < 2 { throw LigatureError(.rank, "takes [N, C, …], not \(x)") }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 8)
  }
}

/// (x - mean) / (standard deviation + 1e-9), both over `axes`: `[…] → […]`.
public struct MeanVarianceNormalization: Operator {
  public static let names = [OperatorName("MeanVarianceNormalization")]
  public var name: OperatorName { MeanVarianceNormalization.names[0] }
  public let axes: [Int]

  public init(name: OperatorName, attributes: Attributes) throws {
    axes = try attributes.ints("axes", default: [0, 2, 3])
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("axes", axes)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    if let rank = x.rank { _ = try normalizedAxes(axes, rank: rank) }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 4)
  }
}

/// Normalises the channels of each group of each image together: `[N, C, …], scale [C], bias [C] → [N, C, …]`.
public struct GroupNormalization: Operator {
  public static let names = [OperatorName("GroupNormalization")]
  public var name: OperatorName { GroupNormalization.names[0] }
  public let groups: Int
  public let epsilon: Float
  public let attributes: Attributes

  public init(name: OperatorName, attributes: Attributes) throws {
    groups = try attributes.int("num_groups")
    epsilon = try attributes.float("epsilon", default: 1e-5)
    self.attributes = attributes
    guard groups > 0 else { throw LigatureError(.attribute, "num_groups is \(groups), but must be positive") }
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let inputs = try context.allInputs()
    try expect(try sharedElement(inputs), in: .floats, "the input")
    try expectChannels(inputs[0], Array(inputs[1...]))
    if let channels = inputs[0].shape?[1].value, channels % groups != 0 {
      throw LigatureError(.shape, "\(channels) channels cannot be shared between \(groups) groups")
    }
    return [inputs[0]]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 4)
  }
}

/// x / |x|_p along an axis: `[…] → […]`; where the norm is 0, the result is 0.
public struct LpNormalization: Operator {
  public static let names = [OperatorName("LpNormalization")]
  public var name: OperatorName { LpNormalization.names[0] }
  public let axis: Int
  public let p: Int

  public init(name: OperatorName, attributes: Attributes) throws {
    axis = try attributes.int("axis", default: -1)
    p = try attributes.int("p", default: 2)
    guard p == 1 || p == 2 else { throw LigatureError(.attribute, "attribute 'p' is \(p), but must be 1 or 2") }
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("axis", axis)
    result.set("p", p)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    if let rank = x.rank { _ = try normalizedAxis(axis, rank: rank) }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 2)
  }
}

/// 1 at the first maximum along an axis, 0 elsewhere: `[…] → […]`.
public struct Hardmax: Operator {
  public static let names = [OperatorName("Hardmax")]
  public var name: OperatorName { Hardmax.names[0] }
  public let axis: Int

  public init(name: OperatorName, attributes: Attributes) throws { axis = try attributes.int("axis", default: -1) }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("axis", axis)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    if let rank = x.rank { _ = try normalizedAxis(axis, rank: rank) }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
}
