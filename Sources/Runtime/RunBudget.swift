import Glibc
import Synchronization
package import TensorCore

/// What a run may still take of time and iterations. One is shared by everything that takes part in a run, so that
/// loops inside loops, and plans after plans, count together.
package final class RunBudget: Sendable {
  private struct State {
    var deadline: Double
    var iterationsLeft: Int
  }
  package let limits: Limits
  private let state: Mutex<State>

  package init(_ limits: Limits) {
    self.limits = limits
    state = Mutex(RunBudget.full(limits))
  }

  /// A new run begins.
  package func restart() { state.withLock { $0 = RunBudget.full(limits) } }

  /// Before each iteration of a loop. Throws `.limit` once there were too many, or time is over.
  package func iterate() throws {
    let isOver = state.withLock { state in
      state.iterationsLeft -= 1
      return state.iterationsLeft < 0
    }
    guard !isOver else {
      throw LigatureError(
        .limit,
        "loops take more than \(limits.iterations) iterations together; raise the limit 'iterations' if that is meant")
    }
    try checkTime()
  }

  /// Between steps. Throws `.limit` once time is over.
  package func checkTime() throws {
    guard state.withLock({ $0.deadline }) < RunBudget.now else { return }
    throw LigatureError(
      .limit, "the run takes more than \(limits.seconds) seconds; raise the limit 'seconds', or make the input smaller")
  }

  private static func full(_ limits: Limits) -> State {
    State(deadline: now + limits.seconds, iterationsLeft: limits.iterations)
  }

  /// Seconds of a clock that is read in a few nanoseconds, and only moves every few milliseconds.
  private static var now: Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
