import GraphIR
import Kernels
import TensorCore

/// Turns scheduled nodes into steps: prepares the kernels, arranges memory, and gives every tensor its address in it.
struct Assembly {
  private struct Prepared {
    let step: Step
    let cost: Cost
    let outputs: [Plan.Exit]
  }

  private let planner: Planner
  private let start: Placement.Start
  private let known: [ValueID: Tensor]
  private let packed: PackedConstants
  private var slots: [ValueID: Int] = [:]
  /// What each slot holds the address of.
  private var slotValues: [ValueID] = []
  private var prepared: [NodeID: Prepared] = [:]

  init(
    planner: Planner, entries: [ValueID], sizes: [ValueID: TensorType], known: [ValueID: Tensor], exits: [ValueID]
  ) {
    self.planner = planner
    self.known = known
    // What follows from the sizes of this plan's inputs must not stay when the plan goes.
    let fleeting = Set(known.values.map { ObjectIdentifier($0.storage) })
    packed = PackedConstants(lasting: planner.packed) { !fleeting.contains(ObjectIdentifier($0.storage)) }
    var homes: [ValueID: Placement.Home] = [:]
    for (index, value) in entries.enumerated() { homes[value] = .entry(index, offset: 0) }
    for (value, place) in planner.states.places { homes[value] = .state(place) }
    for (value, tensor) in known { homes[value] = .constant(tensor, offset: 0) }
    start = Placement.Start(graph: planner.graph, states: planner.states, homes: homes, sizes: sizes, exits: exits)
  }

  mutating func assemble(
    _ nodes: [(node: NodeID, outputs: [TensorType])], commit: Int, tail: Plan.Tail?, entries: [Plan.Entry]
  ) throws -> Plan {
    let graph = planner.graph
    var scheduled: [ScheduledNode] = []
    for node in nodes { try located(node.node) { scheduled.append(try schedule(node.node, node.outputs)) } }
    let arrangement = try Arrangement.best(
      start, scheduled, mayReorder: planner.states.places.isEmpty, limit: planner.evaluator.byteLimit)
    let (order, placement) = (arrangement.order, arrangement.placement)

    var steps: [Plan.PlannedStep] = []
    var cost = Cost()
    var commitStep: Int?
    var late = Set<ValueID>()
    for (index, item) in order.enumerated() {
      if index == commit { commitStep = steps.count }
      if index >= commit { late.formUnion(graph[item.node].outputs.compactMap { $0 }) }
      guard !placement.idle.contains(index) else { continue }
      try located(item.node) { try prepare(item.node, item.outputs) }
      guard let made = prepared[item.node] else { continue }
      cost += made.cost
      steps.append(
        Plan.PlannedStep(
          node: item.node, body: made.step.body, workspaceOffset: arrangement.workspaceOffset(ofStep: index),
          outputs: made.outputs, cost: made.cost))
    }
    var planExits: [Plan.Exit] = []
    for value in start.exits {
      // What the tail makes itself has no home yet.
      guard placement.homes[value] != nil || graph[value].tensor != nil else { continue }
      var exit = try exit(value)
      exit.isLate = late.contains(value)
      planExits.append(exit)
    }
    let copies = try self.copies()
    let read = Set(planExits.map(\.slot) + copies.map(\.slot))
    var memory = MemoryUse()
    memory.arena = arrangement.layout.byteCount
    memory.lowerBound = arrangement.lowerBound
    memory.sumOfAll = placement.sumOfAll
    memory.state = planner.states.byteCounts.reduce(0, +)
    return Plan(
      entries: entries, steps: steps, places: try places(arrangement, read: read), exits: planExits,
      commitStep: commitStep ?? steps.count, copies: copies, tail: tail, memory: memory, cost: cost,
      peak: arrangement.peakStep.flatMap { order.indices.contains($0) ? order[$0].node : nil },
      map: planner.wantsMap ? MemoryMap(graph, arrangement) : nil)
  }

  private func located<Result>(_ id: NodeID, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as LigatureError {
      let operands = planner.graph[id].inputs.map { $0.map { (start.sizes[$0] ?? planner.graph[$0].type).description } }
      throw error.at(node: planner.label(id), operands: operands.map { $0 ?? "none" })
    }
  }

