internal import GraphIR
internal import TensorCore

/// Turns graphs back into messages: gives names, restores what sub-graphs see of their surroundings.
struct GraphEncoder {
  private let graph: Graph
  /// Inputs that stand for values of the surrounding graph.
  private let captured: Set<ValueID>
  /// Names in the file of the values that are used.
  private var names: [ValueID: String] = [:]
  /// Constants that a surrounding graph holds under the same name: not written again.
  private let shared: [String: Tensor]
  /// All names that are visible here, so that none is given twice.
  private var taken: Set<String>

  /// The main graph.
  static func encode(_ graph: Graph, foreignTypes: [String: WireType]) throws -> WireGraph {
    var encoder = GraphEncoder(graph, captures: [], shared: [:], taken: [])
    var wire = try encoder.wire(captureCount: 0)
    wire.inputs = wire.inputs.map { WireValue(name: $0.name, type: foreignTypes[$0.name] ?? $0.type) }
    wire.outputs = wire.outputs.map { WireValue(name: $0.name, type: foreignTypes[$0.name] ?? $0.type) }
    return wire
  }

  /// A graph beside the main one, which sees the main one's initialisers.
  static func encode(_ graph: Graph, sharing shared: [String: Tensor]) throws -> WireGraph {
    var encoder = GraphEncoder(graph, captures: [], shared: shared, taken: Set(shared.keys))
    return try encoder.wire(captureCount: 0)
  }

  /// - Parameter captures: names in the file of what the last inputs stand for.
  private init(_ graph: Graph, captures: [String], shared: [String: Tensor], taken: Set<String>) {
    self.graph = graph
    self.shared = shared
    self.taken = taken
    captured = Set(graph.inputs.suffix(captures.count))
    for (id, name) in zip(graph.inputs.suffix(captures.count), captures) { names[id] = name }
  }

  private mutating func wire(captureCount: Int) throws -> WireGraph {
    guard captureCount <= graph.inputs.count else {
      throw LigatureError(.arity, "the sub-graph '\(graph.name)' has fewer inputs than its node captures values")
    }
    let order = graph.order
    let formal = graph.inputs.dropLast(captureCount)
    var wire = WireGraph()
    wire.name = graph.name.isEmpty ? "graph" : graph.name
    for id in formal { give(id, graph[id].name) }
    let copies = nameOutputs()
    var used = Set(graph.outputs)
    for id in order {
      used.formUnion(graph[id].operands)
      for inner in graph[id].subgraphs { used.formUnion(constants(sharedWith: inner)) }
    }
    nameConstants(used, &wire)
    for id in order {
      for output in graph[id].outputs.compactMap({ $0 }) where names[output] == nil { give(output, graph[output].name) }
    }

    for id in formal { wire.inputs.append(WireValue(name: name(id), type: graph[id].type.wire)) }
    for id in order { wire.nodes.append(try node(graph[id], &wire)) }
    for (index, (id, copy)) in zip(graph.outputs, copies).enumerated() {
      if let copy {
        wire.nodes.append(WireNode(inputs: [name(id)], outputs: [copy], name: "/copy/\(index)", type: "Identity"))
      }
      wire.outputs.append(WireValue(name: copy ?? name(id), type: graph[id].type.wire))
    }
    return wire
  }
}

// ── Names ───────────────────────────────────────────────────────────────────
extension GraphEncoder {
  private func name(_ id: ValueID) -> String { names[id] ?? graph[id].name }

  private mutating func give(_ id: ValueID, _ wanted: String) {
    names[id] = fresh(wanted)
  }

  private mutating func fresh(_ wanted: String) -> String {
    var name = wanted
    var number = 1
    while !taken.insert(name).inserted {
      name = "\(wanted)_\(number)"
      number += 1
    }
    return name
  }

  /// Results that are outputs take the outputs' names. An output that is an input, a constant or an output already is
  /// copied by an Identity node, unless it bears its own name.
  /// - Returns: for each output, the name of its copy, or `nil` when it needs none.
  private mutating func nameOutputs() -> [String?] {
    var copies: [String?] = []
    for (id, wanted) in zip(graph.outputs, graph.outputNames) {
      switch graph[id].role {
      case .result where names[id] == nil:
        give(id, wanted)
        copies.append(nil)
      case .constant where graph[id].name == wanted && shared[wanted] == nil, .parameter where graph[id].name == wanted:
        if names[id] == nil { give(id, wanted) }
        copies.append(nil)
      case .input where names[id] == wanted && !captured.contains(id):
        copies.append(nil)
      default:
        copies.append(fresh(wanted))
      }
    }
    return copies
  }

