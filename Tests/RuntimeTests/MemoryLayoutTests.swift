import Runtime
import TensorCore
import Testing

@Suite struct MemoryLayoutTests {
  @Test func blocksAliveTogetherNeverOverlap() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      let lifetimes = (0..<60).map { _ in
        let first = Int.random(in: 0..<100, using: &generator)
        return Lifetime(
          byteCount: Int.random(in: 0...5000, using: &generator), first: first,
          last: first + Int.random(in: 0..<20, using: &generator))
      }
      let layout = try layOut(lifetimes)
      for (i, a) in lifetimes.enumerated() {
        #expect(layout.offsets[i] % Arena.alignment == 0)
        #expect(layout.offsets[i] + a.byteCount <= layout.byteCount)
        for (j, b) in lifetimes.enumerated() where i < j && a.first <= b.last && b.first <= a.last {
          let apart =
            layout.offsets[i] + a.byteCount <= layout.offsets[j] || layout.offsets[j] + b.byteCount <= layout.offsets[i]
          #expect(apart || a.byteCount == 0 || b.byteCount == 0)
        }
      }
      #expect(layout.byteCount >= layout.lowerBound)
    }
  }

  @Test func chainsNeedTwoBlocks() throws {
    let chain = (0..<10).map { Lifetime(byteCount: 640, first: $0, last: $0 + 1) }
    let layout = try layOut(chain)
    #expect(layout.byteCount == 1280)
    #expect(layout.lowerBound == 1280)
  }

  /// Six blocks and fewer: no order of placing them gives a smaller arena by more than a tenth.
  @Test func tinyCasesAreNearTheOptimum() throws {
    var random = SplitMix64(1)
    for _ in 0..<60 {
      let lifetimes = (0..<(2 + random.below(5))).map { _ in
        let first = random.below(6)
        return Lifetime(byteCount: 64 * (1 + random.below(9)), first: first, last: first + random.below(4))
      }
      let layout = try layOut(lifetimes)
      var best = Int.max
      permute(Array(lifetimes.indices)) { best = min(best, firstFit(lifetimes, $0)) }
      #expect(Double(layout.byteCount) <= 1.1 * Double(best), "\(lifetimes)")
      #expect(layout.byteCount >= best)
    }
  }

  /// Lifetimes as networks have them: most short, some long, sizes over three orders of magnitude.
  @Test func randomLifetimesAreNearTheBound() throws {
    var random = SplitMix64(2)
    for _ in 0..<30 {
      let lifetimes = (0..<120).map { index in
        let span = random.below(6) == 0 ? random.below(60) : random.below(4)
        return Lifetime(byteCount: 64 << random.below(10), first: index, last: index + span)
      }
      let layout = try layOut(lifetimes)
      #expect(Double(layout.byteCount) <= 1.1 * Double(layout.lowerBound))
    }
  }

  /// The arena when each block goes to the lowest place that is free, in that order.
  private func firstFit(_ lifetimes: [Lifetime], _ order: [Int]) -> Int {
    var offsets: [Int: Int] = [:]
    var end = 0
    for index in order {
      let a = lifetimes[index]
      let others = offsets.filter { other, _ in
        a.first <= lifetimes[other].last && lifetimes[other].first <= a.last
      }.sorted { $0.value < $1.value }
      var offset = 0
      for (other, start) in others where start < offset + a.byteCount {
        offset = max(offset, start + lifetimes[other].byteCount)
      }
      offsets[index] = offset
      end = max(end, offset + a.byteCount)
    }
    return end
  }

  private func permute(_ items: [Int], _ done: [Int] = [], _ body: ([Int]) -> Void) {
    if items.isEmpty { body(done) }
    for (index, item) in items.enumerated() {
      var rest = items
      rest.remove(at: index)
      permute(rest, done + [item], body)
    }
  }

  @Test func overflowIsAnError() {
    let huge = Lifetime(byteCount: .max - 10, first: 0, last: 0)
    #expect(throws: LigatureError.self) { try layOut([huge]) }
    let large = Lifetime(byteCount: .max / 2, first: 0, last: 0)
    #expect(throws: LigatureError.self) { try layOut([large, large, large]) }
  }
}
