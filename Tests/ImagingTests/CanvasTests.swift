import Foundation
import Imaging
import TensorCore
import Testing

@Suite struct CanvasTests {
  @Test func polygonsCoverTheirPixels() throws {
    var canvas = try Canvas(width: 20, height: 10)
    try canvas.fill([Point(3.5, 1.5), Point(9.5, 1.5), Point(9.5, 6.5), Point(3.5, 6.5)], .black)
    let image = try canvas.image()
    for y in 0..<10 {
      for x in 0..<20 {
        let inside = (4...9).contains(x) && (2...6).contains(y)
        #expect(image[x, y, 1] == (inside ? 0 : 255), "(\(x), \(y))")
      }
    }
    try canvas.stroke([Point(0, 9), Point(19, 9)], Colour(red: 1, green: 0, blue: 0), isClosed: false)
    let lined = try canvas.image()
    #expect((lined[10, 9, 0], lined[10, 9, 1]) == (255, 0))
    #expect(lined[10, 8, 1] == 255)
  }

  @Test func picturesAreCopiedAndCut() throws {
    let picture = try RasterTests.gradient(7, 5, 3)
    var canvas = try Canvas(width: 10, height: 10)
    try canvas.draw(picture, x: -2, y: 8)
    let image = try canvas.image()
    #expect(image[0, 8, 0] == picture[2, 0, 0])
    #expect(image[4, 9, 2] == picture[6, 1, 2])
    #expect(image[5, 9, 2] == 255)
    try canvas.draw(picture, x: .init(Int32.max), y: .init(Int32.min))
    #expect(try canvas.image() == image)
    #expect(try Canvas(picture).image() == picture)
  }

  @Test func textIsWhereItsBoxSays() throws {
    var canvas = try Canvas(width: 300, height: 120)
    let corners = try canvas.write("Ligature fi Äé", at: Point(20, 30), size: 32)
    let image = try canvas.image()
    var (left, top, right, bottom) = (Int.max, Int.max, Int.min, Int.min)
    for y in 0..<120 {
      for x in 0..<300 where image[x, y] < 128 {
        (left, right, top, bottom) = (min(left, x), max(right, x), min(top, y), max(bottom, y))
      }
    }
    #expect(abs(Float(left) - corners.first.x) <= 2 && abs(Float(top) - corners.first.y) <= 2)
    #expect(abs(Float(right) - corners.third.x) <= 2 && abs(Float(bottom) - corners.third.y) <= 2)
    let wider = try canvas.measure("Ligature fi Äé", size: 64).logical.width
    #expect(abs(wider - 2 * (try canvas.measure("Ligature fi Äé", size: 32).logical.width)) < 2)
  }

  @Test func turnedTextGoesTheOtherWay() throws {
    var canvas = try Canvas(width: 200, height: 200)
    let corners = try canvas.write("downwards", at: Point(100, 10), size: 20, degrees: 90)
    #expect(corners.second.y - corners.first.y > 50)
    #expect(abs(corners.second.x - corners.first.x) < 1)
    #expect(corners.fourth.x < corners.first.x)
  }

  /// Text narrowed to fit ends at the right edge of its place, turned or not.
  @Test(arguments: [0.0, 90, 37]) func fittedTextStaysInItsPlace(degrees: Double) throws {
    let (cosine, sine) = (Float(cos(degrees * .pi / 180)), Float(sin(degrees * .pi / 180)))
    func place(_ x: Float, _ y: Float) -> Point { Point(150 + x * cosine - y * sine, 150 + x * sine + y * cosine) }
    let corners = Quadrilateral(place(-60, -10), place(60, -10), place(60, 10), place(-60, 10))
    var canvas = try Canvas(width: 300, height: 300)
    try canvas.write("HHHHHHHHHHHHH", into: corners)
    let image = try canvas.image()
    var (least, most) = (Float.infinity, -Float.infinity)
    for y in 0..<300 {
      for x in 0..<300 where image[x, y] < 128 {
        let along = (Float(x) - 150) * cosine + (Float(y) - 150) * sine
        (least, most) = (min(least, along), max(most, along))
        #expect(try corners.points.signedDistance(to: Point(Float(x), Float(y))) > -1)
      }
    }
    #expect(least < -55 && most > 55)
  }

  @Test func strangeTextAndShapesAreHarmless() throws {
    var canvas = try Canvas(width: 50, height: 40)
    let long = String(repeating: "字ab\u{0}\n\u{202E}é", count: 3000)
    let box = Quadrilateral(x: 2, y: 2, width: 40, height: 12)
    try canvas.write(long, into: box)
    try canvas.write("", into: box)
    let point = Quadrilateral(Point(1, 1), Point(1, 1), Point(1, 1), Point(1, 1))
    try canvas.write("x", into: point)
    let line = Quadrilateral(Point(0, 0), Point(30, 0), Point(60, 0), Point(30, 0))
    try canvas.write("flat", into: line)
    try canvas.fill([], .black)
    try canvas.stroke([Point(-1e9, 3), Point(1e9, 4)], .black)
    _ = try canvas.image()
    #expect(throws: LigatureError.self) { try canvas.fill([Point(.nan, 0), Point(1, 1), Point(2, 0)], .black) }
    #expect(throws: LigatureError.self) { try canvas.write("x", at: Point(0, 0), size: .nan) }
    #expect(throws: LigatureError.self) { try Canvas(width: 40_000, height: 3).image() }
    #expect(canvas.missingGlyphs(in: "abc") == 0)
    #expect(canvas.missingGlyphs(in: "\u{10FFFD}") == 1)
    // Nothing of the above has spoilt the canvas.
    try canvas.fill(Quadrilateral(x: 0, y: 0, width: 49, height: 39).points, .black)
    #expect(try canvas.image()[25, 20] == 0)
  }

  @Test func annotationsLieBesideOrBelow() throws {
    let corners = Quadrilateral(x: 10, y: 10, width: 60, height: 16)
    let lines = [TextAnnotation(corners: corners, text: "Total 12,50", score: 0.99)]
    let wide = try Image(width: 200, height: 60, channels: 1, filledWith: 255).annotated(with: lines)
    #expect((wide.width, wide.height, wide.channels) == (200, 128, 3))
    let tall = try Image(width: 90, height: 100, channels: 3, filledWith: 255).annotated(with: lines)
    #expect((tall.width, tall.height) == (188, 100))
    // Ink only in the copy.
    func darkest(_ columns: Range<Int>) -> UInt8 {
      (12..<24).flatMap { y in columns.map { tall[$0, y, 1] } }.min() ?? 255
    }
    #expect(darkest(111..<166) < 90)
    #expect(darkest(14..<66) > 150)
  }
}
