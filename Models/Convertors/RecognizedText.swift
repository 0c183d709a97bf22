/// What a recogniser read in a line.
public struct RecognizedText: Sendable, Equatable {
  public var text: String
  /// Mean score of the classes kept; 0 for an empty line.
  public var score: Double
  /// Score of each class kept. There may be fewer or more of them than characters: `<UKN>` is one class.
  public var scores: [Double]

  public init(text: String, score: Double, scores: [Double] = []) {
    self.text = text
    self.score = score
    self.scores = scores
  }

  /// Of the views of one line, the surest (MMOCR's `merge_aug_results`): sums of scores divided by lengths of texts
  /// are compared, the first of equal ones counts, and none at or below -1. That quotient is the result's score; an
  /// empty text and -1 where none counts.
  public static func surest(of views: [RecognizedText]) -> RecognizedText {
    views.reduce(RecognizedText(text: "", score: -1)) { best, view in
      // `<UKN>` counts with its five characters.
      let score = view.scores.reduce(0, +) / Double(max(view.text.unicodeScalars.count, 1))
      return score > best.score ? RecognizedText(text: view.text, score: score, scores: view.scores) : best
    }
  }
}

/// The classes that a convertor keeps of a line, and what they are worth.
public struct LabelIndices: Sendable, Equatable {
  /// `[L]`.
  public var indices: [Int]
  /// `[L]`.
  public var scores: [Double]
  /// `[L, k]`: the k best classes of each step kept, the best first. Empty unless asked for.
  public var best: [[Int]] = []
  public var bestScores: [[Double]] = []

  public init(indices: [Int] = [], scores: [Double] = []) {
    self.indices = indices
    self.scores = scores
  }
}
