import Architectures
import TensorCore

struct CRNNRecognizer: Recognizer {
  let architecture = CRNN.name

  func matches(_ shapes: Shapes) -> Bool {
    shapes.contains("backbone.cnn.conv0.weight") && shapes.contains("decoder.decoder.1.embedding.weight")
  }

  func options(_ shapes: Shapes) throws -> [String: String] {
    guard !shapes.contains(prefix: "preprocessor.") else {
      throw LigatureError(.unsupported, "CRNN behind a TPS preprocessor is not supported yet; convert one without")
    }
    let output = "decoder.decoder.1.embedding.weight"
    return [
      "channels": "\(try shapes.size("backbone.cnn.conv0.weight", 1, rank: 4))",
      "classes": "\(try shapes.size(output, 0, rank: 2))",
      "hidden": "\(try shapes.size(output, 1, rank: 2) / 2)",
    ]
  }

  func apply(_ config: MMOCRConfig, to options: inout [String: String], _ details: inout RecipeDetails) throws {
    try expectType(config, ["CRNNNet", "CRNN"])
    try expect(config, "model.backbone.input_channels", "channels", options)
    // VeryDeepVgg's own default is True.
    if case .dictionary? = config["model.backbone"] {
      options["leaky_relu"] = "\(try config.boolean("model.backbone.leaky_relu") ?? true)"
    }
    try normalization(config, &details)
    let path = ["model.label_convertor", "label_convertor"].first { config[$0]?["type"] != nil }
    guard let path else { return }
    details.lower = try config.boolean("\(path).lower") ?? false
    details.withUnknown = try config.boolean("\(path).with_unknown") ?? true
    if let characters = config["\(path).dict_list"]?.elements {
      details.dictionary = try CharacterDictionary(characters.compactMap(\.string))
    } else if config["\(path).dict_file"]?.string == nil {
      details.dictionary = try CharacterDictionary(named: config.string("\(path).dict_type") ?? "DICT90")
    }
  }
}
