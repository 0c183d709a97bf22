public import TensorCore

/// A directed acyclic graph of operators over tensors, as a value: copies are cheap and independent.
///
/// Every node is checked and typed when it is appended. `NodeID`s and `ValueID`s stay valid until `compact()`.
public struct Graph: Sendable {
  public var name: String
  /// Dense; an erased node leaves `nil` until `compact()`.
  package private(set) var slots: [Node?] = []
  public private(set) var values: [Value] = []
  public private(set) var inputs: [ValueID] = []
  public private(set) var outputs: [ValueID] = []
  /// The names under which the outputs are known outside; a pass may change the value behind one, never the name.
  public private(set) var outputNames: [String] = []
  private var valuesByName: [String: ValueID] = [:]
  private var consumers: [[NodeID]] = []

  public init(name: String = "graph") { self.name = name }
}

// ── Access ──────────────────────────────────────────────────────────────────
extension Graph {
  public subscript(id: ValueID) -> Value { values[Int(id.index)] }

  /// The node behind an identifier; it must not have been erased.
  public subscript(id: NodeID) -> Node {
    guard let node = slots[Int(id.index)] else { preconditionFailure("the node was erased") }
    return node
  }

  public var nodeCount: Int { slots.reduce(0) { $0 + ($1 == nil ? 0 : 1) } }
  public func contains(_ id: NodeID) -> Bool { slots[Int(id.index)] != nil }
  public func value(named name: String) -> ValueID? { valuesByName[name] }
  public var valueIDs: [ValueID] { values.indices.map(ValueID.init) }

  /// The nodes that read a value; a node that reads it twice appears once.
  public func uses(of value: ValueID) -> [NodeID] { consumers[Int(value.index)] }
  public func isOutput(_ value: ValueID) -> Bool { outputs.contains(value) }

  /// The node that makes a value, or `nil` for inputs and constants.
  public func producer(of value: ValueID) -> NodeID? {
    if case .result(let node, _) = self[value].role { node } else { nil }
  }

  /// All nodes, each after those whose results it reads; the order of appending wherever that permits.
  public var order: [NodeID] {
    var order: [NodeID] = []
    order.reserveCapacity(slots.count)
    var state = [UInt8](repeating: 0, count: slots.count)  // 0 new, 1 open, 2 done
    var stack: [NodeID] = []
    for index in slots.indices where slots[index] != nil && state[index] == 0 {
      stack.append(NodeID(index))
      while let top = stack.last {
        let at = Int(top.index)
        guard state[at] == 0, let node = slots[at] else {
          stack.removeLast()
          if state[at] == 1 {
            state[at] = 2
            order.append(top)
          }
          continue
        }
        state[at] = 1
        for operand in node.operands.reversed() {
          if let producer = producer(of: operand), state[Int(producer.index)] == 0 { stack.append(producer) }
        }
      }
    }
    return order
  }
}

// ── Building ────────────────────────────────────────────────────────────────
extension Graph {
  /// A name that is still free: `base`, or `base` with a number.
  public func freshName(_ base: String) -> String {
    guard valuesByName[base] != nil else { return base }
    var number = 1
    while valuesByName["\(base)_\(number)"] != nil { number += 1 }
    return "\(base)_\(number)"
  }

  private mutating func declare(_ name: String, _ type: TensorType, _ role: Value.Role, _ contents: [Dimension]? = nil)
    throws -> ValueID
  {
    guard !name.isEmpty else { throw LigatureError(.format, "a value has an empty name") }
    guard valuesByName[name] == nil else {
      throw LigatureError(.format, "two values bear the name '\(name)'; names must be unique")
    }
    guard values.count < Int(Int32.max) else { throw LigatureError(.limit, "the graph has too many values") }
    let id = ValueID(values.count)
    values.append(Value(name: name, type: type, role: role, contents: contents))
    consumers.append([])
    valuesByName[name] = id
    return id
  }

  @discardableResult
  public mutating func addInput(_ name: String, _ type: TensorType) throws -> ValueID {
    let id = try declare(name, type, .input)
    inputs.append(id)
    return id
  }

