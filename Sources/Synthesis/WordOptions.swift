public import Imaging
internal import TensorCore

/// What words are drawn, and how.
public struct WordOptions: Sendable {
  public var style = TextStyle.mixed
  /// Of every picture, in pixels.
  public var height = 32
  /// Longer texts are narrowed to this many pixels.
  public var maximumWidth = 640
  /// Words to draw; the built-in generator's where there are none.
  public var words: [String]?
  /// Texts hold no other characters.
  public var alphabet: Alphabet?
  /// How many characters a text has.
  public var length = 1...25
  /// How often a text has several words, where the alphabet has a space.
  public var phrases = 0.2
  public var fonts = FontSelection.system
  /// Pictures whose pieces text is drawn on, RGB; half of the scenes take them.
  public var backgrounds: [Image] = []
  /// The least difference of luma between ink and background, from 0 to 1, before the picture is degraded.
  public var minimumContrast = 0.14
  /// Blur, noise, uneven light, JPEG: without them text is clean.
  public var isDegraded = true

  public init() {}

  /// Throws `.usage` for what cannot be drawn.
  func validate() throws {
    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
      guard condition else { throw LigatureError(.usage, message()) }
    }
    try require((8...512).contains(height), "words of \(height) pixels' height; give 8 to 512")
    try require((height...16_384).contains(maximumWidth), "a width of \(maximumWidth); give \(height) to 16384")
    try require(length.lowerBound >= 1 && length.upperBound <= 1000, "texts of \(length) characters; give 1 to 1000")
    try require((0...1).contains(phrases), "the share of phrases is \(phrases); give 0 to 1")
    try require((0...0.8).contains(minimumContrast), "a contrast of \(minimumContrast); give 0 to 0.8")
  }
}
