public import GraphIR
public import Kernels
import Operators
public import TensorCore

/// A graph made ready to run: prepared once for each set of input sizes, run as often as wanted.
///
/// Runs of one session take turns; use one session per thread to overlap them.
///
/// With updates the session owns state: what those parameters hold lives in storage of its own, each run reads it and
/// leaves what replaces it there. A run computes first and writes state last: one that fails before, or whose check
/// throws, leaves all state as it was. (Steps that write state are element by element and have nothing to fail at;
/// should one fail nevertheless, the session refuses further runs.)
@safe public final class Session: @unchecked Sendable {
  public struct Options: Sendable {
    /// The threads that kernels share their work on; results do not depend on how many there are.
    /// Sessions that run side by side should share one pool.
    public var pool: ThreadPool
    /// What a model file and a run of its graph may take; more is an error.
    public var limits = Limits()
    /// The most bytes that a plan's arena may take; more is an error before anything runs. The same as `limits.memory`.
    public var memoryLimit: Int {
      get { limits.memory }
      set { limits.memory = newValue }
    }
    public static let defaultMemoryLimit = Limits().memory
    /// How many plans (sets of input sizes) are kept.
    public var planCapacity = 32
    /// A folder where `Session.load` (of the module `Loading`) keeps prepared graphs and packed weights for the next
    /// time. It must be writable only by who may decide what models compute.
    public var cache: String?
    /// The most bytes of that folder: models that were not used for longest are left out when it gets larger.
    public var cacheLimit = 2 << 30
    /// Told in a sentence what somebody may want to know, as that a damaged file of the cache was made again.
    public var log: (@Sendable (String) -> Void)?
    /// How exactly convolutions and matrix products are computed. If nil: `.float32` in sessions that prepare their
    /// graph, `.strict` in others.
    public var precision: Precision?

    /// - Parameter threads: `AvailableCores.count` if nil.
    public init(threads: Int? = nil) {
      pool = ThreadPool(threads: threads ?? AvailableCores.count)
    }
  }

  public private(set) var graph: Graph
  public let options: Options
  public let updates: [StateUpdate]
  private(set) var planner: Planner
  package let packed = PackedConstants()
  let plans: PlanCache
  /// What a run may still take of iterations and time; one for a session and those of its sub-graphs.
  let budget: RunBudget
  /// The sessions of sub-graphs, by the node that runs them.
  private(set) var bodies: [NodeID: [Session]] = [:]
  /// Whether an input may be something that has no place among the entries of a plan.
  private let takesData: Bool
  /// See `lastUses`.
  private(set) lazy var lastUse = Session.lastUses(of: graph, planner.states.order)
  /// Bytes that the present run may take.
  var allowance: Int
  private var arena = Arena()
  private let states: StateStore
  /// A commit ended half-way.
  private var isTorn = false
  /// Called after a run whose plan was new, with what was packed so far.
  package var keeper: ((PackedConstants, Graph) -> Void)?
  var hasNewPlan = false
  let lock = Monitor()

  /// - Parameter updates: the parameters that are state, and the results that replace them after each run. All other
  ///   parameters are constants.
  /// - Throws: `.unsupported`, naming the node, when an operator has no kernel; `.usage` or `.type` for updates that do
  ///   not fit the graph.
  public convenience init(
    _ graph: Graph, updates: [StateUpdate] = [], options: Options = Options(), kernels: KernelTable = .standard
  ) throws {
    try self.init(graph, updates: updates, options: options, kernels: kernels, within: nil)
  }

