import Architectures
import Imaging
import TensorCore
import Testing

/// The whole way from a picture to its text with recipes of MMOCR's models, whose networks are played.
@Suite struct MMOCRReadingTests {
  /// Answers with what a closure makes of the input.
  private struct Played: TensorFunction {
    let answer: @Sendable (Tensor) throws -> Tensor
    func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] { [try answer(inputs[0])] }
  }

  private func model(_ recipe: Recipe, _ answer: @escaping @Sendable (Tensor) throws -> Tensor) throws -> OCRModel {
    try OCRModel(metadata: [Recipe.metadataKey: recipe.json()], task: recipe.task, function: Played(answer: answer))
  }

  /// A detector that finds text where the page is white: its probabilities are the brightness of the first channel.
  private func detector(_ representation: TextRepresentation) throws -> OCRModel {
    let rules = DBPostprocessor(textReprType: representation)
    return try model(Recipe.dbnet(postprocessor: rules)) { input in
      let (height, width) = (input.shape[2], input.shape[3])
      let map: [Float] = try input.floats().prefix(height * width).map { $0 > 0 ? 0.9 : 0.01 }
      return try Tensor(map, [1, 1, height, width])
    }
  }

  /// A recogniser that reads the width of its input: `a` once for each 32 columns.
  private func recognizer() throws -> OCRModel {
    try model(Recipe.crnn(dictionary: ["a", "b"])) { input in
      #expect(input.shape[1] == 1 && input.shape[2] == 32)
      let steps = input.shape[3] / 4 + 1
      var logits = [Float](repeating: 0, count: input.shape[0] * steps * 3)
      for row in 0..<input.shape[0] * steps { logits[3 * row + (row % steps % 8 == 4 ? 1 : 0)] = 4 }
      return try Tensor(logits, [input.shape[0], steps, 3])
    }
  }

  private func page() throws -> Image {
    var page = try Image(width: 400, height: 300, channels: 3)
    for box in [[40, 40, 200, 70], [60, 200, 160, 220], [220, 198, 380, 222]] {
      let (left, top, right, bottom) = (Int32(box[0]), Int32(box[1]), Int32(box[2]), Int32(box[3]))
      let corners = [
        PixelPoint(left, top), PixelPoint(right, top), PixelPoint(right, bottom), PixelPoint(left, bottom),
      ]
      try page.fill(polygon: corners, value: [255, 255, 255])
    }
    return page
  }

  @Test func textIsFoundAndRead() throws {
    let reader = try TextReader(detector: detector(.quad), recognizer: recognizer(), classifier: nil)
    let lines = try reader.read(page())
    try #require(lines.count == 3)
    // In reading order, wider than what is white by about area * 1.5 / length on each side.
    for (line, box) in zip(lines, [[40, 40, 200, 70], [60, 200, 160, 220], [220, 198, 380, 222]]) {
      let (width, height) = (Float(box[2] - box[0]), Float(box[3] - box[1]))
      let margin = width * height * 1.5 / (2 * (width + height))
      let corners = line.polygon
      #expect(
        abs(corners.first.x - (Float(box[0]) - margin)) < 3 && abs(corners.first.y - (Float(box[1]) - margin)) < 3)
      #expect(abs(corners.third.x - min(Float(box[2]) + margin, 400)) < 3)
      #expect(line.outline == corners.points)
      let columns = 32 * (width + 2 * margin) / (height + 2 * margin)
      #expect(abs(Float(line.text.count) - columns / 32) <= 1.5, "\(line.text)")
      #expect(Set(line.text) == ["a"])
      #expect(abs(line.score - 0.9646) < 1e-3)
    }
  }

  @Test func outlinesAreKept() throws {
    let reader = try TextReader(detector: detector(.poly), recognizer: recognizer(), classifier: nil)
    let lines = try reader.read(page())
    try #require(lines.count == 3)
    for line in lines {
      #expect(line.outline.count > 4)
      let area = try line.outline.polygonArea()
      let box = try line.polygon.points.polygonArea()
      #expect(area < box && area > 0.8 * box)
    }
  }

  @Test func linesOfOneWidthAreReadTogether() throws {
    final class Recorder: TensorFunction, @unchecked Sendable {
      var shapes: [[Int]] = []
      func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] {
        shapes.append(inputs[0].shape)
        return [try Tensor(zeros: .float32, [inputs[0].shape[0], 4, 3])]
      }
    }
    let recorder = Recorder()
    let recipe = Recipe.crnn(dictionary: ["a", "b"])
    let recognizer = try TextRecognizer(
      OCRModel(metadata: [Recipe.metadataKey: recipe.json()], task: .recognition, function: recorder))
    let widths = [100, 40, 97, 33, 200, 96]
    let texts = try recognizer(widths.map { try Image(width: $0, height: 32, channels: 3) })
    #expect(texts.count == 6)
    #expect(recorder.shapes == [[2, 1, 32, 32], [3, 1, 32, 96], [1, 1, 32, 192]])
  }

  @Test func modelsThatDoNotFitTheirRecipesAreRefused() throws {
    let shrunken = try model(Recipe.dbnet()) { try Tensor(zeros: .float32, [1, 1, $0.shape[2] / 4, $0.shape[3] / 4]) }
    #expect(throws: LigatureError.self) { try TextDetector(shrunken)(page()) }
    var recipe = Recipe.crnn()
    recipe.dictionary = nil
    let unnamed = try model(recipe) { $0 }
    #expect(throws: LigatureError.self) { try TextRecognizer(unnamed) }
    recipe = Recipe.crnn()
    recipe.preprocess.mean = [127, 127, 127]
    #expect(throws: LigatureError.self) { try Recipe(json: recipe.json()) }
    recipe = Recipe.crnn()
    recipe.preprocess.divisor = 255
    #expect(throws: LigatureError.self) { try Recipe(json: recipe.json()) }
    recipe = Recipe.crnn()
    recipe.preprocess.resize = .resizeOCR(Recipe.ResizeOCR(height: 32, keepAspectRatio: false))
    #expect(throws: LigatureError.self) { try Recipe(json: recipe.json()) }
    recipe.preprocess.resize = .resizeOCR(Recipe.ResizeOCR(height: 32, rotations: [0, 45]))
    #expect(throws: LigatureError.self) { try Recipe(json: recipe.json()) }
    recipe.preprocess.resize = .resizeOCR(Recipe.ResizeOCR(height: 32, widthDivisor: 0))
    #expect(throws: LigatureError.self) { try RecognitionPipeline(recipe.preprocess) }
    let map = try FloatImage(width: 4, height: 4, channels: 1)
    #expect(throws: LigatureError.self) { try DBPostprocessor(maxCandidates: .max)(map) }
  }
}
