public import GraphIR
import TensorCore

/// Convolutions, two bidirectional LSTMs and CTC (Shi et al., "An end-to-end trainable neural network for image-based
/// sequence recognition", 2015), as MMOCR's `CRNNNet` with `VeryDeepVgg` and `CRNNDecoder`.
///
/// `image [N, channels, 32, W] → logits [N, W / 4 + 1, classes]`. Training also takes `targets` int64 `[N, S]` and
/// `target_lengths` int64 `[N]`.
public struct CRNN: Architecture {
  public static let name = "CRNN"
  public static let task = Recipe.Task.recognition
  public static let summary = "convolutions, bidirectional LSTMs, CTC"
  public static let options = [
    ArchitectureOption("classes", "37", "classes with the blank, which is the first"),
    ArchitectureOption("channels", "1", "1 for gray pictures, 3 for colour"),
    ArchitectureOption("hidden", "256", "units of each LSTM and direction"),
    ArchitectureOption("leaky_relu", "false", "leaky ReLU of slope 0.2 instead of ReLU"),
  ]

  public let classes: Int
  public let channels: Int
  public let hidden: Int
  public let leakyRelu: Bool

  public init(options: [String: String] = [:]) throws {
    let values = try OptionValues(options, for: CRNN.self)
    classes = try values.integer("classes", 2...1_000_000)
    channels = try values.integer("channels", 1...4)
    hidden = try values.integer("hidden", 1...65536)
    leakyRelu = try values.flag("leaky_relu")
  }

  public var chosen: [String: String] {
    ["classes": "\(classes)", "channels": "\(channels)", "hidden": "\(hidden)", "leaky_relu": "\(leakyRelu)"]
  }

  public func inference(_ parameters: any ParameterSource) throws -> Graph {
    var m = ModuleBuilder(.inference, parameters, name: CRNN.name)
    let logits = try self.logits(&m)
    return try m.inference([.init("logits", logits)])
  }

  public func training(_ parameters: any ParameterSource) throws -> TrainingObjective {
    var m = ModuleBuilder(.training, parameters, name: CRNN.name)
    let logits = try self.logits(&m)
    let targets = try m.input("targets", .int64, ["N", "S"])
    let lengths = try m.input("target_lengths", .int64, ["N"])
    let loss = try m.builder.meanCTCLoss(logits, targets: targets, lengths: lengths)
    return try m.objective([.init("loss_ctc", loss)], predictions: [.init("logits", logits)])
  }

  private func logits(_ m: inout ModuleBuilder) throws -> ValueID {
    let image = try m.input("image", .float32, ["N", .fixed(channels), 32, "W"])
    let features = try m.scoped("backbone") { try VeryDeepVgg(leakyRelu: leakyRelu)(image, &$0) }
    return try m.scoped("decoder") { try CRNNDecoder(hidden: hidden, classes: classes)(features, &$0) }
  }
}
