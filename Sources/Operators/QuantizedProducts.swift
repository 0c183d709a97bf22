public import GraphIR
import TensorCore

// Products of quantised numbers whose result is quantised again. Inputs are a, its scale and zero point, b likewise,
// and scale and zero point of the result.

/// `QLinearMatMul`: `[…, M, K], scale, zero point, […, K, N], scale, zero point, scale, zero point → […, M, N]`.
/// Scale and zero point of the first operand are scalars or have one value a row, those of the second a column.
public struct QLinearMatMul: Operator {
  public static let names = [OperatorName("QLinearMatMul")]
  public var name: OperatorName { QLinearMatMul.names[0] }
  public var attributes: Attributes { Attributes() }
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(8...8)
    let inputs = try context.allInputs()
    let result = try quantizedResult(inputs)
    let product = try MatMulInteger().inferTypes(
      InferenceContext([inputs[0], inputs[3], inputs[2], inputs[5]]))[0]
    return [TensorType(result, product.shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: context.optional(0)?.shape?.last?.value ?? 1)
  }
}

/// `QLinearConv`: `[N, C, …], scale, zero point, [M, C / group, k…], scale, zero point, scale, zero point, int32 [M]? →
/// [N, M, …]`. Scale and zero point of the weights are scalars or have one value a filter.
public struct QLinearConv: Operator {
  public static let names = [OperatorName("QLinearConv")]
  public var name: OperatorName { QLinearConv.names[0] }
  public let window: ConvolutionWindow
  public var attributes: Attributes { window.attributes }
  public init(name: OperatorName, attributes: Attributes) throws { window = try ConvolutionWindow(attributes) }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(8...9)
    let inputs = try (0..<8).map { try context.input($0) }
    let result = try quantizedResult(inputs)
    let product = try ConvInteger(window).inferTypes(
      InferenceContext([inputs[0], inputs[3], inputs[2], inputs[5]]))[0]
    let filters = product.shape?[1] ?? .unknown("M")
    if let bias = context.optional(8), !bias.isCompatible(with: TensorType(.int32, [filters])) {
      throw LigatureError(.shape, "the bias is \(bias), but must be int32[\(filters)]")
    }
    if let count = inputs[4].shape?.first?.value, count != 1, let filters = filters.value, count != filters {
      throw LigatureError(.shape, "there are \(count) scales for \(filters) filters")
    }
    return [TensorType(result, product.shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { convolutionCost(context, outputs) }
}

/// Checks scales and zero points; gives the result's element type.
private func quantizedResult(_ inputs: [TensorType]) throws -> ElementType {
  for index in [1, 4, 6] { try expect(inputs[index].element, in: .floats, "the scale at input \(index)") }
  for index in [0, 3, 7] { try expect(inputs[index].element, in: [.int8, .uint8], "input \(index)") }
  _ = try sharedElement([inputs[0], inputs[2]])
  _ = try sharedElement([inputs[3], inputs[5]])
  for index in [6, 7] {
    if let sizes = inputs[index].sizes, try Checked.elementCount(sizes) != 1 {
      throw LigatureError(.unsupported, "input \(index) is \(inputs[index]): the result takes one scale and zero point")
    }
  }
  return inputs[7].element
}
