import Architectures
import TensorCore

struct DBNetRecognizer: Recognizer {
  let architecture = DBNet.name

  func matches(_ shapes: Shapes) -> Bool {
    shapes.contains("backbone.layer1.0.conv1.weight") && shapes.contains(prefix: "bbox_head.binarize.")
  }

  func options(_ shapes: Shapes) throws -> [String: String] {
    let isBottleneck = shapes.contains("backbone.layer1.0.conv3.weight")
    let blocks = (1...4).map { shapes.count(prefix: "backbone.layer\($0).", suffix: ".conv1.weight") }
    let depths: [[Int]: Int] =
      isBottleneck
      ? [[3, 4, 6, 3]: 50, [3, 4, 23, 3]: 101, [3, 8, 36, 3]: 152] : [[2, 2, 2, 2]: 18, [3, 4, 6, 3]: 34]
    guard let depth = depths[blocks] else {
      throw LigatureError(
        .unsupported,
        "the backbone has \(blocks) \(isBottleneck ? "bottlenecks" : "basic blocks") in its stages, which is no "
          + "ResNet of 18, 34, 50, 101 or 152 layers")
    }
    let deformable = (1...4).filter { shapes.contains("backbone.layer\($0).0.conv2.conv_offset.weight") }
    guard shapes.contains("neck.lateral_convs.0.conv.weight"), !shapes.contains(prefix: "neck.asf_conv.") else {
      throw LigatureError(.unsupported, "the neck is not FPNC in the form that DBNet has; DBNet++ is not supported")
    }
    return [
      "depth": "\(depth)", "dcn": deformable.map(String.init).joined(separator: ","),
      "base_channels": "\(try shapes.size("backbone.conv1.weight", 0, rank: 4))",
      "lateral_channels": "\(try shapes.size("neck.lateral_convs.0.conv.weight", 0, rank: 4))",
      "out_channels": "\(try shapes.size("neck.smooth_convs.0.conv.weight", 0, rank: 4))",
    ]
  }

  func apply(_ config: MMOCRConfig, to options: inout [String: String], _ details: inout RecipeDetails) throws {
    try expectType(config, ["DBNet"])
    try expect(config, "model.backbone.depth", "depth", options)
    try expect(config, "model.backbone.base_channels", "base_channels", options)
    try expect(config, "model.neck.lateral_channels", "lateral_channels", options)
    try expect(config, "model.neck.out_channels", "out_channels", options)
    // Where these are left out, mmdet's and MMOCR's own defaults hold, which are not those of the configurations.
    if case .dictionary? = config["model.backbone"] {
      options["style"] = try config.string("model.backbone.style") ?? "pytorch"
      options["frozen_stages"] = "\(try config.integer("model.backbone.frozen_stages") ?? -1)"
      options["norm_eval"] = "\(try config.boolean("model.backbone.norm_eval") ?? true)"
    }
    if case .dictionary? = config["model.bbox_head.loss"] {
      let path = "model.bbox_head.loss"
      options["alpha"] = "\(try config.number("\(path).alpha") ?? 1)"
      options["beta"] = "\(try config.number("\(path).beta") ?? 1)"
      options["negative_ratio"] = "\(try config.number("\(path).negative_ratio") ?? 3)"
      options["bbce_loss"] = "\(try config.boolean("\(path).bbce_loss") ?? false)"
    }
    try normalization(config, &details)
    for pipeline in ["test_pipeline", "data.test.pipeline"] {
      let step = config.steps(pipeline).first { $0.type == "MultiScaleFlipAug" }?.step
      guard let scale = step?["img_scale"]?.elements?.compactMap(\.integer), scale.count == 2 else { continue }
      details.scale = (max(scale[0], scale[1]), min(scale[0], scale[1]))
      break
    }
    details.postprocessor = try postprocessor(config)
  }

  private func postprocessor(_ config: MMOCRConfig) throws -> DBPostprocessor? {
    let path = "model.bbox_head.postprocessor"
    var result = DBPostprocessor()
    // Before version 0.4 the head had it.
    let kind = try config.string("\(path).text_repr_type") ?? config.string("model.bbox_head.text_repr_type")
    if let kind {
      guard let known = TextRepresentation(rawValue: kind) else {
        throw LigatureError(.unsupported, "the configuration's text_repr_type '\(kind)' is neither quad nor poly")
      }
      result.textReprType = known
    }
    guard case .dictionary? = config[path] else { return kind == nil ? nil : result }
    if kind == nil { result.textReprType = .poly }
    result.maskThr = try config.number("\(path).mask_thr") ?? result.maskThr
    result.minTextScore = try config.number("\(path).min_text_score") ?? result.minTextScore
    result.minTextWidth = try config.number("\(path).min_text_width") ?? result.minTextWidth
    result.unclipRatio = try config.number("\(path).unclip_ratio") ?? result.unclipRatio
    result.epsilonRatio = try config.number("\(path).epsilon_ratio") ?? result.epsilonRatio
    result.maxCandidates = try config.integer("\(path).max_candidates") ?? result.maxCandidates
    return result
  }
}
