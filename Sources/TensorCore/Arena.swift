/// One block of memory that all intermediate tensors of a plan live in; grows, never shrinks, moves only when it grows.
@safe public struct Arena: ~Copyable, @unchecked Sendable {
  private var memory: UnsafeMutableRawPointer
  public private(set) var byteCount: Int

  /// Alignment of the block, and of every tensor that a memory layout places in it.
  public static let alignment = 64

  public init(byteCount: Int = 0) {
    self.byteCount = max(byteCount, Arena.alignment)
    unsafe memory = .allocate(byteCount: self.byteCount, alignment: Arena.alignment)
  }

  deinit { unsafe memory.deallocate() }

  /// Makes room for at least that many bytes; the content is lost when the arena grows. Throws `.limit` when the
  /// system does not give as much memory.
  public mutating func reserve(_ needed: Int) throws {
    guard needed > byteCount else { return }
    // The old block goes first, so that both need not fit.
    unsafe memory.deallocate()
    byteCount = Arena.alignment
    unsafe memory = .allocate(byteCount: byteCount, alignment: Arena.alignment)
    let larger = unsafe try allocateAligned(needed)
    unsafe memory.deallocate()
    unsafe memory = unsafe larger
    byteCount = needed
  }

  /// Fills the arena with a pattern, so that a test finds whatever reads bytes that nobody wrote.
  public func poison(_ byte: UInt8 = 0xA5) {
    unsafe memory.initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
  }

  @unsafe public var base: UnsafeMutableRawPointer { unsafe memory }
}
