import GraphIR
import Kernels
import TensorCore

/// A node that a plan may run, with the sizes of its results.
struct ScheduledNode {
  let node: NodeID
  let outputs: [TensorType]
  /// How results lie in operands, if nothing but a copy would run.
  var sharing: SharedBytes?
  /// The inputs that result i may take the place of.
  var reusable: [[Int]] = []
  /// Bytes that its kernel needs beside operands and results.
  var workspace = 0
}

/// Which tensors share which blocks, and how long each block is needed: settled before anything has an address.
///
/// Nodes are placed in order. A result that is a stretch of an operand's bytes is a view of them; the operands of a
/// node that joins them are made where they belong in its result; a result may overwrite an operand that nobody reads
/// any more. None of this changes what is computed.
struct Placement {
  enum Home {
    case block(Int, offset: Int)
    case constant(Tensor, offset: Int)
    case entry(Int, offset: Int)
    case state(Int)
  }
  struct Block {
    var byteCount: Int
    var first: Int
    var last: Int
    /// The block that it became a part of, and where it lies there.
    var parent: (block: Int, offset: Int)?
  }
  /// A value in a block, from a byte on; what it holds is read until step `last`.
  struct Tenant {
    let value: ValueID
    var offset: Int
    let byteCount: Int
    let first: Int
    let last: Int
    /// It shows what others that lie there made.
    let isView: Bool
  }

  private let graph: Graph
  private let states: StateSchedule
  private(set) var homes: [ValueID: Home]
  private(set) var blocks: [Block] = []
  private var tenants: [[Tenant]] = []
  private var lastUse: [ValueID: Int] = [:]
  /// Steps, by place in the order, that have nothing to do.
  private(set) var idle: Set<Int> = []
  private(set) var sumOfAll = 0
  /// Joining nodes whose operands are copied.
  private let apart: Set<NodeID>
  private var byteCounts: [ValueID: Int] = [:]

  /// What is there before anything is placed.
  struct Start {
    let graph: Graph
    let states: StateSchedule
    /// Of entries, states, and constants that planning found.
    let homes: [ValueID: Home]
    /// Of entries and of everything that nodes make.
    let sizes: [ValueID: TensorType]
    /// What must outlive the plan.
    let exits: [ValueID]
  }

  /// - Parameters:
  ///   - order: the nodes in the order that they run in.
  ///   - apart: nodes that join tensors, but whose operands are not to be placed in their result.
  init(_ start: Start, _ order: [ScheduledNode], apart: Set<NodeID>) throws {
    graph = start.graph
    states = start.states
    homes = start.homes
    self.apart = apart
    for (value, home) in homes {
      if case .entry = home { byteCounts[value] = try start.sizes[value].map(byteCount) }
    }
    for (index, item) in order.enumerated() {
      for operand in graph[item.node].operands { lastUse[operand] = index }
    }
    for exit in start.exits { lastUse[exit] = order.count }
    for (index, item) in order.enumerated() {
      do {
        if try place(item, at: index) { idle.insert(index) }
      } catch let error as LigatureError {
        throw error.at(node: "\(graph[item.node].name) (\(graph[item.node].op.name))")
      }
    }
  }

  private func byteCount(_ type: TensorType) throws -> Int { try Checked.byteCount(type.element, type.sizes ?? []) }

  /// The block that is nobody's part, and the offset in it.
  func root(_ block: Int, _ offset: Int = 0) -> (block: Int, offset: Int) {
    var (block, offset) = (block, offset)
    while let parent = blocks[block].parent { (block, offset) = (parent.block, offset + parent.offset) }
    return (block, offset)
  }

  /// Where a value lies, in blocks that are nobody's part.
  func home(of value: ValueID) throws -> Home {
    if let home = homes[value] {
      guard case .block(let block, let offset) = home else { return home }
      let root = root(block, offset)
      return .block(root.block, offset: root.offset)
    }
    if let tensor = graph[value].tensor { return .constant(tensor, offset: 0) }
    throw LigatureError(.cycle, "'\(graph[value].name)' is read before it is made")
  }

  /// What lies in a block that is nobody's part.
  func tenants(ofBlock block: Int) -> [Tenant] { tenants[block] }

