public import Imaging
internal import TensorCore

/// Reads lines of text that were cut out of a page, with a CTC recogniser.
public struct TextRecognizer: Sendable {
  let model: OCRModel
  /// Lines with a lower score are not worth reporting.
  public let minimalScore: Double
  private let resizing: Resizing
  private let convertor: CTCConvertor

  private enum Resizing {
    case height(Recipe.LineHeight, PixelTable)
    case resizeOCR(RecognitionPipeline)
  }

  public init(_ model: OCRModel) throws {
    let preprocess = model.recipe.preprocess
    guard case .ctc(let parameters) = model.recipe.postprocess else {
      throw LigatureError(.unsupported, "the recipe of a recogniser needs 'ctc'")
    }
    switch preprocess.resize {
    case .height(let size): resizing = .height(size, try preprocess.table())
    case .resizeOCR: resizing = .resizeOCR(try RecognitionPipeline(preprocess))
    default: throw LigatureError(.unsupported, "the recipe of a recogniser needs 'height' or 'ResizeOCR'")
    }
    guard !model.dictionary.isEmpty else {
      throw LigatureError(.format, "the recipe of the recogniser '\(model.recipe.name.prefix(100))' has no dictionary")
    }
    self.model = model
    minimalScore = parameters.minimalScore
    convertor = try CTCConvertor(parameters, dictionary: model.dictionary)
  }

  /// The text of each line, in the order given.
  /// - Parameter lines: RGB, upright.
  public func callAsFunction(_ lines: [Image]) throws -> [RecognizedText] {
    switch resizing {
    case .height(let size, let table): try readByHeight(lines, size, table)
    case .resizeOCR(let pipeline): try readViews(lines, pipeline)
    }
  }

  /// Lines of similar proportions are read together, in batches that are as wide as their widest line; a line's own
  /// padding is part of what the model sees.
  private func readByHeight(
    _ lines: [Image], _ size: Recipe.LineHeight, _ table: PixelTable
  ) throws -> [RecognizedText] {
    var texts = [RecognizedText](repeating: .init(text: "", score: 0), count: lines.count)
    for batch in batchesByAspectRatio(lines, size.batch) {
      let width = batchWidth(batch.map { lines[$0] }, size)
      let scaled = try batch.map {
        try model.recipe.preprocess.ordered(lines[$0].scaledLine(height: size.height, atMost: width))
      }
      let input = try Image.tensor(of: scaled, width: width, height: size.height, table)
      for (line, text) in zip(batch, try read(input, validRatios: nil)) { texts[line] = text }
    }
    return texts
  }

  /// Views of one width are read together: then the answers are those of lines read one by one. Of the views of a
  /// line, the surest counts.
  private func readViews(_ lines: [Image], _ pipeline: RecognitionPipeline) throws -> [RecognizedText] {
    let views = try lines.enumerated().flatMap { line, image in
      try pipeline.views(of: image).map { (line: line, view: $0) }
    }
    var answers = [RecognizedText](repeating: .init(text: "", score: 0), count: views.count)
    let byWidth = Dictionary(grouping: views.indices) { views[$0].view.image.width }
    for (_, group) in byWidth.sorted(by: { $0.key < $1.key }) {
      for start in stride(from: 0, to: group.count, by: pipeline.size.batch) {
        let batch = group[start..<min(start + pipeline.size.batch, group.count)]
        let input = try pipeline.tensor(batch.map { views[$0].view })
        let read = try read(input, validRatios: batch.map { views[$0].view.validRatio })
        for (index, text) in zip(batch, read) { answers[index] = text }
      }
    }
    let byLine = Dictionary(grouping: views.indices) { views[$0].line }
    return lines.indices.map { line in
      let texts = (byLine[line] ?? []).map { answers[$0] }
      return texts.count == 1 ? texts[0] : RecognizedText.surest(of: texts)
    }
  }

  private func read(_ input: Tensor, validRatios: [Double]?) throws -> [RecognizedText] {
    let texts = try convertor.decode(model.run(input, rank: 3), validRatios: validRatios)
    guard texts.count == input.shape[0] else {
      throw LigatureError(.shape, "the recogniser read \(input.shape[0]) lines and gave \(texts.count)")
    }
    return texts
  }

  /// The widest line's width at the common height, and at least the recipe's.
  private func batchWidth(_ lines: [Image], _ size: Recipe.LineHeight) -> Int {
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
