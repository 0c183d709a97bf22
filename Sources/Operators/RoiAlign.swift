public import GraphIR
import TensorCore

/// Features of boxes (He et al., "Mask R-CNN"): x `[N, C, H, W]`, boxes `[R, 4]` (x1, y1, x2, y2, in pixels of the
/// image), batch_indices int64 `[R]` (the image of each box) → `[R, C, output_height, output_width]`.
///
/// A box is scaled by `spatial_scale` and cut into bins; of each the mean (`avg`) or the largest (`max`) of some samples
/// between the pixels is taken. Samples more than a pixel outside count as 0. As ONNX defines it, `max` is over the four
/// weighted corners of each sample rather than over their sums. A box without area has no samples, and gives 0, unless
/// `sampling_ratio` is given.
///
/// Running throws `.numeric` for a box of an image that there is not, and for one that is not finite; `.limit` for one
/// that is so large that an axis would take more than 2²⁰ samples.
public struct RoiAlign: Operator {
  public enum Mode: String, CaseIterable, Sendable {
    case average = "avg"
    case max
  }
  public enum Coordinates: String, CaseIterable, Sendable {
    /// The centres of pixels are at halves (mmcv's `aligned=True`).
    case halfPixel = "half_pixel"
    /// They are at whole numbers, and boxes are taken as at least 1 pixel large (`aligned=False`).
    case outputHalfPixel = "output_half_pixel"
  }
  public let mode: Mode
  public let coordinates: Coordinates
  public let outputHeight: Int
  public let outputWidth: Int
  /// Samples along each axis of a bin; 0: one a pixel, rounded up.
  public let samplingRatio: Int
  /// What a pixel of the image is in pixels of x.
  public let spatialScale: Float

  public static let names = [OperatorName("RoiAlign")]
  public var name: OperatorName { RoiAlign.names[0] }

  /// Samples along one axis of a box.
  package static let mostSamples = 1 << 20

  public init(
    _ mode: Mode = .average, outputHeight: Int = 1, outputWidth: Int = 1, samplingRatio: Int = 0,
    spatialScale: Float = 1, coordinates: Coordinates = .halfPixel
  ) throws {
    self.mode = mode
    self.coordinates = coordinates
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.samplingRatio = samplingRatio
    self.spatialScale = spatialScale
    for (name, size) in [("output_height", outputHeight), ("output_width", outputWidth)] {
      guard size >= 1, size <= 1 << 16 else {
        throw LigatureError(.attribute, "attribute '\(name)' is \(size); sizes from 1 to \(1 << 16) are supported")
      }
    }
    guard samplingRatio >= 0, samplingRatio <= RoiAlign.mostSamples / max(outputHeight, outputWidth) else {
      throw LigatureError(
        .attribute,
        "attribute 'sampling_ratio' is \(samplingRatio); it must not be negative, nor give a box more than "
          + "\(RoiAlign.mostSamples) samples along an axis")
    }
    guard spatialScale.isFinite else {
      throw LigatureError(.attribute, "attribute 'spatial_scale' is \(spatialScale); it must be finite")
    }
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    try self.init(
      attributes.choice("mode", default: .average), outputHeight: attributes.int("output_height", default: 1),
      outputWidth: attributes.int("output_width", default: 1),
      samplingRatio: attributes.int("sampling_ratio", default: 0),
      spatialScale: attributes.float("spatial_scale", default: 1),
      coordinates: attributes.choice("coordinate_transformation_mode", default: .halfPixel))
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("mode", mode.rawValue)
    result.set("coordinate_transformation_mode", coordinates.rawValue)
    result.set("output_height", outputHeight)
    result.set("output_width", outputWidth)
    result.set("sampling_ratio", samplingRatio)
    result.set("spatial_scale", spatialScale)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    return [try pooled(context.input(0), boxes: context.input(1), images: context.input(2))]
  }

  /// The type of the result, once the operands are checked.
  func pooled(_ x: TensorType, boxes: TensorType, images: TensorType) throws -> TensorType {
    let element = try sharedElement([x, boxes])
    try expect(element, in: .floats, "the input")
    try expect(images.element, in: [.int64], "batch_indices")
    for (operand, rank, wanted) in [(x, 4, "x must be [N, C, H, W]"), (boxes, 2, "boxes must be [R, 4]")] {
      guard operand.rank ?? rank == rank else { throw LigatureError(.rank, "\(wanted), but is \(operand)") }
    }
    guard (boxes.shape?[1].value ?? 4) == 4, (images.rank ?? 1) == 1 else {
      throw LigatureError(.shape, "boxes must be [R, 4] and batch_indices [R], but are \(boxes) and \(images)")
    }
    if let a = boxes.shape?[0].value, let b = images.shape?[0].value, a != b {
      throw LigatureError(.shape, "there are \(a) boxes, but \(b) batch_indices")
    }
    guard let count = boxes.shape?[0] ?? images.shape?[0], let channels = x.shape?[1] else {
      return TensorType(element, nil)
    }
    return TensorType(element, [count, channels, .fixed(outputHeight), .fixed(outputWidth)])
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let samples = samplingRatio == 0 ? 2 : samplingRatio
    return context.elementwiseCost(outputs, perElement: 4 * samples * samples)
  }
}