  /// - Parameter budget: that of the run which this session takes part in; `nil` if it runs on its own.
  init(_ graph: Graph, updates: [StateUpdate], options: Options, kernels: KernelTable, within budget: RunBudget?) throws
  {
    self.graph = graph
    self.options = options
    self.updates = updates
    let budget = budget ?? RunBudget(options.limits)
    self.budget = budget
    try options.precision?.checkProcessor()
    let schedule = try updates.isEmpty ? StateSchedule(order: graph.order) : StateSchedule(graph, updates)
    states = StateStore(
      updates.compactMap { update in
        graph[update.state].tensor.map { (update.state, graph[update.state].name, $0) }
      })
    takesData = graph.inputs.contains { [.string, .undefined].contains(graph[$0].type.element) }
    allowance = options.memoryLimit
    for id in schedule.order where !kernels.canRun(graph[id].op) && !(graph[id].op is any ControlFlow) {
      throw LigatureError(
        .unsupported,
        "the operator \(graph[id].op.name) is not supported; export the model without it, or see README, \"Add an operator\"",
        node: graph[id].name)
    }
    let evaluator = Evaluator(
      kernels: kernels, pool: options.pool, budget: budget, precision: options.precision ?? .strict)
    planner = Planner(graph: graph, evaluator: evaluator, packed: packed, states: schedule)
    plans = PlanCache(capacity: options.planCapacity)
    bodies = try Session.bodies(of: graph, schedule.order, options, kernels, within: budget)
  }

  /// Names and types of the inputs, in order.
  public var inputs: [(name: String, type: TensorType)] { graph.inputs.map { (graph[$0].name, graph[$0].type) } }

  public var outputNames: [String] { graph.outputNames }

  /// Runs the graph and copies the outputs, in order.
  ///
  /// - Parameter inputs: in the order of `self.inputs`.
  /// - Throws: `.shape`, `.type` or `.arity` for inputs that do not fit, `.limit` when the plan is too large.
  public func run(_ inputs: [Tensor], observer: (any StepObserver)? = nil) throws -> [Tensor] {
    try run(inputs, observer: observer) { results in try results.tensors() }
  }

  /// The same with inputs by name.
  public func run(_ inputs: [String: Tensor]) throws -> [String: Tensor] {
    for name in inputs.keys where !self.inputs.contains(where: { $0.name == name }) {
      let known = self.inputs.map(\.name).joined(separator: ", ")
      throw LigatureError(.usage, "the graph has no input '\(name)'; it has: \(known)")
    }
    let ordered = try self.inputs.map { input in
      guard let tensor = inputs[input.name] else { throw LigatureError(.usage, "input '\(input.name)' is missing") }
      return tensor
    }
    return Dictionary(uniqueKeysWithValues: zip(outputNames, try run(ordered)))
  }

  /// Runs the graph and lends the outputs: after the first run with given sizes, nothing is allocated.
  ///
  /// - Parameter check: looks at the outputs before state is written; if it throws, all state stays as it was.
  public func run<Result>(
    _ inputs: [Tensor], observer: (any StepObserver)? = nil, check: ((Results) throws -> Void)? = nil,
    _ body: (Results) throws -> Result
  ) throws -> Result {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    allowance = options.memoryLimit
    guard !takesData else { return try run(inputs.map { .tensor($0) }, observer, body) }
    try fit(inputs)
    let plan = try self.plan(inputs)
    try execute(plan, inputs, observer, check: check)
    defer { keepPacked() }
    guard let tail = plan.tail else { return try body(Results(session: self, plan: plan)) }
    return try continueAfter(plan, tail, inputs, others: [:], observer, body)
  }

  /// What a run with inputs of these shapes takes, without running anything.
  /// Counts the part before the first node whose size depends on values.
  public func memoryUse(_ shapes: [[Int]]) throws -> MemoryUse {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    let types = zip(graph.inputs, shapes).map { (value: $0, type: TensorType(graph[$0].type.element, sizes: $1)) }
    return try makePlan(entries: types).memory
  }

  /// The same, and what lies where in the arena, and when.
  public func memoryMap(_ shapes: [[Int]]) throws -> (use: MemoryUse, map: MemoryMap?) {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    let types = zip(graph.inputs, shapes).map { (value: $0, type: TensorType(graph[$0].type.element, sizes: $1)) }
    var planner = planner
    planner.wantsMap = true
    let plan = try planner.plan(planner.states.order[...], entries: types, known: [:], planCapacity: 1)
    return (plan.memory, plan.map)
  }

  /// What a run is refused with whose plan exceeds the memory limit.
  /// - Parameter node: the one at which most memory is needed.
  public func memoryProblem(_ use: MemoryUse, at node: NodeID?) -> LigatureError {
    LigatureError(
      .limit,
      "needs \(use.arena) bytes for intermediate tensors, \(use.arena - allowance) more than the memory "
        + "limit of \(allowance), most of them at this node; raise the limit or make the input smaller",
      node: node.map { "\(graph[$0].name) (\(graph[$0].op.name))" })
  }

