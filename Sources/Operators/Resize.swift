public import GraphIR
import TensorCore

/// `[…], roi?, scales? float32 [n], sizes? int64 [n] → […]`: resampled along some axes.
public struct Resize: Operator {
  public enum Mode: String, CaseIterable, Sendable { case nearest, linear, cubic }
  /// How a place in the result is mapped to one in the input.
  public enum Coordinates: String, CaseIterable, Sendable {
    case halfPixel = "half_pixel"
    case symmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case alignCorners = "align_corners"
    case asymmetric
    case halfPixelForNearest = "tf_half_pixel_for_nn"
    case cropAndResize = "tf_crop_and_resize"
  }
  public enum Nearest: String, CaseIterable, Sendable {
    case roundPreferFloor = "round_prefer_floor"
    case roundPreferCeil = "round_prefer_ceil"
    case floor, ceil
  }
  public enum AspectRatio: String, CaseIterable, Sendable {
    case stretch
    case notLarger = "not_larger"
    case notSmaller = "not_smaller"
  }

  public let mode: Mode
  public let coordinates: Coordinates
  public let nearest: Nearest
  public let aspectRatio: AspectRatio
  public let axes: [Int]?
  /// The `a` of the cubic kernel.
  public let cubicCoefficient: Float
  public let excludesOutside: Bool
  public let antialiases: Bool
  /// What `tf_crop_and_resize` puts outside of the input.
  public let extrapolation: Float

  public static let names = [OperatorName("Resize")]
  public var name: OperatorName { Resize.names[0] }

  public init(name: OperatorName, attributes: Attributes) throws {
    mode = try attributes.choice("mode", default: .nearest)
    coordinates = try attributes.choice("coordinate_transformation_mode", default: .halfPixel)
    nearest = try attributes.choice("nearest_mode", default: .roundPreferFloor)
    aspectRatio = try attributes.choice("keep_aspect_ratio_policy", default: .stretch)
    axes = try attributes.optionalInts("axes")
    cubicCoefficient = try attributes.float("cubic_coeff_a", default: -0.75)
    excludesOutside = try attributes.flag("exclude_outside", default: false)
    antialiases = try attributes.flag("antialias", default: false)
    extrapolation = try attributes.float("extrapolation_value", default: 0)
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("mode", mode.rawValue)
    result.set("coordinate_transformation_mode", coordinates.rawValue)
    if mode == .nearest { result.set("nearest_mode", nearest.rawValue) }
    if aspectRatio != .stretch { result.set("keep_aspect_ratio_policy", aspectRatio.rawValue) }
    if let axes { result.set("axes", axes) }
    if cubicCoefficient != -0.75 { result.set("cubic_coeff_a", cubicCoefficient) }
    if excludesOutside { result.set("exclude_outside", true) }
    if antialiases { result.set("antialias", true) }
    if extrapolation != 0 { result.set("extrapolation_value", extrapolation) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...4)
    let input = try context.input(0)
    try expect(input.element, in: mode == .nearest ? .movable : .floats, "the input")
    guard let shape = input.shape else { return [input] }
    let axes = try normalizedAxes(axes ?? Array(shape.indices), rank: shape.count)
    var result = shape
    if isGiven(context, 3) {
      guard let sizes = try context.dimensions(3) else { return [TensorType(input.element, unknown(shape, axes))] }
      guard sizes.count == axes.count else {
        throw LigatureError(.shape, "there are \(sizes.count) sizes for \(axes.count) axes")
      }
      for (axis, size) in zip(axes, sizes) {
        guard (size.value ?? 1) >= 0 else { throw LigatureError(.shape, "the size \(size) is negative") }
        result[axis] = aspectRatio == .stretch ? size : .unknown("resized(\(shape[axis]))")
      }
      if aspectRatio != .stretch, let known = try geometry(context, shape) {
        for axis in known { result[axis.axis] = .fixed(axis.output) }
      }
      return [TensorType(input.element, result)]
    }
    guard isGiven(context, 2) else { throw LigatureError(.arity, "needs scales or sizes") }
    guard let scales = try context.constant(2)?.floats() else {
      return [TensorType(input.element, unknown(shape, axes))]
    }
    // ONNX's text has the region's part of the axis in it, but neither its inference nor ONNX Runtime does.
    for (index, axis) in axes.enumerated() where index < scales.count {
      result[axis] = try scaled(shape[axis], scales[index], scales.count == axes.count)
    }
    guard scales.count == axes.count else {
      throw LigatureError(.shape, "there are \(scales.count) scales for \(axes.count) axes")
    }
    return [TensorType(input.element, result)]
  }