  /// Constants that graphs inside have from here: they are written here, once.
  private func constants(sharedWith inner: Graph) -> Set<ValueID> {
    var found = Set<ValueID>()
    for value in inner.values {
      guard let tensor = value.tensor, let id = graph.value(named: value.name), let own = graph[id].tensor,
        own.isSame(as: tensor)
      else { continue }
      found.insert(id)
    }
    for id in inner.order {
      for deeper in inner[id].subgraphs { found.formUnion(constants(sharedWith: deeper)) }
    }
    return found
  }

  private mutating func nameConstants(_ used: Set<ValueID>, _ wire: inout WireGraph) {
    for id in graph.valueIDs {
      let value = graph[id]
      guard let tensor = value.tensor else { continue }
      var isNeeded = used.contains(id)
      if case .parameter = value.role { isNeeded = true }
      guard isNeeded else { continue }
      if let outer = shared[value.name], outer.isSame(as: tensor), names[id] == nil {
        names[id] = value.name
        continue
      }
      if names[id] == nil { give(id, value.name) }
      wire.initializers.append(WireTensor(name: name(id), tensor: tensor))
    }
  }
}

// ── Nodes ───────────────────────────────────────────────────────────────────
extension GraphEncoder {
  private mutating func node(_ source: Node, _ wire: inout WireGraph) throws -> WireNode {
    var node = WireNode()
    node.name = source.name
    node.type = source.op.name.type
    node.domain = source.op.name.domain
    node.inputs = source.inputs.map { $0.map(name) ?? "" }
    // Absent inputs at the end are not written: reading leaves them out, and what is written again stays the same.
    while node.inputs.last == "" { node.inputs.removeLast() }
    node.outputs = source.outputs.map { $0.map(name) ?? "" }
    let attributes = source.op.attributes
    for attributeName in attributes.sortedNames {
      guard let attribute = attributes[attributeName] else { continue }
      node.attributes.append(try self.attribute(attributeName, attribute, source))
    }
    if let opaque = source.op as? Opaque {
      for (type, output) in zip(opaque.declaredTypes, source.outputs) {
        guard let output, type.element != .undefined, !graph.isOutput(output) else { continue }
        wire.valueInfo.append(WireValue(name: name(output), type: type.wire))
      }
    }
    return node
  }

  private func attribute(_ name: String, _ attribute: Attribute, _ node: Node) throws -> WireAttribute {
    let value: WireAttribute.Value
    switch attribute {
    case .int(let number): value = .int(number)
    case .float(let number): value = .float(number)
    case .string(let text): value = .string(Array(text.utf8))
    case .ints(let numbers): value = .ints(numbers)
    case .floats(let numbers): value = .floats(numbers)
    case .strings(let texts): value = .strings(texts.map { Array($0.utf8) })
    case .tensor(let tensor): value = .tensor(WireTensor(name: "", tensor: tensor))
    case .tensors(let tensors): value = .tensors(tensors.map { WireTensor(name: "", tensor: $0) })
    case .graph(let graph): value = .graph(try subgraph(graph, node))
    case .graphs(let graphs): value = .graphs(try graphs.map { try subgraph($0, node) })
    case .opaque(_, let bytes):
      var kept = try WireDecoder.attribute(bytes)
      kept.name = name
      return kept
    }
    return WireAttribute(name: name, value: value)
  }

  private func subgraph(_ inner: Graph, _ node: Node) throws -> WireGraph {
    var visible = shared
    for (id, name) in names {
      if let tensor = graph[id].tensor { visible[name] = tensor }
    }
    var encoder = GraphEncoder(inner, captures: node.captures.map(name), shared: visible, taken: taken)
    return try encoder.wire(captureCount: node.captures.count)
  }
}

extension Node {
  fileprivate var subgraphs: [Graph] {
    let attributes = op.attributes
    return attributes.sortedNames.flatMap { name -> [Graph] in
      switch attributes[name] {
      case .graph(let graph): [graph]
      case .graphs(let graphs): graphs
      default: []
      }
    }
  }
}

extension Tensor {
  /// Whether both are views of the same bytes, or hold the same strings.
  func isSame(as other: Tensor) -> Bool {
    guard element == other.element, shape == other.shape else { return false }
    if element == .string { return strings == other.strings }
    return storage === other.storage && byteOffset == other.byteOffset
  }
}

extension TensorType {
  /// As a file declares it; `nil` when nothing is known.
  var wire: WireType? {
    if element == .undefined { return nil }
    return .tensor(
      element: element.rawValue,
      shape: shape?.map { dimension in
        switch dimension {
        case .fixed(let size): .size(size)
        // To a reader of the file, sizes of one name are equal.
        case .symbol(let name): dimension.isDeterminate ? .symbol(name) : .unknown
        }
      })
  }
}