  /// The steps of a run with inputs of these shapes: what each makes, in bytes, and what it costs.
  package func forecast(_ shapes: [[Int]]) throws -> (memory: MemoryUse, steps: [ForecastStep]) {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    let types = zip(graph.inputs, shapes).map { (value: $0, type: TensorType(graph[$0].type.element, sizes: $1)) }
    let plan = try makePlan(entries: types)
    let steps = try plan.steps.map { step in
      ForecastStep(
        node: step.node, cost: step.cost,
        results: try step.outputs.map { ($0.value, try Checked.byteCount($0.element, $0.shape)) })
    }
    return (plan.memory, steps)
  }

  /// What the steps of a run with inputs of these shapes cost together; the same restriction applies.
  public func cost(_ shapes: [[Int]]) throws -> Cost {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    let types = zip(graph.inputs, shapes).map { (value: $0, type: TensorType(graph[$0].type.element, sizes: $1)) }
    return try makePlan(entries: types).cost
  }

  /// The nodes that the steps of the latest plan for these inputs run, for profiles: step to node.
  public func steps(for inputs: [Tensor]) throws -> [NodeID] {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    return try plan(inputs).steps.map(\.node)
  }

  /// Overwrites the arena, so that a test finds whatever reads bytes that nobody wrote.
  package func poison() { lock.withLock { arena.poison() } }

  /// The states whose new content is computed in the arena and copied.
  package var copiedStates: [String] { planner.states.copied.map { graph[updates[$0.to].state].name } }

  /// How many plans are kept at present.
  public var planCount: Int { lock.withLock { plans.count } }
  /// Bytes of the arena at present, and of the weights packed so far.
  public var arenaByteCount: Int { lock.withLock { arena.byteCount } }
  public var packedByteCount: Int { packed.byteCount }
  /// How often a weight was packed: none of those that a cache had.
  package var packedCount: Int { packed.madeCount }
}

extension Session {
  /// What constant folding computes with.
  public static func evaluator(_ options: Options, kernels: KernelTable = .standard)
    -> @Sendable (any Operator, [Tensor?], Int) throws -> [Tensor]
  {
    let evaluator = Evaluator(kernels: kernels, pool: options.pool, budget: RunBudget(options.limits))
    return { op, inputs, outputCount in try evaluator.evaluate(op, inputs, outputCount: outputCount) }
  }
}

// ── State ───────────────────────────────────────────────────────────────────
extension Session {
  /// The names of the state, in the order of the updates.
  public var stateNames: [String] { states.names }

  /// What a state holds at present. Later runs do not change the tensor: they leave its bytes to whoever still holds
  /// it, at the price of one copy.
  ///
  /// - Throws: `.usage` when there is no such state.
  public func state(named name: String) throws -> Tensor { try lock.withLock { try states.tensor(name) } }

  /// All state, in the order of the updates.
  public func state() throws -> [(name: String, tensor: Tensor)] {
    try lock.withLock { try states.names.enumerated().map { ($1, try states.tensor(at: $0)) } }
  }

  /// Lets go of what the graph says that the state starts with, so that it is not in memory twice.
  package func releaseInitialState() throws {
    try lock.withLock {
      try graph.forget(updates.map(\.state))
      planner = Planner(graph: graph, evaluator: planner.evaluator, packed: packed, states: planner.states)
    }
  }

  /// Replaces what a state holds. Throws `.usage` for an unknown name, `.shape` for a tensor of another type.
  public func setState(named name: String, _ tensor: Tensor) throws {
    try lock.withLock { try states.set(name, tensor) }
  }
}

// ── Finding what went wrong ─────────────────────────────────────────────────
extension Session {
  /// Runs the part that writes no state, and tells of each step what it left, until `visit` returns false.
  ///
  /// - Parameter visit: gets the node, which of its results it is, the element type and the bytes.
  package func walk(
    _ inputs: [Tensor], _ visit: (NodeID, ValueID, ElementType, UnsafeRawBufferPointer) throws -> Bool
  ) throws {
    lock.lock()
    defer { lock.unlock() }
    budget.restart()
    try fit(inputs)
    let plan = try self.plan(inputs)
    try prepare(plan, inputs)
    for index in 0..<plan.commitStep {
      try run(plan, index..<index + 1, nil)
      let step = plan.steps[index]
      for output in step.outputs {
        guard try unsafe visit(step.node, output.value, output.element, plan.bytes(of: output)) else { return }
      }
    }
  }
}

