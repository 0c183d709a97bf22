public import Imaging
internal import TensorCore

/// Text that a detector found on a page.
public struct DetectedText: Sendable, Equatable {
  /// What is cut out: clockwise from the top left, on the page.
  public var box: Quadrilateral
  /// The outline as it was found, on the page; the box's corners where the detector gives boxes.
  public var outline: Polygon
  /// Mean probability, 0…1.
  public var score: Double
}

/// Finds text on a page with a DB detector, by PaddleOCR's rules or MMOCR's, as the recipe says.
public struct TextDetector: Sendable {
  let model: OCRModel
  private let rules: Rules

  private enum Rules {
    case paddle(Recipe.LimitedSide, PixelTable, PaddleDBPostprocessor)
    case mmocr(DetectionPipeline, DBPostprocessor)
  }

  public init(_ model: OCRModel) throws {
    let preprocess = model.recipe.preprocess
    self.model = model
    switch (model.recipe.postprocess, preprocess.resize) {
    case (.db(let parameters), .limitedSide(let size)):
      rules = .paddle(size, try preprocess.table(), PaddleDBPostprocessor(parameters))
    case (.dbPostprocessor(let postprocessor), .keepRatio):
      rules = .mmocr(try DetectionPipeline(preprocess), postprocessor)
    default:
      throw LigatureError(
        .unsupported, "the recipe of a detector needs 'limitedSide' and 'db', or 'keepRatio' and 'DBPostprocessor'")
    }
  }

  /// Texts in reading order. PaddleOCR's boxes have their corners in whole pixels of the page.
  /// - Parameter page: RGB.
  public func callAsFunction(_ page: Image) throws -> [DetectedText] {
    switch rules {
    case .paddle(let size, let table, let postprocess):
      return readingOrder(try boxes(page, size, table, postprocess), by: \.box)
    case .mmocr(let pipeline, let postprocess):
      return readingOrder(try regions(page, pipeline, postprocess), by: \.box)
    }
  }

  // ── PaddleOCR ─────────────────────────────────────────────────────────────

  private func boxes(
    _ page: Image, _ size: Recipe.LimitedSide, _ table: PixelTable, _ postprocess: PaddleDBPostprocessor
  ) throws -> [DetectedText] {
    let (width, height) = size.scaled(width: page.width, height: page.height)
    let input = try model.recipe.preprocess.ordered(page.resized(width: width, height: height)).tensor(table)
    let map = try FloatImage(model.run(input, rank: 4))
    return try postprocess(map, width: page.width, height: page.height).compactMap { found in
      TextDetector.usable(found.corners, width: page.width, height: page.height).map { box in
        DetectedText(box: box, outline: box.points, score: found.score)
      }
    }
  }

  /// The corners in order and on the page; nil when a side is at most 3 pixels long.
  package static func usable(_ box: Quadrilateral, width: Int, height: Int) -> Quadrilateral? {
    let ordered = clockwiseFromTopLeft(box)
    func onPage(_ corner: Point) -> Point {
      Point(
        min(max(corner.x, 0), Float(width - 1)).rounded(.towardZero),
        min(max(corner.y, 0), Float(height - 1)).rounded(.towardZero))
    }
    let clipped = Quadrilateral(
      onPage(ordered.first), onPage(ordered.second), onPage(ordered.third), onPage(ordered.fourth))
    let across = clipped.first.distance(to: clipped.second).rounded(.towardZero)
    let down = clipped.first.distance(to: clipped.fourth).rounded(.towardZero)
    return across > 3 && down > 3 ? clipped : nil
  }

  // ── MMOCR ─────────────────────────────────────────────────────────────────

  private func regions(
    _ page: Image, _ pipeline: DetectionPipeline, _ postprocess: DBPostprocessor
  ) throws -> [DetectedText] {
    let input = try pipeline(page)
    let output = try model.run(input.tensor, rank: 4)
    guard output.shape.suffix(2) == input.tensor.shape.suffix(2) else {
      throw LigatureError(.shape, "the detector gave \(output.shape) for \(input.tensor.shape), not a map of its size")
    }
    return try postprocess(FloatImage(output)).compactMap { found in
      let found = found.resized(scaleX: input.scaleX, scaleY: input.scaleY)
      func onPage(_ corner: Point) -> Point {
        Point(min(max(corner.x, 0), Float(page.width)), min(max(corner.y, 0), Float(page.height)))
      }
      let outline = found.polygon.map(onPage)
      let corners =
        postprocess.textReprType == .quad ? found.polygon : try outline.minimumAreaRectangle().corners().points
      let ordered = TextDetector.clockwiseFromTopLeft(try Quadrilateral(corners))
      let box = try Quadrilateral(ordered.points.map(onPage))
      // What has no pixel left on the page cannot be cut out.
      guard box.first.distance(to: box.second) >= 1, box.first.distance(to: box.fourth) >= 1 else { return nil }
      return DetectedText(
        box: box, outline: postprocess.textReprType == .quad ? box.points : outline, score: found.score)
    }
  }

  /// The two corners furthest left are the left ones; of each two, the upper comes first.
  static func clockwiseFromTopLeft(_ box: Quadrilateral) -> Quadrilateral {
    let byX = box.points.stablySorted { $0.x < $1.x }
    let left = Array(byX[..<2]).stablySorted { $0.y < $1.y }
    let right = Array(byX[2...]).stablySorted { $0.y < $1.y }
    return Quadrilateral(left[0], right[0], right[1], left[1])
  }
}

extension Recipe.LimitedSide {
  /// The size that a page is scaled to.
  package func scaled(width: Int, height: Int) -> (width: Int, height: Int) {
    let decisive = limitType == .min ? Swift.min(width, height) : Swift.max(width, height)
    let needed = limitType == .min ? decisive < limit : decisive > limit
    let ratio = needed ? Double(limit) / Double(decisive) : 1
    return (
      Recipe.roundedToMultiple(Int(Double(width) * ratio), multipleOf),
      Recipe.roundedToMultiple(Int(Double(height) * ratio), multipleOf)
    )
  }
}

/// Boxes from top to bottom by their first corners; of neighbours less than `tolerance` pixels apart in height, the
/// left one first.
public func readingOrder(_ boxes: [Quadrilateral], tolerance: Float = 10) -> [Quadrilateral] {
  readingOrder(boxes, by: \.self, tolerance: tolerance)
}

/// The same for whatever has a box.
public func readingOrder<Element>(
  _ elements: [Element], by box: KeyPath<Element, Quadrilateral>, tolerance: Float = 10
) -> [Element] {
  func corner(_ element: Element) -> Point { element[keyPath: box].first }
  var ordered = elements.stablySorted { a, b in
    corner(a).y != corner(b).y ? corner(a).y < corner(b).y : corner(a).x < corner(b).x
  }
  for index in ordered.indices.dropLast() {
    // The next box moves up past those on its own line that lie further right.
    var place = index
    while place >= 0, abs(corner(ordered[place + 1]).y - corner(ordered[place]).y) < tolerance,
      corner(ordered[place + 1]).x < corner(ordered[place]).x
    {
      ordered.swapAt(place, place + 1)
      place -= 1
    }
  }
  return ordered
}
