public import Imaging
public import TensorCore

/// A line of text at the size that a recogniser reads, with what MMOCR's pipeline keeps in `img_metas`.
public struct LineView: Sendable {
  /// Resized and padded, in the recipe's channels, not yet normalised.
  public var image: Image
  /// Pixels of the width that are no padding: `resize_shape[1]`.
  public var width: Int
  /// Degrees anticlockwise that the line was turned by.
  public var rotation: Int
  /// The part of the width that is no padding, as MMOCR's recognisers take it.
  public var validRatio: Double { Double(width) / Double(image.width) }
}

/// MMOCR's test pipeline of a recogniser: `ResizeOCR`, alone or within `MultiRotateAugOCR`, and normalisation.
public struct RecognitionPipeline: Sendable {
  public let size: Recipe.ResizeOCR
  private let preprocess: Recipe.Preprocess
  private let table: PixelTable

  /// Throws `.unsupported` for a recipe that resizes in another way, and what recipes that cannot be followed throw.
  public init(_ preprocess: Recipe.Preprocess) throws {
    guard case .resizeOCR(let size) = preprocess.resize else {
      throw LigatureError(.unsupported, "the recipe has no 'ResizeOCR'")
    }
    try preprocess.validate()
    self.size = size
    self.preprocess = preprocess
    table = try preprocess.table()
  }

  /// The views of a line: one, or one for each rotation of a line that is higher than wide.
  /// - Parameter line: grey, RGB or RGBA.
  public func views(of line: Image) throws -> [LineView] {
    let line = try preprocess.ordered(line)
    let rotations = line.height > line.width ? size.rotations : [0]
    // The width comes from the line as it was before it was turned: so it is in MMOCR.
    let width = size.width(ofWidth: line.width, height: line.height)
    return try rotations.map { rotation in
      let turned = try line.turned(degrees: rotation)
      let padding = size.keepAspectRatio ? max((size.maxWidth ?? 0) - width, 0) : 0
      let level = Double(size.padValue)
      let image = try turned.resized(width: width, height: size.height)
        .padded(right: padding, border: .constant([level, level, level]))
      return LineView(image: image, width: width, rotation: rotation)
    }
  }

  /// Views as `[N, C, H, W]`, float32. Throws `.shape` when they are of different sizes.
  public func tensor(_ views: [LineView]) throws -> Tensor {
    guard let first = views.first, views.allSatisfy({ $0.image.width == first.image.width }) else {
      throw LigatureError(.shape, "lines that are read together are at least one, and of one width")
    }
    return try Image.tensor(of: views.map(\.image), width: first.image.width, height: first.image.height, table)
  }
}

extension Recipe.ResizeOCR {
  /// The width that a line is resized to, before padding. All in double precision and in MMOCR's order, because a
  /// pixel more may be a multiple more.
  public func width(ofWidth lineWidth: Int, height lineHeight: Int) -> Int {
    guard keepAspectRatio else { return maxWidth ?? lineWidth }
    let proportional = (Double(height) / Double(lineHeight) * Double(lineWidth)).rounded(.up)
    // A picture has at most 2^24 columns, and is at most 4096 times as high afterwards: no overflow.
    var width = Int(proportional)
    if width % widthDivisor != 0 {
      width = Int((Double(width) / Double(widthDivisor)).rounded(.toNearestOrEven)) * widthDivisor
    }
    width = max(width, minWidth ?? 1)
    return min(width, maxWidth ?? width)
  }
}

extension Image {
  /// Turned anticlockwise by a multiple of 90 degrees (`np.rot90`).
  func turned(degrees: Int) throws -> Image {
    switch degrees {
    case 0: self
    case 90: try turned(.counterclockwise)
    case 180: try turned(.half)
    case 270: try turned(.clockwise)
    default: throw LigatureError(.unsupported, "a line turned by \(degrees) degrees; known are 0, 90, 180 and 270")
    }
  }
}