// ── Planning and running ────────────────────────────────────────────────────
extension Session {
  private func fit(_ inputs: [Tensor]) throws {
    guard inputs.count == graph.inputs.count else {
      throw LigatureError(.arity, "the graph takes \(graph.inputs.count) inputs, but \(inputs.count) are given")
    }
    for (id, tensor) in zip(graph.inputs, inputs) { try fit(tensor, id) }
  }

  func fit(_ tensor: Tensor, _ id: ValueID) throws {
    let declared = graph[id].type
    var fits = declared.element == tensor.element
    if let shape = declared.shape {
      fits = fits && shape.count == tensor.shape.count
      if fits { for (a, b) in zip(shape, tensor.shape) where a.value != nil && a.value != b { fits = false } }
    }
    guard fits else {
      throw LigatureError(
        .shape, "input '\(graph[id].name)' must be \(declared), but is \(tensor.element)\(tensor.shape)")
    }
  }

  /// Gives large memory back to the system until the next run.
  func release() {
    guard arena.byteCount > Session.keptByteCount else { return }
    arena = Arena()
  }
  private static let keptByteCount = 16 << 20

  /// Bytes of the arena, for whoever holds the lock.
  var reservedByteCount: Int { arena.byteCount }

  private func plan(_ inputs: [Tensor]) throws -> Plan {
    if let plan = plans.plan(for: inputs) { return plan }
    let entries = zip(graph.inputs, inputs).map { (value: $0, type: TensorType($1.element, sizes: $1.shape)) }
    let plan = try makePlan(entries: entries)
    plans.insert(plan)
    hasNewPlan = true
    return plan
  }

  func keepPacked() {
    guard hasNewPlan else { return }
    hasNewPlan = false
    keeper?(packed, graph)
  }

  func makePlan(entries: [(value: ValueID, type: TensorType)]) throws -> Plan {
    try planner.plan(planner.states.order[...], entries: entries, known: [:], planCapacity: options.planCapacity)
  }

  func execute(
    _ plan: Plan, _ entries: [Tensor], _ observer: (any StepObserver)?, check: ((Results) throws -> Void)? = nil
  ) throws {
    try prepare(plan, entries)
    try run(plan, 0..<plan.commitStep, observer)
    try check?(Results(session: self, plan: plan, isCommitted: false))
    guard !states.isEmpty else { return }
    isTorn = true
    // It is short, and half of it would be worse than a late end.
    try run(plan, plan.commitStep..<plan.steps.count, observer, isLimited: false)
    plan.copyStates(states)
    isTorn = false
  }

  /// Memory and addresses for a run.
  private func prepare(_ plan: Plan, _ entries: [Tensor]) throws {
    guard !isTorn else {
      throw LigatureError(
        .usage, "an earlier run failed while it wrote state; make a new session from the last checkpoint")
    }
    guard plan.memory.arena <= allowance else { throw memoryProblem(plan.memory, at: plan.peak) }
    try arena.reserve(plan.memory.arena)
    try states.detach()
    unsafe plan.bind(arena: arena.base, entries: entries, states: states)
  }

  private func run(
    _ plan: Plan, _ steps: Range<Int>, _ observer: (any StepObserver)?, isLimited: Bool = true
  ) throws {
    do {
      try unsafe plan.run(
        steps, arena: arena.base, pool: options.pool.handle, budget: isLimited ? budget : nil, observer: observer)
    } catch {
      let node = graph[error.node]
      guard let cause = error.cause as? LigatureError else { throw error.cause }
      throw cause.at(
        node: planner.label(error.node), operands: node.inputs.map { $0.map { graph[$0].type.description } ?? "none" })
    }
  }
}

/// A step before it runs.
package struct ForecastStep {
  package let node: NodeID
  package let cost: Cost
  package let results: [(value: ValueID, byteCount: Int)]
}
