internal import CONNX
import Foundation
internal import TensorCore

/// Where encoded bytes go: memory, or a file that appears complete or not at all.
@safe final class ByteSink {
  private var buffer: [UInt8] = []
  private let file: AtomicFile?
  private(set) var byteCount = 0
  private var problem: (any Error)?

  init(file: AtomicFile? = nil) { self.file = file }

  func append(_ bytes: UnsafeRawBufferPointer) {
    byteCount += bytes.count
    guard problem == nil else { return }
    guard let file else {
      unsafe buffer.append(contentsOf: bytes)
      return
    }
    do {
      if buffer.count + bytes.count > 1 << 20 { try flush() }
      if bytes.count > 1 << 16 {
        try flush()
        try unsafe file.write(bytes)
      } else {
        unsafe buffer.append(contentsOf: bytes)
      }
    } catch {
      problem = error
    }
  }

  private func flush() throws {
    try unsafe buffer.withUnsafeBytes { try unsafe file?.write($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  /// The bytes in memory; empty when they went to a file, which the caller commits.
  func finish() throws -> [UInt8] {
    if let problem { throw problem }
    guard file != nil else { return buffer }
    try flush()
    return []
  }

  /// Lets protobuf-c write a message here.
  func pack(_ message: UnsafePointer<ProtobufCMessage>) throws {
    let size = unsafe protobuf_c_message_get_packed_size(message)
    guard size <= Int(Int32.max) else {
      throw LigatureError(
        .limit, "the model takes \(size) bytes, an ONNX file at most \(Int32.max); write its tensors as external data")
    }
    var target = unsafe Target()
    unsafe target.sink = Unmanaged.passUnretained(self)
    unsafe target.base.append = { base, count, data in
      guard let base = unsafe base else { return }
      let target = unsafe UnsafeMutableRawPointer(base).assumingMemoryBound(to: Target.self)
      unsafe target.pointee.sink?.takeUnretainedValue().append(UnsafeRawBufferPointer(start: data, count: count))
    }
    unsafe withUnsafeMutablePointer(to: &target) { target in
      let base = unsafe UnsafeMutableRawPointer(target).assumingMemoryBound(to: ProtobufCBuffer.self)
      _ = unsafe protobuf_c_message_pack_to_buffer(message, base)
    }
    if let problem { throw problem }
  }

  /// protobuf-c's virtual buffer, with what its function needs behind it.
  @unsafe private struct Target {
    var base = ProtobufCBuffer()
    var sink: Unmanaged<ByteSink>?
  }
}

/// A file that is written beside its place, forced to the disk and then renamed, so that readers (and maps of the old
/// content) never see half of it.
final class AtomicFile {
  private let path: String
  private let temporary: String
  private var descriptor: Int32

  init(_ path: String) throws {
    self.path = path
    temporary = "\(path).\(getpid())-\(UInt32.random(in: .min ... .max)).partial"
    descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); check the folder and its permissions")
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unsafe unlink(temporary)
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let count = unsafe Foundation.write(descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); make room and try again")
      }
      done += count
    }
  }

  /// Puts the file in its place.
  func commit() throws {
    guard fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else {
      throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); make room and try again")
    }
    close(descriptor)
    descriptor = -1
    // The rename itself lasts once the folder is on the disk.
    let folder = (path as NSString).deletingLastPathComponent
    let directory = unsafe open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }
}
