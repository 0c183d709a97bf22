public import GraphIR
public import TensorCore

extension Model {
  /// Reads an ONNX file. Weights stay in the file, mapped; it must not be truncated while the model lives.
  ///
  /// - Parameter operators: the operators to read as such; all others become `Opaque`.
  /// - Throws: `.file` when it or its external data cannot be read, `.format` when the bytes are not an ONNX model,
  ///   or do not fit the checksum that our own files carry, `.unsupported` for operator sets and types that are not read, `.limit` past the limits, and what operators
  ///   say of attributes and inputs that do not fit.
  public init(
    contentsOf path: String, operators: OperatorSet, limits: Limits = Limits(),
    checksum: ChecksumPolicy = .verified
  ) throws {
    let storage = try TensorStorage(mapping: path)
    let folder = Path.folder(of: path)
    do {
      try self.init(storage, external: ExternalData(folder: folder), operators, limits, checksum)
    } catch let error as LigatureError where error.node == nil {
      throw LigatureError(error.code, "'\(path)': \(error.message)", cause: error.cause)
    }
  }

  /// Reads the bytes of an ONNX file. Its tensors cannot be in other files.
  public init(bytes: [UInt8], operators: OperatorSet, limits: Limits = Limits()) throws {
    try self.init(TensorStorage(copying: bytes), external: nil, operators, limits, .verified)
  }

  private init(
    _ storage: TensorStorage, external: ExternalData?, _ operators: OperatorSet, _ limits: Limits,
    _ policy: ChecksumPolicy
  ) throws {
    let seal = try Checksum.verify(storage, policy)
    let wire = try WireDecoder.model(storage, external: external, limits: limits.wire)
    try Checksum.verify(external: external?.files.map(\.storage) ?? [], seal.external, policy)
    guard let wireGraph = wire.graph else {
      throw LigatureError(.format, "not an ONNX model: there is no graph in it; obtain or export the file again")
    }
    let versions = try OperatorVersions(wire.operatorSets)
    let decoder = try ModelDecoder(operators: operators, functions: wire.functions, limits: limits)
    let graph = try decoder.graph(wireGraph, versions)

    self.init(graph: graph, producerName: wire.producerName, producerVersion: wire.producerVersion)
    domain = wire.domain
    modelVersion = wire.modelVersion
    documentation = wire.documentation
    graphDocumentation = wireGraph.documentation
    metadata = try Model.dictionary(wire.metadata).filter { !Checksum.isChecksum($0.key) }
    checksum = seal.file
    externalFiles = external?.files.map(\.name) ?? []
    graphMetadata = try Model.dictionary(wireGraph.metadata)
    operatorSets = versions.others
    originalOpset = versions.standard
    annotations = wireGraph.annotations
    foreignTypes = decoder.foreignTypes
    functions = decoder.keptFunctions
    notes = decoder.notes
    guard !wire.training.isEmpty else { return }
    if versions.standard == canonicalOpset {
      training = wire.training
    } else {
      notes.append("its training graphs are of opset \(versions.standard) and were left out")
    }
  }

  private static func dictionary(_ entries: [WireEntry]) throws -> [String: String] {
    var result: [String: String] = [:]
    for entry in entries {
      guard result.updateValue(entry.value, forKey: entry.key) == nil else {
        throw LigatureError(.format, "the metadata has the key '\(entry.key)' twice; remove one of them")
      }
    }
    return result
  }
}

/// Which version of each operator domain a model, or a function of it, is written in.
struct OperatorVersions: Sendable {
  var standard = canonicalOpset
  var others: [String: Int] = [:]

  init(_ sets: [WireOperatorSet]) throws {
    var found: Int?
    for set in sets {
      let domain = OperatorName("", domain: set.domain).domain
      if domain.isEmpty { found = max(found ?? 0, set.version) } else { others[domain] = set.version }
    }
    guard let found = found ?? (sets.isEmpty ? 1 : nil) else { return }
    guard found >= oldestOpset else {
      throw LigatureError(
        .unsupported,
        "it uses opset \(found) of the standard operators; the oldest that is read is \(oldestOpset): "
          + "convert it with onnx.version_converter.convert_version(model, \(canonicalOpset))")
    }
    guard found <= newestOpset else {
      throw LigatureError(
        .unsupported,
        "it uses opset \(found) of the standard operators; the newest that is read is \(newestOpset): "
          + "export it with opset \(canonicalOpset)")
    }
    standard = found
  }
}
