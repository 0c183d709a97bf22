import FoundationEssentials
import Glibc

/// A lock whose holders can wait for each other.
@safe package final class Monitor: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  package init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  package func lock() { unsafe pthread_mutex_lock(mutex) }
  package func unlock() { unsafe pthread_mutex_unlock(mutex) }

  package func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
    lock()
    defer { unlock() }
    return try body()
  }

  /// For the holder: gives the lock away until somebody calls `broadcast`, or for no reason.
  package func wait() { unsafe pthread_cond_wait(condition, mutex) }
  package func broadcast() { unsafe pthread_cond_broadcast(condition) }
}

private final class ThreadBody {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs that on a thread of its own, which ends with it. Throws `.limit` when the system gives none.
package func startThread(stackSize: Int, _ body: @escaping @Sendable () -> Void) throws {
  var attributes = pthread_attr_t()
  unsafe pthread_attr_init(&attributes)
  defer { unsafe pthread_attr_destroy(&attributes) }
  unsafe pthread_attr_setstacksize(&attributes, stackSize)
  unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  let holder = unsafe Unmanaged.passRetained(ThreadBody(body))
  var thread = pthread_t()
  let problem = unsafe pthread_create(
    &thread, &attributes,
    { argument in
      if let argument = unsafe argument { unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
      return nil
    }, holder.toOpaque())
  guard problem == 0 else {
    unsafe holder.release()
    throw LigatureError(.limit, "the system gives no thread: \(unsafe String(cString: strerror(problem)))")
  }
}

/// A number as C's `printf` writes it.
/// - Parameter format: of one double, as `%.3g`.
package func printed(_ value: Double, _ format: String) -> String {
  unsafe withVaList([value]) { list in
    let text = unsafe [UInt8](unsafeUninitializedCapacity: 400) { buffer, count in
      let written = unsafe buffer.withMemoryRebound(to: CChar.self) {
        unsafe vsnprintf($0.baseAddress, $0.count, format, list)
      }
      count = min(max(Int(written), 0), buffer.count - 1)
    }
    return String(decoding: text, as: UTF8.self)
  }
}