  @discardableResult
  public mutating func addConstant(_ name: String, _ tensor: Tensor) throws -> ValueID {
    try declare(name, TensorType(tensor.element, sizes: tensor.shape), .constant(tensor))
  }

  @discardableResult
  public mutating func addParameter(_ name: String, _ tensor: Tensor) throws -> ValueID {
    try declare(name, TensorType(tensor.element, sizes: tensor.shape), .parameter(tensor))
  }

  /// Makes a value visible outside, under its own name or another.
  public mutating func addOutput(_ value: ValueID, name: String? = nil) throws {
    let name = name ?? self[value].name
    guard !outputNames.contains(name) else {
      throw LigatureError(.format, "two outputs bear the name '\(name)'; names must be unique")
    }
    outputs.append(value)
    outputNames.append(name)
  }

  /// Makes nothing visible outside any more.
  public mutating func removeOutputs() {
    outputs = []
    outputNames = []
  }

  /// Appends a node, checks it and infers the types of its outputs.
  ///
  /// - Parameter outputs: the names of the results; `nil` for an optional output that is not wanted.
  /// - Returns: the results, `nil` where the name was.
  /// - Throws: what the operator says of inputs that do not fit, placed at this node.
  @discardableResult
  public mutating func append(
    _ op: any Operator, _ inputs: [ValueID?], captures: [ValueID] = [], name: String, outputs names: [String?]
  ) throws -> [ValueID?] {
    let context = inferenceContext(inputs, outputCount: names.count)
    let (types, contents) = try Graph.infer(op, context, node: name)
    let id = NodeID(slots.count)
    var results: [ValueID?] = []
    for (slot, outputName) in names.enumerated() {
      guard let outputName else {
        results.append(nil)
        continue
      }
      let role = Value.Role.result(of: id, slot: slot)
      results.append(try declare(outputName, types[slot], role, slot == 0 ? contents : nil))
    }
    let node = Node(name: name, op: op, inputs: inputs, captures: captures, outputs: results)
    slots.append(node)
    for operand in Set(node.operands) { consumers[Int(operand.index)].append(id) }
    return results
  }

  /// Appends a node with one result, which takes the node's name.
  @discardableResult
  public mutating func append(_ op: any Operator, _ inputs: [ValueID?], name: String) throws -> ValueID {
    let results = try append(op, inputs, name: name, outputs: [freshName(name.isEmpty ? op.name.type : name)])
    guard let first = results.first, let result = first else { preconditionFailure("one name gives one result") }
    return result
  }

  /// What is known of values before running, for an operator's inference.
  public func inferenceContext(_ inputs: [ValueID?], outputCount: Int) -> InferenceContext {
    InferenceContext(
      inputs: inputs.map { $0.map { self[$0].type } },
      constants: inputs.map { $0.flatMap { if case .constant(let tensor) = self[$0].role { tensor } else { nil } } },
      contents: inputs.map { $0.flatMap { self[$0].contents } },
      outputCount: outputCount)
  }

  public func inferenceContext(of node: Node) -> InferenceContext {
    inferenceContext(node.inputs, outputCount: node.outputs.count)
  }

  /// Types of all `outputCount` outputs, and the integers that the first one holds where they are known.
  package static func infer(_ op: any Operator, _ context: InferenceContext, node: String) throws
    -> (types: [TensorType], contents: [Dimension]?)
  {
    do {
      // Nothing reads such a node, and passes count on a first output.
      guard context.outputCount > 0 else {
        throw LigatureError(.arity, "\(op.name) names none of its outputs; leave the node out")
      }
      let types = try op.inferTypes(context)
      guard types.count >= context.outputCount else {
        throw LigatureError(.arity, "\(op.name) has \(types.count) outputs, but \(context.outputCount) are named")
      }
      guard let first = types.first, first.element.isInteger, let rank = first.rank, rank <= 1 else {
        return (types, nil)
      }
      let contents = try op.inferContents(context)
      return (types, contents)
    } catch let error as LigatureError {
      let operands = context.inputs.map { $0?.description ?? "none" }
      throw error.at(node: node.isEmpty ? "\(op.name)" : "\(node) (\(op.name))", operands: operands)
    }
  }