  private func scaled(_ size: Dimension, _ scale: Float, _ fits: Bool) throws -> Dimension {
    guard fits, scale > 0, scale.isFinite else { throw LigatureError(.numeric, "the scale \(scale) must be positive") }
    guard let number = size.value else {
      if let whole = Int(exactly: scale) { return try size * .fixed(whole) }
      return .symbol("\(size)*\(scale)")
    }
    let result = (Float(number) * scale).rounded(.down)
    guard result < 1e15 else { throw LigatureError(.numeric, "\(number) scaled by \(scale) is too large") }
    return .fixed(Int(result))
  }

  private func unknown(_ shape: [Dimension], _ axes: [Int]) -> [Dimension] {
    shape.enumerated().map { axes.contains($0) ? .unknown("resized(\($1))") : $1 }
  }

  /// Whether an optional input is there; exporters leave it out by name, or give an empty tensor.
  private func isGiven(_ context: InferenceContext, _ index: Int) -> Bool {
    guard let type = context.optional(index) else { return false }
    return type.sizes != [0]
  }

  /// Where the part of each axis begins and ends that is taken: all of it, unless a region is cropped.
  private func regions(_ context: InferenceContext, _ count: Int) throws -> [(start: Float, end: Float)] {
    guard coordinates == .cropAndResize else { return Array(repeating: (0, 1), count: count) }
    guard let roi = try context.constant(1)?.floats(), roi.count == 2 * count else {
      throw LigatureError(.shape, "tf_crop_and_resize needs a constant region of \(2 * count) numbers (input 1)")
    }
    guard roi.allSatisfy({ abs($0) < 1e6 }) else {
      throw LigatureError(.numeric, "the region \(roi) is out of range; its numbers are parts of an axis")
    }
    return (0..<count).map { (roi[$0], roi[count + $0]) }
  }
}

// ── Geometry ────────────────────────────────────────────────────────────────
extension Resize {
  /// One axis that is resampled.
  package struct Axis: Sendable {
    package let axis: Int
    package let input: Int
    package let output: Int
    /// What the output size is to the input's, before rounding.
    package let scale: Float
    package let region: (start: Float, end: Float)

    /// The place in the input that belongs to a place in the result. In float32, as other runtimes have it: where
    /// a nearest neighbour lies on the edge between two, the rounding decides.
    package func source(_ index: Int, _ coordinates: Coordinates) -> Float {
      let x = Float(index)
      switch coordinates {
      case .halfPixel: return (x + 0.5) / scale - 0.5
      case .pytorchHalfPixel: return output > 1 ? (x + 0.5) / scale - 0.5 : 0
      case .halfPixelForNearest: return (x + 0.5) / scale
      case .asymmetric: return x / scale
      case .alignCorners: return output > 1 ? x * Float(input - 1) / Float(output - 1) : 0
      case .symmetric:
        let adjustment = Float(output) / (scale * Float(input))
        let offset = Float(input) / 2 * (1 - adjustment)
        return offset + (x + 0.5) / scale - 0.5
      case .cropAndResize:
        let last = Float(input - 1)
        guard output > 1 else { return 0.5 * (region.start + region.end) * last }
        return region.start * last + x * (region.end - region.start) * last / Float(output - 1)
      }
    }
  }

