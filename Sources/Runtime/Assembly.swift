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

  init(planner: Planner, entries: [ValueID]) {
    self.planner = planner
    for (index, value) in entries.enumerated() { homes[value] = .entry(index) }
  }

  mutating func assemble(
    _ scheduled: [(node: NodeID, outputs: [TensorType])], sizes: [ValueID: TensorType], known: [ValueID: Tensor],
    exits: [ValueID], tail: Plan.Tail?, entryShapes: [[Int]]
  ) throws -> Plan {
    let graph = planner.graph
    for (index, item) in scheduled.enumerated() {
      for operand in graph[item.node].operands { lastUse[operand] = index }
    }
    for exit in exits { lastUse[exit] = scheduled.count }
    for (value, tensor) in known { homes[value] = .constant(tensor) }

    var prepared: [(node: NodeID, step: Step, workspace: Int)] = []
    for (index, item) in scheduled.enumerated() {
      do {
        guard let step = try place(item.node, item.outputs, at: index, sizes) else { continue }
        blocks.append(Block(byteCount: step.workspace, first: index, last: index))
        tenants.append([])
        prepared.append((item.node, step, blocks.count - 1))
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
      let operand = try self.operand(value, sizes)
      planExits.append(Plan.Exit(value: value, element: operand.element, shape: operand.shape, slot: operand.slot))
    }

    let layout = try layOut(blocks.map { Lifetime(byteCount: $0.byteCount, first: $0.first, last: $0.last) })
    var memory = MemoryUse()
    memory.arena = layout.byteCount
    memory.lowerBound = layout.lowerBound
    memory.sumOfAll = sumOfAll
    let places = slotHomes.map { home -> Plan.Place in
      switch home {
      case .block(let block): .arena(offset: layout.offsets[block])
      case .constant(let tensor): .constant(tensor)
      case .entry(let index): .entry(index)
      }
    }
    let steps = prepared.map {
      Plan.PlannedStep(node: $0.node, body: $0.step.body, workspaceOffset: layout.offsets[$0.workspace])
    }
    return Plan(
      entryShapes: entryShapes, steps: steps, places: places, exits: planExits, tail: tail, memory: memory,
      cost: cost)
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
      sumOfAll = try Checked.add(sumOfAll, bytes, "the sum of all tensors")
      let home = slot == 0 ? reusable(node, bytes, at: index) : nil
      if let home {
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
    cost += node.op.cost(known, outputs: types)
    let context = KernelContext(
      inputs: inputs, outputs: outputs, threads: planner.evaluator.pool.threads, packed: planner.packed)
    return try planner.evaluator.kernels.prepare(node.op, context)
  }

  /// The block of an input that ends its life at this step and has the size of the result.
  private func reusable(_ node: Node, _ bytes: Int, at index: Int) -> Home? {
    for (position, trait) in [Traits.canReuseInput0, .canReuseInput1].enumerated() {
      guard node.op.traits.contains(trait), position < node.inputs.count, let input = node.inputs[position],
        case .block(let block)? = homes[input], blocks[block].byteCount == bytes, blocks[block].last == index,
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
