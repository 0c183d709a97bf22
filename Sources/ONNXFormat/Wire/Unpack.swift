internal import CONNX
import Glibc
internal import TensorCore

/// Descriptors of the messages that are read on their own.
enum Descriptors {
  // The generated globals are not Sendable; an initialised message holds the same pointer.
  @unsafe static var model: UnsafePointer<ProtobufCMessageDescriptor> {
    var message = unsafe Onnx__ModelProto()
    unsafe onnx__model_proto__init(&message)
    return unsafe message.base.descriptor
  }
  @unsafe static var tensor: UnsafePointer<ProtobufCMessageDescriptor> {
    var message = unsafe Onnx__TensorProto()
    unsafe onnx__tensor_proto__init(&message)
    return unsafe message.base.descriptor
  }
  @unsafe static var sequence: UnsafePointer<ProtobufCMessageDescriptor> {
    var message = unsafe Onnx__SequenceProto()
    unsafe onnx__sequence_proto__init(&message)
    return unsafe message.base.descriptor
  }
  @unsafe static var optional: UnsafePointer<ProtobufCMessageDescriptor> {
    var message = unsafe Onnx__OptionalProto()
    unsafe onnx__optional_proto__init(&message)
    return unsafe message.base.descriptor
  }
  @unsafe static var attribute: UnsafePointer<ProtobufCMessageDescriptor> {
    var message = unsafe Onnx__AttributeProto()
    unsafe onnx__attribute_proto__init(&message)
    return unsafe message.base.descriptor
  }
}

/// A protobuf-c message that was unpacked with bounded memory, and its release.
@safe struct Unpacked<Message>: ~Copyable {
  private let message: UnsafeMutablePointer<Message>
  private let allocator: BoundedAllocator

  /// Scans and unpacks the bytes as a message of the kind that `descriptor` describes; `Message` is its C struct.
  /// Large raw data is not unpacked: see `WireScanner`.
  init(
    _ bytes: TensorStorage, as descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
    limits: WireLimits = WireLimits()
  ) throws {
    var scanner = WireScanner(limits: limits)
    try unsafe bytes.withUnsafeBytes { try unsafe scanner.scan($0, descriptor) }
    let allocator = BoundedAllocator(limit: limits.unpackedByteCount - scanner.skeleton.count)
    let unpacked = unsafe scanner.skeleton.withUnsafeBytes { skeleton in
      unsafe withUnsafeMutablePointer(to: &allocator.table) { table in
        unsafe protobuf_c_message_unpack(
          descriptor, table, skeleton.count, skeleton.baseAddress?.assumingMemoryBound(to: UInt8.self))
      }
    }
    guard let unpacked = unsafe unpacked else {
      if allocator.wasRefused { throw limits.tooLarge }
      throw LigatureError(.format, "not an ONNX file, or damaged: its fields do not parse; obtain it again")
    }
    unsafe message = UnsafeMutableRawPointer(unpacked).assumingMemoryBound(to: Message.self)
    self.allocator = allocator
  }

  deinit {
    unsafe withUnsafeMutablePointer(to: &allocator.table) { table in
      unsafe UnsafeMutableRawPointer(message).withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) {
        unsafe protobuf_c_message_free_unpacked($0, table)
      }
    }
  }

  /// Valid while this value lives.
  @unsafe func withMessage<Result>(_ body: (UnsafePointer<Message>) throws -> Result) rethrows -> Result {
    try unsafe body(UnsafePointer(message))
  }
}

/// malloc with an upper bound on what is alive at once, in the form that protobuf-c asks for.
@safe final class BoundedAllocator {
  private static let header = 16
  private let limit: Int
  private var used = 0
  private(set) var wasRefused = false
  fileprivate(set) var table = unsafe ProtobufCAllocator()

  init(limit: Int) {
    self.limit = limit
    unsafe table.allocator_data = Unmanaged.passUnretained(self).toOpaque()
    unsafe table.alloc = { context, size in
      guard let context = unsafe context else { return nil }
      return unsafe Unmanaged<BoundedAllocator>.fromOpaque(context).takeUnretainedValue().allocate(size)
    }
    unsafe table.free = { context, pointer in
      guard let context = unsafe context else { return }
      unsafe Unmanaged<BoundedAllocator>.fromOpaque(context).takeUnretainedValue().release(pointer)
    }
  }

  private func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    let total = size.addingReportingOverflow(BoundedAllocator.header)
    guard !total.overflow, total.partialValue <= limit - used, let block = unsafe malloc(total.partialValue) else {
      wasRefused = true
      return nil
    }
    used += total.partialValue
    unsafe block.storeBytes(of: total.partialValue, as: Int.self)
    return unsafe block + BoundedAllocator.header
  }

  private func release(_ pointer: UnsafeMutableRawPointer?) {
    guard let pointer = unsafe pointer else { return }
    let block = unsafe pointer - BoundedAllocator.header
    used -= unsafe block.load(as: Int.self)
    unsafe free(block)
  }
}
