internal import GraphIR
internal import TensorCore

/// What names mean at one place of a file: in a graph, in a sub-graph, or in the expanded body of a function.
struct Frame {
  var versions: OperatorVersions
  /// Values by their name in the file.
  var scope: [String: ValueID] = [:]
  /// Declared types by name.
  var declared: [String: WireType] = [:]
  /// In a function: what the call gives for the attributes that nodes refer to.
  var arguments: [String: WireAttribute.Value] = [:]
  /// In a function: put before the names of its values and nodes.
  var prefix = ""
  /// In a function: names in the caller of the values that it returns.
  var renamed: [String: String] = [:]
  /// Function calls around this one.
  var callDepth = 0
  /// The functions that they call.
  var calls: [ModelDecoder.FunctionKey] = []

  init(versions: OperatorVersions) { self.versions = versions }
}

/// Builds one graph from the nodes of the file: finds values by name, expands functions, brings nodes to the
/// canonical opset, closes sub-graphs.
struct BodyDecoder {
  let model: ModelDecoder
  var graph: Graph
  /// Initialisers that are state, hence parameters.
  var states = Set<String>()
  private static let deepestCall = 32

  init(_ model: ModelDecoder, name: String) {
    self.model = model
    graph = Graph(name: name)
  }

  mutating func addInput(_ name: String, _ type: TensorType, _ frame: inout Frame) throws {
    let id = try graph.addInput(name, type)
    try bind(name, id, &frame)
  }

  mutating func addInitializer(_ name: String, _ tensor: Tensor, _ frame: inout Frame) throws {
    let id = try states.contains(name) ? graph.addParameter(name, tensor) : graph.addConstant(name, tensor)
    try bind(name, id, &frame)
  }

  func bind(_ name: String, _ id: ValueID, _ frame: inout Frame) throws {
    guard frame.scope.updateValue(id, forKey: name) == nil else {
      throw LigatureError(.format, "two values bear the name '\(name)'; names must be unique")
    }
  }

  /// Initialisers and nodes; inputs are there already.
  mutating func fill(_ source: WireGraph, _ frame: inout Frame) throws {
    for value in source.valueInfo + source.outputs { frame.declared[value.name] = value.type }
    for initializer in source.initializers { try addInitializer(initializer.name, initializer.tensor, &frame) }
    for sparse in source.sparseInitializers {
      let name = sparse.values.name
      let tensor = try model.dense(sparse)
      let id = try graph.addConstant(name, tensor)
      try bind(name, id, &frame)
    }
    for node in source.nodes { try append(node, &frame) }
  }

  mutating func addOutputs(_ outputs: [WireValue], _ frame: Frame, mayRepeat: Bool = false) throws {
    for output in outputs {
      guard let id = frame.scope[output.name] else {
        throw LigatureError(
          .cycle, "the output '\(output.name)' is made by no node, input or initialiser; export the model again")
      }
      if let type = output.type { graph.refine(id, with: try type.tensorType(of: output.name)) }
      var name = output.name
      if mayRepeat, graph.outputNames.contains(name) { name = graph.freshName(name + ".again") }
      try graph.addOutput(id, name: name)
    }
  }
}

// ── Nodes ───────────────────────────────────────────────────────────────────
extension BodyDecoder {
  private mutating func append(_ source: WireNode, _ frame: inout Frame) throws {
    try model.countNode()
    if !source.documentation.isEmpty || !source.metadata.isEmpty {
      model.note("documentation and metadata of single nodes were left out")
    }
    let ownName = source.name.isEmpty ? source.outputs.first { !$0.isEmpty } ?? "" : source.name
    let name = frame.prefix + ownName
    do {
      try append(source, name: name, &frame)
    } catch let error as LigatureError {
      throw error.at(node: name.isEmpty ? source.type : "\(name) (\(source.type))")
    }
  }

