/// One block of memory that all intermediate tensors of a plan live in; grows, never shrinks, moves only when it grows.
@safe public struct Arena: ~Copyable, @unchecked Sendable {
  private var memory = Memory()
  public private(set) var byteCount = Arena.alignment

  /// Alignment of the block, and of every tensor that a memory layout places in it.
  public static let alignment = Memory.alignment

  public init() {}

  /// Makes room for at least that many bytes; the content is lost when the arena grows. Throws `.limit` when the
  /// system does not give as much memory.
  public mutating func reserve(_ needed: Int) throws {
    guard needed > byteCount else { return }
    // The old block goes first, so that both need not fit.
    memory = Memory()
    byteCount = Arena.alignment
    memory = try Memory(byteCount: needed, zeroed: false)
    byteCount = needed
  }

  /// Fills the arena with a pattern, so that a test finds whatever reads bytes that nobody wrote.
  public func poison(_ byte: UInt8 = 0xA5) {
    unsafe memory.base.initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
  }

  @unsafe public var base: UnsafeMutableRawPointer { unsafe memory.base }
}
