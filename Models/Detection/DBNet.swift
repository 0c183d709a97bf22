public import GraphIR
import TensorCore

/// Differentiable binarisation (Liao et al., "Real-time scene text detection with differentiable binarization", 2019),
/// as MMOCR's `DBNet` with mmdet's `ResNet`, `FPNC` and `DBHead`.
///
/// `image [N, 3, H, W] → probability, threshold, binary`, `[N, 1, H, W]` each for sides that are multiples of 32.
/// Training also takes `gt_shrink`, `gt_shrink_mask`, `gt_thr`, `gt_thr_mask`, float32 of the same shape.
public struct DBNet: Architecture {
  public static let name = "DBNet"
  public static let task = Recipe.Task.detection
  public static let summary = "ResNet, feature pyramid, differentiable binarisation"
  public static let options = [
    ArchitectureOption("depth", "18", "layers of the ResNet: 18, 34, 50, 101 or 152"),
    ArchitectureOption("style", "pytorch", "where bottlenecks have their stride: pytorch or caffe"),
    ArchitectureOption("dcn", "", "stages with deformable convolutions, as in 2,3,4 (depth 50 and more)"),
    ArchitectureOption("base_channels", "64", "channels of the first stage"),
    ArchitectureOption("lateral_channels", "256", "channels of the neck's laterals"),
    ArchitectureOption("out_channels", "64", "channels of each level that the neck gives"),
    ArchitectureOption("frozen_stages", "-1", "0: the stem is not trained; n: nor the first n stages; -1: all is"),
    ArchitectureOption("norm_eval", "false", "the ResNet's batch norm keeps to its statistics while training"),
    ArchitectureOption("alpha", "5", "weight of loss_prob"),
    ArchitectureOption("beta", "10", "weight of loss_thr"),
    ArchitectureOption("negative_ratio", "3", "pixels without text that count for one with text"),
    ArchitectureOption("bbce_loss", "true", "balanced cross entropy for loss_prob, dice otherwise"),
  ]

  let backbone: ResNet
  let neck: FPNC
  let loss: DBLoss

  public init(options: [String: String] = [:]) throws {
    let values = try OptionValues(options, for: DBNet.self)
    var backbone = ResNet(depth: try values.integer("depth", 18...152))
    guard ResNet.depths.contains(backbone.depth) else {
      let known = ResNet.depths.map(String.init).joined(separator: ", ")
      throw LigatureError(.usage, "option 'depth' of DBNet must be one of \(known), not '\(backbone.depth)'")
    }
    backbone.style = try values.choice("style", ResNet.Style.self)
    backbone.baseChannels = try values.integer("base_channels", 1...4096)
    backbone.frozenStages = try values.integer("frozen_stages", -1...4)
    backbone.normEval = try values.flag("norm_eval")
    backbone.deformableStages = try DBNet.stages(values.text("dcn"))
    guard backbone.deformableStages.isEmpty || backbone.isBottleneck else {
      throw LigatureError(.usage, "option 'dcn' of DBNet needs a depth of 50 or more, not \(backbone.depth)")
    }
    self.backbone = backbone
    neck = FPNC(
      lateralChannels: try values.integer("lateral_channels", 1...65536),
      outChannels: try values.integer("out_channels", 1...65536))
    loss = DBLoss(
      alpha: try values.number("alpha", 0...1e6), beta: try values.number("beta", 0...1e6),
      negativeRatio: try values.number("negative_ratio", 0...1e6), bbceLoss: try values.flag("bbce_loss"))
  }

  private static func stages(_ text: String) throws -> Set<Int> {
    let parts = text.split(separator: ",").map { Int($0) }
    let stages = parts.compactMap { $0 }.filter { (1...4).contains($0) }
    guard stages.count == parts.count else {
      throw LigatureError(.usage, "option 'dcn' of DBNet lists stages from 1 to 4, as in 2,3,4, not '\(text)'")
    }
    return Set(stages)
  }

  public var chosen: [String: String] {
    [
      "depth": "\(backbone.depth)", "style": backbone.style.rawValue,
      "dcn": backbone.deformableStages.sorted().map(String.init).joined(separator: ","),
      "base_channels": "\(backbone.baseChannels)", "lateral_channels": "\(neck.lateralChannels)",
      "out_channels": "\(neck.outChannels)", "frozen_stages": "\(backbone.frozenStages)",
      "norm_eval": "\(backbone.normEval)", "alpha": "\(loss.alpha)", "beta": "\(loss.beta)",
      "negative_ratio": "\(loss.negativeRatio)", "bbce_loss": "\(loss.bbceLoss)",
    ]
  }

  public func inference(_ parameters: any ParameterSource) throws -> Graph {
    var m = ModuleBuilder(.inference, parameters, name: DBNet.name)
    let maps = try self.maps(&m)
    return try m.inference(maps)
  }

  public func training(_ parameters: any ParameterSource) throws -> TrainingObjective {
    var m = ModuleBuilder(.training, parameters, name: DBNet.name)
    var maps = try self.maps(&m)
    let targets = try ["gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask"].map { name in
      try m.input(name, .float32, ["N", 1, "H", "W"])
    }
    let terms = try m.builder.scoped("loss") { builder in
      // What the layers make of H and W is those sizes again; a view says so.
      for index in maps.indices { maps[index].value = try builder.reshape(maps[index].value, like: targets[0]) }
      return try loss(
        probability: maps[0].value, threshold: maps[1].value, binary: maps[2].value,
        DBLoss.Targets(
          shrink: targets[0], shrinkMask: targets[1], threshold: targets[2], thresholdMask: targets[3]),
        into: &builder)
    }
    return try m.objective(terms, predictions: maps)
  }

  private func maps(_ m: inout ModuleBuilder) throws -> [TrainingObjective.Term] {
    let image = try m.input("image", .float32, ["N", 3, "H", "W"])
    let features = try m.scoped("backbone") { try backbone(image, &$0) }
    let fused = try m.scoped("neck") { try neck(features, &$0) }
    let maps = try m.scoped("bbox_head") { try DBHead()(fused, &$0) }
    return [
      .init("probability", maps.probability), .init("threshold", maps.threshold), .init("binary", maps.binary),
    ]
  }
}
