import Architectures
import GraphIR
import Imaging
import Operators
import TensorCore

/// DBNet and its bundles.
struct DBNetSubject: Subject {
  private let bundle: Bundle
  private let network: DBNet
  private let parameters: StoredParameters
  private static let targets = ["gt_shrink", "gt_shrink_mask", "gt_thr", "gt_thr_mask"]

  init(_ bundle: Bundle) throws {
    self.bundle = bundle
    network = try DBNet(options: DBNetSubject.options(bundle))
    parameters = StoredParameters(try bundle.parameters())
  }

  /// What names and shapes say, and what only the bundle's `training` and `loss` do.
  private static func options(_ bundle: Bundle) throws -> [String: String] {
    let names = Set(bundle.stateDictionary.map(\.name))
    func blocks(_ stage: Int) -> Int {
      (0...).first { !names.contains("backbone.layer\(stage).\($0).conv1.weight") } ?? 0
    }
    let isBottleneck = names.contains("backbone.layer1.0.conv3.weight")
    let depth = 2 + (1...4).reduce(0) { $0 + blocks($1) * (isBottleneck ? 3 : 2) }
    let deformable = (1...4).filter { names.contains("backbone.layer\($0).0.conv2.conv_offset.weight") }
    var options = [
      "depth": "\(depth)", "dcn": deformable.map(String.init).joined(separator: ","),
      "base_channels": "\(try bundle.shape(of: "backbone.conv1.weight", rank: 4)[0])",
      "lateral_channels": "\(try bundle.shape(of: "neck.lateral_convs.0.conv.weight", rank: 4)[0])",
      "out_channels": "\(try bundle.shape(of: "neck.smooth_convs.0.conv.weight", rank: 4)[0])",
    ]
    let training = bundle.model["training"]
    options["style"] = training?["style"]?.string
    options["norm_eval"] = training?["norm_eval"]?.bool.map { "\($0)" }
    options["frozen_stages"] = training?["frozen_stages"]?.integer.map { "\($0)" }
    let loss = bundle.model["loss"]
    options["alpha"] = loss?["alpha"]?.double.map { "\($0)" }
    options["beta"] = loss?["beta"]?.double.map { "\($0)" }
    options["negative_ratio"] = loss?["negative_ratio"]?.double.map { "\($0)" }
    options["bbce_loss"] = loss?["bbce_loss"]?.bool.map { "\($0)" }
    return options
  }

  func inferenceGraph() throws -> Graph { try network.inference(parameters) }

  func inferenceInputs(_ recorded: [String: Tensor]) throws -> [String: Tensor] {
    ["image": try bundle.input("in.image", recorded)]
  }

  /// The three maps as the channels of one tensor.
  func outputs(_ produced: [String: Tensor]) throws -> [String: Tensor] {
    let maps = ["probability", "threshold", "binary"].compactMap { produced[$0] }
    guard maps.count == 3, let shape = maps.first?.shape, shape.count == 4 else { return [:] }
    let planes = try maps.map { try $0.floats() }
    let size = shape[2] * shape[3]
    let all = (0..<shape[0]).flatMap { image in planes.flatMap { $0[image * size..<(image + 1) * size] } }
    return ["out.preds": try Tensor(all, [shape[0], 3, shape[2], shape[3]])]
  }

  func trainingObjective() throws -> TrainingObjective { try network.training(parameters) }

  func trainingInputs(_ recorded: [String: Tensor]) throws -> [String: Tensor] {
    var inputs = ["image": try bundle.input("in.image", recorded, training: true)]
    for name in DBNetSubject.targets { inputs[name] = try map(recorded, "in.\(name)") }
    return inputs
  }

  private func map(_ recorded: [String: Tensor], _ name: String) throws -> Tensor {
    guard let tensor = recorded[name] else { throw LigatureError(.format, "the bundle has no tensor '\(name)'") }
    return try Tensor(tensor.doubles().map { Float($0) }, tensor.shape)
  }

