public import GraphIR
import TensorCore

/// Deformable convolution (Zhu et al., "Deformable ConvNets v2"): x `[N, C, H, W]`, weights `[M, C / group, kH, kW]`,
/// offsets `[N, offset_group · kH · kW · 2, oH, oW]` (y before x), bias? `[M]`, mask?
/// `[N, offset_group · kH · kW, oH, oW]` → `[N, M, oH, oW]`. Taps read between pixels, zeros outside.
public struct DeformConv: Operator {
  public static let names = [OperatorName("DeformConv")]
  public var name: OperatorName { DeformConv.names[0] }
  public let window: ConvolutionWindow
  public let offsetGroup: Int

  public init(_ window: ConvolutionWindow, offsetGroup: Int = 1) throws {
    guard offsetGroup >= 1, offsetGroup <= 1 << 20 else {
      throw LigatureError(.attribute, "attribute 'offset_group' is \(offsetGroup); it must be positive")
    }
    self.window = window
    self.offsetGroup = offsetGroup
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    let window = try ConvolutionWindow(attributes)
    guard window.autoPad == .notSet else {
      throw LigatureError(.attribute, "DeformConv has no attribute 'auto_pad'; give 'pads' instead")
    }
    try self.init(window, offsetGroup: attributes.int("offset_group", default: 1))
  }

  public var attributes: Attributes {
    var result = window.attributes
    if offsetGroup != 1 { result.set("offset_group", offsetGroup) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...5)
    let (x, w, offsets) = (try context.input(0), try context.input(1), try context.input(2))
    let others = [context.optional(3), context.optional(4)].compactMap { $0 }
    let element = try sharedElement([x, w, offsets] + others)
    try expect(element, in: .floats, "the input")
    guard (x.rank ?? 4) == 4, (w.rank ?? 4) == 4 else {
      throw LigatureError(.unsupported, "DeformConv of \(x) is not supported; two spatial axes are")
    }
    if let channels = x.shape?[1].value, channels % offsetGroup != 0 {
      throw LigatureError(.shape, "\(channels) channels cannot be shared between \(offsetGroup) offset groups")
    }
    let shape = try convolvedShape(x, w, window)
    try expectBias(context.optional(3), shape: shape)
    if let shape, let w = w.shape {
      let taps = try .fixed(offsetGroup) * w[2] * w[3]
      for (operand, channels) in [(offsets, try taps * 2), (context.optional(4), taps)] {
        guard let operand else { continue }
        let wanted = TensorType(element, [shape[0], channels, shape[2], shape[3]])
        guard operand.isCompatible(with: wanted) else {
          throw LigatureError(.shape, "offsets or mask are \(operand), but must be \(wanted)")
        }
      }
    }
    return [TensorType(element, shape)]
  }

  /// The product, and four weighted neighbours for each sample of the input, which a mask scales.
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    var cost = convolutionCost(context, outputs)
    guard let x = context.optional(0)?.sizes, x.count == 4, let w = context.optional(1)?.sizes, w.count == 4,
      let y = outputs.first?.sizes, y.count == 4,
      let samples = try? Checked.elementCount([x[0], x[1]] + w.dropFirst(2) + y.dropFirst(2)),
      let work = try? Checked.multiply(samples, context.optional(4) == nil ? 4 : 5)
    else { return cost }
    cost += Cost(multiplyAdds: work)
    return cost
  }
}
