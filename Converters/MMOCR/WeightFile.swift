public import Architectures
import GraphIR
public import ONNXFormat
import Operators
public import PyTorchCheckpoint
public import TensorCore
import TensorFiles

/// A file of weights, whatever its format: a PyTorch checkpoint, `.safetensors`, or a model file of our own.
public struct WeightFile: Sendable {
  public enum Format: String, Sendable, CaseIterable {
    case onnx
    case safetensors
    /// `.pth`, `.pt` and whatever else PyTorch users call it.
    case checkpoint

    /// By the file's name.
    public init(path: String) {
      switch path.split(separator: ".").last?.lowercased() {
      case "onnx": self = .onnx
      case "safetensors": self = .safetensors
      default: self = .checkpoint
      }
    }
  }

  public let format: Format
  public let path: String
  /// Under the names of the state dict.
  public let state: StateDictionary
  /// What a model file of our own says of its network.
  public let record: NetworkRecord?
  public let recipe: Recipe?
  /// The configuration that mmcv wrote into a checkpoint.
  public let embeddedConfig: String?

  /// - Throws: what reading the file throws; `.format` when a model file has no weights under names of a state dict.
  public init(contentsOf path: String, limits: Limits = Limits()) throws {
    self.path = path
    format = Format(path: path)
    switch format {
    case .onnx:
      let model = try Model(contentsOf: path, operators: .standard, limits: limits)
      record = try NetworkRecord(metadata: model.metadata)
      recipe = try Recipe(metadata: model.metadata)
      embeddedConfig = nil
      state = try WeightFile.state(of: model.graph, record, path)
    case .safetensors:
      let file = try SafeTensors(contentsOf: path)
      (record, recipe) = (try NetworkRecord(metadata: file.metadata), try Recipe(metadata: file.metadata))
      embeddedConfig = nil
      state = StateDictionary(file)
    case .checkpoint:
      let checkpoint = try Checkpoint(contentsOf: path, limits: CheckpointLimits(limits))
      record = WeightFile.record(checkpoint.metadata)
      recipe = try record == nil ? nil : checkpoint.metadata["recipe"]?.string.map { try Recipe(json: $0) }
      embeddedConfig = checkpoint.metadata["config"]?.string
      state = checkpoint.stateDictionary
    }
  }

  private static let producer = "ligature"

  /// What we write into the `meta` of a checkpoint.
  static func meta(_ network: any Architecture, _ recipe: Recipe) throws -> PythonDictionary {
    PythonDictionary([
      "producer": .string(producer), "architecture": .string(type(of: network).name),
      "options": .dictionary(
        PythonDictionary(network.chosen.sorted { $0.key < $1.key }.map { (.string($0.key), .string($0.value)) })),
      "recipe": .string(try recipe.json()),
    ])
  }

  private static func record(_ meta: PythonDictionary) -> NetworkRecord? {
    guard meta["producer"]?.string == producer, let name = meta["architecture"]?.string,
      let options = meta["options"]?.dictionary
    else { return nil }
    var values: [String: String] = [:]
    for entry in options.entries { if let key = entry.key.string { values[key] = entry.value.string } }
    return NetworkRecord(name: name, options: values)
  }

  /// Initialisers are the weights; their order is the network's.
  private static func state(of graph: Graph, _ record: NetworkRecord?, _ path: String) throws -> StateDictionary {
    var state = StateDictionary()
    guard let record else {
      // What nodes use for themselves is named after its scope.
      for id in graph.valueIDs where !graph[id].name.hasPrefix("/") {
        if let tensor = graph[id].tensor { state[graph[id].name] = tensor }
      }
      return state
    }
    for spec in try record.network().parameters() {
      if let id = graph.value(named: spec.name), let tensor = graph[id].tensor {
        state[spec.name] = tensor
      } else if spec.element == .int64 {
        state[spec.name] = try Tensor([Int64(record.counters[spec.name] ?? 0)], [1]).reshaped(spec.shape)
      } else {
        throw LigatureError(
          .format,
          "'\(path)' has no initialiser '\(spec.name)'; another program has changed its weights, convert the original")
      }
    }
    return state
  }

  /// The network in it.
  ///
  /// - Parameters:
  ///   - config: for a checkpoint; the one that it carries itself if nil.
  ///   - options: stand above what the file says.
  public func network(config: MMOCRConfig? = nil, options: [String: String] = [:]) throws -> RecognizedNetwork {
    do {
      if let record {
        let type = try Architectures.named(record.name)
        let network = try type.init(options: record.options.merging(options) { $1 })
        return try RecognizedNetwork(state, network: network)
      }
      return try RecognizedNetwork(state, config: config ?? ownConfig, options: options)
    } catch let error as LigatureError {
      throw LigatureError(error.code, "'\(path)': \(error.message)", node: error.node, cause: error.cause)
    }
  }

  /// A configuration that does not parse is no reason to refuse the weights beside it.
  private var ownConfig: MMOCRConfig? { embeddedConfig.flatMap { try? MMOCRConfig(text: $0) } }
}

/// A network with its weights, ready to be written.
public struct NetworkFile {
  public let network: any Architecture
  public let parameters: any ParameterSource
  public let recipe: Recipe
  /// Weights take half the space; they are widened when the graph is prepared.
  public var storesFloat16 = false

  public init(_ network: any Architecture, _ parameters: any ParameterSource, recipe: Recipe) {
    self.network = network
    self.parameters = parameters
    self.recipe = recipe
  }

  /// Writes the format that the name asks for: a graph with its recipe, or the state dict alone.
  public func write(to path: String) throws {
    switch WeightFile.Format(path: path) {
    case .onnx: try model().write(to: path)
    case .safetensors:
      try state().safeTensors(metadata: metadata()).write(to: path)
    case .checkpoint:
      let meta = try WeightFile.meta(network, recipe)
      try Checkpoint.write(stateDictionary: state(), meta: meta, to: path)
    }
  }

  /// The graph that reads, with everything that its file says.
  public func model() throws -> Model {
    let source = storesFloat16 ? HalfPrecisionParameters(parameters) : parameters
    var model = Model(graph: try network.inference(source))
    model.metadata = try metadata()
    return model
  }

  private func metadata() throws -> [String: String] {
    [
      Recipe.metadataKey: try recipe.json(),
      NetworkRecord.metadataKey: try NetworkRecord(network, parameters).json(),
    ]
  }

  /// In the order of MMOCR's state dict.
  public func state() throws -> StateDictionary {
    // Asking the network gives initialisers as well: fresh parameters need them.
    let collector = Collector(storesFloat16 ? HalfPrecisionParameters(parameters) : parameters)
    _ = try network.inference(collector)
    var state = StateDictionary()
    for spec in try network.parameters() { state[spec.name] = collector.tensors[spec.name] }
    return state
  }
}

/// Keeps what a network asks for.
private final class Collector: ParameterSource {
  private let source: any ParameterSource
  private(set) var tensors: [String: Tensor] = [:]

  init(_ source: any ParameterSource) { self.source = source }

  func tensor(named name: String, shape: [Int], element: ElementType, initializer: Initializer) throws -> Tensor {
    let tensor = try source.tensor(named: name, shape: shape, element: element, initializer: initializer)
    tensors[name] = tensor
    return tensor
  }
}
