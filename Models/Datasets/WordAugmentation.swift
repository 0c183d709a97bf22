internal import Glibc
public import Imaging
internal import TensorCore

/// How far pictures of words are changed at random, so that a network does not learn them by heart. MMOCR's CRNN
/// recipe has none of this: all zeros.
public struct WordAugmentation: Sendable, Equatable {
  /// The share of samples that are changed at all.
  public var probability = 1.0
  /// Degrees to either side.
  public var rotation = 0.0
  /// How far a corner moves, in heights of the picture.
  public var perspective = 0.0
  /// How much of the height is cut off or added at each side.
  public var margin = 0.0
  /// The largest standard deviation of a Gauss filter, in pixels of the network's input.
  public var blur = 0.0
  /// The share of pictures that are shrunk to at least `0.4` of their size and enlarged again.
  public var resolution = 0.0
  /// The largest standard deviation of noise, in grey levels.
  public var noise = 0.0
  /// How far the contrast goes from 1 to either side.
  public var contrast = 0.0
  /// Grey levels to either side.
  public var brightness = 0.0
  /// The share of pictures that become negatives.
  public var inversion = 0.0

  public init() {}

  public var isIdentity: Bool {
    probability == 0
      || [rotation, perspective, margin, blur, resolution, noise, contrast, brightness, inversion]
        .allSatisfy { $0 == 0 }
  }
}

/// From a picture of a word to the pixels that a recogniser reads: MMOCR's `ResizeOCR` after the changes of
/// `WordAugmentation`. All pictures come out equally wide.
public struct WordPipeline: Sendable {
  /// `maxWidth` is the width of the result.
  public let size: Recipe.ResizeOCR
  public let width: Int
  public let isGrey: Bool
  public let augmentation: WordAugmentation
  private var height: Int { size.height }

  /// - Throws: `.usage` for a size without a largest width.
  public init(_ size: Recipe.ResizeOCR, isGrey: Bool, augmentation: WordAugmentation = WordAugmentation()) throws {
    guard let width = size.maxWidth else {
      throw LigatureError(.usage, "pictures of one batch are equally wide: training needs a largest width")
    }
    self.size = size
    self.width = width
    self.isGrey = isGrey
    self.augmentation = augmentation
  }

  public func callAsFunction(_ image: Image, _ generator: inout CounterGenerator) throws -> Image {
    let source = try isGrey ? image.grey() : image.rgb()
    let inner = size.width(ofWidth: image.width, height: image.height)
    var result: Image
    if augmentation.isIdentity || !generator.chance(augmentation.probability) {
      result = try source.resized(width: inner, height: height)
    } else {
      result = try placed(source, width: inner, &generator)
      if generator.chance(augmentation.resolution) { result = try coarsened(result, &generator) }
      let sigma = generator.uniform(0...augmentation.blur)
      if sigma > 0.3 { result = try result.blurred(deviation: sigma) }
      result = try toned(result, &generator)
    }
    guard inner < width else { return result }
    let level = Double(size.padValue)
    return try result.padded(right: width - inner, border: .constant([level, level, level]))
  }

  /// Rotation, perspective, margins and the change of size in one warp.
  private func placed(_ image: Image, width: Int, _ generator: inout CounterGenerator) throws -> Image {
    // A warp looks at four pixels only: what is much larger is made smaller first.
    var source = image
    if source.width > 2 * width || source.height > 2 * height {
      source = try source.resized(
        width: min(source.width, 2 * width), height: min(source.height, 2 * height), interpolation: .area)
    }
    let (w, h) = (Double(source.width), Double(source.height))
    // Lengths are in heights of the picture, and the picture may have been squeezed since.
    let unit = (x: w * Double(image.height) / Double(image.width), y: h)
    let angle = generator.uniform(-augmentation.rotation...augmentation.rotation) * .pi / 180
    let (sine, cosine) = (sin(angle), cos(angle))
    let corners = [(-1.0, -1.0), (1, -1), (1, 1), (-1, 1)].map { side -> Point in
      let shiftX =
        generator.uniform(-augmentation.perspective...augmentation.perspective)
        + side.0 * generator.uniform(-augmentation.margin...augmentation.margin)
      let shiftY =
        generator.uniform(-augmentation.perspective...augmentation.perspective)
        + side.1 * generator.uniform(-augmentation.margin...augmentation.margin)
      // In heights, from the centre.
      let x = side.0 * w / unit.x / 2 + shiftX
      let y = side.1 / 2 + shiftY
      return Point(
        Float(w / 2 - 0.5 + (cosine * x - sine * y) * unit.x), Float(h / 2 - 0.5 + (sine * x + cosine * y) * unit.y))
    }
    let (right, bottom) = (Float(width) - 0.5, Float(height) - 0.5)
    let target = Quadrilateral(
      Point(-0.5, -0.5), Point(right, -0.5), Point(right, bottom), Point(-0.5, bottom))
    return try source.warpedPerspective(
      Homography(from: Quadrilateral(corners), to: target), width: width, height: height, border: .replicate)
  }

  private func coarsened(_ image: Image, _ generator: inout CounterGenerator) throws -> Image {
    let factor = generator.uniform(0.4...0.9)
    return try image.resized(
      width: max(2, Int(Double(image.width) * factor)), height: max(2, Int(Double(image.height) * factor)),
      interpolation: .area
    ).resized(width: image.width, height: image.height)
  }

  private func toned(_ image: Image, _ generator: inout CounterGenerator) throws -> Image {
    let contrast = 1 + generator.uniform(-augmentation.contrast...augmentation.contrast)
    let brightness = generator.uniform(-augmentation.brightness...augmentation.brightness)
    let noise = generator.uniform(0...augmentation.noise)
    let isNegative = generator.chance(augmentation.inversion)
    let mean = Double(image.pixels.reduce(0) { $0 + Int($1) }) / Double(image.pixels.count)
    let pixels = image.pixels.map { pixel -> UInt8 in
      var value = (Double(pixel) - mean) * contrast + mean + brightness
      if noise > 0 { value += noise * generator.normal() }
      if isNegative { value = 255 - value }
      return UInt8(max(0, min(255, value.rounded())))
    }
    return try Image(width: image.width, height: image.height, channels: image.channels, pixels: pixels)
  }
}
