import Foundation
import Synchronization
import TensorCore
import Testing
import TrainingLoop

@Suite struct PrefetcherTests {
  @Test(arguments: [1, 2, 5]) func valuesComeInOrder(_ workers: Int) throws {
    let made = Mutex<Set<Int>>([])
    let prefetcher = Prefetcher(3..<60, workers: workers, depth: 4) { number in
      if number % 7 == 0 { Thread.sleep(forTimeInterval: 0.002) }
      made.withLock { _ = $0.insert(number) }
      return number * number
    }
    for number in 3..<60 {
      #expect(try prefetcher.next() == number * number)
      // Nobody runs ahead further than asked for.
      let furthest = made.withLock { $0.max() ?? 0 }
      #expect(furthest <= number + 4)
    }
    #expect(try prefetcher.next() == nil)
  }

  @Test func failuresComeInTheirPlace() throws {
    let prefetcher = Prefetcher(0..<9, workers: 3, depth: 9) { number in
      if number == 4 { throw LigatureError(.format, "four") }
      return number
    }
    for number in 0..<4 { #expect(try prefetcher.next() == number) }
    #expect(throws: LigatureError.self) { try prefetcher.next() }
  }

  @Test func threadsEndWithTheirReader() throws {
    final class Token: Sendable {}
    weak var seen: Token?
    do {
      let token = Token()
      seen = token
      let prefetcher = Prefetcher(0..<1_000_000, workers: 2, depth: 3) { number in
        withExtendedLifetime(token) { number }
      }
      _ = try prefetcher.next()
    }
    for _ in 0..<500 where seen != nil { Thread.sleep(forTimeInterval: 0.01) }
    #expect(seen == nil)
  }
}
