internal import Imaging
internal import TensorCore

/// Streets and shelves: signs of all sizes and directions among things that are not text.
extension PageSynthesizer {
  func scene(_ dice: inout Dice) throws -> PageCanvas {
    var canvas = PageCanvas(try backdrop(&dice), options)
    var taken: [Box] = []
    for _ in 0..<dice.within(2...9) {
      guard let place = free(&taken, least: 0.06, most: 0.5, &dice) else { continue }
      try sign(in: place, &canvas, &dice)
    }
    // Small print here and there, much of it too small to be read.
    for _ in 0..<dice.within(0...6) {
      guard let place = free(&taken, least: 0.02, most: 0.12, &dice) else { continue }
      try sign(in: place, &canvas, &dice)
    }
    return canvas
  }

  /// A rectangle that touches none of the others; some reach over the edge of the picture.
  private func free(_ taken: inout [Box], least: Double, most: Double, _ dice: inout Dice) -> Box? {
    let (width, height) = (Float(options.width), Float(options.height))
    for _ in 0..<12 {
      let w = width * Float(dice.within(least * 2, most * 1.4))
      let h = min(height * Float(dice.within(least, most)), w * Float(dice.within(0.25, 1.1)))
      let overhang: Float = dice.chance(0.12) ? 0.3 : 0
      let left = Float(dice.within(Double(-overhang * w), Double(width - w * (1 - overhang))))
      let top = Float(dice.within(Double(-overhang * h), Double(height - h * (1 - overhang))))
      let box = Box(left: left, top: top, right: left + w, bottom: top + h)
      let isFree = taken.allSatisfy {
        $0.right <= box.left || box.right <= $0.left || $0.bottom <= box.top || box.bottom <= $0.top
      }
      if isFree {
        taken.append(box.grown(width * 0.01, height * 0.01))
        return box
      }
    }
    return nil
  }

  /// One to four lines of text in a rectangle, on a board of their own or on what is there.
  private func sign(in box: Box, _ canvas: inout PageCanvas, _ dice: inout Dice) throws {
    // The sheet is smaller than its place, so that what turns stays inside.
    let inner = box.grown(-box.width * 0.08, -box.height * 0.1)
    guard inner.width > 8, inner.height > 5 else { return }
    let isSteep = dice.chance(0.05)
    var corners = try turned(
      inner, degrees: dice.chance(0.2) ? 18 : 5, skew: dice.within(0, 0.09) * Double(inner.height / inner.width), &dice)
    if dice.chance(0.35) { corners = foreshortened(corners, &dice) }
    if isSteep {
      corners = Quadrilateral(corners.fourth, corners.first, corners.second, corners.third)
    }
    let (width, height) = isSteep ? (inner.height, inner.width) : (inner.width, inner.height)
    let sheet = try Sheet(width: width, height: height, corners: corners)
    if dice.chance(0.6) {
      let board = RGB.random(luma: dice.unit(), saturation: dice.chance(0.6) ? dice.unit() : 0.1, &dice)
      try canvas.fill(corners.points.map { ($0.x, $0.y) }, board)
      if dice.chance(0.3) { try frame(corners, &canvas, board, &dice) }
    }
    let ground = canvas.ground(corners.bounds)
    // On a lively ground only strong ink can be read.
    let ink = Inking.colour(
      .scene, on: ground.mean, minimumContrast: min(options.minimumContrast + ground.deviation, 0.45), &dice)
    let contrast = abs(ink.luma - ground.mean.luma) - ground.deviation / 2
    try lines(on: sheet, ink, contrast, &canvas, &dice)
  }

  private func lines(
    on sheet: Sheet, _ ink: RGB, _ contrast: Double, _ canvas: inout PageCanvas, _ dice: inout Dice
  ) throws {
    var font = try font(.scene, monospaced: 0.04, &dice)
    let padding = sheet.height * 0.1
    // Rows of which nothing could be read are rare.
    let most = max(Int(sheet.height / (dice.chance(0.15) ? 6 : 13)), 1)
    let rows = min(dice.pick([1, 1, 1, 2, 2, 3, 4]), most)
    let isCentred = dice.chance(0.6)
    var y = padding
    for row in 0..<rows where y < sheet.height - padding {
      if row > 0, dice.chance(0.3) { font = try self.font(.scene, monospaced: 0.04, &dice) }
      let room = (sheet.height - padding - y) / Float(rows - row)
      let casing = Casing.any(scene: true, &dice)
      let spacing = dice.chance(0.2) ? dice.within(0, 0.2) : 0
      // As many words as fill the row at its full height, or one; the height is that of capitals and descenders.
      let tall = font.bottom - font.capitalTop
      let full = (sheet.width - 2 * padding) / (room * 0.86 / tall) * Float(dice.within(0.9, 1.7))
      var line = try line(
        .scene, font, width: min(full, 60), atMost: 6, spacing: spacing, gap: 0.3 + Float(spacing), casing: casing,
        &dice)
      if line.words.isEmpty {
        line = try self.line(.scene, font, width: 60, atMost: 1, spacing: spacing, casing: casing, &dice)
      }
      guard line.width > 0 else { continue }
      // As large as fits in both directions.
      let size = min(room * 0.86 / tall, (sheet.width - 2 * padding) / line.width)
      let x = isCentred ? (sheet.width - line.width * size) / 2 : padding
      var pen = PageCanvas.Pen(font: font, size: size, ink: ink, contrast: contrast)
      if dice.chance(0.3) { pen.stroke = Float(dice.within(0, 0.05)) }
      if dice.chance(0.1) { pen.second = RGB.random(luma: ink.luma, saturation: dice.unit(), &dice) }
      try canvas.write(line, x: x, y: y - font.capitalTop * size, on: sheet, pen, &dice)
      y += min(room, size * tall * Float(dice.within(1.2, 1.6)))
    }
  }

