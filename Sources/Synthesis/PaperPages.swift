internal import Imaging
internal import TensorCore

/// Printed paper: documents and receipts.
extension PageSynthesizer {
  /// What the paper is like, and what is written with.
  private struct Paper {
    var sheet: Sheet
    var ground: RGB
    var ink: RGB

    func pen(_ font: Font, _ size: Float, stroke: Float = 0) -> PageCanvas.Pen {
      PageCanvas.Pen(font: font, size: size, ink: ink, stroke: stroke, contrast: abs(ink.luma - ground.luma))
    }
  }

  func document(_ dice: inout Dice) throws -> PageCanvas {
    var (canvas, paper) = try lay(.documents, aspect: nil, &dice)
    let font = try font(.documents, monospaced: 0.06, &dice)
    let heading = dice.chance(0.5) ? font : try self.font(.documents, monospaced: 0.06, &dice)
    let size = max(paper.sheet.width / Float(dice.within(22, 62)), leastSize(&dice))
    let columns = size * 18 > paper.sheet.width ? 1 : dice.pick([1, 1, 2, 2, 3])
    let margin = paper.sheet.width * Float(dice.within(0.02, 0.09))
    let gutter = size * Float(dice.within(1.2, 2.5))
    let width = (paper.sheet.width - 2 * margin - gutter * Float(columns - 1)) / Float(columns)
    for column in 0..<columns {
      let x = margin + (width + gutter) * Float(column)
      try fill(column: x, width, margin, &canvas, paper, (font, heading), size, &dice)
    }
    return canvas
  }

  /// Paragraphs, headings, rules and figures from top to bottom.
  private func fill(
    column x: Float, _ width: Float, _ margin: Float, _ canvas: inout PageCanvas, _ paper: Paper,
    _ fonts: (body: Font, heading: Font), _ size: Float, _ dice: inout Dice
  ) throws {
    let pitch = size * Float(dice.within(1.15, 1.75))
    let isJustified = dice.chance(0.5)
    var y = margin + size * Float(dice.within(0.5, 3))
    while y < paper.sheet.height - margin / 2 {
      switch dice.unit() {
      case ..<0.18:
        let large = size * Float(dice.within(1.2, 2.8))
        y += large * 0.6
        let title = try line(
          .documents, fonts.heading, width: width / large, atMost: dice.within(1...6),
          casing: dice.pick([.upper, .title]), &dice)
        let offset = dice.chance(0.4) ? (width - title.width * large) / 2 : 0
        try canvas.write(
          title, x: x + offset, y: y, on: paper.sheet, paper.pen(fonts.heading, large, stroke: 0.02), &dice)
        y += large * 0.9
      case ..<0.24:
        try rule(from: x, to: x + width, y: y, &canvas, paper)
        y += pitch
      case ..<0.3:
        let height = min(width * Float(dice.within(0.2, 0.6)), paper.sheet.height - y)
        if height > size {
          try figure(Box(left: x, top: y, right: x + width, bottom: y + height), &canvas, paper, &dice)
        }
        y += height + pitch * 1.4
      default:
        for row in 0..<dice.within(2...9) where y < paper.sheet.height - margin / 2 {
          let indent = row == 0 ? size * 1.2 : 0
          var line = try line(.documents, fonts.body, width: (width - indent) / size, casing: .lower, &dice)
          if isJustified { line.spread(to: (width - indent) / size) }
          try canvas.write(line, x: x + indent, y: y, on: paper.sheet, paper.pen(fonts.body, size), &dice)
          y += pitch
        }
        y += pitch * Float(dice.within(0.2, 1))
      }
    }
  }

