public import GraphIR
import TensorCore

/// An operator that runs graphs of its own. The runtime makes a session of each body; what the bodies take from around
/// them is listed by the node (`Node.captures`) and arrives in their last inputs.
///
/// Types: what a body makes is inferred as far as it is the same in every run of it. The rest is known when it runs.
public protocol ControlFlow: Operator {
  /// In the order in which `with` takes them.
  var bodies: [Graph] { get }
  /// How many inputs of a body, from the first on, are given by the operator itself.
  func formalCount(inputs: Int) -> Int
  /// The same operator with other bodies, which take and give the same.
  func with(bodies: [Graph]) -> Self
  /// The bodies, with the sizes open that a file declares and a run may change.
  ///
  /// - Parameter captures: the types of what the bodies take from around them.
  func opened(captures: [TensorType]) throws -> [Graph]
}

extension ControlFlow {
  public func opened(captures: [TensorType]) throws -> [Graph] { try bodies.map { try $0.capturing(captures) } }
  public var traits: Traits {
    let isImpure = bodies.contains { body in body.order.contains { body[$0].op.traits.contains(.isImpure) } }
    return isImpure ? [.hasDataDependentShape, .isImpure] : .hasDataDependentShape
  }

  /// Throws unless each body takes what it is given; how many captures follow, the graph tells.
  func expectBodies(_ context: InferenceContext, outputs: Int) throws {
    let formal = formalCount(inputs: context.inputs.count)
    for body in bodies {
      guard body.inputs.count >= formal else {
        throw LigatureError(
          .arity, "the sub-graph '\(body.name)' takes \(body.inputs.count) inputs, but is given \(formal)")
      }
      guard body.outputs.count == outputs else {
        throw LigatureError(
          .arity, "the sub-graph '\(body.name)' gives \(body.outputs.count) outputs, but \(outputs) are wanted")
      }
    }
  }
}

/// `condition bool [] → …`: what one of two graphs gives.
public struct If: ControlFlow {
  public let whenTrue: Graph
  public let whenFalse: Graph

  public static let names = [OperatorName("If")]
  public var name: OperatorName { If.names[0] }
  public init(whenTrue: Graph, whenFalse: Graph) {
    self.whenTrue = whenTrue
    self.whenFalse = whenFalse
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(
      whenTrue: try attributes.graph("then_branch"), whenFalse: try attributes.graph("else_branch"))
  }
  public var attributes: Attributes {
    Attributes(["then_branch": .graph(whenTrue), "else_branch": .graph(whenFalse)])
  }
  public var bodies: [Graph] { [whenTrue, whenFalse] }
  public func formalCount(inputs: Int) -> Int { 0 }
  public func with(bodies: [Graph]) -> If { If(whenTrue: bodies[0], whenFalse: bodies[1]) }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    try expect(try context.input(0).element, in: [.bool], "the condition")
    try expectBodies(context, outputs: whenTrue.outputs.count)
    return zip(whenTrue.outputTypes, whenFalse.outputTypes).map { a, b in
      let element = a.element == b.element ? a.element : .undefined
      guard let x = a.shape, let y = b.shape, x.count == y.count else { return TensorType(element, nil) }
      // Symbols of a body mean nothing outside.
      return TensorType(element, zip(x, y).map { $0.value != nil && $0 == $1 ? $0 : .unknown("if") })
    }
  }
}

/// `trips? int64 [], condition? bool [], carried … → carried …, collected …`: runs a graph again and again.
///
/// The body takes the number of the trip, the condition and what is carried; it gives the next condition, what is
/// carried on, and what is collected: side by side along a new first axis.
public struct Loop: ControlFlow {
  public let body: Graph

