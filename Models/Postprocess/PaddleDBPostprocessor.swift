public import Imaging
internal import TensorCore

/// From the probability map of a DB detector (Liao et al., Real-time Scene Text Detection with Differentiable
/// Binarization, 2020) to boxes of text by PaddleOCR's rules. MMOCR's are those of `DBPostprocessor`.
///
/// Where NumPy and OpenCV round, cut or compare in single precision, so does this: boxes are whole pixels, and one
/// pixel more in a box changes what a recogniser reads.
public struct PaddleDBPostprocessor: Sendable {
  public struct Box: Sendable, Equatable {
    /// Clockwise from the corner that is top left for text that lies about level. Whole pixels of the page.
    public var corners: Quadrilateral
    /// Mean probability inside the box before it was widened, 0…1.
    public var score: Double
  }

  public let parameters: Recipe.DB

  public init(_ parameters: Recipe.DB) { self.parameters = parameters }

  /// Boxes in the order of their outlines, scaled from the map to a page of `width` x `height` pixels.
  /// - Parameter map: probabilities `[H, W]`, one channel.
  public func callAsFunction(_ map: FloatImage, width: Int, height: Int) throws -> [Box] {
    var mask = try map.thresholded(above: Float(parameters.threshold))
    if parameters.dilation { mask = try mask.dilated(width: 2, height: 2) }
    var boxes: [Box] = []
    for contour in try mask.contours(mode: .list, method: .simple).prefix(parameters.maximalCandidates) {
      if let box = try box(around: contour, map, width, height) { boxes.append(box) }
    }
    return boxes
  }

  /// Nil for what is too small or not probable enough.
  private func box(around contour: Contour, _ map: FloatImage, _ width: Int, _ height: Int) throws -> Box? {
    let inner = try contour.orderedMinimumRectangle()
    guard Double(inner.shorterSide) >= parameters.minimalSide else { return nil }
    let score = try map.meanProbability(inside: inner.corners.points)
    guard score >= parameters.boxThreshold else { return nil }
    // DB learns shrunken text; the offset undoes it.
    let polygon = inner.corners.points
    let length = try polygon.polygonLength()
    guard length > 0 else { return nil }
    let distance = try polygon.polygonArea() * parameters.unclipRatio / length
    let widened: Contour = try polygon.offset(by: distance).flatMap { $0 }
    guard !widened.isEmpty else { return nil }
    let outer = try widened.orderedMinimumRectangle()
    guard Double(outer.shorterSide) >= parameters.minimalSide + 2 else { return nil }
    let corners = try Quadrilateral(
      outer.corners.points.map { corner in
        Point(
          scaled(corner.x, from: map.width, to: width), scaled(corner.y, from: map.height, to: height))
      })
    return Box(corners: corners, score: score)
  }

  private func scaled(_ value: Float, from mapSide: Int, to side: Int) -> Float {
    let scaled = (value / Float(mapSide) * Float(side)).rounded(.toNearestOrEven)
    return min(max(scaled, 0), Float(side))
  }
}

extension Array where Element == PixelPoint {
  /// The smallest rectangle around the points, clockwise: of the two corners furthest left, the upper one comes
  /// first, and last the lower one.
  func orderedMinimumRectangle() throws -> (corners: Quadrilateral, shorterSide: Float) {
    let rectangle = try minimumAreaRectangle()
    let sorted = try rectangle.corners().points.stablySorted { $0.x < $1.x }
    let (first, last) = sorted[1].y > sorted[0].y ? (sorted[0], sorted[1]) : (sorted[1], sorted[0])
    let (second, third) = sorted[3].y > sorted[2].y ? (sorted[2], sorted[3]) : (sorted[3], sorted[2])
    return (Quadrilateral(first, second, third, last), Swift.min(rectangle.width, rectangle.height))
  }
}

extension Array {
  /// Equal elements keep their order. (`sorted(by:)` does so today, but does not promise it.)
  func stablySorted(by areInIncreasingOrder: (Element, Element) -> Bool) -> [Element] {
    enumerated().sorted { a, b in
      if areInIncreasingOrder(a.element, b.element) { return true }
      if areInIncreasingOrder(b.element, a.element) { return false }
      return a.offset < b.offset
    }.map(\.element)
  }
}
