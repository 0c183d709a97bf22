internal import CONNX
internal import TensorCore

/// Bounds on what a file may ask for. Files within them decode in bounded memory and time.
struct WireLimits: Sendable {
  /// protobuf's own bound on one message.
  var byteCount = Int(Int32.max)
  /// Messages inside messages. A sub-graph costs three levels.
  var depth = 64
  /// Fields of all messages together.
  var fieldCount = 1 << 26
  /// Bytes that the messages may take while they are unpacked, apart from tensor data that stays in the file.
  var unpackedByteCount = 1_200 << 20

  var tooLarge: LigatureError {
    LigatureError(
      .limit,
      "the file's structure needs more than \(unpackedByteCount) bytes of memory; store its tensors as raw or external "
        + "data, or raise the limit 'bytes' if the file is trusted")
  }
}

/// Walks protobuf bytes along a message descriptor before anything is allocated for them, and writes a copy in which
/// - fields that the schema does not know are left out,
/// - each large `TensorProto.raw_data` is replaced by its place in the file (field `rawDataPlace`).
///
/// So protobuf-c only ever sees bytes whose nesting, lengths and wire types are known to be right, and tensor data is
/// never copied.
@safe struct WireScanner {
  /// Field number, outside the schema, that stands for raw data left in the file: two little-endian UInt64, offset
  /// and length. Files cannot smuggle it in, since unknown fields are dropped.
  static let rawDataPlace: UInt32 = 536_870_000
  /// Raw data shorter than this is copied.
  static let smallestPlace = 256

  private let limits: WireLimits
  private let tensorDescriptor: UnsafePointer<ProtobufCMessageDescriptor>
  private var fieldsLeft: Int
  private(set) var skeleton: [UInt8] = []

  init(limits: WireLimits) {
    self.limits = limits
    fieldsLeft = limits.fieldCount
    unsafe tensorDescriptor = Descriptors.tensor
  }

  /// Scans a whole message of the kind that `descriptor` describes.
  mutating func scan(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws {
    guard bytes.count <= limits.byteCount else {
      throw LigatureError(
        .limit,
        "the file has \(bytes.count) bytes, a protobuf message at most \(limits.byteCount); "
          + "keep its tensors as external data")
    }
    try unsafe message(bytes, 0..<bytes.count, descriptor, depth: 0)
  }

  private mutating func message(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
    depth: Int
  ) throws {
    guard depth < limits.depth else {
      throw LigatureError(.limit, "messages are nested more than \(limits.depth) deep at byte \(range.lowerBound)")
    }
    var reader = unsafe WireReader(bytes, range)
    var seen: UInt64 = 0
    while !reader.isAtEnd {
      let start = reader.position
      fieldsLeft -= 1
      guard fieldsLeft >= 0 else {
        throw LigatureError(.limit, "the file has more than \(limits.fieldCount) fields")
      }
      let (number, wireType) = try unsafe reader.tag()
      let payload = try unsafe reader.payload(wireType)
      guard let field = unsafe protobuf_c_message_descriptor_get_field(descriptor, number) else { continue }
      let fieldType = unsafe field.pointee.type
      try unsafe WireScanner.check(field, wireType, at: start)
      if fieldType == PROTOBUF_C_TYPE_MESSAGE {
        // A second occurrence would be merged into the first; no writer does that, and merging is where parsers fail.
        if unsafe field.pointee.label != PROTOBUF_C_LABEL_REPEATED {
          let bit = UInt64(1) << UInt64(number & 63)
          guard seen & bit == 0 else {
            throw WireScanner.broken("field \(number) occurs twice in one message", at: start)
          }
          seen |= bit
        }
        try unsafe submessage(bytes, number, payload, field, depth: depth)
      } else if wireType == 2, payload.count >= WireScanner.smallestPlace, unsafe descriptor == tensorDescriptor,
        number == 9
      {
        appendPlace(payload)
      } else {
        if fieldType == PROTOBUF_C_TYPE_STRING {
          let text = unsafe UnsafeRawBufferPointer(rebasing: bytes[payload])
          guard unsafe !text.contains(0) else { throw WireScanner.broken("a name contains a zero byte", at: start) }
        }
        guard reader.position - start <= limits.unpackedByteCount else { throw limits.tooLarge }
        unsafe skeleton.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<reader.position]))
      }
      guard skeleton.count <= limits.unpackedByteCount else { throw limits.tooLarge }
    }
  }

  private mutating func submessage(
    _ bytes: UnsafeRawBufferPointer, _ number: UInt32, _ payload: Range<Int>,
    _ field: UnsafePointer<ProtobufCFieldDescriptor>, depth: Int
  ) throws {
    guard let descriptor = unsafe field.pointee.descriptor else {
      throw LigatureError(.format, "field \(number) has no descriptor")
    }
    appendVarint(UInt64(number) << 3 | 2)
    // The length is not known yet: five bytes hold any, padded with continuation bits.
    let lengthAt = skeleton.count
    for _ in 0..<5 { skeleton.append(0) }
    let kind = unsafe descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
    try unsafe message(bytes, payload, kind, depth: depth + 1)
    var length = skeleton.count - lengthAt - 5
    for byte in 0..<5 {
      skeleton[lengthAt + byte] = UInt8(length & 0x7F) | (byte < 4 ? 0x80 : 0)
      length >>= 7
    }
  }

  private mutating func appendPlace(_ payload: Range<Int>) {
    appendVarint(UInt64(WireScanner.rawDataPlace) << 3 | 2)
    appendVarint(16)
    for value in [payload.lowerBound, payload.count] {
      for byte in 0..<8 { skeleton.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
  }

  private mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      skeleton.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    skeleton.append(UInt8(rest))
  }

  /// That a field of this type may come in this wire type: its own, or packed when it repeats.
  private static func check(
    _ field: UnsafePointer<ProtobufCFieldDescriptor>, _ wireType: UInt8, at position: Int
  ) throws {
    let expected: UInt8 =
      switch unsafe field.pointee.type {
      case PROTOBUF_C_TYPE_MESSAGE, PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES: 2
      case PROTOBUF_C_TYPE_FLOAT, PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32: 5
      case PROTOBUF_C_TYPE_DOUBLE, PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64: 1
      default: 0
      }
    if wireType == expected { return }
    if wireType == 2, unsafe field.pointee.label == PROTOBUF_C_LABEL_REPEATED { return }
    let name = unsafe String(cString: field.pointee.name)
    throw broken("field '\(name)' has wire type \(wireType) instead of \(expected)", at: position)
  }

  static func broken(_ what: String, at position: Int) -> LigatureError {
    LigatureError(
      .format, "not an ONNX file, or damaged: \(what) (byte \(position)); obtain or export the file again")
  }
}

