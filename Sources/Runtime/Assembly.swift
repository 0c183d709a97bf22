import GraphIR
import Kernels
import TensorCore

/// Turns scheduled nodes into steps: gives every tensor a block, lets results take over blocks that nobody needs
/// any more, prepares the kernels and lays the blocks out.
struct Assembly {
  private enum Home {
    case block(Int)
    case constant(Tensor)
    case entry(Int)
    case state(Int)
  }
  private struct Block {
    var byteCount: Int
    var first: Int
    var last: Int
  }

  private let planner: Planner
  private var homes: [ValueID: Home] = [:]
  private var blocks: [Block] = []
  private var slots: [ValueID: Int] = [:]
  private var slotHomes: [Home] = []
  private var lastUse: [ValueID: Int] = [:]
  /// Values that live in a block, so that a block is free only when all of them are.
  private var tenants: [[ValueID]] = []
  private var sumOfAll = 0
  private var cost = Cost()
  /// Of the step placed last.
  private var stepCost = Cost()

  init(planner: Planner, entries: [ValueID]) {
    self.planner = planner
    for (index, value) in entries.enumerated() { homes[value] = .entry(index) }
    for (value, place) in planner.states.places { homes[value] = .state(place) }
  }

  mutating func assemble(
    _ scheduled: [(node: NodeID, outputs: [TensorType])], commit: Int, sizes: [ValueID: TensorType],
    known: [ValueID: Tensor], exits: [ValueID], tail: Plan.Tail?, entryShapes: [[Int]]
  ) throws -> Plan {
    let graph = planner.graph
    for (index, item) in scheduled.enumerated() {
      for operand in graph[item.node].operands { lastUse[operand] = index }
    }
    for exit in exits { lastUse[exit] = scheduled.count }
    for (value, tensor) in known { homes[value] = .constant(tensor) }

    var prepared: [(node: NodeID, step: Step, workspace: Int, outputs: [Plan.Exit], cost: Cost)] = []
    var commitStep: Int?
    var late = Set<ValueID>()
    for (index, item) in scheduled.enumerated() {
      if index == commit { commitStep = prepared.count }
      if index >= commit { late.formUnion(graph[item.node].outputs.compactMap { $0 }) }
      do {
        guard let step = try place(item.node, item.outputs, at: index, sizes) else { continue }
        blocks.append(Block(byteCount: step.workspace, first: index, last: index))
        tenants.append([])
        let outputs = try graph[item.node].outputs.compactMap { try $0.map { try exit($0, sizes) } }
        prepared.append((item.node, step, blocks.count - 1, outputs, stepCost))
      } catch let error as LigatureError {
        throw error.at(
          node: planner.label(item.node),
          operands: graph[item.node].inputs.map { $0.map { (sizes[$0] ?? graph[$0].type).description } ?? "none" })
      }
    }

    var planExits: [Plan.Exit] = []
    for value in exits {
      // What the tail makes itself has no home yet.
      guard homes[value] != nil || graph[value].tensor != nil else { continue }
      var exit = try exit(value, sizes)
      exit.isLate = late.contains(value)
      planExits.append(exit)
    }
    let copies = try self.copies(known, sizes)

    let layout = try layOut(blocks.map { Lifetime(byteCount: $0.byteCount, first: $0.first, last: $0.last) })
    var memory = MemoryUse()
    memory.arena = layout.byteCount
    memory.lowerBound = layout.lowerBound
    memory.sumOfAll = sumOfAll
    memory.state = planner.states.byteCounts.reduce(0, +)
    let places = slotHomes.map { home -> Plan.Place in
      switch home {
      case .block(let block): .arena(offset: layout.offsets[block])
      case .constant(let tensor): .constant(tensor)
      case .entry(let index): .entry(index)
      case .state(let index): .state(index)
      }
    }
    let steps = prepared.map {
      Plan.PlannedStep(
        node: $0.node, body: $0.step.body, workspaceOffset: layout.offsets[$0.workspace], outputs: $0.outputs,
        cost: $0.cost)
    }
    return Plan(
      entryShapes: entryShapes, steps: steps, places: places, exits: planExits, commitStep: commitStep ?? steps.count,
      copies: copies, tail: tail, memory: memory, cost: cost)
  }

  private mutating func exit(_ value: ValueID, _ sizes: [ValueID: TensorType]) throws -> Plan.Exit {
    let operand = try operand(value, sizes)
    return Plan.Exit(value: value, element: operand.element, shape: operand.shape, slot: operand.slot)
  }

