public import GraphIR
import TensorCore

extension MaxPool: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [try builder.append(MaxPoolGradient(window), [context.input(0), context.cotangent()])]
  }
}

extension AveragePool: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    guard case .average(let countsPadding) = kind else {
      throw LigatureError(.unsupported, "LpPool has no gradient rule; use AveragePool or MaxPool")
    }
    let op = AveragePoolGradient(window, countsPadding: countsPadding)
    return [try builder.append(op, [context.cotangent(), builder.shape(of: context.input(0))])]
  }
}

extension GlobalPool: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, y, g) = (try context.input(0), try context.output(), try context.cotangent())
    switch kind {
    case .average: return [try builder.expand(builder.divide(g, builder.count(of: x, over: y)), like: x)]
    case .max:
      let hits = try builder.cast(builder.binary(.equal, x, y), to: builder.type(x).element)
      let total = try builder.reduce(.sum, hits, axes: Array(2..<builder.rank(of: x)))
      return [try builder.multiply(hits, builder.divide(g, total))]
    }
  }
}

/// The derivative of `MaxPool` by its input: `x [N, C, D…], gradient [N, C, O…] → [N, C, D…]`. The first of equal
/// maxima of a window takes its whole gradient.
public struct MaxPoolGradient: Operator {
  public static let names = [OperatorName("MaxPoolGradient", domain: "ligature")]
  public var name: OperatorName { MaxPoolGradient.names[0] }
  public let window: PoolingWindow

  public init(_ window: PoolingWindow) { self.window = window }
  public init(name: OperatorName, attributes: Attributes) throws { window = try PoolingWindow(attributes) }
  public var attributes: Attributes {
    var result = Attributes()
    window.export(into: &result)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (x, g) = (try context.input(0), try context.input(1))
    let element = try sharedElement([x, g])
    try expect(element, in: .floats, "the input")
    let pooled = TensorType(element, try window.inferShape(x))
    guard g.isCompatible(with: pooled) else {
      throw LigatureError(.shape, "the gradient is \(g), but pooling gives \(pooled)")
    }
    return [x]
  }
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { window.cost(context, outputs) }
}

/// The derivative of `AveragePool` by its input: `gradient [N, C, O…], shape int64 → [N, C, D…]`, given by `shape`.
public struct AveragePoolGradient: Operator {
  public static let names = [OperatorName("AveragePoolGradient", domain: "ligature")]
  public var name: OperatorName { AveragePoolGradient.names[0] }
  public let window: PoolingWindow
  public let countsPadding: Bool

  public init(_ window: PoolingWindow, countsPadding: Bool) {
    self.window = window
    self.countsPadding = countsPadding
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(
      try PoolingWindow(attributes), countsPadding: try attributes.flag("count_include_pad", default: false))
  }
  public var attributes: Attributes {
    var result = Attributes()
    window.export(into: &result)
    if countsPadding { result.set("count_include_pad", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let g = try context.input(0)
    try expect(g.element, in: .floats, "the gradient")
    let x = try adjointType(context)
    let pooled = TensorType(g.element, try window.inferShape(x))
    guard g.isCompatible(with: pooled) else {
      throw LigatureError(.shape, "the gradient is \(g), but pooling gives \(pooled)")
    }
    return [x]
  }
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { window.cost(context, outputs) }
}