  private mutating func append(_ source: WireNode, name: String, _ frame: inout Frame) throws {
    let operatorName = OperatorName(source.type, domain: source.domain)
    guard !source.type.isEmpty else { throw LigatureError(.format, "it has no operator type; export the model again") }
    let values = try argumentValues(source.attributes, frame)
    if operatorName == OperatorName("Constant") {
      try addConstant(source, values, &frame)
      return
    }
    var inputs = try source.inputs.map { try resolve($0, frame) }
    while case .some(.none) = inputs.last { inputs.removeLast() }

    let function = model.function(operatorName, overload: source.overload)
    if let function {
      if model.operators.contains(operatorName) {
        model.keepFunction(operatorName, overload: source.overload)
      } else {
        try expand(function, source, inputs, values, name: name, &frame)
        return
      }
    }
    let (attributes, captures) = try close(values, frame)
    let outputs = try source.outputs.map { try resultName($0, frame) }
    var node = UpgradeNode(
      name: operatorName, nodeName: name, inputs: inputs, captures: captures, attributes: attributes, outputs: outputs)
    let declared = try source.outputs.map { output in
      try frame.declared[output]?.tensorType(of: output) ?? TensorType(.undefined, nil)
    }
    node.declaredTypes = declared
    if operatorName.domain.isEmpty { try OpsetUpgrade.apply(to: &node, from: frame.versions.standard, in: &self) }
    let results = try node.results ?? emit(node)
    for (slot, output) in source.outputs.enumerated() where slot < results.count {
      guard let result = results[slot] else { continue }
      graph.refine(result, with: declared[slot])
      try bind(output, result, &frame)
    }
  }

  /// Appends a node that speaks the canonical opset.
  mutating func emit(_ node: UpgradeNode) throws -> [ValueID?] {
    let op: any Operator
    if let known = try model.operators.decode(node.name, node.attributes) {
      op = known
    } else {
      op = Opaque(name: node.name, attributes: node.attributes, declaredTypes: node.declaredTypes)
    }
    return try graph.append(op, node.inputs, captures: node.captures, name: node.nodeName, outputs: node.outputs)
  }

  private func resolve(_ name: String, _ frame: Frame) throws -> ValueID? {
    guard !name.isEmpty else { return nil }
    guard let id = frame.scope[name] else {
      throw LigatureError(
        .cycle,
        "reads '\(name)', which no input, initialiser or earlier node makes: the graph has a cycle or its "
          + "nodes are not sorted; export the model again")
    }
    return id
  }

  /// The name in the graph for a result; `nil` for one that is not wanted.
  private func resultName(_ name: String, _ frame: Frame) throws -> String? {
    guard !name.isEmpty else { return nil }
    guard frame.scope[name] == nil else {
      throw LigatureError(.format, "makes '\(name)', which is there already; names must be unique")
    }
    if frame.callDepth == 0 { return name }
    if let renamed = frame.renamed[name], graph.value(named: renamed) == nil { return renamed }
    return graph.freshName(frame.prefix + name)
  }

  private mutating func addConstant(
    _ source: WireNode, _ values: [String: WireAttribute.Value], _ frame: inout Frame
  ) throws {
    guard let wireName = source.outputs.first, let name = try resultName(wireName, frame) else {
      throw LigatureError(.arity, "a Constant must have an output; export the model again")
    }
    guard source.outputs.count == 1, source.inputs.isEmpty, values.count == 1, let value = values.first?.value else {
      throw LigatureError(.attribute, "a Constant must have one value, one output and no input; export the model again")
    }
    let tensor: Tensor
    switch value {
    case .tensor(let value): tensor = value.tensor
    case .float(let value): tensor = Tensor(scalar: value)
    case .int(let value): tensor = Tensor(scalar: value)
    case .floats(let values): tensor = try Tensor(values, [values.count])
    case .ints(let values): tensor = try Tensor(values, [values.count])
    case .string(let bytes): tensor = try Tensor(strings: [String(decoding: bytes, as: UTF8.self)], [])
    case .strings(let values):
      tensor = try Tensor(strings: values.map { String(decoding: $0, as: UTF8.self) }, [values.count])
    case .sparse(let value): tensor = try model.dense(value)
    default: throw LigatureError(.attribute, "a Constant cannot hold \(value.kindName)")
    }
    // Not within the call below: a copy of `self` would be held while the graph changes, which copies the graph.
    let id = try graph.addConstant(name, tensor)
    try bind(wireName, id, &frame)
  }
}