  public static let names = [OperatorName("Loop")]
  public var name: OperatorName { Loop.names[0] }
  public init(body: Graph) { self.body = body }
  public init(name: OperatorName, attributes: Attributes) throws { self.init(body: try attributes.graph("body")) }
  public var attributes: Attributes { Attributes(["body": .graph(body)]) }
  public var bodies: [Graph] { [body] }
  public func formalCount(inputs: Int) -> Int { max(inputs, 2) }
  public func with(bodies: [Graph]) -> Loop { Loop(body: bodies[0]) }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    guard context.inputs.count >= 1 else { throw LigatureError(.arity, "has neither a trip count nor a condition") }
    if let trips = context.optional(0) { try expect(trips.element, in: [.int64], "the trip count") }
    if let condition = context.optional(1) { try expect(condition.element, in: [.bool], "the condition") }
    let carried = max(context.inputs.count - 2, 0)
    let outputs = body.outputs.count
    guard outputs > carried else {
      throw LigatureError(
        .arity, "the body gives \(outputs) outputs, but a condition and \(carried) carried values are wanted")
    }
    try expectBodies(context, outputs: outputs)
    let types = body.outputTypes
    // Sizes may change from trip to trip.
    return types[1..<(1 + carried)].map { TensorType($0.element, nil) } + types[(1 + carried)...].map(\.collected)
  }

  public func opened(captures: [TensorType]) throws -> [Graph] {
    // What is carried has its place behind trip and condition, and comes out behind the condition.
    let count = min(max(body.inputs.count - captures.count - 2, 0), max(body.outputs.count - 1, 0))
    return [try body.capturing(captures).opened(carrying: (0..<count).map { ($0 + 2, $0 + 1) })]
  }
}

/// `state …, sequence … → state …, collected …`: runs a graph once for each index of an axis of the sequences.
public struct Scan: ControlFlow {
  public let body: Graph
  /// How many of the inputs are sequences.
  public let sequenceCount: Int
  /// For each sequence, the axis that is walked along, and whether from its end.
  public let inputAxes: [Int]
  public let inputIsReversed: [Bool]
  /// For each collected output, the new axis, and whether it is filled from its end.
  public let outputAxes: [Int]
  public let outputIsReversed: [Bool]

  public static let names = [OperatorName("Scan")]
  public var name: OperatorName { Scan.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    body = try attributes.graph("body")
    sequenceCount = try attributes.int("num_scan_inputs")
    guard sequenceCount > 0 else {
      throw LigatureError(.attribute, "attribute 'num_scan_inputs' is \(sequenceCount), but must be positive")
    }
    inputAxes = try attributes.ints("scan_input_axes", default: [])
    outputAxes = try attributes.ints("scan_output_axes", default: [])
    func flags(_ name: String) throws -> [Bool] {
      try attributes.ints(name, default: []).map { value in
        guard value == 0 || value == 1 else {
          throw LigatureError(.attribute, "attribute '\(name)' holds \(value), but directions are 0 or 1")
        }
        return value == 1
      }
    }
    inputIsReversed = try flags("scan_input_directions")
    outputIsReversed = try flags("scan_output_directions")
    for (name, count) in [("axes", inputAxes.count), ("directions", inputIsReversed.count)]
    where count != 0 && count != sequenceCount {
      throw LigatureError(
        .attribute, "attribute 'scan_input_\(name)' has \(count) entries for \(sequenceCount) sequences")
    }
  }

  private init(_ other: Scan, body: Graph) {
    self.body = body
    sequenceCount = other.sequenceCount
    (inputAxes, inputIsReversed) = (other.inputAxes, other.inputIsReversed)
    (outputAxes, outputIsReversed) = (other.outputAxes, other.outputIsReversed)
  }

  public var attributes: Attributes {
    var result = Attributes(["body": .graph(body)])
    result.set("num_scan_inputs", sequenceCount)
    if !inputAxes.isEmpty { result.set("scan_input_axes", inputAxes) }
    if !outputAxes.isEmpty { result.set("scan_output_axes", outputAxes) }
    if !inputIsReversed.isEmpty { result.set("scan_input_directions", inputIsReversed.map { $0 ? 1 : 0 }) }
    if !outputIsReversed.isEmpty { result.set("scan_output_directions", outputIsReversed.map { $0 ? 1 : 0 }) }
    return result
  }
  public var bodies: [Graph] { [body] }
  public func formalCount(inputs: Int) -> Int { inputs }
  public func with(bodies: [Graph]) -> Scan { Scan(self, body: bodies[0]) }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    let states = context.inputs.count - sequenceCount
    guard states >= 0 else {
      throw LigatureError(.arity, "has \(context.inputs.count) inputs, but \(sequenceCount) sequences are announced")
    }
    _ = try context.allInputs()
    let outputs = body.outputs.count
    guard outputs >= states else {
      throw LigatureError(.arity, "the body gives \(outputs) outputs for \(states) states")
    }
    try expectBodies(context, outputs: outputs)
    for (name, count) in [("axes", outputAxes.count), ("directions", outputIsReversed.count)]
    where count != 0 && count != outputs - states {
      throw LigatureError(
        .attribute, "attribute 'scan_output_\(name)' has \(count) entries for \(outputs - states) collected outputs")
    }
    let types = body.outputTypes
    return types[..<states].map { TensorType($0.element, nil) }
      + types[states...].enumerated().map { index, type in
        let axis = outputAxes.isEmpty ? 0 : outputAxes[index]
        return axis == 0 ? type.collected : TensorType(type.element, nil)
      }
  }

  public func opened(captures: [TensorType]) throws -> [Graph] {
    let count = min(max(body.inputs.count - captures.count - sequenceCount, 0), body.outputs.count)
    return [try body.capturing(captures).opened(carrying: (0..<count).map { ($0, $0) })]
  }
}

