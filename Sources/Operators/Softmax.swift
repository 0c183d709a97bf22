public import GraphIR
import TensorCore

/// exp(x) / Σ exp(x) along an axis, or its logarithm: `[…] → […]`.
public struct Softmax: Operator {
  public static let names = [OperatorName("Softmax"), OperatorName("LogSoftmax")]
  public let name: OperatorName
  public let axis: Int
  /// `LogSoftmax`.
  public var isLogarithm: Bool { name == Softmax.names[1] }

  public init(axis: Int = -1, logarithm: Bool = false) {
    name = Softmax.names[logarithm ? 1 : 0]
    self.axis = axis
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.name = name
    axis = try attributes.int("axis", default: -1)
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("axis", axis)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    if let rank = x.rank, rank > 0 || axis != -1 { _ = try normalizedAxis(axis, rank: rank) }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 8)
  }
  public var traits: Traits { .canReuseInput0 }
}
