import Foundation
import GraphIR
import ONNXFormat
import Operators
import TensorCore
import Testing

@Suite struct TrainingStepTests {
  /// A model that computes y = w x, and a step of training that gives w + g and n + 1.
  private func file(
    bindings: [(String, String)] = [("w", "w2"), ("n", "n2")], training count: Int = 1, own: [Proto] = [],
    nodes: [Proto]? = nil, hasGraph: Bool = true
  ) throws -> Model {
    let graph = ONNX.graph(
      [ONNX.node("Mul", ["w", "x"], ["y"])], inputs: [ONNX.value("x", ONNX.float, [2])], outputs: [ONNX.value("y")],
      constants: [ONNX.floats("w", [1, 2])])
    let step = ONNX.graph(
      nodes ?? [ONNX.node("Add", ["w", "g"], ["w2"]), ONNX.node("Add", ["n", "one"], ["n2"])],
      inputs: [ONNX.value("g", ONNX.float, [2])],
      outputs: [ONNX.value("w2"), ONNX.value("n2", 7)],
      constants: [ONNX.ints("n", [3]), ONNX.ints("one", [1])] + own)
    let info = Proto {
      if hasGraph { $0.message(2, step) }
      for (key, value) in bindings {
        $0.message(
          4,
          Proto {
            $0.text(1, key)
            $0.text(2, value)
          })
      }
    }
    return try Model(
      bytes: ONNX.model(graph, opset: canonicalOpset) { for _ in 0..<count { $0.message(20, info) } },
      operators: .standard)
  }

  @Test func stateIsReadWithItsUpdates() throws {
    let model = try file()
    let step = try #require(try model.training(operators: .standard))
    #expect(step.updates.map { step.graph[$0.state].name } == ["w", "n"])
    #expect(step.updates.map { step.graph[$0.next].name } == ["w2", "n2"])
    #expect(step.graph.outputs.isEmpty && step.graph.inputs.count == 1)
    for update in step.updates {
      guard case .parameter = step.graph[update.state].role else {
        Issue.record("\(step.graph[update.state].name) is no parameter")
        continue
      }
    }
    #expect(try step.graph[step.updates[0].state].tensor?.floats() == [1, 2], "the model's own initialiser")
    #expect(try model.graph.value(named: "w").flatMap { try model.graph[$0].tensor?.floats() } == [1, 2])
  }

  @Test func stepsSurviveWritingAndReading() throws {
    var model = try file()
    var step = try #require(try model.training(operators: .standard))
    step.metadata["note"] = "kept"
    let visible = try #require(step.graph.value(named: "w2"))
    try step.graph.addOutput(visible, name: "seen")
    model.trainingStep = step
    let again = try Model(bytes: model.encoded(), operators: .standard)
    let copy = try #require(try again.training(operators: .standard))
    #expect(copy.metadata == ["note": "kept"])
    #expect(copy.updates.map { copy.graph[$0.state].name } == ["w", "n"])
    #expect(copy.graph.outputNames == ["seen"])
    // Written as it was read when nobody replaces it.
    #expect(try Model(bytes: file().encoded(), operators: .standard).training(operators: .standard)?.updates.count == 2)
  }

  @Test func noStepIsNone() throws { #expect(try file(training: 0).training(operators: .standard) == nil) }

  @Test func hostileStepsAreErrors() throws {
    let cases: [(Model, LigatureError.Code, String)] = [
      (try file(bindings: [("v", "w2")]), .format, "'v', which is no initialiser"),
      (try file(bindings: [("g", "w2")]), .format, "'g', which is no initialiser"),
      (try file(bindings: [("w", "w3")]), .format, "'w3', which is no output"),
      (try file(bindings: [("w", "w2"), ("w", "w2")]), .format, "updated twice"),
      (try file(bindings: [("w", "n2")]), .type, "the state 'w' is float32[2]"),
      (try file(training: 2), .unsupported, "2 steps"),
      (try file(own: [ONNX.floats("w", [7, 8])]), .format, "names must be unique"),
      (try file(nodes: [ONNX.node("Add", ["w", "nobody"], ["w2"])]), .cycle, "'nobody'"),
      (try file(nodes: [ONNX.node("Add", ["w", "g"], ["w"])]), .format, "names must be unique"),
      (try file(hasGraph: false), .format, "no graph"),
    ]
    for (model, code, message) in cases {
      let error = #expect(throws: LigatureError.self) { try model.training(operators: .standard) }
      #expect(error?.code == code && error?.message.contains(message) == true, "\(error.map { "\($0)" } ?? "")")
    }
    var limits = Limits()
    limits.nodes = 1
    let error = #expect(throws: LigatureError.self) { try file().training(operators: .standard, limits: limits) }
    #expect(error?.code == .limit)
  }

  @Test func stateThatDiffersFromTheModelIsRefused() throws {
    var model = try file()
    var step = try #require(try model.training(operators: .standard))
    try step.graph.setTensor(step.updates[0].state, Tensor([5, 6] as [Float], [2]))
    model.trainingStep = step
    let error = #expect(throws: LigatureError.self) { try model.encoded() }
    #expect(error?.message.contains("'w'") == true)
  }
}
