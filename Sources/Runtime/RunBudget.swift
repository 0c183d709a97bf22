import CKernels
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

  /// After a step, or between two. Throws `.limit` once time is over.
  package func checkTime() throws {
    guard isOver else { return }
    throw LigatureError(
      .limit, "the run takes more than \(limits.seconds) seconds; raise the limit 'seconds', or make the input smaller")
  }

  /// Whether time is over. It stays so until the next run.
  private var isOver: Bool { deadline < lig_clock() }
  private var deadline: Double { state.withLock { $0.deadline } }

  /// Runs what may take long: once time is over, kernels leave out what they have not begun, and this throws `.limit`.
  package func limiting<Result>(_ body: () throws -> Result) throws -> Result {
    let before = lig_set_deadline(deadline)
    defer { _ = lig_set_deadline(before) }
    do {
      let result = try body()
      try checkTime()
      return result
    } catch {
      // What a kernel found wrong may only be what an earlier part of it did not write.
      try checkTime()
      throw error
    }
  }

  private static func full(_ limits: Limits) -> State {
    State(deadline: lig_clock() + limits.seconds, iterationsLeft: limits.iterations)
  }
}
