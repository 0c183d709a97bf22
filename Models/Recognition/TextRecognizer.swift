public import Imaging
internal import TensorCore

/// Reads lines of text that were cut out of a page, with a CTC recogniser.
public struct TextRecognizer: Sendable {
  let model: OCRModel
  /// Lines with a lower score are not worth reporting.
  public let minimalScore: Double
  private let size: Recipe.LineHeight
  private let table: PixelTable
  private let convertor: CTCConvertor

  public init(_ model: OCRModel) throws {
    guard case .ctc(let parameters) = model.recipe.postprocess, case .height(let size) = model.recipe.preprocess.resize
    else { throw LigatureError(.unsupported, "the recipe of a recogniser needs 'height' and 'ctc'") }
    guard !model.dictionary.isEmpty else {
      throw LigatureError(.format, "the recipe of the recogniser '\(model.recipe.name.prefix(100))' has no dictionary")
    }
    self.model = model
    self.size = size
    minimalScore = parameters.minimalScore
    table = try model.recipe.preprocess.table()
    convertor = try CTCConvertor(dictionary: model.dictionary, blank: parameters.blank)
  }

  /// The text of each line, in the order given. Lines of similar proportions are read together, in batches that are
  /// as wide as their widest line; a line's own padding is part of what the model sees.
  /// - Parameter lines: RGB, upright.
  public func callAsFunction(_ lines: [Image]) throws -> [CTCConvertor.Text] {
    var texts = [CTCConvertor.Text](repeating: .init(text: "", score: 0), count: lines.count)
    for batch in batchesByAspectRatio(lines, size.batch) {
      let width = batchWidth(batch.map { lines[$0] })
      let scaled = try batch.map {
        try model.recipe.preprocess.ordered(lines[$0].scaledLine(height: size.height, atMost: width))
      }
      let input = try Image.tensor(of: scaled, width: width, height: size.height, table)
      let decoded = try convertor.decode(model.run(input, rank: 3))
      guard decoded.count == batch.count else {
        throw LigatureError(.shape, "the recogniser read \(batch.count) lines and gave \(decoded.count)")
      }
      for (line, text) in zip(batch, decoded) { texts[line] = text }
    }
    return texts
  }

  /// The widest line's width at the common height, and at least the recipe's.
  func batchWidth(_ lines: [Image]) -> Int {
    let least = Double(size.width) / Double(size.height)
    return Int(Double(size.height) * lines.map(\.aspectRatio).reduce(least, max))
  }
}

/// Indices of pictures, the narrowest proportions first, in groups of at most `count`.
func batchesByAspectRatio(_ images: [Image], _ count: Int) -> [[Int]] {
  let ratios = images.map(\.aspectRatio)
  let sorted = Array(images.indices).stablySorted { ratios[$0] < ratios[$1] }
  return stride(from: 0, to: sorted.count, by: count).map { Array(sorted[$0..<min($0 + count, sorted.count)]) }
}
