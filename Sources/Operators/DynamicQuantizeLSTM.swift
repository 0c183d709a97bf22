public import GraphIR
import TensorCore

/// `DynamicQuantizeLSTM` of ONNX Runtime: an LSTM on 8-bit weights. X is quantised as a whole, the state of each row
/// anew at each step; gates are computed in float32.
///
/// Inputs: X `[T, N, I]` (float32), W `[D, I, 4·H]` and R `[D, H, 4·H]` (int8 or uint8), B, sequence_lens, initial_h,
/// initial_c and P as LSTM has them, then the scale and the zero point of W and of R, each `[D]` or `[D, 4·H]`.
/// Outputs are LSTM's.
public struct DynamicQuantizeLSTM: Operator {
  public static let names = [OperatorName("DynamicQuantizeLSTM", domain: "com.microsoft")]
  public var name: OperatorName { DynamicQuantizeLSTM.names[0] }
  public let layer: Recurrent

  public init(name: OperatorName, attributes: Attributes) throws {
    layer = try Recurrent(.lstm, attributes)
    guard !layer.batchFirst else { throw LigatureError(.attribute, "DynamicQuantizeLSTM has no attribute 'layout'") }
  }

  public var attributes: Attributes { layer.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(12...12)
    try expect(context.input(0).element, in: [.float32], "X")
    for (weights, what, scale, zero) in [(1, "W", 8, 9), (2, "R", 10, 11)] {
      let element = try context.input(weights).element
      try expect(element, in: [.int8, .uint8], what)
      try expect(context.input(scale).element, in: [.float32], "the scale of \(what)")
      try expect(
        context.input(zero).element, in: element == .undefined ? [.int8, .uint8] : [element],
        "the zero point of \(what)")
    }
    let (_, batch, input) = try layer.sequence(context)
    let hidden = try hiddenDimension(context)
    let count = Dimension.fixed(layer.direction.count)
    let gates = try 4 * hidden
    try layer.expect(context, 1, "W", [count, input, gates])
    try layer.expect(context, 2, "R", [count, hidden, gates])
    try layer.expect(context, 3, "B", [count, try 2 * gates])
    for (index, what) in [
      (8, "the scale of W"), (9, "the zero point of W"), (10, "the scale of R"), (11, "the zero point of R"),
    ] {
      let isPerColumn = context.optional(index)?.rank == 2
      try layer.expect(context, index, what, isPerColumn ? [count, gates] : [count])
    }
    return try layer.outputs(context, hidden, batch, peepholesAt: 7)
  }

  private func hiddenDimension(_ context: InferenceContext) throws -> Dimension {
    if let size = layer.hiddenSize { return .fixed(size) }
    guard let shape = try context.input(2).shape, shape.count == 3 else {
      throw LigatureError(.shape, "the attribute hidden_size is missing, and R does not tell it")
    }
    return shape[1]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { layer.cost(context, outputs: outputs) }
}
