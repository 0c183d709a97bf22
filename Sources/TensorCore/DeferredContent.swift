import Synchronization

/// What makes the bytes of a storage whenever they are read, as scaled weights from a file's: those who pack them read
/// them once, and nothing need keep them.
///
/// Readers for a while share memory that is lent to them, mostly the same for one storage after the other. Who needs an
/// address that stays gets memory that keeps the bytes from then on.
@safe final class DeferredContent: Sendable {
  typealias Fill = @Sendable (UnsafeMutableRawBufferPointer) -> Void

  private struct State: ~Copyable {
    var isKept = false
    var readers = 0
    var lent: Scratch.Block?
  }
  private let byteCount: Int
  private let fill: Fill
  private let state = Mutex(State())

  init(byteCount: Int, fill: @escaping Fill) {
    self.byteCount = byteCount
    unsafe self.fill = fill
  }

  /// Where the bytes are until `release`.
  /// - Parameter own: memory of the storage, untouched until it keeps the bytes.
  @unsafe func borrow(_ own: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    let lent = state.withLock { state -> UInt? in
      if state.isKept { return nil }
      if state.readers == 0 {
        guard let block = Scratch.take(byteCount) else {
          unsafe fill(UnsafeMutableRawBufferPointer(start: own, count: byteCount))
          state.isKept = true
          return nil
        }
        unsafe fill(UnsafeMutableRawBufferPointer(start: block.memory.base, count: byteCount))
        state.lent = consume block
      }
      state.readers += 1
      guard let base = unsafe state.lent?.memory.base else { return nil }
      return UInt(bitPattern: base)
    }
    return unsafe lent.flatMap { unsafe UnsafeMutableRawPointer(bitPattern: $0) } ?? own
  }

  /// Ends what `borrow` began.
  @unsafe func release(_ borrowed: UnsafeMutableRawPointer, _ own: UnsafeMutableRawPointer) {
    guard unsafe borrowed != own else { return }
    state.withLock { state in
      state.readers -= 1
      if state.readers == 0, let block = state.lent.take() { Scratch.give(block) }
    }
  }

  /// Makes `own` keep the bytes from now on.
  @unsafe func keep(_ own: UnsafeMutableRawPointer) {
    state.withLock { state in
      guard !state.isKept else { return }
      unsafe fill(UnsafeMutableRawBufferPointer(start: own, count: byteCount))
      state.isKept = true
    }
  }

  /// Whether the bytes take memory of their own.
  var isKept: Bool { state.withLock { $0.isKept } }
}

/// A block that deferred contents are made in, one after the other: memory that was just written is in the caches, fresh
/// memory would have to be had from the system each time.
enum Scratch {
  struct Block: ~Copyable, Sendable {
    let memory: Memory
    let byteCount: Int
  }
  private static let kept = Mutex<Block?>(nil)

  /// Nil where the system has no memory left.
  static func take(_ byteCount: Int) -> Block? {
    if let block = kept.withLock({ $0.take() }), block.byteCount >= byteCount { return block }
    guard let memory = try? Memory(byteCount: byteCount, zeroed: false) else { return nil }
    return Block(memory: memory, byteCount: byteCount)
  }

  static func give(_ block: consuming Block) {
    var block: Block? = consume block
    kept.withLock { kept in
      if kept?.byteCount ?? 0 < block?.byteCount ?? 0 { kept = block.take() }
    }
  }

  static func clear() { kept.withLock { $0 = nil } }
}
