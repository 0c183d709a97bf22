import CKernels
import Foundation
import Testing

@Suite struct PoolTests {
  private final class Counts: @unchecked Sendable {
    var values: [Int]
    init(_ count: Int) { values = Array(repeating: 0, count: count) }
  }

  /// Many more threads than cores, bodies that lose their core in the middle: nothing is lost, and callers that wait
  /// sleep rather than take what the workers need.
  @Test(arguments: [2, 5, 32]) func everyIndexRunsOnceHoweverManyThreadsThereAre(threads: Int) throws {
    let pool = unsafe try #require(lig_pool_create(Int32(threads)))
    defer { unsafe lig_pool_destroy(pool) }
    let found = unsafe lig_pool_threads(pool)
    #expect(found == Int32(threads))
    let counts = Counts(64)
    for job in 0..<200 {
      unsafe counts.values.withUnsafeMutableBufferPointer { buffer in
        unsafe lig_parallel(
          pool, 64,
          { context, index, worker in
            guard let counts = unsafe context?.assumingMemoryBound(to: Int.self) else { return }
            if (index + Int(worker)) % 17 == 0 { usleep(200) }
            unsafe counts[index] += 1
          }, buffer.baseAddress)
      }
      #expect(counts.values.allSatisfy { $0 == job + 1 })
    }
  }

  /// Waiting for a slow body takes no processor time to speak of.
  @Test func theCallerSleepsWhileAWorkerIsSlow() throws {
    let pool = unsafe try #require(lig_pool_create(2))
    defer { unsafe lig_pool_destroy(pool) }
    func processorTime() -> Double {
      var usage = rusage()
      _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
    }
    let (before, start) = (processorTime(), ContinuousClock.now)
    unsafe lig_parallel(pool, 2, { _, _, _ in usleep(400_000) }, nil)
    let elapsed = start.duration(to: .now)
    #expect(elapsed >= .milliseconds(400))
    #expect(processorTime() - before < 0.3)
  }
}
