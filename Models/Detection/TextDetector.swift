public import Imaging
internal import TensorCore

/// Finds boxes of text on a page with a DB detector.
public struct TextDetector: Sendable {
  let model: OCRModel
  private let size: Recipe.LimitedSide
  private let table: PixelTable
  private let postprocess: DBPostprocessor

  public init(_ model: OCRModel) throws {
    guard case .db(let parameters) = model.recipe.postprocess,
      case .limitedSide(let size) = model.recipe.preprocess.resize
    else { throw LigatureError(.unsupported, "the recipe of a detector needs 'limitedSide' and 'db'") }
    self.model = model
    self.size = size
    table = try model.recipe.preprocess.table()
    postprocess = DBPostprocessor(parameters)
  }

  /// Boxes in reading order, corners clockwise from the top left, in whole pixels of the page.
  /// - Parameter page: RGB.
  public func callAsFunction(_ page: Image) throws -> [Quadrilateral] {
    let map = try FloatImage(model.run(input(page), rank: 4))
    return try readingOrder(
      postprocess(map, width: page.width, height: page.height)
        .compactMap { TextDetector.usable($0.corners, width: page.width, height: page.height) })
  }

  /// What the detector reads: `[1, 3, H, W]`, sides multiples of the recipe's.
  func input(_ page: Image) throws -> Tensor {
    let (width, height) = size.scaled(width: page.width, height: page.height)
    return try model.recipe.preprocess.ordered(page.resized(width: width, height: height)).tensor(table)
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
  var ordered = boxes.stablySorted { a, b in
    a.first.y != b.first.y ? a.first.y < b.first.y : a.first.x < b.first.x
  }
  for index in ordered.indices.dropLast() {
    // The next box moves up past those on its own line that lie further right.
    var place = index
    while place >= 0, abs(ordered[place + 1].first.y - ordered[place].first.y) < tolerance,
      ordered[place + 1].first.x < ordered[place].first.x
    {
      ordered.swapAt(place, place + 1)
      place -= 1
    }
  }
  return ordered
}
