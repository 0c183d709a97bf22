public import Architectures
public import PyTorchCheckpoint
import TensorCore

/// A network with its weights, found by the names and shapes of tensors alone.
public struct RecognizedNetwork: Sendable {
  public let network: any Architecture
  public let parameters: StoredParameters
  /// What a recipe can say of it.
  public var details: RecipeDetails
  /// What was left out or taken for granted, for a person.
  public let notes: [String]

  /// - Parameters:
  ///   - state: a state dict of MMOCR.
  ///   - config: settles what shapes do not show; what it says of widths must agree with them.
  ///   - options: stand above both.
  /// - Throws: `.unsupported` when the names are those of no known architecture; `.format`, naming the tensor and both
  ///   shapes, when tensors do not fit; `.usage` when the configuration is for another network.
  public init(
    _ state: StateDictionary, config: MMOCRConfig? = nil, options: [String: String] = [:]
  ) throws {
    let shapes = Shapes(state)
    guard let recognizer = RecognizedNetwork.recognizers.first(where: { $0.matches(shapes) }) else {
      throw RecognizedNetwork.unknown(state)
    }
    var chosen = try recognizer.options(shapes)
    details = RecipeDetails()
    if let config { try recognizer.apply(config, to: &chosen, &details) }
    network = try Architectures.named(recognizer.architecture).init(options: chosen.merging(options) { $1 })
    notes = try RecognizedNetwork.compare(network, state)
    parameters = StoredParameters(Dictionary(uniqueKeysWithValues: state.entries.map { ($0.name, $0.tensor) }))
  }

  /// Of a network that is known already: checks the tensors.
  public init(_ state: StateDictionary, network: any Architecture) throws {
    self.network = network
    details = RecipeDetails()
    notes = try RecognizedNetwork.compare(network, state)
    parameters = StoredParameters(Dictionary(uniqueKeysWithValues: state.entries.map { ($0.name, $0.tensor) }))
  }

  private static let recognizers: [any Recognizer] = [CRNNRecognizer(), DBNetRecognizer()]

  private static func unknown(_ state: StateDictionary) -> LigatureError {
    let prefixes = Set(state.names.map { $0.split(separator: ".").prefix(2).joined(separator: ".") }).sorted()
    let known = Architectures.all.map { $0.name }.joined(separator: ", ")
    return LigatureError(
      .unsupported,
      "the tensors (\(prefixes.prefix(8).joined(separator: ", "))\(prefixes.count > 8 ? ", …" : "")) are those of no "
        + "architecture that is known: \(known)")
  }

  /// Every tensor of the network must be there in its shape. Tensors too many are noted.
  private static func compare(_ network: any Architecture, _ state: StateDictionary) throws -> [String] {
    let specs = try network.parameters()
    let name = type(of: network).name
    var (wrong, missing): ([String], [String]) = ([], [])
    for spec in specs {
      guard let tensor = state[spec.name] else {
        // PyTorch before 0.4.1 did not count batches.
        if spec.element != .int64 { missing.append(spec.name) }
        continue
      }
      if tensor.shape != spec.shape {
        wrong.append("'\(spec.name)' is \(tensor.shape) in the file, but \(spec.shape) in \(name)")
      }
    }
    let expected = Set(specs.map(\.name))
    let modules = Set(specs.map { $0.name.prefix { $0 != "." } })
    let unexpected = state.names.filter { !expected.contains($0) }
    // Within the network's own modules they would change what it computes: a bias, a norm that others leave out.
    let foreign = unexpected.filter { modules.contains($0.prefix { $0 != "." }) }
    guard wrong.isEmpty, missing.isEmpty, foreign.isEmpty else {
      var parts = wrong.prefix(5).map { $0 }
      if wrong.count > 5 { parts.append("and \(wrong.count - 5) other shapes differ") }
      if !missing.isEmpty { parts.append("missing: \(list(missing))") }
      if !unexpected.isEmpty {
        parts.append("not part of \(name) as it is supported: \(list(foreign.isEmpty ? unexpected : foreign))")
      }
      throw LigatureError(.format, parts.joined(separator: "; "))
    }
    return unexpected.isEmpty ? [] : ["left out, since \(name) has no such parameters: \(list(unexpected))"]
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(12).joined(separator: ", ") + (names.count > 12 ? " and \(names.count - 12) more" : "")
  }
}

/// Shapes of a state dict by name.
struct Shapes {
  private let shapes: [String: [Int]]

  init(_ state: StateDictionary) {
    shapes = Dictionary(uniqueKeysWithValues: state.entries.map { ($0.name, $0.tensor.shape) })
  }

  func contains(_ name: String) -> Bool { shapes[name] != nil }
  func contains(prefix: String) -> Bool { shapes.keys.contains { $0.hasPrefix(prefix) } }

  /// One dimension of a tensor that must have that rank.
  func size(_ name: String, _ axis: Int, rank: Int) throws -> Int {
    guard let shape = shapes[name] else { throw LigatureError(.format, "the tensor '\(name)' is missing") }
    guard shape.count == rank else {
      throw LigatureError(.format, "the tensor '\(name)' is \(shape), but should have \(rank) dimensions")
    }
    return shape[axis]
  }

  /// How many numbers follow a prefix, from 0 on without a gap.
  func count(prefix: String, suffix: String) -> Int {
    var count = 0
    while contains("\(prefix)\(count)\(suffix)") { count += 1 }
    return count
  }
}

/// How an architecture shows itself in names and shapes, and what a configuration adds.
protocol Recognizer: Sendable {
  var architecture: String { get }
  func matches(_ shapes: Shapes) -> Bool
  func options(_ shapes: Shapes) throws -> [String: String]
  func apply(_ config: MMOCRConfig, to options: inout [String: String], _ details: inout RecipeDetails) throws
}

extension Recognizer {
  /// The configuration must be for this architecture.
  func expectType(_ config: MMOCRConfig, _ types: [String]) throws {
    guard let type = try config.string("model.type"), !types.contains(type) else { return }
    throw LigatureError(
      .usage, "the configuration is for \(type), but the tensors are those of \(architecture); give the right one")
  }

  /// What a configuration says of a width must be what the tensors say.
  func expect(_ config: MMOCRConfig, _ path: String, _ option: String, _ options: [String: String]) throws {
    guard let said = try config.integer(path), let found = options[option], "\(said)" != found else { return }
    throw LigatureError(
      .usage, "the configuration says \(path) = \(said), but the tensors are those of \(option) \(found)")
  }

  /// Statistics of the test pipeline.
  func normalization(_ config: MMOCRConfig, _ details: inout RecipeDetails) throws {
    for pipeline in ["test_pipeline", "data.test.pipeline"] {
      guard let step = config.steps(pipeline).first(where: { $0.type == "Normalize" })?.step else { continue }
      if let mean = step["mean"]?.elements?.compactMap(\.number), let std = step["std"]?.elements?.compactMap(\.number),
        !mean.isEmpty, mean.count == std.count
      {
        (details.mean, details.std) = (mean, std)
        return
      }
    }
    guard case .dictionary? = config["img_norm_cfg"] else { return }
    if let mean = try config.numbers("img_norm_cfg.mean"), let std = try config.numbers("img_norm_cfg.std") {
      (details.mean, details.std) = (mean, std)
    }
  }
}