/// `sequence, (sequence or tensor) … → sequence …`: runs a graph for each element; tensors are given to all.
public struct SequenceMap: ControlFlow {
  public let body: Graph

  public static let names = [OperatorName("SequenceMap")]
  public var name: OperatorName { SequenceMap.names[0] }
  public init(body: Graph) { self.body = body }
  public init(name: OperatorName, attributes: Attributes) throws { self.init(body: try attributes.graph("body")) }
  public var attributes: Attributes { Attributes(["body": .graph(body)]) }
  public var bodies: [Graph] { [body] }
  public func formalCount(inputs: Int) -> Int { inputs }
  public func with(bodies: [Graph]) -> SequenceMap { SequenceMap(body: bodies[0]) }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    guard !context.inputs.isEmpty else { throw LigatureError(.arity, "has no sequence") }
    try expectBodies(context, outputs: body.outputs.count)
    return body.outputs.map { _ in TensorType(.undefined, nil) }
  }

  /// Elements may differ in shape.
  public func opened(captures: [TensorType]) throws -> [Graph] {
    var open = try body.capturing(captures)
    let formal = open.inputs.dropLast(captures.count)
    try open.reopen(Dictionary(uniqueKeysWithValues: formal.map { ($0, TensorType(open[$0].type.element, nil)) }))
    return [open]
  }
}

// ── What bodies tell ────────────────────────────────────────────────────────
extension Graph {
  var outputTypes: [TensorType] { outputs.map { self[$0].type } }

  /// The same graph with its last inputs of these types.
  fileprivate func capturing(_ captures: [TensorType]) throws -> Graph {
    guard captures.count <= inputs.count else {
      throw LigatureError(.arity, "the sub-graph '\(name)' has fewer inputs than its node captures values")
    }
    let changed = zip(inputs.suffix(captures.count), captures).filter { self[$0].type != $1 }
    guard !changed.isEmpty else { return self }
    var result = self
    try result.reopen(Dictionary(uniqueKeysWithValues: changed.map { ($0, $1) }))
    return result
  }

  /// Where an input is what an output was in the last run, only those sizes stay known that every run keeps.
  fileprivate func opened(carrying pairs: [(input: Int, output: Int)]) throws -> Graph {
    var body = self
    // Declared types of results may be those of one run only.
    try body.reopen([:])
    for _ in 0..<4 {
      var types: [ValueID: TensorType] = [:]
      for pair in pairs {
        let id = body.inputs[pair.input]
        let (before, after) = (body[id].type, body[body.outputs[pair.output]].type)
        let kept = before.keeping(after, name: body[id].name)
        if kept != before { types[id] = kept }
      }
      if types.isEmpty { return body }
      try body.reopen(types)
    }
    let all = pairs.map { body.inputs[$0.input] }
    try body.reopen(Dictionary(all.map { ($0, TensorType(body[$0].type.element, nil)) }) { first, _ in first })
    return body
  }
}

extension TensorType {
  /// Of a value that becomes `after` in each run.
  fileprivate func keeping(_ after: TensorType, name: String) -> TensorType {
    guard let shape else { return self }
    guard let next = after.shape, next.count == shape.count else { return TensorType(element, nil) }
    return TensorType(
      element,
      shape.enumerated().map { axis, dimension in
        dimension.value == nil || dimension == next[axis] ? dimension : .symbol("\(name).\(axis)")
      })
  }

  /// One of these a trip, along a new first axis.
  fileprivate var collected: TensorType {
    guard let shape else { return TensorType(element, nil) }
    return TensorType(element, [.unknown("trips")] + shape.map { $0.value == nil ? .unknown("collected") : $0 })
  }
}
