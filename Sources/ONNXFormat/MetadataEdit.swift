internal import TensorCore

/// Sets entries of a model file's `metadata_props` and leaves every other byte as it is: no operator is upgraded,
/// nothing is reordered.
///
/// - Parameter path: the file to read. It may also be `target`.
/// - Throws: `.file` when a file cannot be read or written, `.format` when the bytes are not those of a protobuf
///   message. Whether the message is a model is not looked at.
public func setMetadata(_ entries: [String: String], ofModelAt path: String, writingTo target: String) throws {
  let storage = try TensorStorage(mapping: path)
  let file = try AtomicFile(target)
  try unsafe storage.withUnsafeBytes { bytes in
    for range in try unsafe MetadataEdit.fieldsToKeep(bytes, without: entries) {
      try unsafe file.write(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }
  let added = entries.sorted { $0.key < $1.key }.flatMap(MetadataEdit.encoded)
  try unsafe added.withUnsafeBytes { unsafe try file.write($0) }
  try file.commit()
}

/// ModelProto seen from outside: a row of fields, of which only `metadata_props` are opened.
enum MetadataEdit {
  /// Number of `metadata_props` in ModelProto; in its entries the key is 1, the value 2.
  static let metadataField = 14

  /// Byte ranges of all fields except metadata whose key is in `entries`; neighbours are joined.
  static func fieldsToKeep(_ bytes: UnsafeRawBufferPointer, without entries: [String: String]) throws -> [Range<Int>] {
    var kept: [Range<Int>] = []
    var reader = unsafe WireReader(bytes, 0..<bytes.count)
    while !reader.isAtEnd {
      let start = reader.position
      let (number, wireType) = try unsafe reader.tag()
      let content = try unsafe reader.payload(wireType)
      if number == metadataField, wireType == 2, let key = try unsafe key(bytes, content), entries[key] != nil {
        continue
      }
      if let last = kept.last, last.upperBound == start {
        kept[kept.count - 1] = last.lowerBound..<reader.position
      } else {
        kept.append(start..<reader.position)
      }
    }
    return kept
  }

  private static func key(_ bytes: UnsafeRawBufferPointer, _ entry: Range<Int>) throws -> String? {
    var reader = unsafe WireReader(bytes, entry)
    var key: String?
    while !reader.isAtEnd {
      let (number, wireType) = try unsafe reader.tag()
      let content = try unsafe reader.payload(wireType)
      if number == 1, wireType == 2 {
        key = unsafe String(decoding: UnsafeRawBufferPointer(rebasing: bytes[content]), as: UTF8.self)
      }
    }
    return key
  }

  /// One entry as a field of ModelProto.
  static func encoded(_ key: String, _ value: String) -> [UInt8] {
    let entry = field(1, Array(key.utf8)) + field(2, Array(value.utf8))
    return field(metadataField, entry)
  }

  private static func field(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(content.count) + content
  }

  private static func varint(_ value: Int) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}
