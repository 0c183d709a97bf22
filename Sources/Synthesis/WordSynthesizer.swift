public import Imaging
internal import TensorCore

/// Draws pictures of words with their texts. A value that several threads may use at once: a sample depends only on its
/// index, the seed, the options and the installed fonts.
public struct WordSynthesizer: Sendable {
  public let options: WordOptions
  private let catalog: FontCatalog
  private let source: TextSource

  /// Throws `.usage` for options that make no sense, `.file` when no font is usable, and `.usage` when no word is left
  /// that the alphabet, the length and the fonts allow.
  public init(_ options: WordOptions = WordOptions()) throws {
    try options.validate()
    var options = options
    options.backgrounds = try options.backgrounds.map { try $0.rgb() }
    let fonts = try FontCatalog.open(options.fonts)
    let words = try options.words.map { try fonts.usable($0, alphabet: options.alphabet, length: options.length) }
    self.options = options
    catalog = fonts
    source = TextSource(
      words: words, alphabet: options.alphabet, length: options.length, phrases: options.phrases)
  }

  /// A picture, RGB `[height, any width, 3]`, and what stands on it. Any index, in any order, from any thread.
  /// Throws `.file` when the fonts lack what the dictionary asks for.
  public func sample(index: Int, seed: UInt64) throws -> (image: Image, text: String) {
    var last = ""
    // One font or text that cannot be drawn does not matter; the next attempt takes others.
    for attempt in 0..<24 {
      var dice = Dice(seed: seed, index: index, purpose: UInt64(attempt))
      let style =
        options.style == .mixed ? dice.pick([.scene, .scene, .receipts, .receipts, .documents]) : options.style
      let text = source.text(style, &dice)
      last = text
      let look = WordLook(style, options, &dice)
      guard let font = catalog.font(for: text, monospaced: look.monospacedShare, &dice) else { continue }
      if let image = try draw(text, font, look, &dice) { return (image, text) }
    }
    throw LigatureError(
      .file, "no font draws '\(last)'; install fonts for the characters of the dictionary, or name a smaller one")
  }

  /// Nil when the font gives no ink, or shapes that are not those of letters.
  private func draw(_ text: String, _ font: Font, _ look: WordLook, _ dice: inout Dice) throws -> Image? {
    let outline = try font.outline(text, spacing: look.spacing)
    guard let ink = outline.ink, outline.glyphs.allSatisfy(\.isSane) else { return nil }
    let height = look.renderedHeight
    let widest = Int(Double(options.maximumWidth) * Double(height) / Double(options.height))
    let box = WordGeometry.box(ink, font, &dice)
    let geometry = try WordGeometry(box, look, height: height, widest: max(widest, 8), &dice)
    var shapes = outline
    for neighbour in try neighbours(box, font, look, &dice) { shapes.append(shapesOf: neighbour) }
    shapes.map(geometry.place)
    guard shapes.bounds != nil else { return nil }
    var picture = try look.backgrounds(geometry.width, geometry.height, options, &dice)
    let contrast = try look.paint(shapes, on: &picture, options, &dice)
    let degradation = look.degradation.limited(toContrast: contrast)
    if options.isDegraded { picture = try degradation.apply(to: picture, scale: Double(height) / 32, &dice) }
    let width = min(
      max(Int((Double(picture.width * options.height) / Double(height)).rounded()), 4), options.maximumWidth)
    if picture.height != options.height || picture.width != width {
      let isSmaller = picture.height > options.height
      let ways: [Interpolation] = isSmaller ? [.area] : [.linear, .cubic]
      picture = try picture.resized(width: width, height: options.height, interpolation: dice.pick(ways))
    }
    if options.isDegraded { picture = try degradation.finish(picture, &dice) }
    return picture
  }

  /// Crops of real text show parts of the lines around it, and of the words beside it.
  private func neighbours(_ box: Box, _ font: Font, _ look: WordLook, _ dice: inout Dice) throws -> [Outline] {
    var result: [Outline] = []
    func add(_ x: Float, _ y: Float, endsThere: Bool = false) throws {
      let text = source.text(look.style, &dice)
      guard font.has(text), let outline = try? font.outline(text, spacing: look.spacing),
        outline.glyphs.allSatisfy(\.isSane)
      else { return }
      let shift = endsThere ? x - outline.advance : x
      result.append(outline.mapped { ($0 + shift, $1 + y) })
    }
    let pitch = box.height * Float(dice.within(1.12, 1.7))
    if dice.chance(look.neighbourShare) { try add(box.left + Float(dice.within(-1.5, 0.5)), -pitch) }
    if dice.chance(look.neighbourShare) { try add(box.left + Float(dice.within(-1.5, 0.5)), pitch) }
    if dice.chance(look.neighbourShare / 4) { try add(box.left - 0.35, 0, endsThere: true) }
    if dice.chance(look.neighbourShare / 4) { try add(box.right + 0.35, 0) }
    return result
  }
}

