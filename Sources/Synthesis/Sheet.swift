internal import Imaging
internal import TensorCore

/// A line of words, each shaped on its own, in ems.
struct SetLine {
  struct Word {
    var text: String
    var outline: Outline
    /// Where it begins.
    var x: Float
  }
  var words: [Word] = []
  var width: Float = 0

  /// Puts a word behind the others.
  mutating func append(_ text: String, _ outline: Outline, gap: Float) {
    let x = words.isEmpty ? 0 : width + gap
    words.append(Word(text: text, outline: outline, x: x))
    width = x + outline.advance
  }

  var text: String { words.map(\.text).joined(separator: " ") }
}

/// A flat thing with text on it, such as a piece of paper or a sign, and how its points come into the picture.
struct Sheet {
  let width: Float
  let height: Float
  private let homography: [Float]
  /// How far the middle of a line is moved down, as waves in paper do, in pixels, and how many waves there are.
  private let wave: (size: Float, count: Float)

  init(width: Float, height: Float, corners: Quadrilateral, wave: (size: Float, count: Float) = (0, 1)) throws {
    self.width = width
    self.height = height
    self.wave = wave
    homography = try Homography(from: Quadrilateral(x: 0, y: 0, width: width, height: height), to: corners).elements
      .map { Float($0) }
  }

  func place(_ x: Float, _ y: Float) -> (Float, Float) {
    var y = y
    if wave.size > 0 {
      // A parabola for each half wave: no trigonometry for every point.
      let t = (x / width * wave.count * 2)
      let part = t - t.rounded(.down)
      y += (Int(t.rounded(.down)) % 2 == 0 ? 4 : -4) * part * (1 - part) * wave.size
    }
    let w = homography[6] * x + homography[7] * y + homography[8]
    return (
      (homography[0] * x + homography[1] * y + homography[2]) / w,
      (homography[3] * x + homography[4] * y + homography[5]) / w
    )
  }

  func corners(_ box: Box) -> Quadrilateral {
    func point(_ x: Float, _ y: Float) -> Point {
      let (u, v) = place(x, y)
      return Point(u, v)
    }
    // A wave bends the edges: the corners then surround the middle as well.
    var (top, bottom) = (box.top, box.bottom)
    if wave.size > 0 {
      let slope = wave.size * wave.count * 2 / width * box.width
      (top, bottom) = (top - min(slope, wave.size) / 2, bottom + min(slope, wave.size) / 2)
    }
    return Quadrilateral(
      point(box.left, top), point(box.right, top), point(box.right, bottom), point(box.left, bottom))
  }
}

/// A picture in the making, and what stands in it.
struct PageCanvas {
  var picture: Image
  private(set) var regions: [TextRegion] = []
  let options: PageOptions
  /// Ink wears off as that style's does.
  var wear: TextStyle?

  init(_ picture: Image, _ options: PageOptions) {
    self.picture = picture
    self.options = options
  }

  /// Fills a polygon, given in pixels.
  mutating func fill(_ polygon: [(Float, Float)], _ colour: RGB, opacity: Double = 1) throws {
    try paint(Outline(polygons: [polygon]), stroke: 0, colour, colour, opacity: opacity)
  }

