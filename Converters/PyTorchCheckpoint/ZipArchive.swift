import CZlib
import TensorCore

/// The entries of a zip archive, after a strict look at its structure: the directory fills its place exactly, every
/// entry lies inside the file, none overlap, names are unique and stay inside the archive's folder.
///
/// Source: PKWARE's APPNOTE (zip64 included; encryption, several disks and methods other than deflate are refused).
struct ZipArchive {
  struct Entry {
    var name: String
    /// 0 stored, 8 deflated.
    var method: UInt16
    /// 0 when it was not computed: PyTorch can be told to leave it out.
    var checksum: UInt32
    /// Bytes in the file, and unpacked.
    var storedSize: Int
    var size: Int
    /// Where its local header starts, and its data.
    var header: Int
    var start = 0
  }

  let storage: TensorStorage
  private(set) var entries: [String: Entry] = [:]

  init(_ storage: TensorStorage) throws {
    self.storage = storage
    let directory = try ZipArchive.findDirectory(storage)
    var cursor = try ByteCursor(
      storage, from: directory.start, to: directory.end, what: "the directory of the zip archive")
    // A wrong count fails here; the table itself grows only with what is really there.
    guard directory.count <= cursor.remaining / Zip.centralHeaderSize else {
      throw ZipArchive.broken("it announces \(directory.count) entries, which its directory cannot hold")
    }
    var list: [Entry] = []
    for _ in 0..<directory.count { list.append(try ZipArchive.entry(&cursor)) }
    guard cursor.remaining == 0 else { throw ZipArchive.broken("its directory is longer than its entries") }
    for index in list.indices { try locate(&list[index], before: directory.start) }
    try ZipArchive.checkOverlap(list)
    for entry in list {
      guard entries.updateValue(entry, forKey: entry.name) == nil else {
        throw ZipArchive.broken("it holds two entries named '\(entry.name)'")
      }
    }
  }

  static func broken(_ what: String) -> LigatureError {
    LigatureError(.format, "the zip archive is damaged: \(what); obtain the file again")
  }

  /// Whether the bytes begin as a zip archive does.
  static func matches(_ storage: TensorStorage) -> Bool {
    guard var cursor = try? ByteCursor(storage, from: 0, to: storage.byteCount, what: ""),
      let mark = try? cursor.number(UInt32.self)
    else { return false }
    return mark == Zip.localHeader || mark == Zip.endOfDirectory
  }
}

// ── The directory ───────────────────────────────────────────────────────────
extension ZipArchive {
  private struct Directory {
    var start: Int
    var end: Int
    var count: Int
  }

  private static func findDirectory(_ storage: TensorStorage) throws -> Directory {
    let last = storage.byteCount - Zip.endOfDirectorySize
    // The end record may be followed by a comment of at most 65535 bytes, whose length it states.
    for position in stride(from: last, through: max(0, last - 65535), by: -1) {
      var cursor = try ByteCursor(
        storage, from: position, to: storage.byteCount, what: "the end record of the zip archive")
      guard try cursor.number(UInt32.self) == Zip.endOfDirectory else { continue }
      try cursor.skip(16)
      guard Int(try cursor.number(UInt16.self)) == cursor.remaining else { continue }
      return try directory(storage, endRecord: position)
    }
    throw LigatureError(
      .format, "the zip archive has no directory at its end: the download was probably cut off; obtain the file again")
  }

  private static func directory(_ storage: TensorStorage, endRecord position: Int) throws -> Directory {
    var cursor = try ByteCursor(storage, from: position + 4, to: storage.byteCount, what: "the end record")
    let disks = [try cursor.number(UInt16.self), try cursor.number(UInt16.self)]
    let counts = [try cursor.number(UInt16.self), try cursor.number(UInt16.self)]
    let size = try cursor.number(UInt32.self)
    let start = try cursor.number(UInt32.self)
    guard disks.allSatisfy({ $0 == 0 || $0 == .max }), counts[0] == counts[1] else {
      throw LigatureError(.unsupported, "the zip archive spans several files; join them first")
    }
    var directory = Directory(start: Int(start), end: try Checked.add(Int(start), Int(size)), count: Int(counts[0]))
    var expectedEnd = position
    if let large = try directory64(storage, before: position) {
      // A field that is not saturated has to say the same in both records, else two readers could see two archives.
      guard counts[0] == .max || directory.count == large.directory.count,
        start == .max || directory.start == large.directory.start,
        size == .max || Int(size) == large.directory.end - large.directory.start
      else { throw broken("its two end records disagree") }
      directory = large.directory
      expectedEnd = large.position
    }
    guard directory.start >= 0, directory.start <= directory.end, directory.end == expectedEnd else {
      throw broken("its directory is not where its end record says")
    }
    return directory
  }

