import Architectures
import Autodiff
import Foundation
import GraphIR
import Operators
import Runtime
import TensorCore
import TensorFiles
import Testing

@Suite struct DBNetTests {
  private static let deformable = ["depth": "50", "dcn": "2,3,4"]

  @Test(arguments: [("dbnet_r18", [:]), ("dbnet_r50dcnv2", deformable)])
  func stateDictIsTheReferences(_ name: String, _ options: [String: String]) throws {
    try Bundle.named(name).0.expectState(of: DBNet(options: options))
  }

  @Test(arguments: [("dbnet_r18", [:]), ("dbnet_r50dcnv2", deformable)])
  func forwardEqualsTheReference(_ name: String, _ options: [String: String]) throws {
    let (bundle, tensors) = try Bundle.named(name)
    let graph = try DBNet(options: options).inference(bundle.parameters(tensors))
    #expect(graph.outputNames == ["probability", "threshold", "binary"])
    let maps = try run(graph, ["image": bundle.image(bundle.input)])
    let all = try graph.outputNames.flatMap { try #require(maps[$0]).floats() }
    let found = stride(from: 0, to: all.count, by: bundle.stride).map { all[$0] }
    #expect(try error(found, tensors.floats("preds").floats()) < 1e-5)
  }

  private func targets(_ tensors: SafeTensors) throws -> [String: Tensor] {
    let names = ["gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask"]
    return try Dictionary(uniqueKeysWithValues: names.map { ($0, try tensors.floats("in.\($0)")) })
  }

  @Test func trainingEqualsTheReference() throws {
    let (bundle, tensors) = try Bundle.named("dbnet_r18")
    let objective = try DBNet().training(bundle.parameters(tensors))
    #expect(objective.terms.map(\.name) == ["loss_prob", "loss_db", "loss_thr"])
    try expectTraining(objective, bundle, targets(tensors))
  }

  /// Where sampling points cross pixels, gradients jump: the reference differs from itself by 1e-2.
  @Test func trainingWithDeformableConvolutionsEqualsTheReference() throws {
    let (bundle, tensors) = try Bundle.named("dbnet_r50dcnv2")
    let objective = try DBNet(options: DBNetTests.deformable).training(bundle.parameters(tensors))
    try expectTraining(objective, bundle, targets(tensors), gradientTolerance: 3e-2)
  }

  @Test func frozenStagesAreNotTrained() throws {
    let network = try DBNet(options: ["depth": "50", "frozen_stages": "1", "norm_eval": "true"])
    let objective = try network.training(InitialParameters(seed: 1))
    let names = objective.trainable.map { objective.graph[$0].name }
    #expect(!names.contains { $0.hasPrefix("backbone.conv1") || $0.hasPrefix("backbone.layer1") })
    #expect(names.contains("backbone.layer2.0.bn1.weight"))
    let updated = objective.updates.map { objective.graph[$0.state].name }
    #expect(!updated.isEmpty && updated.allSatisfy { $0.hasPrefix("bbox_head.") })
  }

  @Test func optionsAreChecked() throws {
    for options in [["depth": "20"], ["dcn": "2"], ["depth": "50", "dcn": "5"], ["style": "tf"], ["classes": "3"]] {
      #expect(throws: LigatureError.self) { try DBNet(options: options) }
    }
    let network = try DBNet(options: ["depth": "50", "dcn": "2,3,4", "style": "caffe", "base_channels": "8"])
    #expect(try DBNet(options: network.chosen).chosen == network.chosen)
  }
}

// ── The loss alone ──────────────────────────────────────────────────────────
struct LossCase: Decodable, CustomTestStringConvertible {
  struct Loss: Decodable {
    var alpha: Double?
    var beta: Double?
    var bbce_loss: Bool?
    var negative_ratio: Double?
  }
  struct Gradient: Decodable {
    var tensor: String
    var stride: Int
  }
  var name: String
  var loss: Loss
  var losses: [String: Float]
  var total: Float
  var grad: Gradient
  var testDescription: String { name }

  static func all() throws -> [LossCase] {
    struct File: Decodable { var cases: [LossCase] }
    return try JSONDecoder().decode(
      File.self, from: Data(contentsOf: Bundle.folder.appending(path: "db_loss.json"))
    ).cases
  }
}

@Suite struct DBLossTests {
  @Test(arguments: try LossCase.all()) func lossOfGivenMaps(_ sample: LossCase) throws {
    let file = try SafeTensors(contentsOf: Bundle.folder.appending(path: "db_loss.safetensors").path)
    let preds = try file.floats("\(sample.name).preds")
    var builder = GraphBuilder()
    let input = try builder.graph.addInput("preds", TensorType(.float32, ["N", 3, "H", "W"]))
    let maps = try builder.append(
      Split(axis: 1, pieces: 3), [input], wanted: [true, true, true]
    ).compactMap { $0 }
    var inputs = ["preds": preds]
    let targets = try ["gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask"].map { name in
      inputs[name] = try file.floats("\(sample.name).\(name)")
      return try builder.graph.addInput(name, TensorType(.float32, ["N", 1, "H", "W"]))
    }
    let loss = DBLoss(
      alpha: sample.loss.alpha ?? 1, beta: sample.loss.beta ?? 1, negativeRatio: sample.loss.negative_ratio ?? 3,
      bbceLoss: sample.loss.bbce_loss ?? false)
    let terms = try loss(
      probability: maps[0], threshold: maps[1], binary: maps[2],
      DBLoss.Targets(shrink: targets[0], shrinkMask: targets[1], threshold: targets[2], thresholdMask: targets[3]),
      into: &builder)
    let total = try builder.add(builder.add(terms[0].value, terms[1].value), terms[2].value)
    for term in terms { try builder.graph.addOutput(term.value, name: term.name) }
    let gradient = try #require(try differentiate(&builder.graph, loss: total, wrt: [input])[input])
    try builder.graph.addOutput(gradient, name: "gradient")
    let results = try Session(builder.graph).run(inputs)
    for (name, expected) in sample.losses {
      let found = try #require(results[name]).floats()[0]
      #expect(abs(found - expected) <= 2e-6 * max(abs(expected), 1), "\(name) is \(found), not \(expected)")
    }
    let all = try #require(results["gradient"]).floats()
    let found = stride(from: 0, to: all.count, by: sample.grad.stride).map { all[$0] }
    #expect(try error(found, file.floats(sample.grad.tensor).floats()) < 1e-5)
  }
}
