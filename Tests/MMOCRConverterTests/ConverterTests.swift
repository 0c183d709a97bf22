import Architectures
import Foundation
import GraphIR
import MMOCRConverter
import ONNXFormat
import Operators
import PyTorchCheckpoint
import Runtime
import TensorCore
import TensorFiles
import Testing

@Suite struct ConverterTests {
  private static let checkpoint = Fixtures.path("checkpoints/dbnet_zip.pth")

  /// A state dict of zeros.
  private func state(_ network: any Architecture) throws -> StateDictionary {
    try StateDictionary(network.parameters().map { ($0.name, try Tensor(zeros: $0.element, $0.shape)) })
  }

  private func temporary(_ name: String) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appending(path: "converter-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder.appending(path: name).path
  }

  static let networks: [(String, [String: String])] = [
    ("CRNN", [:]), ("CRNN", ["channels": "3", "classes": "91", "hidden": "48"]),
    ("DBNet", ["base_channels": "8"]), ("DBNet", ["depth": "34", "base_channels": "4", "lateral_channels": "12"]),
    ("DBNet", ["depth": "50", "base_channels": "4", "dcn": "2,3,4"]),
    ("DBNet", ["depth": "101", "base_channels": "4", "out_channels": "8"]),
  ]

  @Test(arguments: networks)
  func namesAndShapesTellTheNetwork(_ name: String, _ options: [String: String]) throws {
    let network = try Architectures.named(name).init(options: options)
    let found = try RecognizedNetwork(state(network))
    #expect(type(of: found.network).name == name)
    #expect(found.network.chosen == network.chosen)
    #expect(found.notes.isEmpty)
  }

  /// A checkpoint of MMOCR becomes a model file and a checkpoint again: same names, order and bits.
  @Test func thereAndBack() throws {
    let original = try Checkpoint(contentsOf: ConverterTests.checkpoint).stateDictionary
    let file = try WeightFile(contentsOf: ConverterTests.checkpoint)
    let found = try file.network()
    #expect(found.network.chosen["base_channels"] == "4" && found.network.chosen["lateral_channels"] == "8")
    // Nothing but the configuration within the checkpoint tells.
    #expect(found.network.chosen["style"] == "caffe" && found.network.chosen["norm_eval"] == "false")
    var path = ConverterTests.checkpoint
    for name in ["m.onnx", "m.pth", "m.safetensors", "n.onnx", "n.pth"] {
      let file = try WeightFile(contentsOf: path)
      let found = try file.network()
      path = try temporary(name)
      try NetworkFile(found.network, found.parameters, recipe: file.recipe ?? found.network.recipe(found.details))
        .write(to: path)
    }
    let result = try Checkpoint(contentsOf: path)
    #expect(result.stateDictionary.names == original.names)
    for (name, tensor) in original.entries {
      let other = try #require(result.stateDictionary[name])
      #expect(other.shape == tensor.shape && other.element == tensor.element)
      let isSame = unsafe tensor.withUnsafeBytes { a in unsafe other.withUnsafeBytes { unsafe a.elementsEqual($0) } }
      #expect(isSame, "\(name)")
    }
    #expect(try result.stateDictionary["backbone.bn1.num_batches_tracked"]?.integers() == [1])
    let again = try WeightFile(contentsOf: path)
    #expect(again.recipe == (try found.network.recipe(found.details)))
    #expect(try again.network().network.chosen == found.network.chosen)
  }

  @Test func tensorsThatDoNotFit() throws {
    let network = try DBNet(options: ["base_channels": "8"])
    var wrong = try state(network)
    wrong["neck.smooth_convs.2.conv.weight"] = try Tensor(zeros: .float32, [64, 256, 1, 1])
    expect(wrong, says: "'neck.smooth_convs.2.conv.weight' is [64, 256, 1, 1]", "but [64, 256, 3, 3] in DBNet")
    var short = try state(network)
    short["bbox_head.threshold.4.bias"] = nil
    short["bbox_head.extra"] = try Tensor(zeros: .float32, [1])
    expect(short, says: "missing: bbox_head.threshold.4.bias", "not part of DBNet as it is supported: bbox_head.extra")
    // With biases that DBNet has not, it would compute something else.
    var biased = try state(network)
    biased["neck.lateral_convs.0.conv.bias"] = try Tensor(zeros: .float32, [256])
    expect(biased, says: "neck.lateral_convs.0.conv.bias")
    var more = try state(network)
    more["ema_backbone_conv1_weight"] = try Tensor(zeros: .float32, [1])
    more["backbone.bn1.num_batches_tracked"] = nil
    let found = try RecognizedNetwork(more)
    #expect(found.notes.count == 1 && found.notes[0].contains("ema_backbone_conv1_weight"))
    let other = try Checkpoint(contentsOf: Fixtures.path("checkpoints/satrn_legacy.pth")).stateDictionary
    expect(other, says: "decoder.layer_stack", "known: CRNN, DBNet")
    var tps = try state(CRNN())
    tps["preprocessor.LocalizationNetwork.conv.0.weight"] = try Tensor(zeros: .float32, [1])
    expect(tps, says: "TPS")
  }

  private func expect(_ state: StateDictionary, says words: String..., at place: SourceLocation = #_sourceLocation) {
    let error = #expect(throws: LigatureError.self, sourceLocation: place) { try RecognizedNetwork(state) }
    for word in words {
      #expect(error?.message.contains(word) == true, "\(error?.message ?? "")", sourceLocation: place)
    }
  }

