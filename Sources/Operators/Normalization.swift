public import GraphIR
import TensorCore

/// Batch normalisation: `[N, C, …], scale [C], bias [C], mean [C], variance [C] → [N, C, …]`.
///
/// With recorded statistics, unless it trains: then mean and variance are those of the input over all but C, and two
/// more outputs, `[C]` each, hold `momentum` times the old statistics + `(1 - momentum)` times the new ones. The
/// variance is that of the batch as it is (divided by N, not by N - 1).
public struct BatchNormalization: Operator {
  public static let names = [OperatorName("BatchNormalization")]
  public var name: OperatorName { BatchNormalization.names[0] }
  public let epsilon: Float
  public let momentum: Float
  public let isTraining: Bool

  public init(epsilon: Float = 1e-5, momentum: Float = 0.9, isTraining: Bool = false) {
    self.epsilon = epsilon
    self.momentum = momentum
    self.isTraining = isTraining
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(
      epsilon: try attributes.float("epsilon", default: 1e-5), momentum: try attributes.float("momentum", default: 0.9),
      isTraining: try attributes.flag("training_mode", default: false))
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("epsilon", epsilon)
    result.set("momentum", momentum)
    if isTraining { result.set("training_mode", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(5...5)
    try context.expectOutputs(isTraining ? 1...3 : 1...1)
    let inputs = try context.allInputs()
    let element = try sharedElement([inputs[0]])
    try expect(element, in: .floats, "the input")
    try expectChannels(inputs[0], Array(inputs[1...]))
    return [inputs[0], inputs[3], inputs[4]]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: isTraining ? 4 : 1)
  }
  public var traits: Traits { isTraining ? [] : .canReuseInput0 }
}

/// Normalises over the axes from `axis` on: `x, scale, bias? → y, mean?, 1 / standard deviation?`; scale and bias have
/// the shape of those axes.
public struct LayerNormalization: Operator {
  public static let names = [OperatorName("LayerNormalization")]
  public var name: OperatorName { LayerNormalization.names[0] }
  public let axis: Int
  public let epsilon: Float

  public init(axis: Int = -1, epsilon: Float = 1e-5) {
    self.axis = axis
    self.epsilon = epsilon
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    guard try attributes.int("stash_type", default: 1) == 1 else {
      throw LigatureError(.unsupported, "LayerNormalization computes in float32: stash_type must be 1")
    }
    self.init(
      axis: try attributes.int("axis", default: -1), epsilon: try attributes.float("epsilon", default: 1e-5))
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("axis", axis)
    result.set("epsilon", epsilon)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...3)
    let x = try context.input(0)
    let element = try sharedElement([x, try context.input(1), context.optional(2)].compactMap { $0 })
    try expect(element, in: .floats, "the input")
    let statistics = TensorType(element == .float64 ? .float64 : .float32, nil)
    guard let shape = x.shape else { return [TensorType(element, nil), statistics, statistics] }
    let first = try normalizedAxis(axis, rank: shape.count)
    let normalized = TensorType(element, Array(shape[first...]))
    for index in 1...2 {
      guard let operand = context.optional(index) else { continue }
      guard operand.isCompatible(with: normalized) else {
        throw LigatureError(
          .shape, "input \(index) is \(operand), but must have the shape that is normalised: \(normalized)")
      }
    }
    let reduced = shape[..<first] + Array(repeating: 1, count: shape.count - first)
    let moments = TensorType(statistics.element, Array(reduced))
    return [TensorType(element, shape), moments, moments]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 4)
  }
}

/// Normalises each channel of each image by itself: `[N, C, …], scale [C], bias [C] → [N, C, …]`.
public struct InstanceNormalization: Operator {
  public static let names = [OperatorName("InstanceNormalization")]
  public var name: OperatorName { InstanceNormalization.names[0] }
  public let epsilon: Float

  public init(epsilon: Float = 1e-5) { self.epsilon = epsilon }
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
    try expect(try sharedElement(inputs), in: .floats, "the input")
    if let rank = inputs[0].rank, rank < 3 {
      throw LigatureError(.rank, "takes [N, C, …] with at least one spatial axis, not \(inputs[0])")
    }
    try expectChannels(inputs[0], Array(inputs[1...]))
    return [inputs[0]]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 4)
  }
}

/// Each of `parameters` has one value a channel of `x`.
func expectChannels(_ x: TensorType, _ parameters: [TensorType]) throws {
  if let rank = x.rank, rank < 2 { throw LigatureError(.rank, "takes [N, C, …], not \(x)") }
  for parameter in parameters {
    try expect(parameter.element, in: .floats, "a parameter")
    let wanted = TensorType(.undefined, [x.shape?[1] ?? .unknown("C")])
    guard parameter.isCompatible(with: wanted) else {
      throw LigatureError(.shape, "a parameter is \(parameter), but must have one value for each channel of \(x)")
    }
  }
}
