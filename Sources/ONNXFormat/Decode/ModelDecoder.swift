internal import GraphIR
internal import TensorCore

/// What decoding the graphs of one file shares: known operators, functions, limits, findings.
final class ModelDecoder {
  struct FunctionKey: Hashable {
    var name: OperatorName
    var overload: String
  }

  let operators: OperatorSet
  let limits: Limits
  private let functions: [FunctionKey: WireFunction]
  private var nodesLeft: Int
  /// What sparse tensors may still take.
  private var bytesLeft: Int
  private(set) var notes: [String] = []
  private(set) var foreignTypes: [String: WireType] = [:]
  private var kept = Set<FunctionKey>()

  init(operators: OperatorSet, functions: [WireFunction], limits: Limits) throws {
    self.operators = operators
    self.limits = limits
    nodesLeft = limits.nodes
    bytesLeft = limits.bytes
    var table: [FunctionKey: WireFunction] = [:]
    for function in functions {
      let key = FunctionKey(name: OperatorName(function.name, domain: function.domain), overload: function.overload)
      guard table.updateValue(function, forKey: key) == nil else {
        throw LigatureError(.format, "the function '\(key.name)' is defined twice; names must be unique")
      }
    }
    self.functions = table
  }

  func function(_ name: OperatorName, overload: String) -> WireFunction? {
    functions[FunctionKey(name: name, overload: overload)]
  }

  /// Remembers that a known operator stands for a function of the file.
  func keepFunction(_ name: OperatorName, overload: String) {
    kept.insert(FunctionKey(name: name, overload: overload))
  }

  var keptFunctions: [WireFunction] {
    functions.filter { kept.contains($0.key) }
      .sorted { ($0.key.name.description, $0.key.overload) < ($1.key.name.description, $1.key.overload) }.map(\.value)
  }

  func countNode() throws {
    nodesLeft -= 1
    guard nodesLeft >= 0 else {
      throw LigatureError(
        .limit, "the model has more than \(limits.nodes) nodes; raise the limit 'nodes' if that is meant")
    }
  }

  /// A sparse tensor written out. A few bytes of a file can ask for any size.
  func dense(_ sparse: WireSparse) throws -> Tensor {
    let count = try Checked.byteCount(sparse.values.tensor.element, sparse.shape)
    try limits.elementCount(sparse.shape)
    guard count <= bytesLeft else {
      throw LigatureError(
        .limit,
        "the sparse tensor '\(sparse.values.name)' of shape \(sparse.shape) takes \(count) bytes when written out, of "
          + "the limit of \(limits.bytes) only \(bytesLeft) are left; raise the limit 'bytes' if that is meant")
    }
    bytesLeft -= count
    return try sparse.dense()
  }

  /// Records something that the graph does not carry, once.
  func note(_ text: String) {
    if !notes.contains(text) { notes.append(text) }
  }

  /// The main graph.
  func graph(_ source: WireGraph, _ versions: OperatorVersions) throws -> Graph {
    var body = BodyDecoder(self, name: source.name)
    var frame = Frame(versions: versions)
    for value in source.inputs + source.outputs {
      guard let type = value.type, !type.isTensor else { continue }
      if case .unknown = type { continue }
      foreignTypes[value.name] = type
    }
    let constants = Set(source.initializers.map(\.name) + source.sparseInitializers.map(\.values.name))
    for input in source.inputs {
      if constants.contains(input.name) {
        note("inputs that have initialisers as defaults are constants")
        continue
      }
      guard let type = input.type else {
        throw LigatureError(.format, "the input '\(input.name)' has no type; export the model again")
      }
      try body.addInput(input.name, type.tensorType(of: input.name), &frame)
    }
    try body.fill(source, &frame)
    try body.addOutputs(source.outputs, frame)
    return body.graph
  }
}

extension WireType {
  var isTensor: Bool { if case .tensor = self { true } else { false } }

  /// The type of a value as the graph records it; nothing is known of values that are no dense tensors.
  func tensorType(of name: String) throws -> TensorType {
    guard case .tensor(let code, let shape) = self else { return TensorType(.undefined, nil) }
    guard let element = ElementType(rawValue: code) else {
      throw LigatureError(
        .unsupported,
        "'\(name)' has the element type \(code), which Ligature does not know; export the model with "
          + "float32, float16 or integers of 8 to 64 bits")
    }
    // Equal symbols mean equal sizes, but "?" and "None" are written for every size that an exporter did not know.
    let dimensions = shape?.enumerated().map { axis, dimension -> Dimension in
      switch dimension {
      case .size(let size) where size >= 0: .fixed(size)
      case .symbol(let symbol) where symbol != "?" && symbol != "None": .symbol(symbol)
      default: .symbol("\(name).\(axis)")
      }
    }
    return TensorType(element, dimensions)
  }
}