  /// Takes over what a file declares of a value where inference knows less. What both know must agree.
  public mutating func refine(_ id: ValueID, with declared: TensorType) {
    var type = self[id].type
    if type.element == .undefined { type.element = declared.element }
    guard type.element == declared.element || declared.element == .undefined else { return }
    if type.shape == nil { type.shape = declared.shape }
    values[Int(id.index)].type = type
  }
}

// ── Changing ────────────────────────────────────────────────────────────────
extension Graph {
  /// Lets every reader of `old`, and the outputs, read `new` instead. Throws if the types contradict each other.
  public mutating func replace(_ old: ValueID, with new: ValueID) throws {
    guard old != new else { return }
    guard self[new].type.isCompatible(with: self[old].type) else {
      throw LigatureError(
        .type,
        "'\(self[old].name)' of type \(self[old].type) cannot be replaced by '\(self[new].name)' of \(self[new].type)")
    }
    for user in consumers[Int(old.index)] {
      guard var node = slots[Int(user.index)] else { continue }
      node.inputs = node.inputs.map { $0 == old ? new : $0 }
      node.captures = node.captures.map { $0 == old ? new : $0 }
      slots[Int(user.index)] = node
      if !consumers[Int(new.index)].contains(user) { consumers[Int(new.index)].append(user) }
    }
    // What a file declares of the old one is true of the new one: they are one value.
    refine(new, with: TensorType(self[old].type.element, nil))
    consumers[Int(old.index)] = []
    outputs = outputs.map { $0 == old ? new : $0 }
  }

  /// Swaps a node's operator and inputs; its outputs keep their identity. Throws if their types would change.
  public mutating func update(_ id: NodeID, op: any Operator, inputs: [ValueID?]) throws {
    var node = self[id]
    let context = inferenceContext(inputs, outputCount: node.outputs.count)
    let (types, _) = try Graph.infer(op, context, node: node.name)
    for (slot, output) in node.outputs.enumerated() {
      guard let output, !types[slot].isCompatible(with: self[output].type) else { continue }
      throw LigatureError(
        .type, "\(op.name) would change '\(self[output].name)' from \(self[output].type) to \(types[slot])",
        node: node.name)
    }
    for operand in Set(node.operands) { consumers[Int(operand.index)].removeAll { $0 == id } }
    node.op = op
    node.inputs = inputs
    slots[Int(id.index)] = node
    for operand in Set(node.operands) { consumers[Int(operand.index)].append(id) }
  }

  /// Removes a node whose results nobody reads.
  public mutating func erase(_ id: NodeID) throws {
    let node = self[id]
    for output in node.outputs.compactMap({ $0 }) where isOutput(output) || !uses(of: output).isEmpty {
      throw LigatureError(.cycle, "'\(self[output].name)' is still used, its node cannot be erased", node: node.name)
    }
    for operand in Set(node.operands) { consumers[Int(operand.index)].removeAll { $0 == id } }
    slots[Int(id.index)] = nil
  }

  /// Exchanges the content of a constant or parameter. Throws if the type would change, or it is neither.
  public mutating func setTensor(_ id: ValueID, _ tensor: Tensor) throws {
    let value = self[id]
    guard let old = value.tensor, old.element == tensor.element, old.shape == tensor.shape else {
      throw LigatureError(
        .type, "'\(value.name)' of type \(value.type) cannot become a constant \(tensor.element)\(tensor.shape)")
    }
    if case .parameter = value.role {
      values[Int(id.index)].role = .parameter(tensor)
    } else {
      values[Int(id.index)].role = .constant(tensor)
    }
  }

  /// Puts zeros that take no memory in the place of what these constants and parameters hold.
  package mutating func forget(_ ids: [ValueID]) throws {
    let largest = ids.compactMap { self[$0].tensor?.byteCount }.max() ?? 0
    let zeros = try TensorStorage(zeroPages: largest)
    for id in ids {
      guard let tensor = self[id].tensor, tensor.element.byteSize > 0 else { continue }
      try setTensor(id, Tensor(tensor.element, tensor.shape, storage: zeros))
    }
  }

