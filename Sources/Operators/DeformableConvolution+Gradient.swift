public import GraphIR
import TensorCore

extension DeformConv: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let g = try context.cotangent()
    let results = try builder.append(
      DeformConvGradient(self),
      [context.input(0), context.input(1), context.input(2), context.optional(4), g],
      wanted: [0, 1, 2, 4].map(context.needs))
    return [results[0], results[1], results[2], context.needs(3) ? try channelSum(g, &builder) : nil, results[3]]
  }
}

/// The derivative of `DeformConv`: x, weights, offsets, mask? and the gradient `[N, M, oH, oW]` → the gradients of x,
/// weights, offsets and mask, each optional.
public struct DeformConvGradient: Operator {
  public static let names = [OperatorName("DeformConvGradient", domain: "ligature")]
  public var name: OperatorName { DeformConvGradient.names[0] }
  /// What it belongs to.
  public let forward: DeformConv

  public init(_ forward: DeformConv) { self.forward = forward }
  public init(name: OperatorName, attributes: Attributes) throws {
    forward = try DeformConv(name: DeformConv.names[0], attributes: attributes)
  }
  public var attributes: Attributes { forward.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(5...5)
    let (x, w, offsets, g) = (
      try context.input(0), try context.input(1), try context.input(2), try context.input(4)
    )
    let y = try forward.inferTypes(InferenceContext([x, w, offsets, nil, context.optional(3)]))[0]
    guard g.isCompatible(with: y) else {
      throw LigatureError(.shape, "the gradient is \(g), but the convolution gives \(y)")
    }
    var mask = offsets
    mask.shape =
      try context.optional(3)?.shape
      ?? offsets.shape.map {
        [$0[0], try $0[1].dividedRoundingDown(by: 2), $0[2], $0[3]]
      }
    return [x, w, offsets, mask]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let g = context.optional(4)?.sizes, let w = context.optional(1)?.sizes,
      let count = try? Checked.elementCount(g),
      let taps = try? Checked.elementCount(Array(w.dropFirst())), let work = try? Checked.multiply(count, taps),
      let both = try? Checked.multiply(work, 2)
    else { return .moving(context.inputs, outputs) }
    return .moving(context.inputs, outputs, multiplyAdds: both)
  }
}
