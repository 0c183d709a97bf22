internal import CSynthesis
internal import Imaging
internal import TensorCore

/// The shapes of a line of text: contours that can be bent and put anywhere before they are filled, so that what is
/// drawn and what is reported are the same, whatever the perspective.
struct Outline: Sendable {
  /// Where a glyph's ink lies, in the coordinates that it was shaped in.
  struct Glyph: Sendable {
    /// Where its text begins, in bytes of UTF-8.
    var offset: Int
    var (left, top, right, bottom): (Float, Float, Float, Float)
    var origin: Float
    var advance: Float

    var hasInk: Bool { right > left && bottom > top }
    /// Real letters lie within a few ems.
    var isSane: Bool {
      [left, top, right, bottom, advance].allSatisfy { $0.isFinite && abs($0) < 40 } && bottom - top < 3
    }
  }

  private(set) var verbs: [UInt8]
  /// x and y alternate.
  private(set) var points: [Float]
  var glyphs: [Glyph]
  var advance: Float

  init(_ outline: ligature_outline) {
    verbs = unsafe Array(UnsafeBufferPointer(start: outline.verbs, count: outline.verb_count))
    points = unsafe Array(UnsafeBufferPointer(start: outline.points, count: outline.point_count))
    glyphs = unsafe UnsafeBufferPointer(start: outline.glyphs, count: outline.glyph_count).map { glyph in
      Glyph(
        offset: Int(glyph.cluster), left: glyph.left, top: glyph.top, right: glyph.right, bottom: glyph.bottom,
        origin: glyph.origin, advance: glyph.advance)
    }
    advance = unsafe outline.advance
  }

  /// Closed polygons, all points pixels.
  init(polygons: [[(Float, Float)]]) {
    (verbs, points, glyphs, advance) = ([], [], [], 0)
    for polygon in polygons {
      for (index, point) in polygon.enumerated() {
        verbs.append(UInt8(index == 0 ? ligature_verb_move : ligature_verb_line))
        points += [point.0, point.1]
      }
      verbs.append(UInt8(ligature_verb_close))
    }
  }

  /// The shapes of another in the same picture; its glyphs are left out.
  mutating func append(shapesOf other: Outline) {
    verbs += other.verbs
    points += other.points
  }

  /// Around all ink; nil when there is none.
  var ink: Box? { Box(around: glyphs[...]) }

  /// Another place for every point.
  func mapped(_ place: (Float, Float) -> (Float, Float)) -> Outline {
    var copy = self
    copy.map(place)
    return copy
  }

  mutating func map(_ place: (Float, Float) -> (Float, Float)) {
    unsafe points.withUnsafeMutableBufferPointer { points in
      for index in stride(from: 0, to: points.count - 1, by: 2) {
        unsafe (points[index], points[index + 1]) = unsafe place(points[index], points[index + 1])
      }
    }
  }

  /// Where the points are: nil when there are none, or one is not finite.
  var bounds: Box? {
    guard !points.isEmpty else { return nil }
    var box = Box(left: .infinity, top: .infinity, right: -.infinity, bottom: -.infinity)
    for index in stride(from: 0, to: points.count - 1, by: 2) {
      let (x, y) = (points[index], points[index + 1])
      guard x.isFinite, y.isFinite else { return nil }
      box.left = min(box.left, x)
      box.right = max(box.right, x)
      box.top = min(box.top, y)
      box.bottom = max(box.bottom, y)
    }
    return box
  }

  /// How much of each pixel the ink covers, 0 to 255; the points are pixels already. `stroke` makes it bolder, or
  /// thinner when negative, in pixels.
  func mask(width: Int, height: Int, stroke: Double = 0) throws -> Image {
    try unsafe Image(width: width, height: height, channels: 1) { pixels in
      let message = unsafe ligature_outline_fill(
        verbs, verbs.count, points, points.count, stroke, Int32(width), Int32(height), pixels.baseAddress)
      if let message = unsafe message {
        throw LigatureError(.numeric, "text cannot be drawn: \(unsafe String(cString: message))")
      }
    }
  }
}

/// An upright rectangle.
struct Box: Sendable, Equatable {
  var (left, top, right, bottom): (Float, Float, Float, Float)

  init(left: Float, top: Float, right: Float, bottom: Float) {
    (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
  }

  init?(around glyphs: ArraySlice<Outline.Glyph>) {
    let inked = glyphs.filter(\.hasInk)
    guard let first = inked.first else { return nil }
    self.init(left: first.left, top: first.top, right: first.right, bottom: first.bottom)
    for glyph in inked {
      left = min(left, glyph.left)
      right = max(right, glyph.right)
      top = min(top, glyph.top)
      bottom = max(bottom, glyph.bottom)
    }
  }

  var width: Float { right - left }
  var height: Float { bottom - top }

  func union(_ other: Box) -> Box {
    Box(
      left: min(left, other.left), top: min(top, other.top), right: max(right, other.right),
      bottom: max(bottom, other.bottom))
  }

  func grown(_ x: Float, _ y: Float) -> Box { Box(left: left - x, top: top - y, right: right + x, bottom: bottom + y) }
}