  @Test func aConfigurationSettlesTheRest() throws {
    let config = try MMOCRConfig(contentsOf: Fixtures.path("converter/dbnet.py"))
    let options = ["base_channels": "4", "lateral_channels": "8", "out_channels": "2"]
    let found = try RecognizedNetwork(state(DBNet(options: options)), config: config, options: ["alpha": "3"])
    #expect(found.network.chosen["style"] == "caffe" && found.network.chosen["alpha"] == "3.0")
    // mmdet's own default, since the file says nothing.
    #expect(found.network.chosen["norm_eval"] == "true")
    let recipe = try found.network.recipe(found.details)
    #expect(recipe.preprocess.mean == [120, 110, 100])
    guard case .keepRatio(let size) = recipe.preprocess.resize,
      case .dbPostprocessor(let parameters) = recipe.postprocess
    else { throw LigatureError(.format, "the recipe is another one") }
    #expect(size.longSide == 2000 && size.shortSide == 800)
    #expect(parameters.maskThr == 0.25 && parameters.textReprType == .poly && parameters.unclipRatio == 1.5)
    // A configuration of another network, or of other widths.
    #expect(throws: LigatureError.self) { try RecognizedNetwork(state(DBNet()), config: config) }
    #expect(throws: LigatureError.self) { try RecognizedNetwork(state(CRNN()), config: config) }
    let text = """
      label_convertor = dict(type='CTCConvertor', dict_type='DICT36', with_unknown=True, lower=False)
      model = dict(type='CRNNNet', backbone=dict(type='VeryDeepVgg', leaky_relu=False, input_channels=1))
      """
    let crnn = try RecognizedNetwork(state(CRNN(options: ["classes": "38"])), config: MMOCRConfig(text: text))
    guard case .ctc(let ctc) = try crnn.network.recipe(crnn.details).postprocess else {
      throw LigatureError(.format, "the recipe is another one")
    }
    #expect(ctc.withUnknown && !ctc.lower && ctc.logits)
  }

  @Test func dictionariesFitTheClasses() throws {
    #expect(try CRNN().recipe(RecipeDetails()).dictionary?.characters?.count == 36)
    #expect(try CRNN(options: ["classes": "91"]).recipe(RecipeDetails()).dictionary?.characters?.count == 90)
    #expect(throws: LigatureError.self) { try CRNN(options: ["classes": "50"]).recipe(RecipeDetails()) }
    var details = RecipeDetails()
    details.dictionary = try CharacterDictionary(["a", "b"])
    #expect(throws: LigatureError.self) { try CRNN().recipe(details) }
    #expect(try CRNN(options: ["classes": "3"]).recipe(details).dictionary?.characters == ["a", "b"])
  }

  /// Half the bytes, standard operators, and numbers as near as float16 lets them be.
  @Test func weightsInHalfPrecision() throws {
    let network = try DBNet(options: ["base_channels": "8", "lateral_channels": "32", "out_channels": "8"])
    var file = NetworkFile(network, InitialParameters(seed: 3), recipe: try network.recipe(RecipeDetails()))
    let (full, path) = (try temporary("full.onnx"), try temporary("half.onnx"))
    try file.write(to: full)
    file.storesFloat16 = true
    try file.write(to: path)
    let sizes = try [full, path].map {
      try #require(try FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int)
    }
    #expect(Double(sizes[1]) < 0.6 * Double(sizes[0]))
    let pixels: [Float] = (0..<3 * 64 * 64).map { (index: Int) -> Float in Float(index % 7) / 7 - 0.5 }
    let image = try Tensor(pixels, [1, 3, 64, 64])
    let results: [[Float]] = try [full, path].map { path in
      try Session(preparing: Model(contentsOf: path, operators: .standard).graph, options: .init()).run([image])[0]
        .floats()
    }
    let scale = results[0].map { abs($0) }.max() ?? 0
    let error = zip(results[0], results[1]).map { abs($0 - $1) }.max() ?? 0
    #expect(error > 0 && error < 0.01 * scale)
    // It goes into training in single precision.
    let found = try WeightFile(contentsOf: path).network()
    let objective = try found.network.training(found.parameters)
    #expect(objective.trainable.allSatisfy { objective.graph[$0].type.element == .float32 })
  }

  /// Nothing but standard operators, each node under a name of its own; parameters under theirs.
  @Test(arguments: ["CRNN", "DBNet"]) func exportedGraphs(_ name: String) throws {
    let options = name == "DBNet" ? ["base_channels": "4", "depth": "50", "dcn": "2,3"] : ["hidden": "16"]
    let network = try Architectures.named(name).init(options: options)
    let zeros = ComputedParameters { _, shape, element, _ in try Tensor(zeros: element, shape) }
    let graph = try network.inference(zeros)
    #expect(graph.order.allSatisfy { graph[$0].op.name.domain.isEmpty })
    let objective = try network.training(zeros)
    for graph in [graph, objective.graph] {
      let names = graph.order.map { graph[$0].name }
      #expect(Set(names).count == names.count)
      #expect(names.allSatisfy { $0.hasPrefix("/") })
      try graph.verify()
    }
    for spec in try network.parameters() where spec.element == .float32 {
      #expect(graph.value(named: spec.name) != nil, "\(spec.name)")
    }
  }
}
