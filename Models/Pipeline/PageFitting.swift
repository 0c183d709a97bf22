package import Imaging
internal import TensorCore

/// A page at the size that the pipeline works at, and the way back to its own pixels.
package struct FittedPage: Sendable {
  package var image: Image
  private let width: Int
  private let height: Int
  /// Pixels of the page for one of the working picture.
  private var ratioX = 1.0
  private var ratioY = 1.0
  /// Black rows above the page.
  private var top = 0

  package init(_ page: Image, _ limits: Recipe.Page?) throws {
    image = page
    width = page.width
    height = page.height
    guard let limits else { return }
    let longer = max(image.width, image.height)
    if longer > limits.maximalSide { try scale(Double(limits.maximalSide) / Double(longer), limits) }
    let shorter = min(image.width, image.height)
    if shorter < limits.minimalSide { try scale(Double(limits.minimalSide) / Double(shorter), limits) }
    try addMargins(limits)
  }

  private mutating func scale(_ ratio: Double, _ limits: Recipe.Page) throws {
    let newWidth = Recipe.roundedToMultiple(Int(Double(image.width) * ratio), limits.multipleOf)
    let newHeight = Recipe.roundedToMultiple(Int(Double(image.height) * ratio), limits.multipleOf)
    // A strip of a few pixels would grow to this many times its length.
    guard max(newWidth, newHeight) <= Recipe.sides.upperBound else {
      throw LigatureError(
        .limit, "a picture of \(width)x\(height) is too narrow to be read: it would grow to \(newWidth)x\(newHeight)")
    }
    image = try image.resized(width: newWidth, height: newHeight)
    ratioX = Double(width) / Double(newWidth)
    ratioY = Double(height) / Double(newHeight)
  }

  private mutating func addMargins(_ limits: Recipe.Page) throws {
    let isWide = Double(image.width) / Double(image.height) > Double(limits.letterboxRatio)
    guard image.height <= limits.letterboxHeight || isWide else { return }
    let wanted = 2 * max(image.width / limits.letterboxRatio, limits.letterboxHeight)
    top = abs(wanted - image.height) / 2
    image = try image.padded(top: top, bottom: top)
  }

  /// A box of the working picture in pixels of the page, inside it.
  package func onPage(_ box: Quadrilateral) -> Quadrilateral {
    Quadrilateral(onPage(box.first), onPage(box.second), onPage(box.third), onPage(box.fourth))
  }

  /// A position of the working picture in pixels of the page, inside it.
  package func onPage(_ corner: Point) -> Point {
    Point(
      min(max(corner.x * Float(ratioX), 0), Float(width)),
      min(max((corner.y - Float(top)) * Float(ratioY), 0), Float(height)))
  }
}

extension Image {
  /// The inside of a box, made level. What is much higher than wide is taken for a line that reads downwards, and
  /// laid on its side.
  package func line(inside box: Quadrilateral) throws -> (image: Image, quarterTurns: Int) {
    let (a, b, c, d) = box.corners
    let width = Int(max(a.distance(to: b), c.distance(to: d)))
    let height = Int(max(a.distance(to: d), b.distance(to: c)))
    guard width > 0, height > 0 else { throw LigatureError(.shape, "a box of text without an area cannot be cut out") }
    let level = Quadrilateral(x: 0, y: 0, width: Float(width), height: Float(height))
    let cut = try warpedPerspective(
      Homography(from: box, to: level), width: width, height: height, interpolation: .cubic, border: .replicate)
    return Double(height) / Double(width) >= 1.5 ? (try cut.turned(.counterclockwise), 1) : (cut, 0)
  }
}