  func receipt(_ dice: inout Dice) throws -> PageCanvas {
    var (canvas, paper) = try lay(.receipts, aspect: Float(dice.within(0.3, 0.9)), &dice)
    if dice.chance(0.35) { canvas.wear = .receipts }
    let font = try font(.receipts, monospaced: 0.55, &dice)
    let heading = dice.chance(0.5) ? font : try self.font(.receipts, monospaced: 0.2, &dice)
    let margin = paper.sheet.width * Float(dice.within(0.02, 0.08))
    let width = paper.sheet.width - 2 * margin
    // As many characters in a line as tills print.
    let advance = max(try font.outline("0").advance, 0.3)
    let size = max(width / (Float(dice.within(20, 52)) * advance), leastSize(&dice))
    let pitch = size * Float(dice.within(1.05, 1.6))
    let stroke = Float(dice.chance(0.4) ? dice.within(-0.02, 0.04) : 0)
    var y = margin + size * 2
    func put(_ line: SetLine, _ x: Float, _ pen: PageCanvas.Pen) throws {
      try canvas.write(line, x: x, y: y, on: paper.sheet, pen, &dice)
    }
    func centred(_ text: String, _ font: Font, _ size: Float) throws {
      let line = try line(text, font)
      let size = min(size, width / max(line.width, 1))
      try put(line, margin + (width - line.width * size) / 2, paper.pen(font, size, stroke: stroke))
      y += max(pitch, size * 1.2)
    }
    func row(_ left: String, _ right: String, _ stroke: Float = stroke) throws {
      let price = try line(right, font)
      let goods = try line(left, font).cut(to: width / size - (price.width > 0 ? price.width + 1 : 0))
      try put(goods, margin, paper.pen(font, size, stroke: stroke))
      try put(price, margin + width - price.width * size, paper.pen(font, size, stroke: stroke))
      y += pitch
    }
    let casing = Casing.any(scene: false, &dice)
    func item() -> String { casing(dice.pick(EnglishWords.receipts)) }
    let large = size * Float(dice.within(1.1, 2))
    try centred(own(2, &dice) ?? casing(source.name(&dice)) + " " + item().uppercased(), heading, large)
    func other() -> String { own(3, &dice) ?? source.receiptLine(dice.within(2...4), &dice) }
    func price() -> String { own(1, &dice) ?? source.price(&dice) }
    for _ in 0..<dice.within(1...5) { try centred(other(), font, size) }
    y += pitch * Float(dice.within(0, 1))
    while y < paper.sheet.height - pitch {
      switch dice.unit() {
      case ..<0.1:
        if dice.chance(0.5) {
          try rule(from: margin, to: margin + width, y: y - size / 3, &canvas, paper)
        } else {
          try dashes(from: margin, to: margin + width, y: y - size / 3, size, &canvas, paper)
        }
        y += pitch
      case ..<0.16: y += pitch * Float(dice.within(0.5, 2))
      case ..<0.3: try centred(other(), font, size)
      case ..<0.5: try row(other(), "")
      case ..<0.58: try row(own(2, &dice) ?? item() + " " + item() + " :", price(), max(stroke, 0.03))
      default: try row(own(2, &dice) ?? "\(dice.within(1...12)) " + item() + " " + item(), price())
      }
    }
    return canvas
  }

  /// Of an em in pixels: what is smaller is mostly illegible, and therefore rare.
  private func leastSize(_ dice: inout Dice) -> Float { dice.chance(0.12) ? 6 : 11 }

  /// The caller's words, or characters of a dictionary that has no Latin letters; nil where neither is given.
  private func own(_ count: Int, _ dice: inout Dice) -> String? {
    guard source.words != nil || options.alphabet?.isLatin == false else { return nil }
    return (0..<dice.within(1...count)).map { _ in source.text(.receipts, &dice) }.joined(separator: " ")
  }

  // ── Pieces ────────────────────────────────────────────────────────────────

