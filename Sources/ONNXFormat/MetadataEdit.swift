internal import TensorCore

/// Sets entries of a model file's `metadata_props` and leaves every other byte as it is: no operator is upgraded,
/// nothing is reordered. The file ends with a new checksum of all that.
///
/// - Parameter path: the file to read. It may also be `target`.
/// - Throws: `.file` when a file cannot be read or written, `.format` when the bytes are not those of a protobuf
///   message. Whether the message is a model is not looked at.
public func setMetadata(_ entries: [String: String], ofModelAt path: String, writingTo target: String) throws {
  let storage = try TensorStorage(mapping: path)
  let file = try AtomicFile(target)
  let sink = ByteSink(file: file)
  try unsafe storage.withUnsafeBytes { bytes in
    let kept = try unsafe MetadataEdit.fieldsToKeep(bytes) { key, _ in entries[key] == nil && key != Checksum.key }
    for range in kept { unsafe sink.append(UnsafeRawBufferPointer(rebasing: bytes[range])) }
  }
  for (key, value) in entries.sorted(by: { $0.key < $1.key }) where !Checksum.isChecksum(key) {
    sink.append(entry: key, value)
  }
  sink.seal()
  _ = try sink.finish()
  try file.commit()
}

/// ModelProto seen from outside: a row of fields, of which only `metadata_props` are opened.
enum MetadataEdit {
  /// Number of `metadata_props` in ModelProto; in its entries the key is 1, the value 2.
  static let metadataField = 14

  /// Byte ranges of all fields except the metadata entries that `keeps` turns down; neighbours are joined.
  static func fieldsToKeep(
    _ bytes: UnsafeRawBufferPointer, where keeps: (_ key: String, _ value: String) -> Bool
  ) throws -> [Range<Int>] {
    var kept: [Range<Int>] = []
    var reader = unsafe WireReader(bytes, 0..<bytes.count)
    while !reader.isAtEnd {
      let start = reader.position
      let (number, wireType) = try unsafe reader.tag()
      let content = try unsafe reader.payload(wireType)
      if number == metadataField, wireType == 2, let entry = try unsafe entry(bytes, content),
        !keeps(entry.key, entry.value)
      {
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

  /// Nil without a key. Long values are of no interest here and come as the empty text.
  private static func entry(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>
  ) throws -> (key: String, value: String)? {
    var reader = unsafe WireReader(bytes, range)
    var texts: [UInt32: String] = [:]
    while !reader.isAtEnd {
      let (number, wireType) = try unsafe reader.tag()
      let content = try unsafe reader.payload(wireType)
      guard wireType == 2 else { continue }
      let isLong = number == 2 && content.count > 256
      texts[UInt32(number)] = isLong ? "" : unsafe String(decoding: bytes[content], as: UTF8.self)
    }
    return texts[1].map { ($0, texts[2] ?? "") }
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
