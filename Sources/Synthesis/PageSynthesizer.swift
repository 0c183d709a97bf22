public import Imaging
internal import TensorCore

/// Draws pages and scenes with many texts, and says where each stands. A value that several threads may use at once: a
/// sample depends only on its index, the seed, the options and the installed fonts.
public struct PageSynthesizer: Sendable {
  public let options: PageOptions
  let catalog: FontCatalog
  let source: TextSource

  /// Throws `.usage` for options that make no sense or words of which none can be drawn, `.file` when no font is usable.
  public init(_ options: PageOptions = PageOptions()) throws {
    try options.validate()
    var options = options
    options.backgrounds = try options.backgrounds.map { try $0.rgb() }
    let fonts = try FontCatalog.open(options.fonts)
    let words = try options.words.map { try fonts.usable($0, alphabet: options.alphabet, length: 1...40) }
    self.options = options
    catalog = fonts
    source = TextSource(words: words, alphabet: options.alphabet, length: 1...24, phrases: 0)
  }

  /// A picture, RGB `[height, width, 3]`, and the texts in it, in the order of drawing. Any index, in any order, from
  /// any thread. Throws `.file` when the fonts lack what the dictionary asks for.
  public func sample(index: Int, seed: UInt64) throws -> (image: Image, regions: [TextRegion]) {
    var dice = Dice(seed: seed, index: index, purpose: 0x7061_6765)
    let style = options.style == .mixed ? dice.pick([.scene, .scene, .receipts, .documents]) : options.style
    var degradation = Degradation(style, &dice)
    var canvas: PageCanvas
    switch style {
    case .scene, .mixed: canvas = try scene(&dice)
    case .receipts: canvas = try receipt(&dice)
    case .documents: canvas = try document(&dice)
    }
    guard options.isDegraded else { return (canvas.picture, canvas.regions) }
    // Letters of a page are small: what a word of 32 pixels bears is too much for them.
    degradation.blur *= 0.6
    degradation.motion *= 0.6
    degradation = degradation.limited(toContrast: max(options.minimumContrast * 1.3, 0.2))
    degradation.harshness = 0
    let degraded = try degradation.apply(to: canvas.picture, scale: 1, &dice)
    canvas.picture = try degradation.finish(degraded, &dice)
    canvas.ignoreInvisible(noise: degradation.noise)
    return (canvas.picture, canvas.regions)
  }

  /// A word that the font can draw; nil when several tries found none.
  func word(_ style: TextStyle, _ font: Font, _ casing: Casing?, _ dice: inout Dice) -> String? {
    for _ in 0..<8 {
      var text = source.text(style, &dice)
      // Running text has a capital here and there.
      if let casing, source.words == nil { text = (casing == .lower && dice.chance(0.1) ? .title : casing)(text) }
      if font.isUnicase, source.words == nil { text = text.uppercased() }
      if font.has(text) { return text }
    }
    return nil
  }

  /// A font for text of that style; throws `.file` when there is none.
  func font(_ style: TextStyle, monospaced share: Double, _ dice: inout Dice) throws -> Font {
    var text = ""
    for _ in 0..<8 {
      // Fonts without digits would leave gaps everywhere.
      text = source.text(style, &dice)
      let wanted = source.words == nil && (options.alphabet?.isLatin ?? true) ? "Ag0" + text : text
      if let font = catalog.font(for: wanted, monospaced: share, &dice) { return font }
    }
    throw LigatureError(
      .file, "no font draws '\(text)'; install fonts for the characters of the dictionary, or name a smaller one")
  }

  /// A line of as many words as fit, or of a number of them.
  func line(
    _ style: TextStyle, _ font: Font, width: Float, atMost count: Int = .max, spacing: Double = 0, gap: Float = 0.28,
    casing: Casing? = nil, _ dice: inout Dice
  ) throws -> SetLine {
    var line = SetLine()
    while line.words.count < count, line.words.count < 200 {
      guard let text = word(style, font, casing, &dice) else { break }
      let outline = try font.outline(text, spacing: spacing)
      guard outline.advance > 0, outline.advance.isFinite else { break }
      if (line.words.isEmpty ? 0 : line.width + gap) + outline.advance > width { break }
      line.append(text, outline, gap: gap)
    }
    return line
  }

  /// A line of given words; those that the font lacks, or the dictionary, are left out.
  func line(_ text: String, _ font: Font, gap: Float = 0.28) throws -> SetLine {
    var line = SetLine()
    for word in text.split(separator: " ") {
      let word = options.alphabet?.filtered(String(word)) ?? String(word)
      guard !word.isEmpty, font.has(word) else { continue }
      line.append(word, try font.outline(word), gap: gap)
    }
    return line
  }
}
