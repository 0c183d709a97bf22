import ONNXFormat
import TensorCore

/// A file of packed weights, to be mapped. All numbers are little-endian.
///
///     0   "LIGPACK1"
///     8   UInt32   CRC-32 of everything from byte 16
///     12  UInt32   0
///     16  32 bytes the key of the cache's entry
///     48  UInt64   bytes of the table
///     56  UInt64   bytes of the file
///     64  the table: for each weight the name of its constant and its form (UInt32 length, UTF-8), Int32 element
///         type, UInt64 elements, UInt64 place in the file, a multiple of 64
///     …   the weights
enum PackedFile {
  struct Item {
    let name: String
    let form: String
    let tensor: Tensor
  }

  /// Where a constant's bytes are, to find its name by.
  struct Place: Hashable {
    private let storage: ObjectIdentifier
    private let byteOffset: Int

    init(_ tensor: Tensor) {
      storage = ObjectIdentifier(tensor.storage)
      byteOffset = tensor.byteOffset
    }
  }

  private static let magic = Array("LIGPACK1".utf8)
  private static let headerSize = 64

  // ── Writing ───────────────────────────────────────────────────────────────
  static func write(_ items: [Item], key: [UInt8], to path: String) throws {
    let items = items.sorted { ($0.name, $0.form) < ($1.name, $1.form) }
    // Its size does not depend on the places, so that these follow from a table without them.
    let tableSize = table(items, places: items.map { _ in 0 }).count
    var end = aligned(headerSize + tableSize)
    var places: [Int] = []
    for item in items {
      places.append(end)
      end = aligned(end + item.tensor.byteCount)
    }
    var head = key + bytes(UInt64(tableSize)) + bytes(UInt64(end)) + table(items, places: places)
    head += [UInt8](repeating: 0, count: aligned(headerSize + tableSize) - headerSize - tableSize)
    var crc = CRC32()
    unsafe head.withUnsafeBytes { unsafe crc.append($0) }
    for item in items {
      unsafe item.tensor.withUnsafeBytes { unsafe crc.append($0) }
      unsafe padding(item).withUnsafeBytes { unsafe crc.append($0) }
    }
    let file = try AtomicFile(path)
    try write(magic + bytes(crc.value) + bytes(UInt32(0)) + head, to: file)
    for item in items {
      try unsafe item.tensor.withUnsafeBytes { try unsafe file.write($0) }
      try write(padding(item), to: file)
    }
    try file.commit()
  }

  private static func write(_ bytes: [UInt8], to file: AtomicFile) throws {
    try unsafe bytes.withUnsafeBytes { try unsafe file.write($0) }
  }

  private static func table(_ items: [Item], places: [Int]) -> [UInt8] {
    var table: [UInt8] = []
    for (item, place) in zip(items, places) {
      for text in [item.name, item.form] { table += bytes(UInt32(text.utf8.count)) + Array(text.utf8) }
      table += bytes(item.tensor.element.rawValue) + bytes(UInt64(item.tensor.count)) + bytes(UInt64(place))
    }
    return table
  }

  private static func padding(_ item: Item) -> [UInt8] {
    [UInt8](repeating: 0, count: aligned(item.tensor.byteCount) - item.tensor.byteCount)
  }

  private static func aligned(_ count: Int) -> Int { (count + 63) & ~63 }

  private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  // ── Reading ───────────────────────────────────────────────────────────────
  /// Throws `.format` for a file that is damaged, or another's.
  static func read(_ path: String, key: [UInt8]) throws -> [Item] {
    let storage = try TensorStorage(mapping: path)
    guard storage.byteCount >= headerSize else { throw damaged(path, "it is too short") }
    var reader = Reader(storage: storage, path: path, end: headerSize)
    guard try reader.bytes(8) == magic else { throw damaged(path, "it does not begin as such files do") }
    let expected = UInt32(truncatingIfNeeded: try reader.number(4))
    guard try reader.number(4) == 0, try reader.bytes(32) == key else { throw damaged(path, "it belongs to another") }
    let tableSize = try reader.number(8)
    guard try reader.number(8) == storage.byteCount, tableSize <= storage.byteCount - headerSize else {
      throw damaged(path, "its size is not what it says")
    }
    let crc = unsafe storage.withUnsafeBytes { bytes in
      var crc = CRC32()
      unsafe crc.append(UnsafeRawBufferPointer(rebasing: bytes[16...]))
      return crc.value
    }
    guard crc == expected else { throw damaged(path, "its bytes do not fit its checksum") }
    reader = Reader(storage: storage, path: path, at: headerSize, end: headerSize + tableSize)
    var items: [Item] = []
    while !reader.isAtEnd { items.append(try reader.item()) }
    return items
  }

  private static func damaged(_ path: String, _ what: String) -> LigatureError {
    LigatureError(.format, "'\(path)' is damaged: \(what)")
  }

  /// A position in the file. Every read is checked.
  private struct Reader {
    let storage: TensorStorage
    let path: String
    var at = 0
    let end: Int

    var isAtEnd: Bool { at >= end }

    mutating func bytes(_ count: Int) throws -> [UInt8] {
      guard count >= 0, count <= end - at else { throw PackedFile.damaged(path, "its table ends too early") }
      defer { at += count }
      return unsafe storage.withUnsafeBytes { unsafe Array($0[at..<at + count]) }
    }

    /// An unsigned number of that many bytes; throws for one beyond `Int.max`.
    mutating func number(_ count: Int) throws -> Int {
      let value = try bytes(count).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard let number = Int(exactly: value) else { throw PackedFile.damaged(path, "a number is too large") }
      return number
    }

    mutating func text() throws -> String { String(decoding: try bytes(number(4)), as: UTF8.self) }

    mutating func item() throws -> Item {
      let (name, form) = (try text(), try text())
      guard let code = Int32(exactly: try number(4)), let element = ElementType(rawValue: code) else {
        throw PackedFile.damaged(path, "it has weights of an unknown type")
      }
      let (count, place) = (try number(8), try number(8))
      // The kernel that asks for it compares the size.
      return Item(name: name, form: form, tensor: try Tensor(element, [count], storage: storage, byteOffset: place))
    }
  }
}
