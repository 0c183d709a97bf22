import Architectures
import Imaging
import TensorCore

/// Texts to classes and back, and the test pipeline, of a recogniser with a CTC convertor.
struct CTCChecks {
  let bundle: Bundle

  func run(_ section: Check.Section) throws -> [Check] {
    switch section {
    case .targets: try targets()
    case .post: try texts()
    case .pipeline: try PipelineCheck(bundle: bundle).run()
    default: []
    }
  }

  /// The dictionary follows from the number of classes: MMOCR's configs name one, the bundles state the result.
  private func convertor(_ record: JSONValue?) throws -> CTCConvertor {
    let record = record ?? bundle.model["convertor"]
    let classes = try record?["num_classes"].required("convertor.num_classes", \.integer) ?? 0
    let withUnknown = record?["with_unknown"]?.bool ?? true
    let size = classes - 1 - (withUnknown ? 1 : 0)
    let dictionaries: [CharacterDictionary] = [.dict36, .dict37, .dict90, .dict91]
    guard let dictionary = dictionaries.first(where: { $0.characters.count == size }) else {
      throw LigatureError(.unsupported, "the bundle's convertor has \(size) characters; known are 36, 37, 90 and 91")
    }
    return try CTCConvertor(
      dictionary: dictionary.characters, blank: record?["blank_idx"]?.integer ?? 0, withUnknown: withUnknown,
      lower: record?["lower"]?.bool ?? false, isLogits: true)
  }

  private func targets() throws -> [Check] {
    guard let record = try bundle.json("targets"), let texts = record["texts"]?.strings else { return [] }
    let convertor = try convertor(record["convertor"])
    let expected = record["str2tensor"]
    let own = try texts.map { try convertor.str2idx($0) }
    let tensors = try convertor.str2tensor(texts)
    let lists = try (expected?["targets"]?.array ?? []).map { try Optional($0).required("targets", \.integers) }
    let lengths = try tensors.lengths.integers()
    let padded = try tensors.targets.integers()
    let width = tensors.targets.shape[1]
    let rows = lengths.indices.map { Array(padded[$0 * width..<$0 * width + lengths[$0]]) }
    return [
      Check(.targets, "str2idx", differences: zip(own, lists).count { $0 != $1 } + abs(own.count - lists.count)),
      Check(.targets, "str2tensor", differences: zip(rows, lists).count { $0 != $1 } + abs(rows.count - lists.count)),
      Check(
        .targets, "target_lengths", differences: expected?["target_lengths"]?.integers == lengths ? 0 : 1),
    ]
  }

  private func texts() throws -> [Check] {
    guard let record = try bundle.json("post")?["recognition"], let recorded = try bundle.tensors("forward"),
      let logits = recorded["out.decoder"]
    else { return [] }
    let convertor = try convertor(nil)
    let ratios = try record["img_metas"].required("post.img_metas", \.array).map { $0["valid_ratio"]?.double ?? 1 }
    let own = try convertor.decode(logits, validRatios: ratios)
    let results = try record["results"].required("post.results", \.array)
    let score = zip(own, results).reduce(0.0) { worst, pair in
      zip(pair.0.scores, pair.1["score"]?.doubles ?? []).reduce(worst) { max($0, abs($1.0 - $1.1)) }
    }
    return [
      Check(
        .post, "texts",
        differences: zip(own, results).count { $0.text != $1["text"]?.string } + abs(own.count - results.count)),
      Check(
        .post, "scores", differences: zip(own, results).count { $0.scores.count != $1["score"]?.doubles?.count }),
      Check(.post, "score values", error: score, tolerance: Tolerances.score, measure: "absolute"),
    ]
  }
}

/// From the bytes of a picture to what the network reads.
struct PipelineCheck {
  let bundle: Bundle

