public import Imaging
internal import TensorCore

/// What one region of a page's ground truth surrounds.
public enum TextLevel: String, Sendable, CaseIterable {
  case word, line
}

/// A piece of text in a picture.
public struct TextRegion: Sendable, Equatable {
  /// Around the ink, clockwise from the top left of the text, inside the picture.
  public var corners: Quadrilateral
  public var text: String
  /// Too small, too faint, or cut off by the edge of the picture: neither to be found nor to be read.
  public var isIgnored: Bool

  public init(corners: Quadrilateral, text: String, isIgnored: Bool = false) {
    self.corners = corners
    self.text = text
    self.isIgnored = isIgnored
  }
}

/// What pages are drawn, and how.
public struct PageOptions: Sendable {
  public var style = TextStyle.mixed
  /// Of every picture, in pixels.
  public var width = 640
  public var height = 640
  public var level = TextLevel.word
  /// Words to draw; the built-in generator's where there are none.
  public var words: [String]?
  /// Texts hold no other characters, apart from the spaces between words.
  public var alphabet: Alphabet?
  public var fonts = FontSelection.system
  /// Pictures that text is drawn on, RGB; most of the scenes take them.
  public var backgrounds: [Image] = []
  /// The least difference of luma between ink and background, from 0 to 1, before the picture is degraded.
  public var minimumContrast = 0.16
  /// Text of fewer pixels' height is in the picture, but ignored.
  public var leastHeight = 6.0
  /// Blur, noise, uneven light, JPEG: without them pages are clean.
  public var isDegraded = true

  public init() {}

  /// Throws `.usage` for what cannot be drawn.
  func validate() throws {
    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
      guard condition else { throw LigatureError(.usage, message()) }
    }
    try require(
      (64...4096).contains(width) && (64...4096).contains(height), "pages of \(width)x\(height); give 64 to 4096")
    try require((0...0.8).contains(minimumContrast), "a contrast of \(minimumContrast); give 0 to 0.8")
    try require((0...1000).contains(leastHeight), "a least height of \(leastHeight) pixels; give 0 to 1000")
  }
}