  /// A straight line of that many pixels' width.
  mutating func line(_ from: (Float, Float), _ to: (Float, Float), width: Float, _ colour: RGB) throws {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1)
    let length = max((dx * dx + dy * dy).squareRoot(), 1e-3)
    let (u, v) = (-dy / length * width / 2, dx / length * width / 2)
    try fill([(from.0 + u, from.1 + v), (to.0 + u, to.1 + v), (to.0 - u, to.1 - v), (from.0 - u, from.1 - v)], colour)
  }

  /// What ink is drawn with.
  struct Pen {
    var font: Font
    /// Pixels of an em on the sheet.
    var size: Float
    var ink: RGB
    var second: RGB?
    /// Bolder or thinner, in ems.
    var stroke: Float = 0
    var opacity = 1.0
    /// The difference of luma to the ground.
    var contrast: Double
  }

  /// Writes a line whose base line begins at (x, y) of the sheet, and notes where its words came to lie.
  mutating func write(_ line: SetLine, x: Float, y: Float, on sheet: Sheet, _ pen: Pen, _ dice: inout Dice) throws {
    var shapes: Outline?
    var boxes: [(text: String, box: Box)] = []
    for word in line.words {
      guard let ink = word.outline.ink, word.outline.glyphs.allSatisfy(\.isSane) else { continue }
      var box = ink
      // A full stop or a dash is as tall as the letters that it stands between.
      if ink.height < -0.5 * pen.font.smallTop {
        (box.top, box.bottom) = (min(ink.top, pen.font.smallTop), max(ink.bottom, 0))
      }
      box = box.grown(0.02 + abs(pen.stroke) / 2, 0.02 + abs(pen.stroke) / 2)
      let start = x + word.x * pen.size
      boxes.append(
        (
          word.text,
          Box(
            left: start + box.left * pen.size, top: y + box.top * pen.size, right: start + box.right * pen.size,
            bottom: y + box.bottom * pen.size)
        ))
      let placed = word.outline.mapped { sheet.place(start + $0 * pen.size, y + $1 * pen.size) }
      if shapes == nil { shapes = placed } else { shapes?.append(shapesOf: placed) }
    }
    guard let shapes, !boxes.isEmpty else { return }
    let stroke = Double(pen.stroke * pen.size)
    try paint(
      shapes, stroke: abs(stroke) < 0.1 ? 0 : stroke, pen.ink, pen.second ?? pen.ink, opacity: pen.opacity,
      isInk: true, &dice)
    switch options.level {
    case .word: for (text, box) in boxes { note(text, sheet.corners(box), pen) }
    case .line:
      note(
        boxes.map(\.text).joined(separator: " "),
        sheet.corners(boxes.dropFirst().reduce(boxes[0].box) { $0.union($1.box) }), pen)
    }
  }

  /// Fills shapes that are in pixels already.
  private mutating func paint(
    _ shapes: Outline, stroke: Double, _ colour: RGB, _ second: RGB, opacity: Double
  ) throws {
    var dice = Dice(seed: 0, index: 0)
    try paint(shapes, stroke: stroke, colour, second, opacity: opacity, isInk: false, &dice)
  }

  private mutating func paint(
    _ shapes: Outline, stroke: Double, _ colour: RGB, _ second: RGB, opacity: Double, isInk: Bool, _ dice: inout Dice
  ) throws {
    guard let bounds = shapes.bounds else { return }
    let reach = Float(max(stroke, 0)) + 1
    let (left, top) = (max(bounds.left - reach, 0), max(bounds.top - reach, 0))
    let (right, bottom) = (
      min(bounds.right + reach + 1, Float(picture.width)), min(bounds.bottom + reach + 1, Float(picture.height))
    )
    guard right - left >= 1, bottom - top >= 1 else { return }
    let (x, y) = (left.rounded(.down), top.rounded(.down))
    var mask = try shapes.mapped { ($0 - x, $1 - y) }
      .mask(width: Int((right - x).rounded(.up)), height: Int((bottom - y).rounded(.up)), stroke: stroke)
    if isInk, let wear { try Inking.wear(&mask, wear, &dice) }
    picture.paint(mask, x: Int(x), y: Int(y), colour, to: second, opacity: opacity)
  }

  /// Notes a text unless it lies outside.
  private mutating func note(_ text: String, _ corners: Quadrilateral, _ pen: Pen) {
    let (right, bottom) = (Float(picture.width - 1), Float(picture.height - 1))
    func clamped(_ point: Point) -> Point { Point(min(max(point.x, 0), right), min(max(point.y, 0), bottom)) }
    let all = corners.points
    guard all.allSatisfy({ $0.x.isFinite && $0.y.isFinite }) else { return }
    let inside = Quadrilateral(
      clamped(corners.first), clamped(corners.second), clamped(corners.third), clamped(corners.fourth))
    let (whole, visible) = (corners.area, inside.area)
    guard whole > 0, visible > 0.02 * whole, visible >= 4 else { return }
    let height = (corners.first.distance(to: corners.fourth) + corners.second.distance(to: corners.third)) / 2
    let isIgnored =
      visible < 0.92 * whole || Double(height) < options.leastHeight
      || pen.contrast * pen.opacity < options.minimumContrast * 0.7
    regions.append(TextRegion(corners: inside, text: text, isIgnored: isIgnored))
  }

  /// What darkness and noise have swallowed is nothing to learn from.
  mutating func ignoreInvisible(noise: Double) {
    let least = 0.028 + noise / 255
    for index in regions.indices where ground(regions[index].corners.bounds).deviation < least {
      regions[index].isIgnored = true
    }
  }

  /// The mean colour of a part of the picture, and how far its pixels' luma is from that on the whole.
  func ground(_ box: Box) -> (mean: RGB, deviation: Double) {
    let (left, top) = (Int(min(max(box.left, 0), 1e6)), Int(min(max(box.top, 0), 1e6)))
    let (right, bottom) = (min(Int(box.right), picture.width), min(Int(box.bottom), picture.height))
    guard right > left, bottom > top else { return (RGB(128, 128, 128), 0) }
    let (stepX, stepY) = (max((right - left) / 16, 1), max((bottom - top) / 16, 1))
    var sums = [Int](repeating: 0, count: 3)
    var (count, squares, lumas) = (0, 0.0, 0.0)
    for y in stride(from: top, to: bottom, by: stepY) {
      for x in stride(from: left, to: right, by: stepX) {
        let start = (y * picture.width + x) * 3
        let pixel = RGB(picture.pixels[start], picture.pixels[start + 1], picture.pixels[start + 2])
        for (channel, byte) in pixel.bytes.enumerated() { sums[channel] += Int(byte) }
        lumas += pixel.luma
        squares += pixel.luma * pixel.luma
        count += 1
      }
    }
    let mean = lumas / Double(count)
    let deviation = max(squares / Double(count) - mean * mean, 0).squareRoot()
    return (RGB(UInt8(sums[0] / count), UInt8(sums[1] / count), UInt8(sums[2] / count)), deviation)
  }
}

extension Quadrilateral {
  /// In square pixels, whichever way round.
  var area: Float {
    let p = points
    var sum: Float = 0
    for (a, b) in zip(p, p[1...] + p[..<1]) { sum += a.x * b.y - b.x * a.y }
    return abs(sum) / 2
  }

  /// The upright rectangle around it.
  var bounds: Box {
    let (xs, ys) = (points.map(\.x), points.map(\.y))
    return Box(left: xs.min() ?? 0, top: ys.min() ?? 0, right: xs.max() ?? 0, bottom: ys.max() ?? 0)
  }
}
