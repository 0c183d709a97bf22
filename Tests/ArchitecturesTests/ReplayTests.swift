import Architectures
import Imaging
import TensorCore
import Testing

/// What a model was given in the recorded run: shape, sums, and values at places spread over the tensor.
private struct Summary: Decodable {
  var shape: [Int], sum: Double, squares: Double, places: [Int], values: [Double]

  func check(_ tensor: Tensor, _ what: String) throws {
    try #require(tensor.shape == shape, "\(what)")
    let values = try tensor.floats().map { Double($0) }
    #expect(places.map { values[$0] } == self.values, "\(what)")
    #expect(abs(values.reduce(0, +) - sum) <= 1e-9 * squares, "\(what)")
    #expect(abs(values.map { $0 * $0 }.reduce(0, +) - squares) <= 1e-9 * squares, "\(what)")
  }
}

private struct Replay: Decodable {
  struct Detection: Decodable { var input: Summary }
  struct Classification: Decodable { var input: Summary, output: [[Float]] }
  struct Recognition: Decodable {
    var input: Summary, shape: [Int], classes: [[Int]], probabilities: [[Float]]
  }
  struct Line: Decodable { var polygon: [[Float]], text: String, score: Double }
  struct Dictionary: Decodable { var count: Int, used: [String: String] }

  var detector: [Detection]
  var classifier: [Classification]
  var recogniser: [Recognition]
  var lines: [Line]
  var dictionary: Dictionary
}

/// Answers calls in order with recorded outputs, after checking that the inputs are the recorded ones.
private final class Playback: TensorFunction, @unchecked Sendable {
  private var calls = 0
  private let answers: [(Tensor) throws -> Tensor]

  init(_ answers: [(Tensor) throws -> Tensor]) { self.answers = answers }

  var isFinished: Bool { calls == answers.count }

  func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] {
    try #require(inputs.count == 1 && calls < answers.count)
    calls += 1
    return [try answers[calls - 1](inputs[0])]
  }
}

/// The whole pipeline on the sample page, the models' part played back from a recorded run of RapidOCR.
@Suite struct ReplayTests {
  private func characters(_ dictionary: Replay.Dictionary) -> String {
    (1..<dictionary.count).map { dictionary.used[String($0)] ?? "?" }.dropLast().joined(separator: "\n")
  }

  private func model(
    _ name: String, _ task: Recipe.Task, _ function: Playback, _ more: [String: String] = [:]
  ) throws -> OCRModel {
    let recipe = [Recipe.metadataKey: try Fixtures.recipe(name)]
    return try OCRModel(metadata: recipe.merging(more) { $1 }, task: task, function: function)
  }

  @Test func everyStageSeesAndGivesWhatTheReferenceDid() throws {
    let replay: Replay = try Fixtures.json("replay.json")
    let levels = try Image.load(path: Fixtures.path("architectures/replay_map.png"))
    let map = try Tensor(levels.pixels.map { Float($0) / 255 }, [1, 1, levels.height, levels.width])
    let detector = Playback(
      replay.detector.map { call in
        {
          try call.input.check($0, "detector")
          return map
        }
      })
    let classifier = Playback(
      replay.classifier.enumerated().map { index, call in
        {
          try call.input.check($0, "classifier \(index)")
          return try Tensor(call.output.flatMap(\.self), [call.output.count, 2])
        }
      })
    let recogniser = Playback(
      replay.recogniser.enumerated().map { index, call in
        { input in
          try call.input.check(input, "recogniser \(index)")
          var values = [Float](repeating: 0, count: call.shape.reduce(1, *))
          for (row, (classes, probabilities)) in zip(call.classes, call.probabilities).enumerated() {
            for (step, (best, probability)) in zip(classes, probabilities).enumerated() {
              values[(row * call.shape[1] + step) * call.shape[2] + best] = probability
            }
          }
          return try Tensor(values, call.shape)
        }
      })

    let reader = try TextReader(
      detector: model("ppocrv4-det", .detection, detector),
      recognizer: model("ppocrv4-rec", .recognition, recogniser, ["character": characters(replay.dictionary)]),
      classifier: model("ppocrv4-cls", .angle, classifier))
    let lines = try reader.read(Image.load(path: Fixtures.path("sample/page.jpg")))

    #expect(detector.isFinished && classifier.isFinished && recogniser.isFinished)
    #expect(lines.map(\.text) == replay.lines.map(\.text))
    #expect(lines.map { $0.polygon.points.map { [$0.x, $0.y] } } == replay.lines.map(\.polygon))
    for (line, expected) in zip(lines, replay.lines) { #expect(abs(line.score - expected.score) < 1e-12) }
    let turned = lines.filter { $0.quarterTurns != 0 }
    #expect(turned.map(\.text) == ["Printed on recycled paper"])
    #expect(turned.map(\.textCorners.first) == turned.map(\.polygon.third))
  }

  @Test func aPageWithoutTextHasNoLines() throws {
    let empty = Playback([{ input in try Tensor(zeros: .float32, [1, 1, input.shape[2], input.shape[3]]) }])
    let never = Playback([])
    let reader = try TextReader(
      detector: model("ppocrv4-det", .detection, empty),
      recognizer: model("ppocrv4-rec", .recognition, never, ["character": "a"]),
      classifier: model("ppocrv4-cls", .angle, never))
    #expect(try reader.read(Image(width: 64, height: 48, channels: 1, filledWith: 255)).isEmpty)
    #expect(empty.isFinished)
  }
}
