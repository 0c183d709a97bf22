public import GraphIR
import TensorCore

/// What a loss makes of the losses of all places.
public enum LossReduction: String, CaseIterable, Sendable {
  case none, sum, mean
}

/// Losses of class scores: `[N, C, …], labels [N, …], weights [C]? → [N, …] or []`.
///
/// `NegativeLogLikelihoodLoss` takes logarithms of probabilities; `SoftmaxCrossEntropyLoss` takes scores and gives the
/// logarithms as a second output. Places whose label is `ignore_index` count for nothing.
public struct ClassificationLoss: Operator {
  public static let names = [OperatorName("NegativeLogLikelihoodLoss"), OperatorName("SoftmaxCrossEntropyLoss")]
  public let name: OperatorName
  public let reduction: LossReduction
  public let ignoredLabel: Int?
  public var takesScores: Bool { name == ClassificationLoss.names[1] }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.name = name
    reduction = try attributes.choice("reduction", default: .mean)
    ignoredLabel = try attributes.optionalInt("ignore_index")
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("reduction", reduction.rawValue)
    if let ignoredLabel { result.set("ignore_index", ignoredLabel) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...3)
    let (x, labels) = (try context.input(0), try context.input(1))
    try expect(try sharedElement([x, context.optional(2)].compactMap { $0 }), in: .floats, "the input")
    try expect(labels.element, in: .indices, "the labels")
    var losses = labels.shape
    if let shape = x.shape {
      guard shape.count >= 2 else { throw LigatureError(.rank, "takes [N, C, …], not \(x)") }
      let wanted = shape[..<1] + shape[2...]
      guard labels.isCompatible(with: TensorType(.undefined, Array(wanted))) else {
        throw LigatureError(.shape, "the labels of \(x) must be \(Array(wanted)), not \(labels)")
      }
      losses = Array(wanted)
      let weights = TensorType(x.element, [shape[1]])
      if let given = context.optional(2), !given.isCompatible(with: weights) {
        throw LigatureError(.shape, "the weights of the classes must be \(weights), not \(given)")
      }
    }
    let loss = TensorType(x.element, reduction == .none ? losses : [])
    return takesScores ? [loss, x] : [loss]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    .moving(context.inputs, outputs)
  }
}
