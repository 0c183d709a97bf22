public import GraphIR
import TensorCore

extension RoiAlign: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try context.refuse(1, "the boxes of RoiAlign, which PyTorch takes for constants as well")
    let x = try context.input(0)
    let gradient = try builder.append(
      RoiAlignGradient(self),
      [
        context.cotangent(), builder.shape(of: x), context.input(1), context.input(2), mode == .max ? x : nil,
      ])
    return [gradient, nil, nil]
  }
}

/// The derivative of `RoiAlign` by x: `gradient [R, C, h, w], shape int64 [4], boxes [R, 4], batch_indices int64 [R],
/// x? → [N, C, H, W]`, given by `shape`. x is needed for maxima, where the first of equal values takes the gradient.
public struct RoiAlignGradient: Operator {
  public static let names = [OperatorName("RoiAlignGradient", domain: "ligature")]
  public var name: OperatorName { RoiAlignGradient.names[0] }
  /// What it belongs to.
  public let forward: RoiAlign

  public init(_ forward: RoiAlign) { self.forward = forward }
  public init(name: OperatorName, attributes: Attributes) throws {
    forward = try RoiAlign(name: RoiAlign.names[0], attributes: attributes)
  }
  public var attributes: Attributes { forward.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(4...5)
    let g = try context.input(0)
    try expect(g.element, in: .floats, "the gradient")
    let dx = try adjointType(context)
    let pooled = try forward.pooled(dx, boxes: context.input(2), images: context.input(3))
    guard g.isCompatible(with: pooled) else {
      throw LigatureError(.shape, "the gradient is \(g), but RoiAlign of \(dx) gives \(pooled)")
    }
    guard let x = context.optional(4) else {
      guard forward.mode == .average else { throw LigatureError(.arity, "the mode max needs x (input 4)") }
      return [dx]
    }
    guard x.isCompatible(with: dx) else { throw LigatureError(.shape, "x is \(x), but the gradient's shape is \(dx)") }
    return [dx]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let count = context.optional(0)?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0
    return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: 16).partialValue)
  }
}
