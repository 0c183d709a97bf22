public import GraphIR
import TensorCore

/// `probability, target → loss`, all of one shape: `-t log p - (1 - t) log(1 - p)` of each element, logarithms not
/// below -100 (PyTorch's `binary_cross_entropy` without reduction).
///
/// The derivative is PyTorch's, too: `(p - t) / max(p (1 - p), 1e-12)`, also where a logarithm is cut off.
public struct BinaryCrossEntropy: Operator {
  public static let names = [OperatorName("BinaryCrossEntropy", domain: "ligature")]
  public var name: OperatorName { BinaryCrossEntropy.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (p, t) = (try context.input(0), try context.input(1))
    try expect(try sharedElement([p, t]), in: .floats, "the input")
    guard p.isCompatible(with: t) else {
      throw LigatureError(.shape, "probabilities are \(p), but targets are \(t)")
    }
    return [p]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 8)
  }
  public var traits: Traits { .canReuseInput0 }
}

extension BinaryCrossEntropy: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try context.refuse(1, "targets of a cross entropy that are trained")
    guard context.needs(0) else { return [nil, nil] }
    let (p, t, g) = (try context.input(0), try context.input(1), try context.cotangent())
    let spread = try builder.subtract(p, builder.square(p))
    let divisor = try builder.append(Variadic(.max), [spread, builder.number(1e-12, like: p)])
    return [try builder.multiply(g, builder.divide(builder.subtract(p, t), divisor)), nil]
  }
}
