public import TensorCore

/// How long a block of memory is needed: from step `first` to step `last`, both included.
public struct Lifetime: Sendable, Equatable {
  public let byteCount: Int
  public let first: Int
  public let last: Int

  public init(byteCount: Int, first: Int, last: Int) {
    self.byteCount = byteCount
    self.first = first
    self.last = last
  }

  func overlaps(_ other: Lifetime) -> Bool { first <= other.last && other.first <= last }
}

/// Where blocks lie in one arena.
public struct MemoryLayout: Sendable, Equatable {
  /// Byte offsets, in the order of the lifetimes.
  public let offsets: [Int]
  /// Bytes of the whole arena: the peak.
  public let byteCount: Int
  /// The largest sum of blocks that are needed at once: no layout can be smaller.
  public let lowerBound: Int
}

/// Places blocks so that none that are needed at the same time overlap: one after another, each into the smallest gap
/// that takes it. Which goes first matters: several orders are tried, each improved by letting the block that ends last
/// go first, then the best of them by moving single blocks, until the bound is reached or the effort is spent.
///
/// A pure function of its arguments. Throws `.shape` when sizes overflow.
/// - Complexity: O(n²) in the number of blocks, times a number of attempts that falls with n².
public func layOut(_ lifetimes: [Lifetime], alignment: Int = Arena.alignment) throws -> MemoryLayout {
  var search = try LayoutSearch(lifetimes, alignment: alignment)
  try search.run()
  return MemoryLayout(offsets: search.best.offsets, byteCount: search.best.byteCount, lowerBound: search.bound)
}

private struct LayoutSearch {
  private let lifetimes: [Lifetime]
  private let sizes: [Int]
  let bound: Int
  private(set) var best: (offsets: [Int], byteCount: Int)
  private var bestOrder: [Int] = []
  /// Placements that may still be tried.
  private var effort: Int

  init(_ lifetimes: [Lifetime], alignment: Int) throws {
    self.lifetimes = lifetimes
    sizes = try lifetimes.map { try Checked.add($0.byteCount, alignment - 1) / alignment * alignment }
    bound = try mostAlive(lifetimes, sizes)?.byteCount ?? 0
    best = (Array(repeating: 0, count: lifetimes.count), lifetimes.isEmpty ? 0 : .max)
    effort = max(3, min(400, 4_000_000 / max(lifetimes.count * lifetimes.count, 1)))
  }

  mutating func run() throws {
    guard !lifetimes.isEmpty else { return }
    let span = { [lifetimes] (index: Int) in Double(lifetimes[index].last - lifetimes[index].first + 1) }
    let orders = [
      descending { Double(sizes[$0]) },
      descending { Double(sizes[$0]) * span($0) },
      descending(span),
      descending { -Double(lifetimes[$0].first) },
    ]
    let rounds = min(16, max(1, effort / 8))
    for order in orders where best.byteCount > bound && effort > 0 {
      try improve(order, rounds: rounds)
    }
    try wander()
  }

  /// Blocks in descending order of a weight; ties go to the earlier one.
  private func descending(_ weight: (Int) -> Double) -> [Int] {
    let weights = lifetimes.indices.map(weight)
    return lifetimes.indices.sorted {
      weights[$0] != weights[$1] ? weights[$0] > weights[$1] : (lifetimes[$0].first, $0) < (lifetimes[$1].first, $1)
    }
  }

  /// Lets the block that ends last go first, as long as there is another.
  private mutating func improve(_ start: [Int], rounds: Int) throws {
    var order = start
    for _ in 0..<rounds where best.byteCount > bound && effort > 0 {
      let placement = try attempt(order)
      guard let top = order.firstIndex(where: { placement.offsets[$0] + sizes[$0] == placement.byteCount }), top > 0
      else { return }
      order.insert(order.remove(at: top), at: 0)
    }
  }

  /// Moves blocks of the best order to other places; the same moves in every run.
  private mutating func wander() throws {
    // Nobody notices less than a fiftieth.
    let enough = bound + bound / 50
    var random: UInt64 = 0x9E37_79B9_7F4A_7C15
    func below(_ count: Int) -> Int {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((random >> 33) % UInt64(count))
    }
    while effort > 0, best.byteCount > enough, bestOrder.count > 1 {
      var order = bestOrder
      for _ in 0...below(2) {
        let from = below(order.count)
        order.insert(order.remove(at: from), at: below(from + 1))
      }
      _ = try attempt(order)
    }
  }

  private mutating func attempt(_ order: [Int]) throws -> (offsets: [Int], byteCount: Int) {
    effort -= 1
    let placement = try place(order)
    if placement.byteCount < best.byteCount { (best, bestOrder) = (placement, order) }
    return placement
  }

  private func place(_ order: [Int]) throws -> (offsets: [Int], byteCount: Int) {
    var offsets = [Int](repeating: 0, count: lifetimes.count)
    var placed: [Int] = []  // by offset
    var total = 0
    for index in order where sizes[index] > 0 {
      var best: (offset: Int, gap: Int)?
      var end = 0
      for other in placed where lifetimes[other].overlaps(lifetimes[index]) {
        let gap = offsets[other] - end
        if gap >= sizes[index], gap < best?.gap ?? .max { best = (end, gap) }
        end = max(end, offsets[other] + sizes[other])
      }
      offsets[index] = best?.offset ?? end
      total = max(total, try Checked.add(offsets[index], sizes[index], "the arena"))
      let position = placed.firstIndex { offsets[$0] > offsets[index] } ?? placed.endIndex
      placed.insert(index, at: position)
    }
    return (offsets, total)
  }
}

/// The largest sum of blocks alive at once, and the first step with it; `nil` without blocks.
func mostAlive(_ lifetimes: [Lifetime], alignment: Int = Arena.alignment) throws -> (byteCount: Int, step: Int)? {
  try mostAlive(lifetimes, lifetimes.map { try Checked.add($0.byteCount, alignment - 1) / alignment * alignment })
}

private func mostAlive(_ lifetimes: [Lifetime], _ sizes: [Int]) throws -> (byteCount: Int, step: Int)? {
  var changes: [Int: Int] = [:]
  for (lifetime, size) in zip(lifetimes, sizes) {
    changes[lifetime.first, default: 0] = try Checked.add(changes[lifetime.first, default: 0], size)
    changes[lifetime.last + 1, default: 0] = try Checked.add(changes[lifetime.last + 1, default: 0], -size)
  }
  var alive = 0
  var most: (byteCount: Int, step: Int)?
  for step in changes.keys.sorted() {
    alive = try Checked.add(alive, changes[step] ?? 0, "the memory alive at once")
    if alive > most?.byteCount ?? -1 { most = (alive, step) }
  }
  return most
}
