public import Imaging
internal import TensorCore

/// A line of text on a page.
public struct TextLine: Sendable, Equatable {
  /// Clockwise from the top left of the text, in pixels of the page; it stands upside down where `isUpsideDown`.
  public var polygon: Quadrilateral
  public var text: String
  /// Mean probability of the characters, 0…1.
  public var score: Double
  public var isUpsideDown: Bool

  public init(polygon: Quadrilateral, text: String, score: Double, isUpsideDown: Bool = false) {
    self.polygon = polygon
    self.text = text
    self.score = score
    self.isUpsideDown = isUpsideDown
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
    let boxes = try detector(page.image)
    var cuts = try boxes.map { try page.image.line(inside: $0) }
    let answers = try classifier?(cuts)
    for (index, answer) in (answers ?? []).enumerated() where answer.isUpsideDown {
      cuts[index] = try cuts[index].turned(.half)
    }
    let texts = try recognizer(cuts)
    return boxes.indices.compactMap { index in
      guard texts[index].score >= recognizer.minimalScore else { return nil }
      return TextLine(
        polygon: page.onPage(boxes[index]), text: texts[index].text, score: texts[index].score,
        isUpsideDown: answers?[index].isUpsideDown ?? false)
    }
  }
}