  /// Channels of one input, so that its gradient is that of the maps.
  func lossCase(_ description: JSONValue, _ recorded: [String: Tensor]) throws -> LossCase? {
    let name = try description["preds"]?["tensor"].required("loss_cases.preds.tensor", \.string) ?? ""
    guard let maps = recorded[name], maps.shape.count == 4, maps.shape[1] == 3 else {
      throw LigatureError(.format, "loss_cases.safetensors has no maps '\(name)' of three channels")
    }
    let parameters = description["loss"]
    let loss = DBLoss(
      alpha: parameters?["alpha"]?.double ?? 1, beta: parameters?["beta"]?.double ?? 1,
      negativeRatio: parameters?["negative_ratio"]?.double ?? 3, bbceLoss: parameters?["bbce_loss"]?.bool ?? false)
    var builder = GraphBuilder()
    var inputs = ["preds": maps]
    let prediction = try builder.graph.addInput("preds", TensorType(.float32, sizes: maps.shape))
    let channels = try (0..<3).map { channel in
      try builder.append(
        Slice(),
        [prediction, builder.integers([channel]), builder.integers([channel + 1]), builder.integers([1])])
    }
    let targets = try DBNetSubject.targets.map { target in
      let record = description["targets"]?[target]
      inputs[target] = try map(recorded, record.required("loss_cases.targets.\(target)", \.string))
      return try builder.graph.addInput(
        target, TensorType(.float32, sizes: [maps.shape[0], 1, maps.shape[2], maps.shape[3]]))
    }
    let terms = try loss(
      probability: channels[0], threshold: channels[1], binary: channels[2],
      DBLoss.Targets(shrink: targets[0], shrinkMask: targets[1], threshold: targets[2], thresholdMask: targets[3]),
      into: &builder)
    let total = try terms.dropFirst().reduce(terms[0].value) { try builder.append(Binary(.add), [$0, $1.value]) }
    return LossCase(graph: builder.graph, loss: total, terms: terms, prediction: prediction, inputs: inputs)
  }

  func surroundings(_ section: Check.Section) throws -> [Check] {
    switch section {
    case .targets: try DBNetTargetsCheck(bundle: bundle).run()
    case .post: try BoundariesCheck(bundle: bundle).run()
    default: []
    }
  }
}

/// The maps that training compares with, drawn from polygons.
struct DBNetTargetsCheck {
  let bundle: Bundle
  private static let exact = ["gt_shrink", "gt_shrink_mask", "gt_thr_mask"]

  func run() throws -> [Check] {
    guard let record = try bundle.json("targets"), let recorded = try bundle.tensors("targets") else { return [] }
    var checks = try (record["cases"]?.array ?? []).flatMap { description -> [Check] in
      let name = try description["name"].required("targets.name", \.string)
      let maps = try maps(description, generator: description["generator"], canvas: description["canvas"])
      return try (description["outputs"]?.object ?? [:]).sorted { $0.key < $1.key }.map { map, tensor in
        guard let tensor = tensor.string, let expected = recorded[tensor], let own = maps[map] else {
          throw LigatureError(.format, "targets.json names a map '\(map)' that is not there")
        }
        return try compare("\(name).\(map)", own.reshaped(expected.shape), expected)
      }
    }
    checks += try lossImages(record["loss_images"])
    return checks
  }

  /// The targets of `loss.safetensors`, from the polygons that they were made of.
  private func lossImages(_ record: JSONValue?) throws -> [Check] {
    guard let record, let recorded = try bundle.tensors("loss") else { return [] }
    let images = try (record["images"]?.array ?? []).map {
      try maps($0, generator: record["generator"], canvas: record["canvas"])
    }
    return try (DBNetTargetsCheck.exact + ["gt_thr"]).sorted().compactMap { map in
      guard let expected = recorded["in.\(map)"] else { return nil }
      let own = try images.flatMap { try $0[map]?.floats() ?? [] }
      return try compare("loss_images.\(map)", Tensor(own, expected.shape), expected)
    }
  }

  private func maps(_ description: JSONValue, generator: JSONValue?, canvas: JSONValue?) throws -> [String: Tensor] {
    let targets = try (generator ?? .object([:])).decoded(as: DBNetTargets.self)
    let size = try canvas.required("targets.canvas", \.integers)
    guard size.count == 2 else { throw LigatureError(.format, "a canvas has a height and a width") }
    func polygons(_ key: String) throws -> [Polygon] {
      try (description[key]?.array ?? []).map { try Polygon(flat: $0.doubles ?? []) }
    }
    return try DBNetTargets.tensors([
      targets(polygons: polygons("polygons"), ignored: polygons("ignored"), width: size[1], height: size[0])
    ])
  }