  // ── Kernels ──
  private mutating func schedule(_ id: NodeID, _ outputs: [TensorType]) throws -> ScheduledNode {
    let node = planner.graph[id]
    let context = InferenceContext(
      inputs: node.inputs.map { $0.map(type) }, constants: node.inputs.map { $0.flatMap(constant) },
      contents: node.inputs.map { _ in nil }, outputCount: node.outputs.count)
    var item = ScheduledNode(node: id, outputs: outputs)
    item.sharing = try node.op.sharedBytes(context, outputs: outputs)
    if case .pieces = item.sharing { return item }
    item.reusable = node.outputs.indices.map { node.op.reusableInputs(output: $0) }
    try prepare(id, outputs)
    item.workspace = prepared[id]?.step.workspace ?? 0
    return item
  }

  private mutating func prepare(_ id: NodeID, _ types: [TensorType]) throws {
    guard prepared[id] == nil else { return }
    let node = planner.graph[id]
    let inputs = try node.inputs.map { try $0.map { try operand($0) } }
    let outputs = try node.outputs.map { try $0.map { try operand($0) } }
    let known = InferenceContext(
      inputs: inputs.map { $0.map { TensorType($0.element, sizes: $0.shape) } }, constants: inputs.map { $0?.constant },
      contents: inputs.map { _ in nil }, outputCount: outputs.count)
    let context = KernelContext(
      inputs: inputs, outputs: outputs, threads: planner.evaluator.pool.threads, packed: packed,
      pool: planner.evaluator.pool, precision: planner.evaluator.precision)
    let step = try planner.evaluator.kernels.prepare(node.op, context)
    prepared[id] = Prepared(
      step: step, cost: node.op.cost(known, outputs: types),
      outputs: try node.outputs.compactMap { try $0.map { try exit($0) } })
  }

  private func constant(_ value: ValueID) -> Tensor? {
    known[value] ?? (planner.states.places[value] == nil ? planner.graph[value].tensor : nil)
  }

  private func type(_ value: ValueID) -> TensorType {
    if let type = start.sizes[value] { return type }
    if let tensor = constant(value) { return TensorType(tensor.element, sizes: tensor.shape) }
    return planner.graph[value].type
  }

  private mutating func operand(_ value: ValueID) throws -> Operand {
    let slot = slots[value] ?? slotValues.count
    if slot == slotValues.count {
      slots[value] = slot
      slotValues.append(value)
    }
    if start.sizes[value] == nil, let tensor = constant(value) {
      return try Operand(element: tensor.element, shape: tensor.shape, constant: tensor, slot: slot)
    }
    guard let type = start.sizes[value], let shape = type.sizes else {
      throw LigatureError(.shape, "the size of '\(planner.graph[value].name)' is not known")
    }
    return try Operand(element: type.element, shape: shape, constant: nil, slot: slot)
  }

  // ── Addresses ──
  /// - Parameter read: slots that are read by their addresses, not by kernels.
  private func places(_ arrangement: Arrangement, read: Set<Int>) throws -> [Plan.Place] {
    try slotValues.enumerated().map { slot, value in
      if start.sizes[value] == nil, let tensor = constant(value), tensor.storage.isDeferred, !read.contains(slot) {
        return .deferred
      }
      return switch try arrangement.placement.home(of: value) {
      case .block(let block, let offset): .arena(offset: arrangement.offset(ofBlock: block) + offset)
      case .constant(let tensor, let offset): .constant(tensor, offset: offset)
      case .entry(let index, let offset): .entry(index, offset: offset)
      case .state(let index): .state(index)
      }
    }
  }

  private mutating func exit(_ value: ValueID) throws -> Plan.Exit {
    let operand = try operand(value)
    return Plan.Exit(value: value, element: operand.element, shape: operand.shape, slot: operand.slot)
  }

  /// What replaces state by being copied: also what was to be written in place, but turned out to be a constant.
  private mutating func copies() throws -> [Plan.Copy] {
    var wanted = planner.states.copied
    for (value, place) in planner.states.written where known[value] != nil { wanted.append((value, place)) }
    return try wanted.map { from, place in
      let operand = try operand(from)
      guard operand.byteCount == planner.states.byteCounts[place] else {
        let name = planner.graph[from].name
        throw LigatureError(
          .shape, "'\(name)', which replaces a state of \(planner.states.byteCounts[place]) bytes, is \(operand.shape)")
      }
      return Plan.Copy(slot: operand.slot, state: place)
    }
  }
}
