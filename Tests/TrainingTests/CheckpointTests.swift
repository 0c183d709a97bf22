import Foundation
import GraphIR
import ONNXFormat
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing
import Training

@Suite("Training in a file") struct CheckpointTests {
  private func temporary(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("checkpoint-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.appendingPathComponent("step.onnx").path)
  }

  private static let optimizers: [Optimizer] = [
    .sgd(learningRate: 0.05, momentum: 0.9, weightDecay: 1e-4), .sgd(learningRate: 0.05),
    .adam(learningRate: 0.01), .adamW(learningRate: 0.01), .adadelta(),
  ]

  /// Dropout, batch norm, a schedule with warm-up and clipping are all part of it.
  @Test("three steps, a file, three more: the bits of six steps", arguments: optimizers)
  func resume(_ optimizer: Optimizer) throws {
    let graph = try TinyNetwork().training(
      optimizer,
      schedule: LearningRateSchedule(
        .poly(power: 0.9, length: 10), warmup: .linear, warmupLength: 4, warmupRatio: 0.2), clipping: .norm(0.5))
    let options = Trainer.Options(threads: 2)
    try exclusively {
      let whole = try Trainer(graph, options: options)
      let losses = try (0..<6).map { try whole.step(TinyNetwork.batch($0)).loss }
      let first = try Trainer(graph, options: options)
      for step in 0..<3 { try first.step(TinyNetwork.batch(step)) }
      try temporary { path in
        try first.save(to: path, metadata: ["epoch": "2"])
        // What is trained after saving does not reach the file.
        try first.step(TinyNetwork.batch(9))
        let model = try Model(contentsOf: path, operators: .standard)
        #expect(model.metadata["epoch"] == "2")
        let second = try Trainer(resuming: model, options: options)
        #expect(try second.stepCount == 3)
        for step in 3..<6 {
          let result = try second.step(TinyNetwork.batch(step))
          #expect(result.loss == losses[step] && result.step == step + 1)
          #expect(result.terms.map(\.name) == ["loss_square", "loss_size"])
          #expect(result.predictions["logits"] != nil)
        }
        #expect(try second.snapshot() == whole.snapshot())
        let saved = try Model(bytes: second.model().encoded(), operators: .standard)
        #expect(try Trainer(resuming: saved, options: options).model().encoded() == second.model().encoded())
      }
    }
  }

  @Test("parameters are written once, and anybody can run the file") func sharing() throws {
    let trainer = try Trainer(TinyNetwork().training(), options: Trainer.Options(threads: 1))
    for step in 0..<2 { try trainer.step(TinyNetwork.batch(step)) }
    try temporary { path in
      try trainer.save(to: path)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let weight = unsafe try trainer.state(named: "fc.weight").withUnsafeBytes { unsafe Data($0) }
      let place = try #require(bytes.range(of: weight))
      #expect(bytes.range(of: weight, in: place.upperBound..<bytes.endIndex) == nil, "the weight is there twice")
      let model = try Model(contentsOf: path, operators: .standard)
      let image = try #require(TinyNetwork.batch(0)["image"])
      let ours = try Session(trainer.inferenceGraph(), options: Session.Options(threads: 1)).run([image])[0].floats()
      #expect(try Session(model.graph, options: Session.Options(threads: 1)).run([image])[0].floats() == ours)
      #expect(model.graph.order.allSatisfy { model.graph[$0].op.name.domain.isEmpty }, "standard operators only")
    }
  }

  @Test("saving goes over the file that was resumed from") func overwrite() throws {
    try temporary { path in
      try Trainer(TinyNetwork().training(), options: Trainer.Options(threads: 1)).save(to: path)
      for count in 0..<3 {
        let trainer = try Trainer(resuming: path, options: Trainer.Options(threads: 1))
        #expect(try trainer.stepCount == count)
        try trainer.step(TinyNetwork.batch(count))
        try trainer.save(to: path)
        try trainer.step(TinyNetwork.batch(count))
      }
    }
  }

  @Test("what cannot be resumed is refused") func refused() throws {
    let network = TinyNetwork()
    let options = Trainer.Options(threads: 1)
    func expect(_ message: String, _ body: () throws -> Void) {
      let error = #expect(throws: LigatureError.self) { try body() }
      #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
    expect("holds no step of training") {
      _ = try Trainer(resuming: Model(graph: network.inference()), options: options)
    }
    let bare = try Trainer(TrainingGraph(network.objective(), optimizer: .adadelta()), options: options)
    expect("without an inference graph") { _ = try bare.model() }
    var model = try Trainer(network.training(), options: options).model()
    model.trainingStep?.metadata = [:]
    expect("must give loss, gradient_norm") { _ = try Trainer(resuming: model, options: options) }
    model.trainingStep?.metadata = ["ligature.terms": "{", "ligature.predictions": "[]"]
    expect("no readable 'ligature.terms'") { _ = try Trainer(resuming: model, options: options) }
    model = try Trainer(network.training(), options: options).model()
    var step = try #require(model.trainingStep)
    step.updates.removeAll { [graph = step.graph] in graph[$0.state].name == TrainingGraph.stepName }
    model.trainingStep = step
    expect("does not count steps") { _ = try Trainer(resuming: model, options: options) }
    // A file that ends early.
    try temporary { path in
      let bytes = try Trainer(network.training(), options: options).model().encoded()
      for count in [0, 10, bytes.count / 2, bytes.count - 1] {
        try Data(bytes[..<count]).write(to: URL(fileURLWithPath: path))
        #expect(throws: LigatureError.self, "\(count) of \(bytes.count)") { try Trainer(resuming: path) }
      }
    }
  }
}