  /// All axes that are named; `nil` while a size is not known.
  package func geometry(_ context: InferenceContext, _ shape: [Dimension]) throws -> [Axis]? {
    let sizes = shape.compactMap(\.value)
    guard sizes.count == shape.count else { return nil }
    let axes = try normalizedAxes(axes ?? Array(shape.indices), rank: shape.count)
    let regions = try regions(context, axes.count)
    if isGiven(context, 3) {
      guard let wanted = try context.integers(3) else { return nil }
      return try stretched(axes, sizes, wanted, regions)
    }
    guard let scales = try context.constant(2)?.floats(), scales.count == axes.count else { return nil }
    return try axes.enumerated().map { index, axis in
      let output = try scaled(.fixed(sizes[axis]), scales[index], true).value ?? 0
      return Axis(axis: axis, input: sizes[axis], output: output, scale: scales[index], region: regions[index])
    }
  }

  private func stretched(
    _ axes: [Int], _ sizes: [Int], _ wanted: [Int], _ regions: [(start: Float, end: Float)]
  ) throws -> [Axis] {
    guard wanted.count == axes.count else {
      throw LigatureError(.shape, "there are \(wanted.count) sizes for \(axes.count) axes")
    }
    let ratios = zip(axes, wanted).map { sizes[$0] == 0 ? 1 : Float($1) / Float(sizes[$0]) }
    let common: Float? =
      switch aspectRatio {
      case .stretch: nil
      case .notLarger: ratios.min()
      case .notSmaller: ratios.max()
      }
    return try axes.enumerated().map { index, axis in
      let scale = common ?? ratios[index]
      let exact = Float(sizes[axis]) * scale + 0.5
      guard exact < 1e15 else { throw LigatureError(.numeric, "\(sizes[axis]) scaled by \(scale) is too large") }
      let output = common == nil ? wanted[index] : Int(exact.rounded(.down))
      return Axis(axis: axis, input: sizes[axis], output: output, scale: scale, region: regions[index])
    }
  }
}

/// `[N, C, H, W], grid [N, Ho, Wo, 2] → [N, C, Ho, Wo]`: the input at the grid's places, (x, y) in -1...1.
public struct GridSample: Operator {
  public enum Mode: String, CaseIterable, Sendable { case linear, nearest, cubic }
  public enum Padding: String, CaseIterable, Sendable { case zeros, border, reflection }
  public let mode: Mode
  public let padding: Padding
  /// -1 and 1 are the centres of the outermost pixels rather than their edges.
  public let alignsCorners: Bool

  public static let names = [OperatorName("GridSample")]
  public var name: OperatorName { GridSample.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    mode = try attributes.choice("mode", default: .linear)
    padding = try attributes.choice("padding_mode", default: .zeros)
    alignsCorners = try attributes.flag("align_corners", default: false)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if mode != .linear { result.set("mode", mode.rawValue) }
    if padding != .zeros { result.set("padding_mode", padding.rawValue) }
    if alignsCorners { result.set("align_corners", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (input, grid) = (try context.input(0), try context.input(1))
    try expect(input.element, in: .floats, "the input")
    guard let shape = input.shape, let places = grid.shape else { return [TensorType(input.element, nil)] }
    guard shape.count == 4 || shape.count == 5, places.count == shape.count,
      (places[places.count - 1].value ?? shape.count - 2) == shape.count - 2
    else {
      throw LigatureError(
        .shape,
        "needs [N, C, H, W] and a grid [N, Ho, Wo, 2], or [N, C, D, H, W] and [N, Do, Ho, Wo, 3], not \(input) and \(grid)"
      )
    }
    guard shape.count == 4 || mode != .cubic else {
      throw LigatureError(.unsupported, "GridSample takes volumes with linear or nearest sampling, not with cubic")
    }
    if let a = shape[0].value, let b = places[0].value, a != b {
      throw LigatureError(.shape, "\(a) images have \(b) grids")
    }
    return [TensorType(input.element, Array(shape[..<2] + places[1..<places.count - 1]))]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: mode == .nearest ? 1 : mode == .linear ? 4 : 16)
  }
}
