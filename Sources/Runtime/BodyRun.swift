import GraphIR
import Operators
import TensorCore

/// Runs the sub-graphs of one node: the semantics of `If`, `Loop`, `Scan` and `SequenceMap`.
struct BodyRun {
  let bodies: [Session]
  /// What the bodies take from around the node.
  let captures: [Datum]
  let budget: RunBudget
  /// Bytes that the bodies, and what is collected of them, may take together.
  let memory: Int

  func run(_ op: any ControlFlow, _ inputs: [Datum?]) throws -> [Datum] {
    defer { for body in bodies { body.release() } }
    switch op {
    case is If: return try branch(inputs)
    case is Loop: return try loop(inputs)
    case let op as Scan: return try scan(op, inputs)
    case is SequenceMap: return try map(inputs)
    default: throw LigatureError(.unsupported, "the runtime does not know how to run the sub-graphs of \(op.name)")
    }
  }

  private func run(_ body: Session, _ inputs: [Datum], collected: Int = 0) throws -> [Datum] {
    guard body.graph.inputs.count == inputs.count + captures.count else {
      throw LigatureError(
        .arity,
        "the sub-graph '\(body.graph.name)' takes \(body.graph.inputs.count - captures.count) inputs, "
          + "but is given \(inputs.count)")
    }
    return try body.runBody(inputs + captures, memory: memory - collected)
  }

  private func body() throws -> Session {
    guard let body = bodies.first else { throw LigatureError(.arity, "has no sub-graph") }
    return body
  }

  /// A single truth value.
  private func flag(_ datum: Datum, _ what: String) throws -> Bool {
    let tensor = try datum.tensor(what)
    guard tensor.element == .bool, tensor.count == 1 else {
      throw LigatureError(.type, "\(what) must be one truth value, but is \(datum.summary)")
    }
    return try tensor.integers() == [1]
  }

  // ── If ──
  private func branch(_ inputs: [Datum?]) throws -> [Datum] {
    guard bodies.count == 2, let condition = inputs.first, let condition else {
      throw LigatureError(.arity, "the condition is missing")
    }
    return try run(flag(condition, "the condition") ? bodies[0] : bodies[1], [])
  }

  // ── Loop ──
  private func loop(_ inputs: [Datum?]) throws -> [Datum] {
    let body = try body()
    let trips = try inputs.first.flatMap { $0 }.map { datum in
      let values = try datum.tensor("the trip count").integers()
      guard values.count == 1 else {
        throw LigatureError(.shape, "the trip count must be one number, but is \(datum.summary)")
      }
      return values[0]
    }
    var goesOn = try inputs.dropFirst().first.flatMap { $0 }.map { try flag($0, "the condition") } ?? true
    var carried = try inputs.dropFirst(2).enumerated().map { index, datum in
      guard let datum else { throw LigatureError(.arity, "input \(index + 2), a carried value, is missing") }
      return datum
    }
    let outputs = body.graph.outputs.count
    guard outputs > carried.count else { throw LigatureError(.arity, "the body gives too few outputs") }
    var collected = Collection(count: outputs - 1 - carried.count, limit: memory)
    var trip = 0
    while goesOn, trip < trips ?? .max {
      try budget.iterate()
      let given = [.tensor(Tensor(scalar: Int64(trip))), .tensor(Tensor(scalar: true))] + carried
      let results = try run(body, given, collected: collected.byteCount)
      goesOn = try flag(results[0], "the condition that the body gives")
      carried = Array(results[1..<(1 + carried.count)])
      try collected.append(results[(1 + carried.count)...])
      trip += 1
    }
    let types = body.graph.outputs.dropFirst(1 + carried.count).map { body.graph[$0].type }
    return carried + (try collected.indices.map { try .tensor(collected.stacked($0, axis: 0, like: types[$0])) })
  }

