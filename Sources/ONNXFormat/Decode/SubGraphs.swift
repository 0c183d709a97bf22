internal import GraphIR
internal import TensorCore

// In a file, the graphs inside a node see every value around them. In memory they are closed: what they take is listed
// by the node (`Node.captures`) and arrives in their last inputs. Constants need no capture: they are shared.
extension BodyDecoder {
  /// Attributes in the graph's terms, and the values of this graph that the sub-graphs among them take.
  func close(
    _ values: [String: WireAttribute.Value], _ frame: Frame
  ) throws -> (attributes: Attributes, captures: [ValueID]) {
    var names: [String] = []
    var seen = Set<String>()
    for (_, value) in values.sorted(by: { $0.key < $1.key }) {
      for graph in value.graphs {
        for name in graph.freeNames where seen.insert(name).inserted { names.append(name) }
      }
    }
    var outside: [(name: String, id: ValueID)] = []
    for name in names {
      guard let id = frame.scope[name] else {
        throw LigatureError(
          .cycle, "its sub-graph reads '\(name)', which nothing around it makes before; export the model again")
      }
      outside.append((name, id))
    }
    var attributes = Attributes()
    for (name, value) in values {
      attributes[name] = try attribute(value, name) { try subgraph($0, outside, frame) }
    }
    var captured = Set<ValueID>()
    let captures = outside.map(\.id).filter { isCaptured($0) && captured.insert($0).inserted }
    return (attributes, captures)
  }

  private func isCaptured(_ id: ValueID) -> Bool {
    if case .constant = graph[id].role { false } else { true }
  }

  private func subgraph(_ source: WireGraph, _ outside: [(name: String, id: ValueID)], _ frame: Frame) throws -> Graph {
    var body = BodyDecoder(model, name: source.name)
    var inner = Frame(versions: frame.versions)
    inner.arguments = frame.arguments
    inner.callDepth = frame.callDepth
    inner.calls = frame.calls
    let constants = Set(source.initializers.map(\.name) + source.sparseInitializers.map(\.values.name))
    for input in source.inputs where !constants.contains(input.name) {
      try body.addInput(
        input.name, try input.type?.tensorType(of: input.name) ?? TensorType(.undefined, nil), &inner)
    }
    let free = Set(source.freeNames)
    var taken: [ValueID: ValueID] = [:]
    for (name, id) in outside {
      let value = graph[id]
      if taken[id] == nil {
        if case .constant(let tensor) = value.role {
          guard free.contains(name) else { continue }
          taken[id] = try body.graph.addConstant(body.graph.freshName(value.name), tensor)
        } else {
          // Also where only a sibling reads it: all sub-graphs of a node take the same captures.
          taken[id] = try body.graph.addInput(body.graph.freshName(value.name), value.type)
        }
      }
      if free.contains(name) { inner.scope[name] = taken[id] }
    }
    try body.fill(source, &inner)
    try body.addOutputs(source.outputs, inner, mayRepeat: true)
    return body.graph
  }

  /// An attribute in the graph's terms.
  private func attribute(
    _ value: WireAttribute.Value, _ name: String, _ subgraph: (WireGraph) throws -> Graph
  ) throws -> Attribute {
    switch value {
    case .float(let value): return .float(value)
    case .int(let value): return .int(value)
    case .floats(let values): return .floats(values)
    case .ints(let values): return .ints(values)
    case .tensor(let value): return .tensor(value.tensor)
    case .tensors(let values): return .tensors(values.map(\.tensor))
    case .graph(let value): return .graph(try subgraph(value))
    case .graphs(let values): return .graphs(try values.map(subgraph))
    case .string(let bytes):
      // Some operators keep binary data in strings; text is the rule.
      if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
    case .strings(let values):
      let texts = values.compactMap { String(validating: $0, as: UTF8.self) }
      if texts.count == values.count { return .strings(texts) }
    case .sparse, .sparses, .type, .types, .none: break
    }
    return .opaque(kind: value.kind, bytes: try WireEncoder.attribute(WireAttribute(name: name, value: value)))
  }
}

extension WireAttribute.Value {
  var graphs: [WireGraph] {
    switch self {
    case .graph(let graph): [graph]
    case .graphs(let graphs): graphs
    default: []
    }
  }

  /// `AttributeProto.AttributeType`.
  var kind: Int32 {
    switch self {
    case .float: 1
    case .int: 2
    case .string: 3
    case .tensor: 4
    case .graph: 5
    case .floats: 6
    case .ints: 7
    case .strings: 8
    case .tensors: 9
    case .graphs: 10
    case .sparse: 11
    case .sparses: 12
    case .type: 13
    case .types: 14
    case .none(let kind): kind
    }
  }

  var kindName: String { "an attribute of kind \(kind)" }
}

extension WireGraph {
  /// Names that are read here or deeper but made outside, in the order of their first use.
  var freeNames: [String] {
    var made = Set(inputs.map(\.name))
    made.formUnion(initializers.map(\.name))
    made.formUnion(sparseInitializers.map(\.values.name))
    var free: [String] = []
    var seen = Set<String>()
    func read(_ name: String) {
      if !name.isEmpty, !made.contains(name), seen.insert(name).inserted { free.append(name) }
    }
    for node in nodes {
      node.inputs.forEach(read)
      for attribute in node.attributes {
        for graph in attribute.value.graphs { graph.freeNames.forEach(read) }
      }
      made.formUnion(node.outputs)
    }
    outputs.map(\.name).forEach(read)
    return free
  }
}

extension WireSparse {
  /// The same tensor written out.
  func dense() throws -> Tensor {
    let element = values.tensor.element
    guard element.byteSize > 0 else { throw LigatureError(.unsupported, "a sparse tensor of \(element) is not read") }
    let width = element.byteSize
    let entries = values.tensor.count
    let positions = try linearPositions(entries)
    return try unsafe Tensor(element, shape) { target in
      unsafe values.tensor.withUnsafeBytes { source in
        for (entry, position) in positions.enumerated() {
          for byte in 0..<width { unsafe target[position * width + byte] = source[entry * width + byte] }
        }
      }
    }
  }

  private func linearPositions(_ entries: Int) throws -> [Int] {
    let count = try Checked.elementCount(shape)
    let flat = try indices.tensor.integers()
    let rank = indices.tensor.shape.count == 2 ? shape.count : 1
    guard try Checked.multiply(entries, rank, "sparse indices") == flat.count else {
      throw LigatureError(.format, "the sparse tensor '\(values.name)' has \(flat.count) indices for \(entries) values")
    }
    let strides = rowMajorStrides(shape)
    return try (0..<entries).map { entry in
      var position = flat[entry * rank]
      if indices.tensor.shape.count == 2 {
        position = 0
        for axis in 0..<rank {
          let index = flat[entry * rank + axis]
          guard index >= 0, index < shape[axis] else {
            position = -1
            break
          }
          position += index * strides[axis]
        }
      }
      guard position >= 0, position < count else {
        throw LigatureError(.format, "an index of the sparse tensor '\(values.name)' lies outside the shape \(shape)")
      }
      return position
    }
  }
}