  /// Removes the nodes on whose results neither an output nor one of these values depends.
  public mutating func eraseUnused(keeping values: [ValueID]) throws {
    let kept = Set(values)
    for id in order.reversed() {
      let results = self[id].outputs.compactMap { $0 }
      guard results.allSatisfy({ !kept.contains($0) && !isOutput($0) && uses(of: $0).isEmpty }) else { continue }
      try erase(id)
    }
  }

  /// Turns a node's result into a constant; the node goes with its last result.
  public mutating func fold(_ id: ValueID, to tensor: Tensor) throws {
    guard self[id].type.isCompatible(with: TensorType(tensor.element, sizes: tensor.shape)) else {
      throw LigatureError(
        .type, "'\(self[id].name)' of type \(self[id].type) was folded to \(tensor.element)\(tensor.shape)")
    }
    let constant = try addConstant(freshName(self[id].name + ".folded"), tensor)
    try replace(id, with: constant)
  }

  /// Drops erased nodes and unused values, and renumbers the rest in topological order. All identifiers change.
  public mutating func compact() throws { try rebuild(inputTypes: [:]) }

  /// Settles the sizes of inputs, by name, and infers all types anew. All identifiers change.
  /// Throws `.usage` for a name that no input has, `.shape` for sizes that contradict what is declared.
  public mutating func settle(inputs sizes: [String: [Int]]) throws {
    var types: [ValueID: TensorType] = [:]
    for (name, sizes) in sizes.sorted(by: { $0.key < $1.key }) {
      guard let id = inputs.first(where: { self[$0].name == name }) else {
        let names = inputs.map { self[$0].name }.joined(separator: ", ")
        throw LigatureError(.usage, "there is no input '\(name)'; the inputs are: \(names)")
      }
      let type = TensorType(self[id].type.element, sizes: sizes)
      guard type.isCompatible(with: self[id].type) else {
        throw LigatureError(.shape, "the input '\(name)' must be \(self[id].type), it cannot be \(sizes)")
      }
      types[id] = type
    }
    try rebuild(inputTypes: types)
  }

  /// Gives inputs other types and infers all types anew, without regard to what a file declares of the sizes of
  /// results. All identifiers change; the order of inputs and outputs stays.
  package mutating func reopen(_ inputTypes: [ValueID: TensorType]) throws {
    try rebuild(inputTypes: inputTypes, keepsDeclaredShapes: false)
  }

  private mutating func rebuild(inputTypes: [ValueID: TensorType], keepsDeclaredShapes: Bool = true) throws {
    var result = Graph(name: name)
    var moved: [ValueID: ValueID] = [:]
    for id in inputs { moved[id] = try result.addInput(self[id].name, inputTypes[id] ?? self[id].type) }
    let order = order
    var needed = Set(outputs)
    for id in order { needed.formUnion(self[id].operands) }
    for id in valueIDs where needed.contains(id) {
      switch self[id].role {
      case .constant(let tensor): moved[id] = try result.addConstant(self[id].name, tensor)
      case .parameter(let tensor): moved[id] = try result.addParameter(self[id].name, tensor)
      case .input, .result: break
      }
    }
    for id in order {
      let node = self[id]
      let names = node.outputs.map { $0.map { self[$0].name } }
      let inputs = node.inputs.map { $0.flatMap { moved[$0] } }
      let captures = node.captures.compactMap { moved[$0] }
      let results = try result.append(node.op, inputs, captures: captures, name: node.name, outputs: names)
      for case (let old?, let new?) in zip(node.outputs, results) {
        moved[old] = new
        let known = self[old].type
        result.refine(new, with: keepsDeclaredShapes ? known : TensorType(known.element, nil))
      }
    }
    for (id, name) in zip(outputs, outputNames) {
      guard let id = moved[id] else { throw LigatureError(.cycle, "the output '\(name)' has no producer") }
      try result.addOutput(id, name: name)
    }
    self = result
  }
}