  // ── Scan ──
  private func scan(_ op: Scan, _ inputs: [Datum?]) throws -> [Datum] {
    let body = try body()
    let all = try inputs.enumerated().map { index, datum in
      guard let datum else { throw LigatureError(.arity, "input \(index) is missing") }
      return datum
    }
    guard all.count >= op.sequenceCount else { throw LigatureError(.arity, "has fewer inputs than sequences") }
    var states = Array(all.dropLast(op.sequenceCount))
    let sequences = try all.suffix(op.sequenceCount).enumerated().map { index, datum in
      let tensor = try datum.tensor("a sequence")
      let axis = try normalizedAxis(op.inputAxes.isEmpty ? 0 : op.inputAxes[index], rank: tensor.shape.count)
      return (tensor: tensor, axis: axis, isReversed: op.inputIsReversed.isEmpty ? false : op.inputIsReversed[index])
    }
    let length = sequences[0].tensor.shape[sequences[0].axis]
    for sequence in sequences where sequence.tensor.shape[sequence.axis] != length {
      throw LigatureError(
        .shape, "the sequences have \(length) and \(sequence.tensor.shape[sequence.axis]) indices, but must agree")
    }
    let outputs = body.graph.outputs.count
    guard outputs >= states.count else { throw LigatureError(.arity, "the body gives too few outputs") }
    var collected = Collection(count: outputs - states.count, limit: memory)
    for trip in 0..<length {
      try budget.iterate()
      let slices = try sequences.map { sequence in
        let index = sequence.isReversed ? length - 1 - trip : trip
        let piece = try sequence.tensor.piece(axis: sequence.axis, from: index, count: 1)
        return Datum.tensor(try piece.removingAxis(sequence.axis))
      }
      let results = try run(body, states + slices, collected: collected.byteCount)
      states = Array(results[..<states.count])
      try collected.append(results[states.count...])
    }
    let types = body.graph.outputs.dropFirst(states.count).map { body.graph[$0].type }
    let stacks = try collected.indices.map { index in
      let axis = op.outputAxes.isEmpty ? 0 : op.outputAxes[index]
      let isReversed = op.outputIsReversed.isEmpty ? false : op.outputIsReversed[index]
      return Datum.tensor(try collected.stacked(index, axis: axis, isReversed: isReversed, like: types[index]))
    }
    return states + stacks
  }

  // ── SequenceMap ──
  private func map(_ inputs: [Datum?]) throws -> [Datum] {
    let body = try body()
    let all = try inputs.enumerated().map { index, datum in
      guard let datum else { throw LigatureError(.arity, "input \(index) is missing") }
      return datum
    }
    let count = try all[0].elements("input 0").count
    for case .sequence(let other) in all where other.count != count {
      throw LigatureError(.shape, "the sequences have \(count) and \(other.count) elements, but must agree")
    }
    var results = [[Datum]](repeating: [], count: body.graph.outputs.count)
    var held = 0
    for trip in 0..<count {
      try budget.iterate()
      let given = all.map { datum in
        if case .sequence(let elements) = datum { elements[trip] } else { datum }
      }
      let made = try run(body, given, collected: held)
      for (index, datum) in made.enumerated() {
        held = try Checked.add(held, datum.byteCount)
        results[index].append(datum)
      }
    }
    return results.map { .sequence($0) }
  }
}

/// What the trips of a loop leave, until they are put side by side.
private struct Collection {
  private var parts: [[Tensor]]
  private let limit: Int
  private(set) var byteCount = 0

  init(count: Int, limit: Int) {
    parts = Array(repeating: [], count: count)
    self.limit = limit
  }

  var indices: Range<Int> { parts.indices }

  mutating func append(_ data: ArraySlice<Datum>) throws {
    for (index, datum) in data.enumerated() {
      let tensor = try datum.tensor("a collected output")
      // The stack comes on top of its parts.
      byteCount = try Checked.add(byteCount, Checked.add(Checked.multiply(datum.byteCount, 2), 64))
      parts[index].append(tensor)
    }
    guard byteCount <= limit else {
      throw LigatureError(
        .limit, "what the loop collects takes more than the \(limit) bytes that are left; raise the memory limit")
    }
  }

  /// - Parameter like: what the body is known to give, for no trips at all.
  func stacked(_ index: Int, axis: Int, isReversed: Bool = false, like type: TensorType) throws -> Tensor {
    let tensors = isReversed ? parts[index].reversed() : parts[index]
    if let first = tensors.first {
      let axis = try normalizedAxis(axis, rank: first.shape.count + 1)
      return try .stacked(tensors, axis: axis, byteLimit: limit)
    }
    var shape = (type.shape ?? []).map { $0.value ?? 0 }
    shape.insert(0, at: try normalizedAxis(axis, rank: shape.count + 1))
    if type.element == .string { return try Tensor(strings: [], shape) }
    guard type.element != .undefined else {
      throw LigatureError(
        .type, "the loop makes no trip, and the type of what it would collect is not known; declare it in the model")
    }
    return try Tensor(zeros: type.element, shape)
  }
}
