import CKernels

/// The threads that kernels share their work on. Results do not depend on how many there are.
@safe public final class ThreadPool: @unchecked Sendable {
  public let threads: Int
  /// `lig_pool *`; nil for a single thread.
  @unsafe package let handle: OpaquePointer?

  /// - Parameter threads: the calling thread included; clamped to 1...256. Default: `AvailableCores.count`.
  public init(threads: Int = AvailableCores.count) {
    let wanted = min(max(threads, 1), 256)
    unsafe handle = wanted == 1 ? nil : lig_pool_create(Int32(wanted))
    self.threads = unsafe Int(lig_pool_threads(handle))
  }

  deinit { unsafe lig_pool_destroy(handle) }
}