  private static func directory64(
    _ storage: TensorStorage, before position: Int
  ) throws -> (directory: Directory, position: Int)? {
    let place = position - Zip.locator64Size
    guard place >= 0 else { return nil }
    var locator = try ByteCursor(storage, from: place, to: position, what: "the zip64 locator")
    guard try locator.number(UInt32.self) == Zip.locator64 else { return nil }
    let disk = try locator.number(UInt32.self)
    let offset = try locator.number(UInt64.self)
    let disks = try locator.number(UInt32.self)
    guard disk == 0, disks <= 1 else {
      throw LigatureError(.unsupported, "the zip archive spans several files; join them first")
    }
    guard place >= Zip.endOfDirectory64Size, offset <= UInt64(place - Zip.endOfDirectory64Size) else {
      throw broken("its zip64 end record is not where its locator says")
    }
    var record = try ByteCursor(storage, from: Int(offset), to: place, what: "the zip64 end record")
    let mark = try record.number(UInt32.self)
    let length = try record.number(UInt64.self)
    guard mark == Zip.endOfDirectory64, length == UInt64(record.remaining) else {
      throw broken("its zip64 end record is not where its locator says")
    }
    try record.skip(4)
    let recordDisks = [try record.number(UInt32.self), try record.number(UInt32.self)]
    let counts = [try record.number(UInt64.self), try record.number(UInt64.self)]
    let size = try record.number(UInt64.self)
    let start = try record.number(UInt64.self)
    guard recordDisks == [0, 0], counts[0] == counts[1], let count = Int(exactly: counts[0]),
      start <= UInt64(place), size <= UInt64(place)
    else { throw broken("its zip64 end record holds impossible numbers") }
    return (Directory(start: Int(start), end: Int(start) + Int(size), count: count), Int(offset))
  }

  private static func entry(_ cursor: inout ByteCursor) throws -> Entry {
    guard try cursor.number(UInt32.self) == Zip.centralHeader else { throw broken("its directory is cut off") }
    try cursor.skip(4)
    let flags = try cursor.number(UInt16.self)
    let method = try cursor.number(UInt16.self)
    try cursor.skip(4)
    let checksum = try cursor.number(UInt32.self)
    let stored = try cursor.number(UInt32.self)
    let size = try cursor.number(UInt32.self)
    let nameLength = Int(try cursor.number(UInt16.self))
    let extraLength = Int(try cursor.number(UInt16.self))
    let commentLength = Int(try cursor.number(UInt16.self))
    let disk = try cursor.number(UInt16.self)
    try cursor.skip(6)
    let header = try cursor.number(UInt32.self)
    let name = try cursor.text(nameLength)
    let extra = try cursor.bytes(extraLength)
    try cursor.skip(commentLength)
    try check(name: name)
    // Encrypted, patched, strongly encrypted, masked.
    guard flags & (1 | 1 << 5 | 1 << 6 | 1 << 13) == 0 else {
      throw LigatureError(.unsupported, "the entry '\(name)' of the zip archive is encrypted; decrypt it first")
    }
    guard method == Zip.stored || method == Zip.deflated else {
      throw LigatureError(
        .unsupported, "the entry '\(name)' of the zip archive is packed by method \(method); unpack and store it")
    }
    guard disk == 0 || disk == .max else { throw broken("'\(name)' is said to be in another file") }
    var wide = try Wide(extra, name: name)
    // The order is the format's: each value is there only when its 32-bit field is saturated.
    let realSize = try wide.value(for: size)
    let realStored = try wide.value(for: stored)
    let realHeader = try wide.value(for: header)
    guard method != Zip.stored || realSize == realStored else {
      throw broken("'\(name)' is stored in \(realStored) bytes and said to have \(realSize)")
    }
    return Entry(
      name: name, method: method, checksum: checksum, storedSize: realStored, size: realSize, header: realHeader)
  }

  /// The 64-bit values of an extra field.
  private struct Wide {
    private var values: [UInt64] = []
    private let name: String

    init(_ extra: [UInt8], name: String) throws {
      self.name = name
      var cursor = try ByteCursor(
        TensorStorage(copying: extra), from: 0, to: extra.count, what: "the extra field of '\(name)'")
      while cursor.remaining >= 4 {
        let kind = try cursor.number(UInt16.self)
        let length = Int(try cursor.number(UInt16.self))
        let part = cursor.position
        if kind == Zip.extra64 {
          for _ in 0..<length / 8 { values.append(try cursor.number(UInt64.self)) }
        }
        try cursor.skip(length - (cursor.position - part))
      }
    }

    mutating func value(for narrow: UInt32) throws -> Int {
      guard narrow == .max else { return Int(narrow) }
      guard !values.isEmpty, let value = Int(exactly: values.removeFirst()) else {
        throw broken("'\(name)' lacks the size or place that its entry promises")
      }
      return value
    }
  }

  /// Names are only keys here, nothing is ever unpacked to a disk; other tools are less careful.
  private static func check(name: String) throws {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard !name.isEmpty, !name.hasPrefix("/"), !name.contains("\\"), !name.contains("\0"),
      !parts.contains(".."), !parts.contains(".")
    else {
      throw LigatureError(
        .format, "the zip archive has an entry named '\(name)', which leaves its folder; do not trust this file")
    }
  }
}

