import Foundation

/// Read-only bytes that tensors share: allocated here or mapped from a file.
/// Immutable once a `Tensor` holds it, hence safe to share between threads.
@safe public final class TensorStorage: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  public let byteCount: Int
  private let isMapped: Bool

  /// Zeroed bytes, aligned to 64. Throws `.limit` when the system does not give as much memory.
  public init(byteCount: Int) throws {
    unsafe base = try allocateAligned(byteCount)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: max(byteCount, 64))
    self.byteCount = byteCount
    isMapped = false
  }

  /// Whether the bytes are memory that may be written, not a file's or the system's.
  package var isWritable: Bool { !isMapped }

  /// One zeroed scalar.
  init(scalarSize: Int) {
    unsafe base = .allocate(byteCount: 64, alignment: 64)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    byteCount = min(scalarSize, 64)
    isMapped = false
  }

  /// Zeros that take no memory: the system's pages, read-only. Throws `.limit` when it refuses them.
  package init(zeroPages byteCount: Int) throws {
    let address = unsafe mmap(nil, max(byteCount, 1), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw LigatureError(.limit, "the system has no address space for \(byteCount) bytes; make the input smaller")
    }
    unsafe base = address
    self.byteCount = max(byteCount, 1)
    isMapped = true
  }

  /// A file's bytes, mapped read-only: nothing is copied, pages come in when touched.
  /// The file must not be truncated while the storage lives.
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
    guard byteCount > 0 else {
      unsafe base = .allocate(byteCount: 64, alignment: 64)
      isMapped = false
      return
    }
    let address = unsafe mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw LigatureError(.file, "cannot map '\(path)': \(systemErrorText())")
    }
    unsafe base = address
    isMapped = true
  }

  deinit {
    if isMapped {
      unsafe munmap(base, byteCount)
    } else {
      unsafe base.deallocate()
    }
  }

  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try unsafe body(UnsafeRawBufferPointer(start: base, count: byteCount))
  }

  /// Only for filling fresh storage, before any `Tensor` holds it.
  package func withUnsafeMutableBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try unsafe body(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
  }

  /// Address of the first byte. Valid while the storage lives.
  @unsafe package var address: UnsafeRawPointer { unsafe UnsafeRawPointer(base) }
}

/// At least 64 bytes, aligned to 64; released with `deallocate()`. Sizes may come from files, so that a refusal is an
/// error here, not the end of the program.
@unsafe func allocateAligned(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
  var memory: UnsafeMutableRawPointer?
  guard byteCount >= 0, unsafe posix_memalign(&memory, 64, max(byteCount, 64)) == 0, let memory = unsafe memory else {
    throw LigatureError(.limit, "the system has no memory for \(byteCount) bytes; make the input smaller")
  }
  return unsafe memory
}

/// The text of the last system error of this thread.
public func systemErrorText() -> String { unsafe String(cString: strerror(errno)) }