// ── Functions ───────────────────────────────────────────────────────────────
extension BodyDecoder {
  /// The attributes of a node by name; references to attributes of the enclosing function's call are resolved.
  private func argumentValues(_ attributes: [WireAttribute], _ frame: Frame) throws -> [String: WireAttribute.Value] {
    var values: [String: WireAttribute.Value] = [:]
    for attribute in attributes {
      var value = attribute.value
      if !attribute.reference.isEmpty {
        guard frame.callDepth > 0 else {
          throw LigatureError(
            .attribute, "attribute '\(attribute.name)' refers to '\(attribute.reference)', but is not in a function")
        }
        // An optional attribute that the call leaves out is left out here too.
        guard let argument = frame.arguments[attribute.reference] else { continue }
        value = argument
      }
      guard values.updateValue(value, forKey: attribute.name) == nil else {
        throw LigatureError(.attribute, "attribute '\(attribute.name)' is given twice")
      }
    }
    return values
  }

  /// Puts the nodes of a function in the place of a call.
  private mutating func expand(
    _ function: WireFunction, _ call: WireNode, _ inputs: [ValueID?], _ values: [String: WireAttribute.Value],
    name: String, _ frame: inout Frame
  ) throws {
    guard frame.callDepth < BodyDecoder.deepestCall else {
      throw LigatureError(
        .limit, "functions call each other more than \(BodyDecoder.deepestCall) deep; they may not recur")
    }
    let key = ModelDecoder.FunctionKey(
      name: OperatorName(function.name, domain: function.domain), overload: function.overload)
    guard !frame.calls.contains(key) else {
      throw LigatureError(
        .cycle, "the function '\(key.name)' calls itself, so that its nodes never end; export the model again")
    }
    guard inputs.count <= function.inputs.count, call.outputs.count <= function.outputs.count else {
      throw LigatureError(
        .arity,
        "the function '\(function.name)' takes \(function.inputs.count) inputs and gives "
          + "\(function.outputs.count) outputs, the call has \(inputs.count) and \(call.outputs.count)")
    }
    var inner = Frame(versions: try OperatorVersions(function.operatorSets))
    inner.callDepth = frame.callDepth + 1
    inner.calls = frame.calls + [key]
    inner.prefix = name + "/"
    for value in function.valueInfo { inner.declared[value.name] = value.type }
    for attribute in function.defaults { inner.arguments[attribute.name] = attribute.value }
    for name in function.attributes where values[name] == nil {
      throw LigatureError(.attribute, "the function '\(function.name)' needs the attribute '\(name)'")
    }
    inner.arguments.merge(values) { _, given in given }
    var missing = Set<String>()
    for (slot, formal) in function.inputs.enumerated() {
      if slot < inputs.count, let input = inputs[slot] {
        try bind(formal, input, &inner)
      } else {
        missing.insert(formal)
      }
    }
    for (formal, output) in zip(function.outputs, call.outputs) {
      inner.renamed[formal] = try resultName(output, frame)
    }
    for var node in function.nodes {
      node.inputs = node.inputs.map { missing.contains($0) ? "" : $0 }
      try append(node, &inner)
    }
    for (formal, output) in zip(function.outputs, call.outputs) where !output.isEmpty {
      guard let id = inner.scope[formal] else {
        throw LigatureError(.cycle, "the function '\(function.name)' does not make its output '\(formal)'")
      }
      try bind(output, id, &frame)
    }
  }
}