// ── The entries ─────────────────────────────────────────────────────────────
extension ZipArchive {
  /// Finds an entry's data behind its local header, which has to agree with the directory.
  private func locate(_ entry: inout Entry, before limit: Int) throws {
    guard entry.header >= 0, entry.header <= limit else {
      throw ZipArchive.broken("'\(entry.name)' is said to lie at byte \(entry.header), outside the data")
    }
    var cursor = try ByteCursor(
      storage, from: entry.header, to: limit, what: "the entry '\(entry.name)' of the zip archive")
    guard try cursor.number(UInt32.self) == Zip.localHeader else {
      throw ZipArchive.broken("'\(entry.name)' is not where the directory says")
    }
    try cursor.skip(4)
    let method = try cursor.number(UInt16.self)
    try cursor.skip(16)
    let nameLength = Int(try cursor.number(UInt16.self))
    let extraLength = Int(try cursor.number(UInt16.self))
    // The sizes are zero where a data descriptor follows: only the directory's count.
    guard method == entry.method, nameLength == entry.name.utf8.count, try cursor.text(nameLength) == entry.name else {
      throw ZipArchive.broken("'\(entry.name)' and its local header disagree")
    }
    try cursor.skip(extraLength)
    guard entry.storedSize <= cursor.remaining else {
      throw ZipArchive.broken(
        "'\(entry.name)' is said to have \(entry.storedSize) bytes, \(cursor.remaining) are there")
    }
    entry.start = cursor.position
  }

  private static func checkOverlap(_ list: [Entry]) throws {
    var reached = 0
    for entry in list.sorted(by: { $0.header < $1.header }) {
      guard entry.header >= reached else { throw broken("'\(entry.name)' overlaps another entry") }
      reached = entry.start + entry.storedSize
    }
  }

  /// The bytes of an entry: in the file itself, or unpacked. Call only after the size has been found acceptable.
  ///
  /// - Throws: `.format` when the CRC-32 is wrong, or the unpacked size.
  func contents(_ entry: Entry) throws -> (storage: TensorStorage, start: Int) {
    let place = entry.method == Zip.stored ? (storage, entry.start) : (try inflate(entry), 0)
    guard entry.checksum != 0 else { return place }
    guard Checksum.crc32(place.0, from: place.1, count: entry.size) == entry.checksum else {
      throw ZipArchive.broken("the CRC-32 of '\(entry.name)' is wrong")
    }
    return place
  }

  private func inflate(_ entry: Entry) throws -> TensorStorage {
    // Deflate cannot do better than this, so a larger size is a lie.
    guard entry.size / 1032 <= entry.storedSize else {
      throw ZipArchive.broken("'\(entry.name)' cannot unpack to \(entry.size) bytes")
    }
    let result = try TensorStorage(byteCount: entry.size)
    let isWhole = unsafe result.withUnsafeMutableBytes { target in
      unsafe inflateWhole(storage.address + entry.start, entry.storedSize, into: target)
    }
    guard isWhole else { throw ZipArchive.broken("'\(entry.name)' does not unpack to \(entry.size) bytes") }
    return result
  }
}

/// Unpacks raw deflate data that has to fill the target exactly.
private func inflateWhole(
  _ source: UnsafeRawPointer, _ count: Int, into target: UnsafeMutableRawBufferPointer
) -> Bool {
  var stream = unsafe z_stream()
  guard unsafe inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
    return false
  }
  defer { unsafe inflateEnd(&stream) }
  // zlib counts in 32 bits.
  let chunk = 1 << 30
  var (read, written) = (0, 0)
  while true {
    let (input, output) = (min(chunk, count - read), min(chunk, target.count - written))
    unsafe stream.next_in = UnsafeMutablePointer(
      mutating: (source + read).assumingMemoryBound(to: UInt8.self))
    unsafe stream.avail_in = UInt32(input)
    unsafe stream.next_out = target.baseAddress.map { unsafe ($0 + written).assumingMemoryBound(to: UInt8.self) }
    unsafe stream.avail_out = UInt32(output)
    let status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
    let taken = unsafe input - Int(stream.avail_in)
    let made = unsafe output - Int(stream.avail_out)
    read += taken
    written += made
    if status == Z_STREAM_END { return written == target.count && read == count }
    guard status == Z_OK || status == Z_BUF_ERROR, taken + made > 0 else { return false }
  }
}

enum Checksum {
  /// CRC-32 as zip has it.
  static func crc32(_ storage: TensorStorage, from start: Int, count: Int) -> UInt32 {
    unsafe storage.withUnsafeBytes { bytes in
      unsafe crc32(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
    }
  }

  static func crc32(_ bytes: UnsafeRawBufferPointer, continuing checksum: UInt32 = 0) -> UInt32 {
    // zlib takes a null pointer as the wish to start anew.
    guard let base = bytes.baseAddress else { return checksum }
    return unsafe UInt32(
      truncatingIfNeeded: crc32_z(UInt(checksum), base.assumingMemoryBound(to: UInt8.self), bytes.count))
  }
}
