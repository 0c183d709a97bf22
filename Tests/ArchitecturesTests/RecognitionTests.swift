import Architectures
import Imaging
import TensorCore
import Testing

@Suite struct RecognitionTests {
  private struct CTCCase: Decodable {
    struct Text: Decodable {
      var text: String, score: Double
      init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        text = try container.decode(String.self)
        score = try container.decode(Double.self)
      }
    }
    var dictionary: [String], shape: [Int], values: [Float], texts: [Text]
  }

  @Test func textsEqualTheReference() throws {
    let example: CTCCase = try Fixtures.json("ctc.json")
    let convertor = try CTCConvertor(dictionary: example.dictionary, blank: 0)
    let texts = try convertor.decode(Tensor(example.values, example.shape))
    #expect(texts.map(\.text) == example.texts.map(\.text))
    for (text, expected) in zip(texts, example.texts) { #expect(abs(text.score - expected.score) < 1e-12) }
    #expect(example.texts.contains { $0.text.isEmpty && $0.score == 0 })
  }

  @Test func theBlankMayBeAnyClass() throws {
    let values: [Float] = [1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0]
    let text = try CTCConvertor(dictionary: ["a", "b"], blank: 2).decode(Tensor(values, [1, 4, 3]))
    #expect(text.map(\.text) == ["ab"])
    #expect(throws: LigatureError.self) { try CTCConvertor(dictionary: ["a"], blank: 2) }
  }

  @Test func wrongShapesAreExplained() throws {
    let convertor = try CTCConvertor(dictionary: ["a", "b"], blank: 0)
    for shape in [[1, 4, 4], [4, 3], [1, 1, 4, 3]] {
      #expect(throws: LigatureError.self) { try convertor.decode(Tensor(zeros: .float32, shape)) }
    }
    #expect(throws: LigatureError.self) { try convertor.decode(Tensor(zeros: .int32, [1, 4, 3])) }
    #expect(try convertor.decode(Tensor(zeros: .float32, [0, 4, 3])).isEmpty)
    #expect(try convertor.decode(Tensor(zeros: .float32, [2, 0, 3])).map(\.text) == ["", ""])
  }

  /// Answers every step with class 1, and keeps the shapes of its inputs.
  private final class Recorder: TensorFunction, @unchecked Sendable {
    var shapes: [[Int]] = []
    let answer: ([Int]) -> [Int]

    init(_ answer: @escaping ([Int]) -> [Int]) { self.answer = answer }

    func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] {
      shapes.append(inputs[0].shape)
      return [try Tensor(zeros: .float32, answer(inputs[0].shape))]
    }
  }

  @Test func linesAreReadInBatchesAsWideAsTheirWidest() throws {
    let recorder = Recorder { [$0[0], $0[3] / 8, 3] }
    let metadata = [Recipe.metadataKey: try Fixtures.recipe("ppocrv4-rec"), "character": "a"]
    let recognizer = try TextRecognizer(OCRModel(metadata: metadata, task: .recognition, function: recorder))
    let widths = [700, 20, 48, 96, 333, 320, 5, 1000, 480]
    let texts = try recognizer(widths.map { try Image(width: $0, height: 48, channels: 3) })
    #expect(texts.count == widths.count)
    #expect(recorder.shapes == [[6, 3, 48, 333], [3, 3, 48, 1000]])
    #expect(try recognizer([]).isEmpty)
  }

  @Test func modelsThatAnswerForTooFewLinesAreRefused() throws {
    let recorder = Recorder { [$0[0] - 1, 4, 3] }
    let metadata = [Recipe.metadataKey: try Fixtures.recipe("ppocrv4-rec"), "character": "a"]
    let recognizer = try TextRecognizer(OCRModel(metadata: metadata, task: .recognition, function: recorder))
    #expect(throws: LigatureError.self) { try recognizer([Image(width: 9, height: 9, channels: 3)]) }
  }

  @Test func onlySureAnswersTurnALine() throws {
    struct Answers: TensorFunction {
      func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] {
        [try Tensor([0.05, 0.95, 0.1, 0.9, 0.95, 0.05] as [Float], [3, 2])]
      }
    }
    let metadata = [Recipe.metadataKey: try Fixtures.recipe("ppocrv4-cls")]
    let classifier = try AngleClassifier(OCRModel(metadata: metadata, task: .angle, function: Answers()))
    let lines = try [30, 10, 20].map { try Image(width: $0, height: 10, channels: 3) }
    // Rows go to the lines by width: 10, 20, 30.
    #expect(try classifier(lines).map(\.isUpsideDown) == [false, true, false])
  }
}
