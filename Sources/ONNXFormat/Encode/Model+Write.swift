internal import GraphIR
internal import TensorCore

/// How a model file is written.
public struct WriteOptions: Sendable {
  /// Tensors of at least this many bytes go to a second file, `NAME.data` beside `NAME`; `nil` keeps all in one file.
  public var externalDataThreshold: Int?

  public init(externalDataThreshold: Int? = nil) { self.externalDataThreshold = externalDataThreshold }
}

extension Model {
  /// IR version of the files that we write: the one that came with `canonicalOpset`.
  static let irVersion = 10

  /// The bytes of an ONNX file at `canonicalOpset`. Equal models give equal bytes.
  public func encoded() throws -> [UInt8] {
    let sink = ByteSink()
    try WireEncoder.write(try wire(), to: sink)
    sink.seal()
    return try sink.finish()
  }

  /// Writes an ONNX file at `canonicalOpset`. The file appears complete or not at all; a model that was read from the
  /// same path keeps reading the old content.
  public func write(to path: String, options: WriteOptions = WriteOptions()) throws {
    let file = try AtomicFile(path)
    let sink = ByteSink(file: file)
    let message = try wire()
    guard let threshold = options.externalDataThreshold else {
      try WireEncoder.write(message, to: sink)
      sink.seal()
      _ = try sink.finish()
      return try file.commit()
    }
    let dataName = Path.name(path) + ".data"
    let dataFile = try AtomicFile(path + ".data", followingLinks: false)
    let data = ByteSink(file: dataFile)
    try WireEncoder.write(message, to: sink) { tensor in
      guard tensor.byteCount >= max(threshold, 1) else { return nil }
      data.pad(to: 4096)
      let offset = data.byteCount
      unsafe tensor.withUnsafeBytes { unsafe data.append($0) }
      return [
        WireEntry(key: "location", value: dataName), WireEntry(key: "offset", value: String(offset)),
        WireEntry(key: "length", value: String(tensor.byteCount)),
      ]
    }
    if data.byteCount > 0 { sink.append(entry: Checksum.externalKey, Checksum.text(data.checksum.value)) }
    sink.seal()
    _ = try sink.finish()
    _ = try data.finish()
    if data.byteCount > 0 { try dataFile.commit() }
    try file.commit()
  }

  private func wire() throws -> WireModel {
    var model = WireModel()
    model.irVersion = Model.irVersion
    model.producerName = producerName
    model.producerVersion = producerVersion
    model.domain = domain
    model.modelVersion = modelVersion
    model.documentation = documentation
    model.metadata = Model.entries(metadata.filter { !Checksum.isChecksum($0.key) })
    var wireGraph = try GraphEncoder.encode(graph, foreignTypes: foreignTypes)
    wireGraph.documentation = graphDocumentation
    wireGraph.metadata = Model.entries(graphMetadata)
    let names = wireGraph.allNames
    wireGraph.annotations = annotations.filter { annotation in
      names.contains(annotation.tensor) && annotation.parameters.allSatisfy { names.contains($0.value) }
    }
    model.training = training
    if let trainingStep {
      let initializers = wireGraph.initializers.map { ($0.name, $0.tensor) }
      model.training = [try trainingStep.wire(sharing: Dictionary(uniqueKeysWithValues: initializers))]
    }
    var domains = Set<String>()
    var types = Set<String>()
    for graph in [wireGraph] + model.training.compactMap(\.algorithm) {
      graph.visitNodes { node in
        domains.insert(node.domain)
        types.insert("\(node.domain)/\(node.type)")
      }
    }
    model.functions = functions.filter { types.contains("\($0.domain)/\($0.name)") }
    var versions = operatorSets
    for domain in domains where versions[domain] == nil { versions[domain] = 1 }
    versions[""] = canonicalOpset
    model.operatorSets = versions.sorted { $0.key < $1.key }.map { WireOperatorSet(domain: $0.key, version: $0.value) }
    model.graph = wireGraph
    return model
  }

  static func entries(_ dictionary: [String: String]) -> [WireEntry] {
    dictionary.sorted { $0.key < $1.key }.map { WireEntry(key: $0.key, value: $0.value) }
  }
}

extension ByteSink {
  /// Adds an entry of `metadata_props` to a model whose message has been written.
  func append(entry key: String, _ value: String) {
    unsafe MetadataEdit.encoded(key, value).withUnsafeBytes { unsafe append($0) }
  }

  /// Ends a model file with the checksum of what it holds.
  func seal() { append(entry: Checksum.key, Checksum.text(checksum.value)) }

  /// Zeros up to the next multiple, so that what follows can be mapped.
  func pad(to multiple: Int) {
    let rest = byteCount % multiple
    guard rest > 0 else { return }
    let zeros = [UInt8](repeating: 0, count: multiple - rest)
    unsafe zeros.withUnsafeBytes { unsafe append($0) }
  }
}

extension WireGraph {
  /// Names of all values of this graph, not of those inside its nodes.
  fileprivate var allNames: Set<String> {
    var names = Set(inputs.map(\.name))
    names.formUnion(initializers.map(\.name))
    for node in nodes { names.formUnion(node.outputs) }
    return names
  }

  fileprivate func visitNodes(_ visit: (WireNode) -> Void) {
    for node in nodes {
      visit(node)
      for attribute in node.attributes { attribute.value.graphs.forEach { $0.visitNodes(visit) } }
    }
  }
}
