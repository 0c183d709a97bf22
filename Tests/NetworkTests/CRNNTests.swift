import Architectures
import Autodiff
import GraphIR
import TensorCore
import TensorFiles
import Testing

@Suite struct CRNNTests {
  @Test func stateDictIsTheReferences() throws {
    try Bundle.named("crnn").0.expectState(of: CRNN())
  }

  @Test func forwardEqualsTheReference() throws {
    let (bundle, tensors) = try Bundle.named("crnn")
    let graph = try CRNN().inference(bundle.parameters(tensors))
    let logits = try run(graph, ["image": bundle.image(bundle.input)])["logits"]
    #expect(try error(logits?.floats() ?? [], tensors.tensors["decoder"]?.floats() ?? []) < 1e-5)
  }

  @Test func trainingEqualsTheReference() throws {
    let (bundle, tensors) = try Bundle.named("crnn")
    let objective = try CRNN().training(bundle.parameters(tensors))
    try expectTraining(objective, bundle, crnnTargets(tensors))
  }

  /// Texts one a row, filled up with classes that do not exist: nothing may read them.
  private func crnnTargets(_ tensors: SafeTensors) throws -> [String: Tensor] {
    let lengths = try tensors.integers("in.target_lengths")
    var flat = try tensors.integers("in.flatten_targets")[...]
    let longest = lengths.max() ?? 0
    var rows: [Int64] = []
    for length in lengths {
      rows += flat.prefix(length).map(Int64.init) + [Int64](repeating: -1, count: longest - length)
      flat = flat.dropFirst(length)
    }
    return [
      "targets": try Tensor(rows, [lengths.count, longest]),
      "target_lengths": try Tensor(lengths.map(Int64.init), [lengths.count]),
    ]
  }

  @Test func optionsAreChecked() throws {
    #expect(throws: LigatureError.self) { try CRNN(options: ["classes": "1"]) }
    #expect(throws: LigatureError.self) { try CRNN(options: ["depth": "18"]) }
    let wide = try CRNN(options: ["channels": "3", "classes": "93", "leaky_relu": "true"])
    let again = try CRNN(options: wide.chosen)
    #expect(try wide.parameters() == again.parameters())
    #expect(try wide.parameters().first?.shape == [64, 3, 3, 3])
  }
}
