import GraphIR
import TensorCore

/// In which order nodes run, which tensors share blocks, and where the blocks lie.
struct Arrangement {
  let order: [ScheduledNode]
  let placement: Placement
  let layout: MemoryLayout
  /// Where the layout has what: blocks of the placement, and the workspace of each step.
  private let lifetimeOfBlock: [Int: Int]
  private let lifetimeOfStep: [Int: Int]
  let lifetimes: [Lifetime]
  /// What no plan with this order of steps can go below.
  let lowerBound: Int

  /// Orders of more nodes are not searched for.
  static let mostSearchedNodes = 3000

  /// - Parameters:
  ///   - mayReorder: whether another order of the nodes computes the same.
  ///   - limit: bytes that the arena should fit; where it does not at first, the search goes further.
  static func best(
    _ start: Placement.Start, _ scheduled: [ScheduledNode], mayReorder: Bool, limit: Int
  ) throws -> Arrangement {
    var best = try joined(start, scheduled, limit: limit)
    var widths = mayReorder && scheduled.count <= mostSearchedNodes ? [4] : []
    if !widths.isEmpty, best.bound > limit { widths.append(64) }
    if !widths.isEmpty {
      let search = try ExecutionOrder(start, scheduled)
      for width in widths where search.floor < best.bound - best.bound / 100 {
        let order = search.search(width: width).map { scheduled[$0] }
        guard order.count == scheduled.count else { break }
        let other = try joined(start, order, limit: limit)
        // Another order must be worth it: the file's is the one that people know.
        if other.bound < best.bound - best.bound / 100 { best = other }
        if best.bound <= limit, width == 4 { break }
      }
    }
    return try Arrangement(best, limit: limit)
  }

  /// A candidate before it is laid out.
  private struct Candidate {
    let order: [ScheduledNode]
    let placement: Placement
    /// The most bytes alive at once: with these blocks, and with the least of all ways to share them.
    let bound: Int
    var leastBound: Int
  }

  /// Joins tensors where they are made, unless that takes more memory: the whole result is there from the first
  /// operand on.
  private static func joined(_ start: Placement.Start, _ order: [ScheduledNode], limit: Int) throws -> Candidate {
    func candidate(_ apart: Set<NodeID>) throws -> Candidate {
      let placement = try Placement(start, order, apart: apart)
      let bound = try mostAlive(Arrangement.lifetimes(order, placement).all)?.byteCount ?? 0
      return Candidate(order: order, placement: placement, bound: bound, leastBound: bound)
    }
    var best = try candidate([])
    let joining = order.filter { $0.sharing == .joined }.map(\.node)
    guard !joining.isEmpty else { return best }
    let separate = try candidate(Set(joining))
    let least = min(best.bound, separate.bound)
    // A copy costs time: a little memory does not outweigh it, unless there is no more.
    var apart = Set<NodeID>()
    while best.bound > separate.bound + (best.bound > limit ? 0 : separate.bound / 50), apart.count < joining.count {
      var next: (candidate: Candidate, apart: Set<NodeID>)?
      for node in joining.prefix(64) where !apart.contains(node) {
        let tried = try candidate(apart.union([node]))
        if tried.bound < next?.candidate.bound ?? best.bound { next = (tried, apart.union([node])) }
      }
      guard let next else {
        best = separate
        break
      }
      (best, apart) = (next.candidate, next.apart)
    }
    best.leastBound = min(least, best.bound)
    return best
  }

  private init(_ candidate: Candidate, limit: Int) throws {
    order = candidate.order
    placement = candidate.placement
    let found = Arrangement.lifetimes(order, placement)
    (lifetimes, lifetimeOfBlock, lifetimeOfStep) = (found.all, found.ofBlock, found.ofStep)
    layout = try layOut(lifetimes)
    lowerBound = candidate.leastBound
  }

  private static func lifetimes(
    _ order: [ScheduledNode], _ placement: Placement
  ) -> (all: [Lifetime], ofBlock: [Int: Int], ofStep: [Int: Int]) {
    var all: [Lifetime] = []
    var (ofBlock, ofStep): ([Int: Int], [Int: Int]) = ([:], [:])
    for (index, block) in placement.blocks.enumerated() where block.parent == nil {
      ofBlock[index] = all.count
      all.append(Lifetime(byteCount: block.byteCount, first: block.first, last: block.last))
    }
    for (index, item) in order.enumerated() where item.workspace > 0 && !placement.idle.contains(index) {
      ofStep[index] = all.count
      all.append(Lifetime(byteCount: item.workspace, first: index, last: index))
    }
    return (all, ofBlock, ofStep)
  }

  func offset(ofBlock block: Int) -> Int { lifetimeOfBlock[block].map { layout.offsets[$0] } ?? 0 }
  func workspaceOffset(ofStep step: Int) -> Int { lifetimeOfStep[step].map { layout.offsets[$0] } ?? 0 }

  /// The step at which most bytes are alive.
  var peakStep: Int? { try? mostAlive(lifetimes)?.step }
}
