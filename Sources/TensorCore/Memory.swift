import Glibc

/// A block of bytes, aligned to 64, that goes back to the system with its owner.
///
/// Large blocks are pages of the system's own, huge ones where it has them: they need no zeroing, and the first touch
/// of a huge page costs one fault where its small pages would cost five hundred. Small blocks come from the heap,
/// which has them at hand when blocks of a size come and go with every run.
@safe struct Memory: ~Copyable, @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  /// What `munmap` takes; 0 for a block of the heap.
  private let mappedByteCount: Int

  static let alignment = 64
  /// Of Linux on x86-64, and on arm64 with pages of 4 KiB; elsewhere the advice below is of no use, and no harm.
  private static let hugePage = 2 << 20

  /// What `mmap` gave, or a block of the heap if 0 bytes are mapped.
  @unsafe init(_ base: UnsafeMutableRawPointer, mappedByteCount: Int) {
    unsafe self.base = base
    self.mappedByteCount = mappedByteCount
  }

  /// 64 zeroed bytes.
  init() {
    // Swift ends the program where there is not even this. Blocks of such an alignment are C's.
    unsafe self.init(.allocate(byteCount: Memory.alignment, alignment: Memory.alignment), mappedByteCount: 0)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: Memory.alignment)
  }

  /// At least 64 bytes. Sizes may come from files, so that a refusal is an error (`.limit`), not the end of the program.
  init(byteCount: Int, zeroed: Bool) throws {
    if byteCount >= Memory.hugePage {
      try self.init(pages: byteCount)
      return
    }
    var memory: UnsafeMutableRawPointer?
    let size = max(byteCount, Memory.alignment)
    guard byteCount >= 0, unsafe posix_memalign(&memory, Memory.alignment, size) == 0, let memory = unsafe memory else {
      throw Memory.refusal(byteCount)
    }
    if zeroed { unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: size) }
    unsafe self.init(memory, mappedByteCount: 0)
  }

  /// Fresh, hence zeroed, pages.
  private init(pages byteCount: Int) throws {
    var size = try Checked.add(byteCount, 4095) & ~4095
    // A last part that nearly fills a huge page may have one.
    let rest = size % Memory.hugePage
    if rest > Memory.hugePage / 4 * 3 { size = try Checked.add(size, Memory.hugePage - rest) }
    // Room to begin at a huge page's boundary; what lies before and behind goes back at once.
    let room = try Checked.add(size, Memory.hugePage)
    let mapped = unsafe mmap(nil, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw Memory.refusal(byteCount) }
    let skipped = (Memory.hugePage - Int(bitPattern: mapped) % Memory.hugePage) % Memory.hugePage
    let start = unsafe mapped + skipped
    if skipped > 0 { unsafe munmap(mapped, skipped) }
    if room > skipped + size { unsafe munmap(start + size, room - skipped - size) }
    _ = unsafe madvise(start, size, 14)  // MADV_HUGEPAGE; a kernel without them refuses, which is fine
    unsafe self.init(start, mappedByteCount: size)
  }

  deinit {
    if mappedByteCount == 0 { unsafe free(base) } else { unsafe munmap(base, mappedByteCount) }
  }

  private static func refusal(_ byteCount: Int) -> LigatureError {
    LigatureError(.limit, "the system has no memory for \(byteCount) bytes; make the input smaller")
  }
}
