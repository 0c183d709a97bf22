import Architectures
import Foundation
import GraphIR
import TensorCore
import Testing

/// What networks are built of. What they compute, the parity bundles hold them to.
@Suite struct NetworkTests {
  private struct Bundle: Decodable {
    struct Entry: Decodable {
      var name: String
      var shape: [Int]
      var dtype: String
    }
    var state_dict: [Entry]
  }

  /// Names, shapes, types and order are those of MMOCR's state dict.
  @Test(arguments: [
    ("crnn", "CRNN", [:]), ("dbnet_r18", "DBNet", [:]), ("dbnet_r50dcnv2", "DBNet", ["depth": "50", "dcn": "2,3,4"]),
  ])
  func stateDictIsTheReferences(_ bundle: String, _ name: String, _ options: [String: String]) throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/bundles/\(bundle)/model.json")
    let state = try JSONDecoder().decode(Bundle.self, from: Data(contentsOf: url)).state_dict
    let network = try Architectures.named(name).init(options: options)
    let specs = try network.parameters()
    #expect(specs.map(\.name) == state.map(\.name))
    #expect(specs.map(\.shape) == state.map(\.shape))
    #expect(specs.map { "\($0.element)" } == state.map(\.dtype))
    // What is trained comes in that order, too, and with the buffers it is all there is.
    let zeros = ComputedParameters { _, shape, element, _ in try Tensor(zeros: element, shape) }
    let objective = try network.training(zeros)
    let trained = objective.trainable.map { objective.graph[$0].name }
    #expect(trained == specs.filter { !$0.isBuffer }.map(\.name))
    let updated = objective.updates.map { objective.graph[$0.state].name }
    #expect(Set(updated) == Set(specs.filter(\.isBuffer).map(\.name)))
  }

  @Test func outputsAndTerms() throws {
    let network = try DBNet(options: ["base_channels": "4"])
    let graph = try network.inference(InitialParameters(seed: 1))
    #expect(graph.outputNames == ["probability", "threshold", "binary"])
    let objective = try network.training(InitialParameters(seed: 1))
    #expect(objective.terms.map(\.name) == ["loss_prob", "loss_db", "loss_thr"])
    #expect(
      objective.graph.inputs.map { objective.graph[$0].name } == [
        "image", "gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask",
      ])
    #expect(
      objective.predictions.map { objective.graph[$0.value].type.description }.allSatisfy {
        $0 == "float32[N, 1, H, W]"
      })
  }

  @Test func frozenStagesAreNotTrained() throws {
    let options = ["depth": "50", "frozen_stages": "1", "norm_eval": "true", "base_channels": "4"]
    let objective = try DBNet(options: options).training(InitialParameters(seed: 1))
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
    for options in [["classes": "1"], ["depth": "18"], ["hidden": "many"], ["leaky_relu": "perhaps"]] {
      #expect(throws: LigatureError.self) { try CRNN(options: options) }
    }
    let network = try DBNet(options: ["depth": "50", "dcn": "2,3,4", "style": "caffe", "base_channels": "8"])
    #expect(try DBNet(options: network.chosen).chosen == network.chosen)
    let wide = try CRNN(options: ["channels": "3", "classes": "93", "leaky_relu": "true"])
    #expect(try wide.parameters() == CRNN(options: wide.chosen).parameters())
    #expect(try wide.parameters().first?.shape == [64, 3, 3, 3])
  }
}
