public import GraphIR
import TensorCore

extension Resize: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try context.refuse(1, "the region of Resize")
    try context.refuse(2, "the scales of Resize")
    let shape = try builder.shape(of: context.input(0))
    let rest = context.inputs.dropFirst()
    return [try builder.append(ResizeGradient(self), [context.cotangent(), shape] + rest)]
  }
}

/// The adjoint of `Resize`: `gradient […], shape int64 [rank], roi?, scales?, sizes? → […]` of that shape, the one that
/// was resized.
public struct ResizeGradient: Operator {
  public static let names = [OperatorName("ResizeGradient", domain: "ligature")]
  public var name: OperatorName { ResizeGradient.names[0] }
  /// What it belongs to.
  public let forward: Resize

  public init(_ forward: Resize) { self.forward = forward }
  public init(name: OperatorName, attributes: Attributes) throws {
    forward = try Resize(name: Resize.names[0], attributes: attributes)
  }
  public var attributes: Attributes { forward.attributes }

  /// What the forward operator knew, for an input of the result's type.
  package func forwardContext(_ context: InferenceContext, of x: TensorType) -> InferenceContext {
    InferenceContext(
      inputs: [x] + context.inputs.dropFirst(2), constants: [nil] + context.constants.dropFirst(2),
      contents: [nil] + context.contents.dropFirst(2), outputCount: 1)
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...5)
    let g = try context.input(0)
    try expect(g.element, in: .floats, "the gradient")
    let x = try adjointType(context)
    let resized = try forward.inferTypes(forwardContext(context, of: x))[0]
    guard g.isCompatible(with: resized) else {
      throw LigatureError(.shape, "the gradient is \(g), but \(x) is resized to \(resized)")
    }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let count = context.optional(0)?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0
    return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: 4).partialValue)
  }
}

extension GridSample: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try builder.append(
      GridSampleGradient(self), [context.input(0), context.input(1), context.cotangent()],
      wanted: [context.needs(0), context.needs(1)])
  }
}

/// The derivative of `GridSample`: `x [N, C, H, W], grid [N, Ho, Wo, 2], gradient [N, C, Ho, Wo] → of x, of the grid`.
public struct GridSampleGradient: Operator {
  public static let names = [OperatorName("GridSampleGradient", domain: "ligature")]
  public var name: OperatorName { GridSampleGradient.names[0] }
  /// What it belongs to.
  public let forward: GridSample

  public init(_ forward: GridSample) { self.forward = forward }
  public init(name: OperatorName, attributes: Attributes) throws {
    forward = try GridSample(name: GridSample.names[0], attributes: attributes)
  }
  public var attributes: Attributes { forward.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let inputs = try context.allInputs()
    let sampled = try forward.inferTypes(InferenceContext(Array(inputs[..<2])))[0]
    guard inputs[2].isCompatible(with: sampled) else {
      throw LigatureError(.shape, "the gradient is \(inputs[2]), but sampling gives \(sampled)")
    }
    return Array(inputs[..<2])
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let count = context.optional(2)?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0
    return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: 8).partialValue)
  }
}