  /// Gives the node's results their homes; whether nothing is left to run.
  private mutating func place(_ item: ScheduledNode, at index: Int) throws -> Bool {
    let node = graph[item.node]
    if case .pieces(let offsets) = item.sharing, try placeViews(node, item, offsets, at: index) { return true }
    var taken: [(block: Int, range: Range<Int>)] = []
    for (slot, output) in node.outputs.enumerated() {
      guard let output else { continue }
      let bytes = try byteCount(item.outputs[slot])
      if let state = states.written[output] {
        guard bytes == states.byteCounts[state] else {
          throw LigatureError(
            .shape,
            "'\(graph[output].name)', which replaces a state, has another size: \(item.outputs[slot])")
        }
        homes[output] = .state(state)
        byteCounts[output] = bytes
        continue
      }
      sumOfAll = try Checked.add(sumOfAll, bytes, "the sum of all tensors")
      if slot == 0, item.sharing == .joined, !apart.contains(item.node), bytes > 0 {
        if try join(node, output, bytes, at: index) { return true }
        continue
      }
      let reused = slot < item.reusable.count ? try reuse(node, item.reusable[slot], bytes, taken, at: index) : nil
      let home = reused ?? newBlock(bytes, at: index)
      settle(output, home.block, home.offset, bytes, at: index)
      taken.append((home.block, home.offset..<home.offset + bytes))
    }
    return false
  }

  // ── Views ──
  private mutating func placeViews(_ node: Node, _ item: ScheduledNode, _ offsets: [Int], at index: Int) throws
    -> Bool
  {
    guard case let input?? = node.inputs.first else { return false }
    let source = try home(of: input)
    // State is overwritten at the end of a run: whoever shows a part of it is run when its turn comes.
    if case .state = source, !node.op.traits.contains(.isView) { return false }
    for (slot, output) in node.outputs.enumerated() where slot < offsets.count {
      guard let output else { continue }
      let bytes = try byteCount(item.outputs[slot])
      byteCounts[output] = bytes
      switch source {
      case .block(let block, let offset): settle(output, block, offset + offsets[slot], bytes, at: index, isView: true)
      case .constant(let tensor, let offset): homes[output] = .constant(tensor, offset: offset + offsets[slot])
      case .entry(let entry, let offset): homes[output] = .entry(entry, offset: offset + offsets[slot])
      case .state: homes[output] = source
      }
    }
    return true
  }

  // ── Joining ──
  /// Makes one block of the operands' for the result; whether all of them lie there.
  private mutating func join(_ node: Node, _ output: ValueID, _ bytes: Int, at index: Int) throws -> Bool {
    let block = newBlock(bytes, at: index).block
    settle(output, block, 0, bytes, at: index, isView: true)
    var offset = 0
    var areAllThere = true
    for case let input? in node.inputs {
      let size = byteCount(input)
      defer { offset += size }
      guard size > 0 else { continue }
      // Only a block of its own can be moved, and only once.
      guard case .block(let own, 0) = try home(of: input), own != block, blocks[own].byteCount == size else {
        areAllThere = false
        continue
      }
      blocks[own].parent = (block, offset)
      blocks[block].first = min(blocks[block].first, blocks[own].first)
      blocks[block].last = max(blocks[block].last, blocks[own].last)
      for var tenant in tenants[own] {
        tenant.offset += offset
        tenants[block].append(tenant)
      }
      tenants[own] = []
    }
    return areAllThere
  }

  private func byteCount(_ value: ValueID) -> Int {
    if let known = byteCounts[value] { return known }
    if case .constant(let tensor, _) = homes[value] { return tensor.byteCount }
    return graph[value].tensor?.byteCount ?? 0
  }

  // ── In place ──
  /// The place of an operand that nobody needs after this step, nor reads beside it, and that has the result's size.
  private func reuse(
    _ node: Node, _ candidates: [Int], _ bytes: Int, _ taken: [(block: Int, range: Range<Int>)], at index: Int
  ) throws -> (block: Int, offset: Int)? {
    for position in candidates {
      guard position < node.inputs.count, let input = node.inputs[position],
        case .block(let block, let offset) = try home(of: input), byteCount(input) == bytes
      else { continue }
      let range = offset..<offset + bytes
      guard !taken.contains(where: { $0.block == block && $0.range.overlaps(range) }),
        tenants[block].allSatisfy({ tenant in
          let isElsewhere = !(tenant.offset..<tenant.offset + tenant.byteCount).overlaps(range)
          return isElsewhere || tenant.last < index
            || tenant.last == index && (tenant.value == input || !node.operands.contains(tenant.value))
        })
      else { continue }
      return (block, offset)
    }
    return nil
  }

  // ── Blocks ──
  private mutating func newBlock(_ bytes: Int, at index: Int) -> (block: Int, offset: Int) {
    blocks.append(Block(byteCount: bytes, first: index, last: index))
    tenants.append([])
    return (blocks.count - 1, 0)
  }

  private mutating func settle(
    _ value: ValueID, _ block: Int, _ offset: Int, _ bytes: Int, at index: Int, isView: Bool = false
  ) {
    let last = max(lastUse[value] ?? index, index)
    homes[value] = .block(block, offset: offset)
    byteCounts[value] = bytes
    blocks[block].last = max(blocks[block].last, last)
    tenants[block].append(
      Tenant(value: value, offset: offset, byteCount: bytes, first: index, last: last, isView: isView))
  }
}
