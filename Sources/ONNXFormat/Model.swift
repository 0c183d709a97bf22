public import GraphIR
public import TensorCore

/// The version of ONNX's standard operators that graphs speak in memory and in the files that we write.
/// Files of `oldestOpset` and newer are brought to it when they are read.
public let canonicalOpset = 21
/// The oldest standard operator set that is read: the first one.
public let oldestOpset = 1
/// The newest one whose operators mean what they mean at `canonicalOpset`, but for the few that are refused by name.
public let newestOpset = 24

/// A model file in memory: a graph at the canonical opset and what the file says about it.
public struct Model: Sendable {
  public var graph: Graph
  public var producerName: String
  public var producerVersion: String
  public var domain = ""
  public var modelVersion = 0
  public var documentation = ""
  public var graphDocumentation = ""
  /// `metadata_props`: the recipe of a model lives here. Written sorted by key.
  public var metadata: [String: String] = [:]
  public var graphMetadata: [String: String] = [:]
  /// Version of each operator domain but the standard one, which is always at `canonicalOpset`.
  public var operatorSets: [String: Int] = [:]
  /// The standard operator set that the file was written in, before it was upgraded.
  public var originalOpset = canonicalOpset
  /// The checksum that the file ended with, as in `crc32:1a2b3c4d`; `nil` for files of other programs. Written files
  /// get a new one.
  public internal(set) var checksum: String?
  /// Names of the files beside it that hold tensors.
  public internal(set) var externalFiles: [String] = []
  /// What the file held that the graph does not carry, in words for a person: dropped training graphs, …
  public internal(set) var notes: [String] = []

  /// Functions of the file that nodes of known operators stand for; written back with them.
  var functions: [WireFunction] = []
  /// A step of training to be written. What a file holds already, `training(operators:)` reads.
  public var trainingStep: TrainingStep?
  /// What the file held; written back unless `trainingStep` takes its place.
  var training: [WireTraining] = []
  var annotations: [WireAnnotation] = []
  /// Declared types of graph inputs and outputs that are no dense tensors (sequences, optionals, maps).
  var foreignTypes: [String: WireType] = [:]

  /// What an input or output of the graph is, by name: a tensor, unless the file declares something else.
  /// Throws `.unsupported` for what no run can take: maps, sparse tensors, opaque values.
  public func kind(of name: String) throws -> DatumKind {
    guard let type = foreignTypes[name] else { return .tensor }
    guard let kind = type.kind else {
      throw LigatureError(
        .unsupported, "'\(name)' is a map, a sparse tensor or an opaque value; tensors, sequences and optionals are run"
      )
    }
    return kind
  }

  public init(graph: Graph, producerName: String = "ligature", producerVersion: String = "") {
    self.graph = graph
    self.producerName = producerName
    self.producerVersion = producerVersion
  }
}

extension Limits {
  var wire: WireLimits {
    var limits = WireLimits()
    limits.depth = nesting
    limits.unpackedByteCount = bytes
    return limits
  }
}
