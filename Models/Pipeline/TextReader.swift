public import Imaging
internal import TensorCore

/// A line of text on a page.
public struct TextLine: Sendable, Equatable {
  /// Clockwise from the corner that is top left on the page, in pixels of the page.
  public var polygon: Quadrilateral
  /// The outline that the detector found, in pixels of the page: more than the polygon where it gives outlines.
  public var outline: Polygon
  public var text: String
  /// Mean probability of the characters, 0…1.
  public var score: Double
  /// How the text stands: 0 level, 1 reading downwards, 2 upside down, 3 reading upwards.
  public var quarterTurns: Int

  public init(
    polygon: Quadrilateral, outline: Polygon? = nil, text: String, score: Double, quarterTurns: Int = 0
  ) {
    self.polygon = polygon
    self.outline = outline ?? polygon.points
    self.text = text
    self.score = score
    self.quarterTurns = quarterTurns
  }

  /// The polygon clockwise from the top left of the text itself.
  public var textCorners: Quadrilateral {
    let (a, b, c, d) = polygon.corners
    switch quarterTurns & 3 {
    case 1: return Quadrilateral(b, c, d, a)
    case 2: return Quadrilateral(c, d, a, b)
    case 3: return Quadrilateral(d, a, b, c)
    default: return polygon
    }
  }
}

/// The whole way from a picture to its text: a detector finds boxes, what is in them is cut out and made level, a
/// classifier turns what stands upside down, a recogniser reads.
public struct TextReader: Sendable {
  public let detector: TextDetector
  public let recognizer: TextRecognizer
  public let classifier: AngleClassifier?

  /// Without a classifier, no line is turned.
  public init(detector: OCRModel, recognizer: OCRModel, classifier: OCRModel?) throws {
    self.detector = try TextDetector(detector)
    self.recognizer = try TextRecognizer(recognizer)
    self.classifier = try classifier.map { try AngleClassifier($0) }
  }

  /// Lines in reading order. Throws what the models throw, and `.limit` for pages too narrow to be scaled.
  /// - Parameter picture: grey, RGB or RGBA (laid over white), upright.
  public func read(_ picture: Image) throws -> [TextLine] {
    let page = try FittedPage(picture.rgb(), detector.model.recipe.page)
    let found = try detector(page.image)
    var cuts = try found.map { try page.image.line(inside: $0.box) }
    let answers = try classifier?(cuts.map(\.image)) ?? []
    for (index, answer) in answers.enumerated() where answer.isUpsideDown {
      cuts[index] = (try cuts[index].image.turned(.half), cuts[index].quarterTurns + 2)
    }
    let texts = try recognizer(cuts.map(\.image))
    return found.indices.compactMap { index in
      guard texts[index].score >= recognizer.minimalScore, !texts[index].text.isEmpty else { return nil }
      return TextLine(
        polygon: page.onPage(found[index].box), outline: found[index].outline.map { page.onPage($0) },
        text: texts[index].text, score: texts[index].score, quarterTurns: cuts[index].quarterTurns)
    }
  }
}