/// Where a line of text, shaped in ems, comes to lie in its picture.
struct WordGeometry {
  let width: Int
  let height: Int
  let place: (Float, Float) -> (Float, Float)

  /// What the picture is cut around: the ink, or the height of the font, as different people draw boxes.
  static func box(_ ink: Box, _ font: Font, _ dice: inout Dice) -> Box {
    var box = ink
    let isLow = ink.height < -0.75 * font.smallTop
    if isLow || dice.chance(0.3) {
      box.top = min(box.top, dice.chance(0.5) ? font.capitalTop : font.smallTop)
      box.bottom = max(box.bottom, 0)
    }
    if dice.chance(0.12) { box.bottom = max(box.bottom, font.bottom) }
    return box
  }

  init(_ box: Box, _ look: WordLook, height: Int, widest: Int, _ dice: inout Dice) throws {
    let (stretch, bend, shear) = (Float(look.stretch), Float(look.bend), Float(look.shear))
    let size = (width: max(box.width * stretch, 0.05), height: box.height)
    let corners = WordGeometry.corners(size, look, &dice)
    let homography = try Homography(
      from: Quadrilateral(x: 0, y: 0, width: size.width, height: size.height), to: corners
    ).elements.map { Float($0) }
    let (left, top) = (box.left, box.top)
    func warped(_ x: Float, _ y: Float) -> (Float, Float) {
      var (u, v) = ((x - left) * stretch, y - top)
      let t = 2 * u / size.width - 1
      v += bend * size.height * (t * t - 0.5)
      u += shear * (size.height - v)
      let w = homography[6] * u + homography[7] * v + homography[8]
      return (
        (homography[0] * u + homography[1] * v + homography[2]) / w,
        (homography[3] * u + homography[4] * v + homography[5]) / w
      )
    }
    var area = Box(left: .infinity, top: .infinity, right: -.infinity, bottom: -.infinity)
    for step in 0...8 {
      let x = box.left + box.width * Float(step) / 8
      for y in [box.top, box.bottom] {
        let (u, v) = warped(x, y)
        area = area.union(Box(left: u, top: v, right: u, bottom: v))
      }
    }
    let margins = (0..<4).map { _ in Float(look.margin(&dice)) * size.height }
    area = Box(
      left: area.left - margins[0] * 1.5, top: area.top - margins[1], right: area.right + margins[2] * 1.5,
      bottom: area.bottom + margins[3])
    let scale = Float(height) / max(area.height, 0.01)
    let natural = area.width * scale
    let width = min(max(Int(natural.rounded()), 4), widest)
    let scaleX = Float(width) / max(area.width, 0.01)
    self.width = width
    self.height = height
    // Pixel centres are whole numbers: the left edge of the area is at -1/2.
    place = { x, y in
      let (u, v) = warped(x, y)
      return ((u - area.left) * scaleX - 0.5, (v - area.top) * scale - 0.5)
    }
  }

  /// The rectangle's corners after perspective and rotation.
  private static func corners(
    _ size: (width: Float, height: Float), _ look: WordLook, _ dice: inout Dice
  ) -> Quadrilateral {
    // A long word that is turned far leaves no height for its letters.
    let most = Double(1.1 * size.height / max(size.width, size.height)) * 57
    let degrees = min(max(look.degrees, -most), most)
    let (sine, cosine) = sineAndCosine(degrees: degrees)
    func corner(_ x: Float, _ y: Float) -> Point {
      let reach = Float(look.perspective) * size.height
      let u = x * size.width + Float(dice.within(-1, 1)) * reach
      let v = y * size.height + Float(dice.within(-1, 1)) * reach
      return Point(u * cosine - v * sine, u * sine + v * cosine)
    }
    return Quadrilateral(corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1))
  }
}
