import GraphIR
import Kernels
import Operators
public import TensorCore

// Nodes whose sizes only running tells stand between two plans. So do nodes on sequences, optionals and texts, which
// have no place in an arena, and nodes that run sub-graphs. What such a node reads and makes is kept as data.
extension Session {
  /// Runs the graph on data of any kind and copies the outputs, in order.
  ///
  /// - Parameter inputs: in the order of `self.inputs`.
  /// - Throws: as `run` on tensors does; `.type` for a kind that a node does not take; `.limit` for loops of too many
  ///   iterations.
  public func run(data inputs: [Datum], observer: (any StepObserver)? = nil) throws -> [Datum] {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    allowance = options.memoryLimit
    return try run(inputs, observer) { try $0.data() }
  }

  /// As a part of the run of another session.
  ///
  /// - Parameter memory: bytes that it may take.
  func runBody(_ inputs: [Datum], memory: Int) throws -> [Datum] {
    lock.lock()
    defer { lock.unlock() }
    allowance = max(memory, 0)
    return try run(inputs, nil) { try $0.data() }
  }

  /// For whoever holds the lock.
  func run<Result>(
    _ inputs: [Datum], _ observer: (any StepObserver)?, _ body: (Results) throws -> Result
  ) throws -> Result {
    guard inputs.count == graph.inputs.count else {
      throw LigatureError(.arity, "the graph takes \(graph.inputs.count) inputs, but \(inputs.count) are given")
    }
    var (values, tensors, others): ([ValueID], [Tensor], [ValueID: Datum]) = ([], [], [:])
    for (id, datum) in zip(graph.inputs, inputs) {
      if graph[id].type.element != .undefined { try fit(datum.tensor("input '\(graph[id].name)'"), id) }
      if let tensor = datum.flatTensor {
        values.append(id)
        tensors.append(tensor)
      } else {
        others[id] = datum
      }
    }
    let plan: Plan
    if let known = plans.plan(for: tensors, values: values) {
      plan = known
    } else {
      plan = try makePlan(
        entries: zip(values, tensors).map { (value: $0, type: TensorType($1.element, sizes: $1.shape)) })
      plans.insert(plan)
      hasNewPlan = true
    }
    try execute(plan, tensors, observer)
    defer { keepPacked() }
    guard let tail = plan.tail else { return try body(Results(session: self, plan: plan, others: others)) }
    return try continueAfter(plan, tail, tensors, others: others, observer, body)
  }

  /// Runs the node that stands after a plan, then what follows it, until no such node is left.
  func continueAfter<Result>(
    _ head: Plan, _ firstTail: Plan.Tail, _ inputs: [Tensor], others: [ValueID: Datum],
    _ observer: (any StepObserver)?, _ body: (Results) throws -> Result
  ) throws -> Result {
    var (plan, tail, others) = (head, firstTail, others)
    var alive = inputs  // exits of a plan may lie in its entries
    while true {
      var carried: [(value: ValueID, tensor: Tensor)] = try plan.exits
        .filter { tail.known[$0.value] == nil && graph[$0.value].tensor == nil }
        .map { ($0.value, try plan.keep($0, entries: alive)) }
      let results = try evaluate(tail, carried, others)
      observer?.didRun(nil, of: tail.node, Cost(), output: results.first?.flatTensor?.shape ?? [])
      for case (let output?, let datum) in zip(graph[tail.node].outputs, results) {
        if let tensor = datum.flatTensor { carried.append((output, tensor)) } else { others[output] = datum }
      }
      others = others.filter { lastUse[$0.key] ?? .max >= tail.rest.startIndex }
      let (values, entries) = (carried.map(\.value), carried.map(\.tensor))
      withExtendedLifetime(alive) {}
      alive = entries
      let next: Plan
      if let known = tail.cache.plan(for: entries, values: values) {
        next = known
      } else {
        next = try planner.plan(
          tail.rest, entries: carried.map { ($0.value, TensorType($0.tensor.element, sizes: $0.tensor.shape)) },
          known: tail.known, planCapacity: tail.planCapacity)
        tail.cache.insert(next)
      }
      try execute(next, entries, observer)
      plan = next
      guard let following = next.tail else {
        return try withExtendedLifetime(entries) {
          try body(Results(session: self, plan: next, others: others))
        }
      }
      tail = following
    }
  }

