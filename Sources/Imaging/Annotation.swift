/// A line of text that was found in a picture.
public struct TextAnnotation: Sendable, Equatable {
  /// Clockwise from the top left of the text.
  public var corners: Quadrilateral
  public var text: String
  /// Confidence, from 0 to 1.
  public var score: Float

  public init(corners: Quadrilateral, text: String, score: Float) {
    self.corners = corners
    self.text = text
    self.score = score
  }
}

extension Raster where Scalar == UInt8 {
  /// The picture with its lines marked, and beside it (below it, when it is wide) what was read, each line in its
  /// place and colour; uncertain ones (`score` under 0.8) are red.
  ///
  /// Larger pictures than 4000 pixels a side are shrunk first.
  public func annotated(with lines: [TextAnnotation], font: String = "Sans") throws -> Image {
    let scale = min(4000 / Double(max(width, height)), 1)
    let picture =
      try scale == 1
      ? self
      : resized(
        width: max(Int(Double(width) * scale), 1), height: max(Int(Double(height) * scale), 1), interpolation: .area)
    let isWide = Double(picture.width) > 1.2 * Double(picture.height)
    let gap = 8
    let (dx, dy) = isWide ? (0, picture.height + gap) : (picture.width + gap, 0)
    var canvas = try Canvas(width: picture.width + dx, height: picture.height + dy)
    try canvas.draw(picture, x: 0, y: 0)
    try canvas.paint(gapAt: (isWide ? 0 : picture.width, isWide ? picture.height : 0), gap: gap, isWide: isWide)
    for (index, line) in lines.enumerated() {
      // The golden ratio spreads hues so that neighbours in reading order differ.
      let hue = (Double(index) * 0.618_034).truncatingRemainder(dividingBy: 1)
      try canvas.mark(line.corners.scaled(by: Float(scale)), hue: hue, copyAt: (Float(dx), Float(dy)))
      let ink = line.score < 0.8 ? Colour(red: 0.75, green: 0, blue: 0) : Colour(grey: 0.05)
      let place = line.corners.scaled(by: Float(scale)).moved(Float(dx), Float(dy))
      try canvas.write(line.text, into: place, font: font, ink)
    }
    return try canvas.image()
  }
}

extension Canvas {
  /// A band between the two halves.
  fileprivate mutating func paint(gapAt corner: (x: Int, y: Int), gap: Int, isWide: Bool) throws {
    let size = isWide ? (Float(width), Float(gap)) : (Float(gap), Float(height))
    let band = Quadrilateral(x: Float(corner.x) - 0.5, y: Float(corner.y) - 0.5, width: size.0, height: size.1)
    try fill(band.points, Colour(grey: 0.85))
  }

  /// A line's outline in the picture, and a pale copy of it behind the text.
  fileprivate mutating func mark(_ corners: Quadrilateral, hue: Double, copyAt shift: (x: Float, y: Float)) throws {
    let colour = Colour(hue: hue, lightness: 0.42)
    try fill(corners.points, colour.with(alpha: 0.15))
    try stroke(corners.points, colour, lineWidth: 2)
    let copy = corners.moved(shift.x, shift.y).points
    try fill(copy, colour.with(alpha: 0.12))
    try stroke(copy, colour.with(alpha: 0.7), lineWidth: 1)
  }
}

extension Quadrilateral {
  fileprivate func map(_ body: (Point) -> Point) -> Quadrilateral {
    Quadrilateral(body(first), body(second), body(third), body(fourth))
  }
  fileprivate func scaled(by factor: Float) -> Quadrilateral { map { Point($0.x * factor, $0.y * factor) } }
  fileprivate func moved(_ dx: Float, _ dy: Float) -> Quadrilateral { map { Point($0.x + dx, $0.y + dy) } }
}
