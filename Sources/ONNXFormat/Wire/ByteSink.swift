internal import CONNX
internal import TensorCore

/// Where encoded bytes go: memory, or a file that appears complete or not at all.
@safe final class ByteSink {
  private var buffer: [UInt8] = []
  private let file: AtomicFile?
  private(set) var byteCount = 0
  /// Of all bytes so far.
  private(set) var checksum = CRC32()
  private var problem: (any Error)?

  init(file: AtomicFile? = nil) { self.file = file }

  func append(_ bytes: UnsafeRawBufferPointer) {
    byteCount += bytes.count
    unsafe checksum.append(bytes)
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
    // Room for the checksum is left.
    guard size <= Int(Int32.max) - 4096 else {
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