/// A position in protobuf bytes. Every read is checked.
@safe struct WireReader {
  private let bytes: UnsafeRawBufferPointer
  private let end: Int
  private(set) var position: Int

  /// `range` lies within `bytes`.
  @unsafe init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
    unsafe self.bytes = bytes
    position = range.lowerBound
    end = range.upperBound
  }

  var isAtEnd: Bool { position >= end }

  @unsafe mutating func varint() throws -> UInt64 {
    let start = position
    var value: UInt64 = 0
    for index in 0..<10 {
      guard position < end else { throw WireScanner.broken("the data ends inside a number", at: start) }
      let byte = unsafe bytes[position]
      position += 1
      guard index < 9 || byte <= 1 else { break }
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 { return value }
    }
    throw WireScanner.broken("a number is longer than ten bytes", at: start)
  }

  @unsafe mutating func tag() throws -> (number: UInt32, wireType: UInt8) {
    let start = position
    let value = try unsafe varint()
    guard let tag = UInt32(exactly: value), tag >> 3 != 0, position - start <= 5 else {
      throw WireScanner.broken("\(value) is not a field tag", at: start)
    }
    return (tag >> 3, UInt8(tag & 7))
  }

  /// Steps over a field's content; returns where it lies (without its length prefix).
  @unsafe mutating func payload(_ wireType: UInt8) throws -> Range<Int> {
    var start = position
    switch wireType {
    case 0:
      _ = try unsafe varint()
      return start..<position
    case 1: return try fixed(8)
    case 5: return try fixed(4)
    case 2:
      let length = try unsafe varint()
      guard position - start <= 5, length <= UInt64(end - position) else {
        throw WireScanner.broken("a field of \(length) bytes reaches past the end of the data", at: start)
      }
      start = position
      position += Int(length)
      return start..<position
    default: throw WireScanner.broken("wire type \(wireType) is not used by ONNX", at: start)
    }
  }

  private mutating func fixed(_ count: Int) throws -> Range<Int> {
    guard end - position >= count else { throw WireScanner.broken("the data ends inside a number", at: position) }
    position += count
    return position - count..<position
  }
}