  func run() throws -> [Check] {
    guard let record = try bundle.json("pipeline"), let recorded = try bundle.tensors("pipeline") else { return [] }
    let pipeline = try RecognitionPipeline(preprocess(record["test_pipeline"]))
    return try (record["cases"]?.array ?? []).flatMap { description -> [Check] in
      let image = try description["image"].required("pipeline.image", \.string)
      let output = try description["output"].required("pipeline.output", \.string)
      guard let pixels = recorded[image] else { throw LigatureError(.format, "there is no picture '\(image)'") }
      let rotation = description["rotation"]?.integer ?? 0
      guard let view = try pipeline.views(of: picture(pixels)).first(where: { $0.rotation == rotation }) else {
        return [Check(.pipeline, "\(output): no view turned by \(rotation)", differences: 1)]
      }
      return try compare(output, view, pipeline.tensor([view]), description, recorded)
    }
  }

  private func compare(
    _ name: String, _ view: LineView, _ own: Tensor, _ description: JSONValue, _ recorded: [String: Tensor]
  ) throws -> [Check] {
    let shape = try description["shape"].required("pipeline.shape", \.integers)
    guard Array(own.shape.dropFirst()) == shape else {
      return [Check(.pipeline, "\(name): \(own.shape.dropFirst()) for \(shape)", differences: 1)]
    }
    var checks: [Check] = []
    let ratio = description["img_metas"]?["valid_ratio"]?.double ?? 1
    checks.append(
      Check(
        .pipeline, "\(name) valid_ratio", error: abs(view.validRatio - ratio), tolerance: 1e-9, measure: "absolute"))
    if let expected = recorded[name], let steps = description["slices"]?.integers, steps.count == 3 {
      let sample = try own.reshaped(shape).sampled(steps)
      checks.append(
        Check(
          .pipeline, name, error: try sample.maximalDifference(from: expected), tolerance: Tolerances.map,
          measure: "absolute"))
    }
    if let norm = try recorded["\(name).norm"]?.doubles().first {
      checks.append(
        Check(
          .pipeline, "\(name).norm", error: abs(try own.norm - norm) / max(norm, .leastNormalMagnitude),
          tolerance: Tolerances.forward, measure: "relative"))
    }
    return checks
  }

  private func picture(_ pixels: Tensor) throws -> Image {
    guard (2...3).contains(pixels.shape.count), pixels.element == .uint8 else {
      throw LigatureError(.format, "a picture of pipeline.safetensors is no uint8 [H, W] or [H, W, 3]")
    }
    let channels = pixels.shape.count == 3 ? pixels.shape[2] : 1
    return try Image(
      width: pixels.shape[1], height: pixels.shape[0], channels: channels, pixels: pixels.scalars(as: UInt8.self))
  }

  private func preprocess(_ record: JSONValue?) throws -> Recipe.Preprocess {
    let (resize, normalize) = (record?["resize"], record?["normalize"])
    let size = Recipe.ResizeOCR(
      height: try resize?["height"].required("resize.height", \.integer) ?? 32,
      minWidth: resize?["min_width"]?.integer, maxWidth: resize?["max_width"]?.integer,
      keepAspectRatio: resize?["keep_aspect_ratio"]?.bool ?? true,
      widthDivisor: resize?["width_divisor"]?.integer ?? 16, padValue: resize?["pad_value"]?.integer ?? 0,
      rotations: record?["rotations_when_higher_than_wide"]?.integers ?? [0])
    let isOfBytes = normalize?["of"]?.string?.contains("0..255") == true
    return Recipe.Preprocess(
      channels: record?["image"]?.string == "grayscale" ? .grayscale : .bgr, divisor: isOfBytes ? nil : 255,
      normalize: isOfBytes ? .mmdet : nil, mean: normalize?["mean"]?.doubles ?? [],
      std: normalize?["std"]?.doubles ?? [], resize: .resizeOCR(size))
  }
}

extension Tensor {
  /// Every `steps[i]`th index along axis `i` of three.
  fileprivate func sampled(_ steps: [Int]) throws -> Tensor {
    let values = try floats()
    let indices = zip(shape, steps).map { Array(stride(from: 0, to: $0, by: max($1, 1))) }
    let sample = indices[0].flatMap { a in
      indices[1].flatMap { b in indices[2].map { c in values[(a * shape[1] + b) * shape[2] + c] } }
    }
    return try Tensor(sample, indices.map(\.count))
  }
}