  /// One side farther away than the other.
  private func foreshortened(_ corners: Quadrilateral, _ dice: inout Dice) -> Quadrilateral {
    var result = corners
    let part = Float(dice.within(0, 0.2))
    func between(_ a: Point, _ b: Point) -> Point { Point(a.x + (b.x - a.x) * part, a.y + (b.y - a.y) * part) }
    if dice.chance(0.5) {
      (result.first, result.fourth) = (between(corners.first, corners.fourth), between(corners.fourth, corners.first))
    } else {
      (result.second, result.third) = (between(corners.second, corners.third), between(corners.third, corners.second))
    }
    return result
  }

  private func frame(_ corners: Quadrilateral, _ canvas: inout PageCanvas, _ board: RGB, _ dice: inout Dice) throws {
    let colour = Inking.colour(.scene, on: board, minimumContrast: 0.2, &dice)
    let width = Float(dice.within(1, 4))
    let points = corners.points
    for (a, b) in zip(points, points[1...] + points[..<1]) {
      try canvas.line((a.x, a.y), (b.x, b.y), width: width, colour)
    }
  }

  // ── What is not text ──────────────────────────────────────────────────────

  /// A whole picture of the caller's, or walls, windows, stripes and blots of our own.
  func backdrop(_ dice: inout Dice) throws -> Image {
    let (width, height) = (options.width, options.height)
    if !options.backgrounds.isEmpty, dice.chance(0.75) {
      return try Backdrop.piece(of: dice.pick(options.backgrounds), width, height, &dice)
    }
    var canvas = PageCanvas(try Backdrop.surface(width, height, &dice), options)
    for _ in 0..<dice.within(0...14) { try thing(&canvas, &dice) }
    return canvas.picture
  }

  /// A polygon, a row of windows, bars, or a tangle of lines.
  private func thing(_ canvas: inout PageCanvas, _ dice: inout Dice) throws {
    let (width, height) = (Double(options.width), Double(options.height))
    let colour = RGB.random(luma: dice.unit(), saturation: dice.chance(0.6) ? dice.unit() * 0.6 : 0.1, &dice)
    func x() -> Float { Float(dice.within(-0.1, 1.1) * width) }
    func y() -> Float { Float(dice.within(-0.1, 1.1) * height) }
    switch dice.below(5) {
    case 0, 1:
      let (left, top) = (x(), y())
      let box = Box(
        left: left, top: top, right: left + Float(dice.within(0.1, 0.7) * width),
        bottom: top + Float(dice.within(0.1, 0.7) * height))
      try canvas.fill(try turned(box, degrees: 8, skew: 0.06, &dice).points.map { ($0.x, $0.y) }, colour)
    case 2:
      // Windows and bricks, the regularity of which is much like that of letters.
      let (left, top) = (x(), y())
      let (w, h) = (Float(dice.within(6, 40)), Float(dice.within(6, 40)))
      for row in 0..<dice.within(1...5) {
        for column in 0..<dice.within(2...9) {
          let (u, v) = (left + Float(column) * w * 1.4, top + Float(row) * h * 1.5)
          try canvas.fill([(u, v), (u + w, v), (u + w, v + h), (u, v + h)], colour)
        }
      }
    case 3:
      let (left, top, step) = (x(), y(), Float(dice.within(3, 16)))
      let (length, thickness) = (Float(dice.within(10, 160)), step * Float(dice.within(0.2, 0.7)))
      let isUpright = dice.chance(0.6)
      for index in 0..<dice.within(3...24) {
        let offset = Float(index) * step
        let from = isUpright ? (left + offset, top) : (left, top + offset)
        let to = isUpright ? (left + offset, top + length) : (left + length, top + offset)
        try canvas.line(from, to, width: thickness, colour)
      }
    default:
      for _ in 0..<dice.within(1...6) {
        try canvas.line((x(), y()), (x(), y()), width: Float(dice.within(1, 8)), colour)
      }
    }
  }
}
