internal import CSystem
import Glibc

/// Read-only bytes that tensors share: allocated here or mapped from a file.
/// Immutable once a `Tensor` holds it, hence safe to share between threads.
@safe public final class TensorStorage: @unchecked Sendable {
  private let memory: Memory
  /// Whether a file's pages are the bytes.
  private let isMapped: Bool
  public let byteCount: Int
  /// Whether the bytes are memory that may be written, not a file's or the system's.
  package let isWritable: Bool
  /// What makes the bytes when they are read, if they are not there.
  private let deferred: DeferredContent?

  /// Zeroed bytes, aligned to 64. Throws `.limit` when the system does not give as much memory.
  public init(byteCount: Int) throws {
    memory = try Memory(byteCount: byteCount, zeroed: true)
    isMapped = false
    self.byteCount = byteCount
    isWritable = true
    deferred = nil
  }

  /// Bytes that are made whenever they are read, and not kept: for what is read once or twice. Memory is set aside, but
  /// taken only when somebody wants an address that stays. Throws `.limit` when the system does not give as much.
  /// - Parameter fill: writes all of them, the same each time.
  package init(deferred byteCount: Int, filledBy fill: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void)
    throws
  {
    memory = try Memory(byteCount: byteCount, zeroed: false)
    isMapped = false
    self.byteCount = byteCount
    isWritable = false
    deferred = unsafe DeferredContent(byteCount: byteCount, fill: fill)
  }

  /// Whether the bytes are made when they are read.
  package var isDeferred: Bool { deferred != nil }
  /// Whether they take memory of their own: deferred ones, once their address was wanted.
  package var isKept: Bool { deferred?.isKept ?? true }

  /// Gives back the memory that deferred bytes were made in.
  package static func releaseScratch() { Scratch.clear() }

  /// Bytes that hold anything until they are written, aligned to 64: for whoever writes all of them.
  package init(uninitialized byteCount: Int) throws {
    memory = try Memory(byteCount: byteCount, zeroed: false)
    isMapped = false
    self.byteCount = byteCount
    isWritable = true
    deferred = nil
  }

  /// One zeroed scalar.
  init(scalarSize: Int) {
    memory = Memory()
    isMapped = false
    byteCount = min(scalarSize, Memory.alignment)
    isWritable = true
    deferred = nil
  }

  /// Zeros that take no memory: the system's pages, read-only. Throws `.limit` when it refuses them.
  package init(zeroPages byteCount: Int) throws {
    let size = max(byteCount, 1)
    let address = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw LigatureError(.limit, "the system has no address space for \(byteCount) bytes; make the input smaller")
    }
    memory = unsafe Memory(address, mappedByteCount: size)
    isMapped = false
    self.byteCount = size
    isWritable = false
    deferred = nil
  }

  /// A file's bytes, mapped read-only: nothing is copied, pages come in when touched. Only small files are copied.
  ///
  /// A mapped file must not become shorter while the storage lives: a program that reads on is ended by the system,
  /// with a clear message if it called `guardMappings`.
  public convenience init(mapping path: String) throws {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw LigatureError(.file, "cannot open '\(path)': \(systemErrorText()); check the name and its permissions")
    }
    try self.init(mapping: descriptor, name: path)
  }

  /// The same for a file that is already open; closes the descriptor. `path` is for messages only.
  package init(mapping descriptor: Int32, name path: String) throws {
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw LigatureError(.file, "cannot read the size of '\(path)': \(systemErrorText())")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw LigatureError(.file, "'\(path)' is not a regular file; name a file")
    }
    byteCount = Int(status.st_size)
    deferred = nil
    guard byteCount > TensorStorage.largestCopied else {
      memory = try Memory(byteCount: byteCount, zeroed: false)
      isMapped = false
      isWritable = true
      try unsafe TensorStorage.read(descriptor, to: memory.base, byteCount, path)
      return
    }
    let address = unsafe mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw LigatureError(.file, "cannot map '\(path)': \(systemErrorText())")
    }
    memory = unsafe Memory(address, mappedByteCount: byteCount)
    isMapped = true
    isWritable = false
    unsafe lig_mapping_add(address, byteCount, path)
  }

  /// Copying this much costs no more than mapping it, and a copy cannot be taken away.
  private static let largestCopied = 64 << 10

  @unsafe private static func read(
    _ descriptor: Int32, to target: UnsafeMutableRawPointer, _ byteCount: Int, _ path: String
  ) throws {
    var done = 0
    while done < byteCount {
      let count = unsafe Glibc.read(descriptor, target + done, byteCount - done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let problem = count < 0 ? systemErrorText() : "it became shorter while it was read"
        throw LigatureError(.file, "cannot read '\(path)': \(problem)")
      }
      done += count
    }
  }

  deinit {
    if isMapped { unsafe lig_mapping_remove(memory.base) }
  }

  /// Lets go of a file's pages in memory; whoever reads these bytes again gets them from the file.
  package func release(_ bytes: Range<Int>) {
    let page = 4096
    let (first, last) = ((bytes.lowerBound + page - 1) / page * page, bytes.upperBound / page * page)
    guard isMapped, first >= 0, first < last, last <= byteCount else { return }
    _ = unsafe madvise(memory.base + first, last - first, MADV_DONTNEED)
  }

  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    guard let deferred else { return try unsafe body(UnsafeRawBufferPointer(start: memory.base, count: byteCount)) }
    let base = unsafe deferred.borrow(memory.base)
    defer { unsafe deferred.release(base, memory.base) }
    return try unsafe body(UnsafeRawBufferPointer(start: base, count: byteCount))
  }

  /// Only for filling fresh storage, before any `Tensor` holds it.
  package func withUnsafeMutableBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try unsafe body(UnsafeMutableRawBufferPointer(start: memory.base, count: byteCount))
  }

  /// Address of the first byte. Valid while the storage lives.
  @unsafe package var address: UnsafeRawPointer {
    unsafe deferred?.keep(memory.base)
    return unsafe UnsafeRawPointer(memory.base)
  }
}

/// The text of the last system error of this thread.
public func systemErrorText() -> String { unsafe String(cString: strerror(errno)) }

/// From now on this program ends with a message that names the file, and with `exitCode`, when it reads what a mapped
/// file no longer has. For programs to call once: it takes the signal SIGBUS.
public func guardMappings(exitCode: Int32) { lig_mapping_guard(exitCode) }
