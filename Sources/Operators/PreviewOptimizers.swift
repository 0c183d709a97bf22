public import GraphIR
import TensorCore

/// The optimisers of the domain `ai.onnx.preview.training`: `rate [], count int64 [], X…, G…, (V…,) (H…) → X…, (V…,)
/// (H…)`, for any number of parameters X with gradients G, momenta V and sums of squares H.
public struct PreviewOptimizer: Operator {
  public enum Kind: String, CaseIterable, Sendable {
    case adagrad = "Adagrad"
    case adam = "Adam"
    case momentum = "Momentum"

    /// Tensors that belong to each parameter, itself and its gradient among them.
    package var stateCount: Int { self == .adam ? 4 : 3 }
  }
  public static let names = Kind.allCases.map { OperatorName($0.rawValue, domain: "ai.onnx.preview.training") }
  public var name: OperatorName { OperatorName(kind.rawValue, domain: "ai.onnx.preview.training") }
  public let kind: Kind
  /// Decay of the rate (Adagrad), or of the momentum.
  public let alpha: Float
  public let beta: Float
  public let epsilon: Float
  public let norm: Float
  public let normAfter: Float
  public let isNesterov: Bool
  public let attributes: Attributes

  public init(name: OperatorName, attributes: Attributes) throws {
    kind = Kind(rawValue: name.type) ?? .momentum
    self.attributes = attributes
    norm = try attributes.float("norm_coefficient", default: 0)
    normAfter = try attributes.float("norm_coefficient_post", default: 0)
    switch kind {
    case .adagrad:
      alpha = try attributes.float("decay_factor", default: 0)
      (beta, epsilon) = (0, try attributes.float("epsilon", default: 1e-6))
    case .adam:
      alpha = try attributes.float("alpha", default: 0.9)
      (beta, epsilon) = (try attributes.float("beta", default: 0.999), try attributes.float("epsilon", default: 1e-6))
    case .momentum:
      alpha = try attributes.float("alpha", default: 0)
      (beta, epsilon) = (try attributes.float("beta", default: 0), 0)
    }
    let mode = try attributes.string("mode", default: "standard")
    guard ["standard", "nesterov"].contains(mode) else {
      throw LigatureError(.attribute, "attribute 'mode' is '\(mode)'; known are: standard, nesterov")
    }
    isNesterov = mode == "nesterov"
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    let inputs = try context.allInputs()
    let count = (inputs.count - 2) / kind.stateCount
    guard count > 0, inputs.count == 2 + count * kind.stateCount else {
      throw LigatureError(.arity, "\(name) takes a rate, a count and \(kind.stateCount) tensors for each parameter")
    }
    for scalar in inputs[..<2] {
      if let sizes = scalar.sizes, try Checked.elementCount(sizes) != 1 {
        throw LigatureError(.shape, "rate and count must be single numbers, not \(scalar)")
      }
    }
    for (index, input) in inputs.enumerated().dropFirst(2) {
      try expect(input.element, in: .floats, "a parameter")
      let parameter = inputs[2 + (index - 2) % count]
      guard input.isCompatible(with: parameter) else {
        throw LigatureError(.shape, "input \(index) is \(input), but belongs to \(parameter)")
      }
    }
    // All but the gradients.
    return Array(inputs[2..<2 + count] + inputs[(2 + 2 * count)...])
  }
}