  /// Paper that fills the picture, or lies on something; `aspect` is its width compared with its height.
  private func lay(_ style: TextStyle, aspect: Float?, _ dice: inout Dice) throws -> (PageCanvas, Paper) {
    let (width, height) = (Float(options.width), Float(options.height))
    let texture = try Backdrop.paper(options.width, options.height, isReceipt: style == .receipts, &dice)
    let ground = texture.meanColour
    let ink = Inking.colour(style, on: ground, minimumContrast: max(options.minimumContrast, 0.3), &dice)
    let isWhole = dice.chance(style == .receipts ? 0.45 : 0.6)
    let wave = (size: dice.chance(0.25) ? Float(dice.within(0, 0.012)) * width : 0, count: Float(dice.within(1...2)))
    guard !isWhole else {
      let corners = try turned(Box(left: 0, top: 0, right: width, bottom: height), degrees: 1.2, skew: 0.015, &dice)
      return (
        PageCanvas(texture, options),
        Paper(sheet: try Sheet(width: width, height: height, corners: corners, wave: wave), ground: ground, ink: ink)
      )
    }
    var canvas = PageCanvas(try backdrop(&dice), options)
    var (w, h) = (width * Float(dice.within(0.6, 0.97)), height * Float(dice.within(0.75, 1.1)))
    if let aspect { w = min(w, max(h * aspect, width * 0.3)) }
    h = max(h, height * 0.4)
    let left = Float(dice.unit()) * (width - w)
    let top = (height - h) * Float(dice.within(0.2, 0.8))
    let box = Box(left: left, top: top, right: left + w, bottom: top + h)
    let corners = try turned(box, degrees: dice.chance(0.2) ? 12 : 3, skew: 0.04, &dice)
    // A shadow, then the paper itself, its grain showing through.
    try canvas.fill(corners.points.map { ($0.x + 4, $0.y + 5) }, RGB(0, 0, 0), opacity: dice.within(0, 0.5))
    let mask = try Outline(polygons: [corners.points.map { ($0.x, $0.y) }])
      .mask(width: options.width, height: options.height)
    canvas.picture = try canvas.picture.covered(by: texture, mask)
    return (
      canvas, Paper(sheet: try Sheet(width: w, height: h, corners: corners, wave: wave), ground: ground, ink: ink)
    )
  }

  /// A rectangle after some rotation and perspective.
  func turned(_ box: Box, degrees: Double, skew: Double, _ dice: inout Dice) throws -> Quadrilateral {
    let (sine, cosine) = sineAndCosine(degrees: dice.bell(0, deviation: degrees / 2))
    let (x, y) = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    let reach = Float(skew) * max(box.width, box.height)
    func corner(_ u: Float, _ v: Float) -> Point {
      let (dx, dy) = (u - x + reach * Float(dice.within(-1, 1)), v - y + reach * Float(dice.within(-1, 1)))
      return Point(x + dx * cosine - dy * sine, y + dx * sine + dy * cosine)
    }
    return Quadrilateral(
      corner(box.left, box.top), corner(box.right, box.top), corner(box.right, box.bottom),
      corner(box.left, box.bottom))
  }

  private func rule(from left: Float, to right: Float, y: Float, _ canvas: inout PageCanvas, _ paper: Paper) throws {
    try canvas.line(paper.sheet.place(left, y), paper.sheet.place(right, y), width: 1.2, paper.ink)
  }

  private func dashes(
    from left: Float, to right: Float, y: Float, _ size: Float, _ canvas: inout PageCanvas, _ paper: Paper
  ) throws {
    let step = max(size * 0.6, 4)
    for x in stride(from: left, to: right - step, by: step) {
      try canvas.line(
        paper.sheet.place(x, y), paper.sheet.place(x + step * 0.6, y), width: max(size / 14, 0.8), paper.ink)
    }
  }

  /// A grey or coloured area, or bars: what a detector must learn to leave alone.
  private func figure(_ box: Box, _ canvas: inout PageCanvas, _ paper: Paper, _ dice: inout Dice) throws {
    let corners = paper.sheet.corners(box)
    let colour = RGB.random(luma: dice.within(0.2, 0.9), saturation: dice.unit(), &dice)
    try canvas.fill(corners.points.map { ($0.x, $0.y) }, colour)
    for _ in 0..<dice.within(0...8) {
      let left = box.left + box.width * Float(dice.unit()) * 0.9
      let bar = Box(
        left: left, top: box.top + box.height * Float(dice.within(0, 0.8)), right: left + box.width * 0.06,
        bottom: box.bottom)
      try canvas.fill(
        paper.sheet.corners(bar).points.map { ($0.x, $0.y) },
        .random(luma: dice.within(0.1, 0.9), saturation: dice.unit(), &dice))
    }
  }
}

extension SetLine {
  /// Without the words at its end that are too much.
  func cut(to wanted: Float) -> SetLine {
    var line = self
    while let last = line.words.last, line.width > wanted {
      line.words.removeLast()
      line.width = line.words.isEmpty ? 0 : last.x
    }
    return line
  }

  /// Widens the gaps so that the line ends where it should; a line that is far too short stays as it is.
  mutating func spread(to wanted: Float) {
    guard words.count > 1, width > 0.7 * wanted, wanted > width else { return }
    let extra = (wanted - width) / Float(words.count - 1)
    for index in words.indices { words[index].x += extra * Float(index) }
    width = wanted
  }
}