  /// What replaces state by being copied: also what was to be written in place, but turned out to be a constant.
  private mutating func copies(_ known: [ValueID: Tensor], _ sizes: [ValueID: TensorType]) throws -> [Plan.Copy] {
    var wanted = planner.states.copied
    for (value, place) in planner.states.written where known[value] != nil { wanted.append((value, place)) }
    return try wanted.map { from, place in
      let operand = try operand(from, sizes)
      guard operand.byteCount == planner.states.byteCounts[place] else {
        let name = planner.graph[from].name
        throw LigatureError(
          .shape, "'\(name)', which replaces a state of \(planner.states.byteCounts[place]) bytes, is \(operand.shape)")
      }
      return Plan.Copy(slot: operand.slot, state: place)
    }
  }

  /// Gives the node's results their homes and prepares its kernel; `nil` when the result is a mere view.
  private mutating func place(_ id: NodeID, _ types: [TensorType], at index: Int, _ sizes: [ValueID: TensorType]) throws
    -> Step?
  {
    let node = planner.graph[id]
    if node.op.traits.contains(.isView), let input = node.inputs.first, let input, let output = node.outputs.first,
      let output
    {
      let home = try home(of: input)
      homes[output] = home
      try extend(home, for: output)
      return nil
    }
    let inputs = try node.inputs.map { try $0.map { try operand($0, sizes) } }
    for (slot, output) in node.outputs.enumerated() {
      guard let output else { continue }
      let bytes = try Checked.byteCount(types[slot].element, types[slot].sizes ?? [])
      if let state = planner.states.written[output] {
        guard bytes == planner.states.byteCounts[state] else {
          let name = planner.graph[output].name
          throw LigatureError(.shape, "'\(name)', which replaces a state, has another size: \(types[slot])")
        }
        homes[output] = .state(state)
        continue
      }
      sumOfAll = try Checked.add(sumOfAll, bytes, "the sum of all tensors")
      if let home = reusable(node, slot, bytes, at: index) {
        homes[output] = home
        try extend(home, for: output)
      } else {
        blocks.append(Block(byteCount: bytes, first: index, last: max(lastUse[output] ?? index, index)))
        tenants.append([output])
        homes[output] = .block(blocks.count - 1)
      }
    }
    let outputs = try node.outputs.map { try $0.map { try operand($0, sizes) } }
    let known = InferenceContext(
      inputs: inputs.map { $0.map { TensorType($0.element, sizes: $0.shape) } }, constants: inputs.map { $0?.constant },
      contents: inputs.map { _ in nil }, outputCount: outputs.count)
    stepCost = node.op.cost(known, outputs: types)
    cost += stepCost
    let context = KernelContext(
      inputs: inputs, outputs: outputs, threads: planner.evaluator.pool.threads, packed: planner.packed,
      pool: planner.evaluator.pool, precision: planner.evaluator.precision)
    return try planner.evaluator.kernels.prepare(node.op, context)
  }

  /// The block of an input that ends its life at this step and has the size of the result.
  private func reusable(_ node: Node, _ slot: Int, _ bytes: Int, at index: Int) -> Home? {
    for position in node.op.reusableInputs(output: slot) {
      guard position < node.inputs.count, let input = node.inputs[position],
        case .block(let block)? = homes[input], blocks[block].byteCount == bytes, blocks[block].last == index,
        // Nor may another output have taken it.
        slot == 0 || !node.outputs[..<slot].contains(where: { $0.flatMap { self.block(of: $0) } == block }),
        // Nobody else may read the block in this very step.
        !node.operands.contains(where: { $0 != input && self.block(of: $0) == block })
      else { continue }
      return .block(block)
    }
    return nil
  }

  private func block(of value: ValueID) -> Int? {
    if case .block(let block)? = homes[value] { block } else { nil }
  }

  private mutating func extend(_ home: Home, for value: ValueID) throws {
    guard case .block(let block) = home else { return }
    blocks[block].last = max(blocks[block].last, lastUse[value] ?? 0)
    tenants[block].append(value)
  }

  private func home(of value: ValueID) throws -> Home {
    if let home = homes[value] { return home }
    if let tensor = planner.graph[value].tensor { return .constant(tensor) }
    throw LigatureError(.cycle, "'\(planner.graph[value].name)' is read before it is made")
  }

  private mutating func operand(_ value: ValueID, _ sizes: [ValueID: TensorType]) throws -> Operand {
    let home = try home(of: value)
    let slot: Int
    if let known = slots[value] {
      slot = known
    } else {
      slot = slotHomes.count
      slots[value] = slot
      slotHomes.append(home)
    }
    if case .constant(let tensor) = home, sizes[value] == nil {
      return try Operand(element: tensor.element, shape: tensor.shape, constant: tensor, slot: slot)
    }
    guard let type = sizes[value], let shape = type.sizes else {
      throw LigatureError(.shape, "the size of '\(planner.graph[value].name)' is not known")
    }
    return try Operand(element: type.element, shape: shape, constant: nil, slot: slot)
  }
}
