import GraphIR
import TensorCore

/// Looks for an order of nodes that keeps less memory alive at once: a beam search over the nodes that are ready, which
/// keeps the few best beginnings of each length. What a beginning costs is reckoned from sizes and last readers alone;
/// views and joined tensors take nothing.
struct ExecutionOrder {
  private struct Item {
    /// Storages that it reads, each once.
    var reads: [Int] = []
    /// Storages that it makes.
    var makes: [Int] = []
    /// A storage whose place its result may take.
    var mayReplace: [Int] = []
    var workspace = 0
    var followers: [Int] = []
    var predecessors = 0
  }
  private var items: [Item]
  /// Bytes of each storage, and how many nodes read it; what outlives the plan has one reader more.
  private var byteCounts: [Int] = []
  private var readers: [Int32] = []

  init(_ start: Placement.Start, _ order: [ScheduledNode]) throws {
    items = order.map { _ in Item() }
    let graph = start.graph
    /// The storages that hold a value's bytes.
    var holds: [ValueID: [Int]] = [:]
    var makers: [ValueID: Int] = [:]
    var lastImpure: Int?
    for (index, scheduled) in order.enumerated() {
      let node = graph[scheduled.node]
      var befores = Set(node.operands.compactMap { makers[$0] })
      if node.op.traits.contains(.isImpure) {
        if let lastImpure { befores.insert(lastImpure) }
        lastImpure = index
      }
      for before in befores { items[before].followers.append(index) }
      items[index].predecessors = befores.count
      items[index].reads = Set(node.operands.flatMap { holds[$0] ?? [] }).sorted()
      for storage in items[index].reads { readers[storage] += 1 }
      for case let output? in node.outputs { makers[output] = index }
      if scheduled.sharing != nil {
        for case let output? in node.outputs { holds[output] = items[index].reads }
        continue
      }
      items[index].workspace = scheduled.workspace
      for (slot, output) in node.outputs.enumerated() {
        guard let output else { continue }
        holds[output] = [byteCounts.count]
        items[index].makes.append(byteCounts.count)
        byteCounts.append(try Checked.byteCount(scheduled.outputs[slot].element, scheduled.outputs[slot].sizes ?? []))
        readers.append(0)
      }
      for position in scheduled.reusable.first ?? [] where position < node.inputs.count {
        guard let input = node.inputs[position], let storages = holds[input], storages.count == 1 else { continue }
        items[index].mayReplace.append(storages[0])
      }
    }
    for exit in start.exits { for storage in holds[exit] ?? [] { readers[storage] += 1 } }
  }

  /// What no order can go below: the most that a single node needs.
  var floor: Int {
    items.map { item in
      let made = item.makes.reduce(0) { $0 + byteCounts[$1] }
      let read = item.reads.reduce(0) { $0 + byteCounts[$1] }
      let saved = item.mayReplace.map { byteCounts[$0] }.max() ?? 0
      return read + made + item.workspace - min(saved, made)
    }.max() ?? 0
  }

  /// The beginning of an order.
  private struct Beginning {
    var readers: [Int32]
    var predecessors: [Int32]
    var ready: [Int]
    var alive = 0
    var peak = 0
    var order: [Int] = []
    /// Tells which nodes are in it, whatever their order.
    var key: UInt64 = 0
  }
  private struct Step {
    let beginning: Int
    let item: Int
    let peak: Int
    let alive: Int
    let key: UInt64
  }

  /// Places in the old order, in the new one.
  func search(width: Int) -> [Int] {
    var beginnings = [
      Beginning(
        readers: readers, predecessors: items.map { Int32($0.predecessors) },
        ready: items.indices.filter { items[$0].predecessors == 0 })
    ]
    for _ in items.indices {
      var steps: [Step] = []
      for (index, beginning) in beginnings.enumerated() {
        // What costs nothing is done at once.
        if let free = beginning.ready.first(where: { items[$0].makes.isEmpty && items[$0].workspace == 0 }) {
          steps.append(step(index, beginning, free))
        } else {
          for item in beginning.ready { steps.append(step(index, beginning, item)) }
        }
      }
      steps.sort { a, b in (a.peak, a.alive, a.item) < (b.peak, b.alive, b.item) }
      var seen = Set<UInt64>()
      var next: [Beginning] = []
      for step in steps where next.count < width && seen.insert(step.key).inserted {
        next.append(apply(step, beginnings[step.beginning]))
      }
      beginnings = next
    }
    return beginnings.first?.order ?? []
  }

  private func step(_ index: Int, _ beginning: Beginning, _ item: Int) -> Step {
    let node = items[item]
    let made = node.makes.reduce(0) { $0 + byteCounts[$1] }
    let freed = node.reads.reduce(0) { $0 + (beginning.readers[$1] == 1 ? byteCounts[$1] : 0) }
    let unread = node.makes.reduce(0) { $0 + (beginning.readers[$1] == 0 ? byteCounts[$1] : 0) }
    let replaces = node.mayReplace.contains { storage in
      beginning.readers[storage] == 1 && node.makes.first.map { byteCounts[$0] == byteCounts[storage] } ?? false
    }
    let replaced = replaces ? node.makes.first.map { byteCounts[$0] } ?? 0 : 0
    return Step(
      beginning: index, item: item, peak: max(beginning.peak, beginning.alive + made - replaced + node.workspace),
      alive: beginning.alive + made - freed - unread, key: beginning.key ^ ExecutionOrder.scatter(UInt64(item)))
  }

  private func apply(_ step: Step, _ beginning: Beginning) -> Beginning {
    var next = beginning
    (next.peak, next.alive, next.key) = (step.peak, step.alive, step.key)
    next.order.append(step.item)
    next.ready.removeAll { $0 == step.item }
    for storage in items[step.item].reads { next.readers[storage] -= 1 }
    for follower in items[step.item].followers {
      next.predecessors[follower] -= 1
      if next.predecessors[follower] == 0 { next.ready.append(follower) }
    }
    return next
  }

  private static func scatter(_ value: UInt64) -> UInt64 {
    SplitMix64.mixed((value &+ 1) &* SplitMix64.step)
  }
}
