public import Imaging
internal import TensorCore

/// Tells lines of text that stand upside down from upright ones.
public struct AngleClassifier: Sendable {
  public struct Answer: Sendable, Equatable {
    public var label: String
    public var score: Float
    /// Whether the line is to be turned by 180 degrees.
    public var isUpsideDown: Bool
  }

  let model: OCRModel
  private let size: Recipe.FixedSize
  private let table: PixelTable
  private let parameters: Recipe.Angle

  public init(_ model: OCRModel) throws {
    guard case .angle(let parameters) = model.recipe.postprocess, case .fixed(let size) = model.recipe.preprocess.resize
    else { throw LigatureError(.unsupported, "the recipe of an angle classifier needs 'fixed' and 'angle'") }
    self.model = model
    self.size = size
    self.parameters = parameters
    table = try model.recipe.preprocess.table()
  }

  /// An answer for each line, in the order given.
  /// - Parameter lines: RGB.
  public func callAsFunction(_ lines: [Image]) throws -> [Answer] {
    var answers = [Answer](repeating: Answer(label: "0", score: 0, isUpsideDown: false), count: lines.count)
    for batch in batchesByAspectRatio(lines, size.batch) {
      let scaled = try batch.map {
        try model.recipe.preprocess.ordered(lines[$0].scaledLine(height: size.height, atMost: size.width))
      }
      let input = try Image.tensor(of: scaled, width: size.width, height: size.height, table)
      let output = try model.run(input, rank: 2)
      guard output.shape == [batch.count, parameters.labels.count] else {
        throw LigatureError(
          .shape, "the angle classifier gave \(output.shape), not [\(batch.count), \(parameters.labels.count)]")
      }
      let scores = try output.scalars(as: Float.self)
      for (row, line) in batch.enumerated() {
        answers[line] = answer(scores[row * parameters.labels.count..<(row + 1) * parameters.labels.count])
      }
    }
    return answers
  }

  private func answer(_ scores: ArraySlice<Float>) -> Answer {
    let best = unsafe Array(scores).withUnsafeBufferPointer { unsafe firstMaximum($0) }
    let (label, score) = (parameters.labels[best], scores[scores.startIndex + best])
    return Answer(
      label: label, score: score, isUpsideDown: label == "180" && score > Float(parameters.threshold))
  }
}
