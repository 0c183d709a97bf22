public import GraphIR
public import TensorCore

/// A step of training in a model file: ONNX's `TrainingInfoProto`.
///
/// Its graph computes from inputs and state the next state. What it has in common with the model's own graph, by name
/// and content, is written once: the file's initialisers are the parameters that anybody can run.
public struct TrainingStep: Sendable {
  /// State are parameters of this graph (`Value.Role.parameter`), under their names in the file.
  public var graph: Graph
  public var updates: [StateUpdate]
  /// `metadata_props` of the graph.
  public var metadata: [String: String]

  public init(graph: Graph, updates: [StateUpdate], metadata: [String: String] = [:]) {
    self.graph = graph
    self.updates = updates
    self.metadata = metadata
  }
}

// ── Reading ─────────────────────────────────────────────────────────────────
extension Model {
  /// The step of training that the file holds, or that was given; `nil` when there is none.
  ///
  /// - Throws: `.format` for bindings to names that are not there, that are bound twice or that two graphs define,
  ///   `.type` for results of another type than the state that they replace, `.unsupported` for several steps, and
  ///   what reading a graph throws.
  public func training(operators: OperatorSet, limits: Limits = Limits()) throws -> TrainingStep? {
    if let trainingStep { return trainingStep }
    guard let info = training.first else { return nil }
    guard training.count == 1 else {
      throw LigatureError(.unsupported, "the file holds \(training.count) steps of training; keep one of them")
    }
    guard let algorithm = info.algorithm else {
      throw LigatureError(.format, "the file's step of training has no graph; save it again")
    }
    var bindings: [String: String] = [:]
    for entry in info.updateBinding {
      guard bindings.updateValue(entry.value, forKey: entry.key) == nil else {
        throw LigatureError(.format, "the state '\(entry.key)' is updated twice; save the file again")
      }
    }
    let decoder = try ModelDecoder(operators: operators, functions: functions, limits: limits)
    var step = TrainingStep(graph: try decoder.training(algorithm, self, states: Set(bindings.keys)), updates: [])
    try step.bind(info.updateBinding)
    for entry in algorithm.metadata {
      guard step.metadata.updateValue(entry.value, forKey: entry.key) == nil else {
        throw LigatureError(.format, "the step of training has the metadata '\(entry.key)' twice; remove one of them")
      }
    }
    return step
  }
}

extension ModelDecoder {
  /// The graph of a step; what it reads and does not define are initialisers of the model's graph.
  fileprivate func training(_ source: WireGraph, _ model: Model, states: Set<String>) throws -> Graph {
    let sets = model.operatorSets.map { WireOperatorSet(domain: $0.key, version: $0.value) }
    var frame = Frame(versions: try OperatorVersions(sets + [WireOperatorSet(domain: "", version: canonicalOpset)]))
    var body = BodyDecoder(self, name: source.name)
    body.states = states
    let own = Set(source.initializers.map(\.name) + source.sparseInitializers.map(\.values.name))
    func shared(_ name: String) -> Tensor? { model.graph.value(named: name).flatMap { model.graph[$0].tensor } }
    for name in own where shared(name) != nil {
      throw LigatureError(
        .format, "'\(name)' is an initialiser both of the model and of its step of training; names must be unique")
    }
    let inputs = Set(source.inputs.map(\.name))
    for name in (source.freeNames + states.sorted()) where !own.contains(name) && !inputs.contains(name) {
      guard frame.scope[name] == nil, let tensor = shared(name) else { continue }
      try body.addInitializer(name, tensor, &frame)
    }
    for input in source.inputs where !own.contains(input.name) {
      guard let type = input.type else {
        throw LigatureError(.format, "the input '\(input.name)' has no type; save the file again")
      }
      try body.addInput(input.name, type.tensorType(of: input.name), &frame)
    }
    try body.fill(source, &frame)
    try body.addOutputs(source.outputs, frame)
    return body.graph
  }
}

extension TrainingStep {
  /// Turns outputs that replace state into updates.
  fileprivate mutating func bind(_ bindings: [WireEntry]) throws {
    let outputs = Dictionary(zip(graph.outputNames, graph.outputs), uniquingKeysWith: { first, _ in first })
    for binding in bindings {
      guard let state = graph.value(named: binding.key), case .parameter = graph[state].role else {
        throw LigatureError(
          .format, "the step of training updates '\(binding.key)', which is no initialiser of the file; save it again")
      }
      guard let next = outputs[binding.value] else {
        throw LigatureError(
          .format,
          "the state '\(binding.key)' is to become '\(binding.value)', which is no output of the step of training; "
            + "save the file again")
      }
      guard graph[next].type.isCompatible(with: graph[state].type) else {
        throw LigatureError(
          .type,
          "the state '\(binding.key)' is \(graph[state].type), but '\(binding.value)', which replaces it, is "
            + "\(graph[next].type)")
      }
      updates.append(StateUpdate(state: state, next: next))
    }
    let bound = Set(bindings.map(\.value))
    let visible = zip(graph.outputs, graph.outputNames).filter { !bound.contains($0.1) }
    graph.removeOutputs()
    for (value, name) in visible { try graph.addOutput(value, name: name) }
  }
}

// ── Writing ─────────────────────────────────────────────────────────────────
extension TrainingStep {
  /// - Parameter shared: the initialisers of the model's graph by name.
  func wire(sharing shared: [String: Tensor]) throws -> WireTraining {
    var graph = graph
    let visible = graph.outputs.count
    for update in updates {
      let name = graph[update.state].name
      if let tensor = graph[update.state].tensor, let other = shared[name], !tensor.isSame(as: other) {
        throw LigatureError(
          .usage,
          "the state '\(name)' and the parameter of that name in the model's graph differ; give both one tensor")
      }
      let output = graph[update.next].name
      try graph.addOutput(update.next, name: graph.outputNames.contains(output) ? "next.\(name)" : output)
    }
    var wire = try GraphEncoder.encode(graph, sharing: shared)
    wire.metadata = Model.entries(metadata)
    let initializers = Set(wire.initializers.map(\.name))
    let bindings = try zip(updates, wire.outputs[visible...]).map { update, output in
      let name = graph[update.state].name
      guard initializers.contains(name) || shared[name] != nil else {
        throw LigatureError(.usage, "the state '\(name)' bears the name of something else; rename one of them")
      }
      return WireEntry(key: name, value: output.name)
    }
    return WireTraining(algorithm: wire, updateBinding: bindings)
  }
}