  /// Runs the node of a tail.
  private func evaluate(
    _ tail: Plan.Tail, _ carried: [(value: ValueID, tensor: Tensor)], _ others: [ValueID: Datum]
  ) throws -> [Datum] {
    let node = graph[tail.node]
    do {
      let known = Dictionary(uniqueKeysWithValues: carried.map { ($0.value, $0.tensor) })
      func datum(_ id: ValueID) throws -> Datum {
        if let datum = others[id] { return datum }
        if let tensor = known[id] ?? tail.known[id] ?? graph[id].tensor { return .tensor(tensor) }
        throw LigatureError(.cycle, "reads '\(graph[id].name)', which nothing made")
      }
      let operands = try node.inputs.map { try $0.map(datum) }
      let results: [Datum]
      if let op = node.op as? any ControlFlow, let bodies = bodies[tail.node] {
        // The bodies have what is left of memory beside what lies here.
        let held = Datum.sequence(carried.map { .tensor($0.tensor) } + Array(others.values)).byteCount
        let run = BodyRun(
          bodies: bodies, captures: try node.captures.map(datum), budget: budget,
          memory: allowance - min(held, allowance) - reservedByteCount)
        results = try run.run(op, operands)
      } else {
        results = try planner.evaluator.evaluate(node.op, data: operands, outputCount: node.outputs.count)
      }
      guard results.count >= node.outputs.count else {
        throw LigatureError(.arity, "gave \(results.count) results, but \(node.outputs.count) are wanted")
      }
      return results
    } catch let error as LigatureError {
      throw error.at(node: planner.label(tail.node))
    }
  }
}

// ── Sub-graphs ──────────────────────────────────────────────────────────────
extension Session {
  /// A session for each sub-graph of each of these nodes.
  static func bodies(
    of graph: Graph, _ nodes: [NodeID], _ options: Options, _ kernels: KernelTable, within budget: RunBudget
  ) throws -> [NodeID: [Session]] {
    var result: [NodeID: [Session]] = [:]
    for id in nodes {
      guard let op = graph[id].op as? any ControlFlow else { continue }
      do {
        result[id] = try op.opened(captures: graph[id].captures.map { graph[$0].type }).map {
          try Session($0, updates: [], options: options, kernels: kernels, within: budget)
        }
      } catch let error as LigatureError {
        throw error.at(node: graph[id].name)
      }
    }
    return result
  }

  /// The place in the order of the last node that reads a value; `Int.max` for what the graph gives.
  static func lastUses(of graph: Graph, _ order: [NodeID]) -> [ValueID: Int] {
    var result: [ValueID: Int] = [:]
    for (place, id) in order.enumerated() {
      for operand in graph[id].operands { result[operand] = place }
      for case let output? in graph[id].outputs where result[output] == nil { result[output] = place }
    }
    for output in graph.outputs { result[output] = .max }
    return result
  }
}

extension Graph {
  /// Lets `change` improve the sub-graphs of all nodes. What they take and give stays.
  mutating func updateBodies(_ change: (inout Graph) throws -> Void) throws {
    for id in order {
      guard let op = self[id].op as? any ControlFlow else { continue }
      let bodies = try op.opened(captures: self[id].captures.map { self[$0].type }).map { body in
        var body = body
        try body.updateBodies(change)
        try change(&body)
        return body
      }
      try update(id, op: op.with(bodies: bodies), inputs: self[id].inputs)
    }
  }
}
