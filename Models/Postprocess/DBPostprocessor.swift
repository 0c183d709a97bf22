public import Imaging
internal import TensorCore

/// A text region as a detector outlines it.
public struct TextBoundary: Sendable, Equatable {
  /// In pixels of the map, or of the page once resized.
  public var polygon: Polygon
  /// Mean probability inside the region before it was widened, 0…1.
  public var score: Double

  public init(polygon: Polygon, score: Double) {
    self.polygon = polygon
    self.score = score
  }

  /// From the map to the picture that it was made of (MMOCR's `resize_boundary`).
  /// - Parameters:
  ///   - scaleX, scaleY: the sizes that the network saw, divided by the picture's.
  ///   - downsampleRatio: the map's size divided by what the network saw.
  public func resized(scaleX: Float, scaleY: Float, downsampleRatio: Float = 1) -> TextBoundary {
    let (x, y) = (1 / downsampleRatio / scaleX, 1 / downsampleRatio / scaleY)
    return TextBoundary(
      polygon: polygon.map { Point(Float(Double($0.x) * Double(x)), Float(Double($0.y) * Double(y))) }, score: score)
  }
}

/// How a region is given back (`text_repr_type`).
public enum TextRepresentation: String, Codable, Sendable {
  /// Four corners of the smallest rectangle.
  case quad
  /// The whole outline.
  case poly
}

/// From the probability map of a DB detector (Liao et al., Real-time Scene Text Detection with Differentiable
/// Binarization, 2020) to text regions: MMOCR 0.x's `DBPostprocessor`, with its parameters and defaults.
public struct DBPostprocessor: Codable, Sendable, Equatable {
  public var textReprType: TextRepresentation
  /// A pixel is text when its probability is greater.
  public var maskThr: Double
  /// Regions with a smaller mean are dropped.
  public var minTextScore: Double
  /// Rectangles whose shorter side is not longer are dropped, in pixels of the map. Only for `quad`.
  public var minTextWidth: Double
  /// An outline is moved outwards by area * this / length.
  public var unclipRatio: Double
  /// An outline is simplified by this share of its length.
  public var epsilonRatio: Double
  /// One more outline than this is looked at: so it is in MMOCR.
  public var maxCandidates: Int

  public init(
    textReprType: TextRepresentation = .quad, maskThr: Double = 0.3, minTextScore: Double = 0.3,
    minTextWidth: Double = 5, unclipRatio: Double = 1.5, epsilonRatio: Double = 0.01, maxCandidates: Int = 3000
  ) {
    self.textReprType = textReprType
    self.maskThr = maskThr
    self.minTextScore = minTextScore
    self.minTextWidth = minTextWidth
    self.unclipRatio = unclipRatio
    self.epsilonRatio = epsilonRatio
    self.maxCandidates = maxCandidates
  }

  /// Missing keys have MMOCR's defaults. A decoder that converts from snake case reads MMOCR's configs.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let standard = DBPostprocessor()
    self.init(
      textReprType: try values.decode(.textReprType, default: standard.textReprType),
      maskThr: try values.decode(.maskThr, default: standard.maskThr),
      minTextScore: try values.decode(.minTextScore, default: standard.minTextScore),
      minTextWidth: try values.decode(.minTextWidth, default: standard.minTextWidth),
      unclipRatio: try values.decode(.unclipRatio, default: standard.unclipRatio),
      epsilonRatio: try values.decode(.epsilonRatio, default: standard.epsilonRatio),
      maxCandidates: try values.decode(.maxCandidates, default: standard.maxCandidates))
  }

  func validate() throws {
    try Recipe.require(maskThr, in: 0...1, "postprocess.maskThr")
    try Recipe.require(minTextScore, in: 0...1, "postprocess.minTextScore")
    try Recipe.require(minTextWidth, in: -1e6...1e6, "postprocess.minTextWidth")
    try Recipe.require(unclipRatio, in: 0...100, "postprocess.unclipRatio")
    try Recipe.require(epsilonRatio, in: 0...1, "postprocess.epsilonRatio")
    try Recipe.require(maxCandidates, in: 0...100_000, "postprocess.maxCandidates")
  }

  /// Regions in the order of their outlines, in pixels of the map; they may reach beyond it. Throws `.numeric` for
  /// parameters that no recipe could have.
  /// - Parameter map: probabilities `[H, W]`, one channel.
  public func callAsFunction(_ map: FloatImage) throws -> [TextBoundary] {
    try validate()
    return try map.thresholded(above: Float(maskThr)).contours(mode: .list, method: .simple)
      .prefix(maxCandidates + 1).compactMap { try boundary(of: $0, map) }
  }

  /// Nil for what is too small, not probable enough, or falls apart.
  private func boundary(of contour: Contour, _ map: FloatImage) throws -> TextBoundary? {
    let simple = try contour.approximated(epsilon: epsilonRatio * contour.arcLength())
    guard simple.count >= 4 else { return nil }
    let corners = simple.map { Point($0) }
    let score = try map.meanProbability(inside: corners)
    guard score >= minTextScore, let widened = try widened(simple, corners) else { return nil }
    switch textReprType {
    case .quad:
      let rectangle = try widened.minimumAreaRectangle()
      guard Double(min(rectangle.width, rectangle.height)) > minTextWidth else { return nil }
      return TextBoundary(polygon: try rectangle.corners().points, score: score)
    case .poly:
      return widened.count < 4 ? nil : TextBoundary(polygon: widened.map { Point($0) }, score: score)
    }
  }

  /// Several outlines of equal length are joined to one, as an array of arrays flattens; of unequal length, none.
  private func widened(_ outline: Contour, _ corners: Polygon) throws -> Contour? {
    let length = try corners.polygonLength()
    guard length > 0 else { return nil }
    let paths = try outline.offset(by: corners.polygonArea() * unclipRatio / length)
    guard let first = paths.first, paths.allSatisfy({ $0.count == first.count }) else { return nil }
    return paths.flatMap(\.self)
  }
}
