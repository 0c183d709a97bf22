internal import TensorCore

/// Makes values ahead on threads of its own, and hands them out in order. At most `depth` wait.
///
/// Each value depends on its number alone, hence not on how many threads there are.
package final class Prefetcher<Value: Sendable>: Sendable {
  private let shared: Shared

  /// What the threads hold: they end by themselves once the prefetcher is gone.
  private final class Shared: @unchecked Sendable {
    let condition = Monitor()
    // All below is guarded by the condition's lock.
    var ready: [Int: Result<Value, any Error>] = [:]
    /// The next to be made, and the next to be taken.
    var made: Int
    var taken: Int
    var isClosed = false
    /// Why no thread makes values.
    var problem: (any Error)?
    let end: Int
    let depth: Int
    let make: @Sendable (Int) throws -> Value

    init(_ range: Range<Int>, depth: Int, make: @escaping @Sendable (Int) throws -> Value) {
      (made, taken, end) = (range.lowerBound, range.lowerBound, range.upperBound)
      self.depth = depth
      self.make = make
    }

    func work() {
      while let number = claim() {
        let result = Result { try make(number) }
        condition.withLock {
          ready[number] = result
          condition.broadcast()
        }
      }
    }

    private func claim() -> Int? {
      condition.withLock {
        while !isClosed, made < end, made >= taken + depth { condition.wait() }
        guard !isClosed, made < end else { return nil }
        defer { made += 1 }
        return made
      }
    }
  }

  /// - Parameter range: the numbers of the values, in the order of `next`.
  package init(_ range: Range<Int>, workers: Int, depth: Int, make: @escaping @Sendable (Int) throws -> Value) {
    let shared = Shared(range, depth: max(depth, 1), make: make)
    self.shared = shared
    for index in 0..<max(workers, 1) {
      do { try startThread(stackSize: 8 << 20) { shared.work() } } catch {
        // Fewer do the same work.
        if index == 0 { shared.condition.withLock { shared.problem = error } }
        break
      }
    }
  }

  deinit {
    shared.condition.withLock {
      shared.isClosed = true
      shared.condition.broadcast()
    }
  }

  /// The next value; nil after the last. Throws what making it threw.
  package func next() throws -> Value? {
    let shared = shared
    return try shared.condition.withLock { () -> Result<Value, any Error>? in
      guard shared.taken < shared.end else { return nil }
      while true {
        if let result = shared.ready.removeValue(forKey: shared.taken) {
          shared.taken += 1
          shared.condition.broadcast()
          return result
        }
        if let problem = shared.problem { throw problem }
        shared.condition.wait()
      }
    }?.get()
  }

  /// How many values are ready: 0 means that the reader waits for data.
  package var readyCount: Int { shared.condition.withLock { shared.ready.count } }
}
