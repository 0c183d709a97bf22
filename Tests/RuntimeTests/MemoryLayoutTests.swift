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

  @Test func overflowIsAnError() {
    let huge = Lifetime(byteCount: .max - 10, first: 0, last: 0)
    #expect(throws: LigatureError.self) { try layOut([huge]) }
    let large = Lifetime(byteCount: .max / 2, first: 0, last: 0)
    #expect(throws: LigatureError.self) { try layOut([large, large, large]) }
  }
}