  private func compare(_ name: String, _ own: Tensor, _ expected: Tensor) throws -> Check {
    if DBNetTargetsCheck.exact.contains(where: { name.hasSuffix(".\($0)") }) {
      let differences = try zip(own.doubles(), expected.doubles()).count { $0 != $1 }
      return Check(.targets, name, differences: differences)
    }
    return Check(
      .targets, name, error: try own.maximalDifference(from: expected), tolerance: Tolerances.map, measure: "absolute")
  }
}

/// From probability maps to polygons.
struct BoundariesCheck {
  let bundle: Bundle

  func run() throws -> [Check] {
    guard let record = try bundle.json("post"), let recorded = try bundle.tensors("post") else { return [] }
    return try (record["cases"]?.array ?? []).enumerated().flatMap { number, description -> [Check] in
      let map = try description["map"].required("post.map", \.string)
      guard let tensor = recorded[map] else { throw LigatureError(.format, "post.safetensors has no map '\(map)'") }
      let parameters = try (description["postprocessor"] ?? .object([:])).decoded(as: DBPostprocessor.self)
      let own = try parameters(FloatImage(tensor.reshaped([1] + tensor.shape)))
      let isExact = parameters.textReprType == .poly
      let name = "\(number) \(map) \(parameters.textReprType.rawValue)"
      var checks = try compare(name, own, description["boundaries"], isExact: isExact)
      if let resized = description["resized"], let factor = description["scale_factor"]?.doubles, factor.count >= 2 {
        let ratio = Float(description["downsample_ratio"]?.double ?? 1)
        let scaled = own.map {
          $0.resized(scaleX: Float(factor[0]), scaleY: Float(factor[1]), downsampleRatio: ratio)
        }
        checks += try compare(name + " resized", scaled, resized, isExact: false)
      }
      return checks
    }
  }

  private func compare(
    _ name: String, _ own: [TextBoundary], _ expected: JSONValue?, isExact: Bool
  ) throws -> [Check] {
    let boundaries = try (expected?.array ?? []).map { boundary -> TextBoundary in
      guard let numbers = boundary.doubles, let score = numbers.last else {
        throw LigatureError(.format, "a boundary of post.json is no list of numbers")
      }
      return TextBoundary(polygon: try Polygon(flat: Array(numbers.dropLast())), score: score)
    }
    guard boundaries.count == own.count else {
      return [
        Check(.post, "\(name): \(own.count) of \(boundaries.count)", differences: abs(own.count - boundaries.count))
      ]
    }
    let distance = zip(own, boundaries).reduce(0.0) { max($0, $1.0.polygon.distance(from: $1.1.polygon)) }
    let score = zip(own, boundaries).reduce(0.0) { max($0, abs($1.0.score - $1.1.score)) }
    return [
      Check(
        .post, "\(name) (\(own.count))", error: distance, tolerance: isExact ? 0 : Tolerances.pixels, measure: "pixels"),
      Check(.post, "\(name) scores", error: score, tolerance: Tolerances.score, measure: "absolute"),
    ]
  }
}

extension Polygon {
  /// `x0, y0, x1, y1, …`
  init(flat numbers: [Double]) throws {
    guard numbers.count % 2 == 0 else { throw LigatureError(.format, "a polygon has an odd number of coordinates") }
    self = stride(from: 0, to: numbers.count, by: 2).map { Point(Float(numbers[$0]), Float(numbers[$0 + 1])) }
  }

  /// The largest distance between corners, for the best choice of the first corner; infinite where counts differ.
  func distance(from other: Polygon) -> Double {
    guard count == other.count else { return .infinity }
    return (0..<Swift.max(count, 1)).map { shift in
      indices.reduce(0.0) { worst, index in
        let (a, b) = (self[index], other[(index + shift) % count])
        return Swift.max(worst, Double(Swift.max(abs(a.x - b.x), abs(a.y - b.y))))
      }
    }.min() ?? 0
  }
}
