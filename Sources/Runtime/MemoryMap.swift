public import GraphIR

/// What lies where in the arena of a plan, and when. Steps are places in `order`.
public struct MemoryMap: Sendable {
  /// A tensor, or the workspace of a step, for as long as its bytes are there.
  public struct Tenant: Sendable {
    /// `nil` for a workspace.
    public let value: ValueID?
    /// The node that makes the tensor, or whose workspace it is.
    public let node: NodeID
    public let offset: Int
    public let byteCount: Int
    public let first: Int
    public let last: Int
  }
  /// A stretch of the arena that is taken from step `first` to step `last`, both included: by one tensor, by several
  /// that overwrite each other, or by those that were joined to one.
  public struct Block: Sendable {
    public let offset: Int
    public let byteCount: Int
    public let first: Int
    public let last: Int
    /// In the order that they come to be in.
    public let tenants: [Tenant]
  }

  /// All nodes of the plan in the order that they run in; those that have nothing to do are among them.
  public let order: [NodeID]
  /// The steps with nothing to do: their results are views, or were made where they belong.
  public let idle: Set<Int>
  public let blocks: [Block]
  /// Bytes needed at once, at each step.
  public let alive: [Int]
  /// The step at which most bytes are needed.
  public let peakStep: Int

  init?(_ graph: Graph, _ arrangement: Arrangement) {
    let (scheduled, placement) = (arrangement.order, arrangement.placement)
    guard let lastStep = scheduled.indices.last else { return nil }
    order = scheduled.map(\.node)
    idle = placement.idle
    var blocks: [Block] = []
    for (index, block) in placement.blocks.enumerated() where block.parent == nil && block.byteCount > 0 {
      let last = min(block.last, lastStep)
      let offset = arrangement.offset(ofBlock: index)
      blocks.append(
        Block(
          offset: offset, byteCount: block.byteCount, first: block.first, last: last,
          tenants: MemoryMap.tenants(placement.tenants(ofBlock: index), offset, last, order)))
    }
    for (index, item) in scheduled.enumerated() where item.workspace > 0 && !placement.idle.contains(index) {
      let offset = arrangement.workspaceOffset(ofStep: index)
      let workspace = Tenant(
        value: nil, node: item.node, offset: offset, byteCount: item.workspace, first: index, last: index)
      blocks.append(
        Block(offset: offset, byteCount: item.workspace, first: index, last: index, tenants: [workspace]))
    }
    self.blocks = blocks
    var alive = [Int](repeating: 0, count: scheduled.count + 1)
    for block in blocks {
      alive[block.first] += block.byteCount
      alive[block.last + 1] -= block.byteCount
    }
    for index in 1..<alive.count { alive[index] += alive[index - 1] }
    alive.removeLast()
    peakStep = alive.firstIndex(of: alive.max() ?? 0) ?? 0
    self.alive = alive
  }

  /// Each is there until another takes its place.
  private static func tenants(
    _ all: [Placement.Tenant], _ offset: Int, _ last: Int, _ order: [NodeID]
  ) -> [Tenant] {
    let made = all.filter { !$0.isView && $0.byteCount > 0 }.sorted { ($0.first, $0.offset) < ($1.first, $1.offset) }
    return made.enumerated().map { index, tenant in
      let range = tenant.offset..<tenant.offset + tenant.byteCount
      let next = made[(index + 1)...].first {
        $0.first > tenant.first && range.overlaps($0.offset..<$0.offset + $0.byteCount)
      }
      return Tenant(
        value: tenant.value, node: order[min(tenant.first, order.count - 1)], offset: offset + tenant.offset,
        byteCount: tenant.byteCount, first: tenant.first, last: next.map { $0.first - 1 } ?? last)
    }
  }
}

extension MemoryMap {
  /// What is there at a step, the largest first.
  public func tenants(at step: Int) -> [Tenant] {
    blocks.flatMap(\.tenants).filter { $0.first <= step && step <= $0.last }
      .sorted { ($1.byteCount, $0.offset) < ($0.byteCount, $1.offset) }
  }
}
