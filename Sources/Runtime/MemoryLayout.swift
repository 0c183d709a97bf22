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
/// that takes it. Which goes first matters: three orders are tried, each improved by letting the block that ends last go
/// first, and the smallest arena wins.
///
/// A pure function of its arguments. Throws `.shape` when sizes overflow.
/// - Complexity: O(n²) in the number of blocks.
public func layOut(_ lifetimes: [Lifetime], alignment: Int = Arena.alignment) throws -> MemoryLayout {
  let sizes = try lifetimes.map { try Checked.add($0.byteCount, alignment - 1) / alignment * alignment }
  let bound = try lowerBound(lifetimes, sizes)
  /// Blocks in descending order of a weight; ties go to the earlier one.
  func descending(_ weight: (Int) -> Double) -> [Int] {
    let weights = lifetimes.indices.map(weight)
    return lifetimes.indices.sorted {
      weights[$0] != weights[$1] ? weights[$0] > weights[$1] : (lifetimes[$0].first, $0) < (lifetimes[$1].first, $1)
    }
  }
  let span = { (index: Int) in Double(lifetimes[index].last - lifetimes[index].first + 1) }
  let orders = [
    { descending { Double(sizes[$0]) } },
    { descending { Double(sizes[$0]) * span($0) } },
    { descending { span($0) } },
  ]
  var best: (offsets: [Int], byteCount: Int)?
  let rounds = lifetimes.count > 2000 ? 1 : 16
  search: for makeOrder in orders {
    var order = makeOrder()
    for _ in 0..<rounds {
      let placement = try place(lifetimes, sizes, in: order)
      if placement.byteCount < best?.byteCount ?? .max { best = placement }
      if placement.byteCount <= bound { break search }
      guard let top = order.firstIndex(where: { placement.offsets[$0] + sizes[$0] == placement.byteCount }), top > 0
      else { break }
      order.insert(order.remove(at: top), at: 0)
    }
  }
  return MemoryLayout(offsets: best?.offsets ?? [], byteCount: best?.byteCount ?? 0, lowerBound: bound)
}

private func place(_ lifetimes: [Lifetime], _ sizes: [Int], in order: [Int]) throws -> (offsets: [Int], byteCount: Int)
{
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

private func lowerBound(_ lifetimes: [Lifetime], _ sizes: [Int]) throws -> Int {
  var changes: [Int: Int] = [:]
  for (lifetime, size) in zip(lifetimes, sizes) {
    changes[lifetime.first, default: 0] = try Checked.add(changes[lifetime.first, default: 0], size)
    changes[lifetime.last + 1, default: 0] = try Checked.add(changes[lifetime.last + 1, default: 0], -size)
  }
  var alive = 0
  var most = 0
  for step in changes.keys.sorted() {
    alive = try Checked.add(alive, changes[step] ?? 0, "the memory alive at once")
    most = max(most, alive)
  }
  return most
}
