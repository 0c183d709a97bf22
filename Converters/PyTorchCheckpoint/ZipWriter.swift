import TensorCore

/// Writes a zip archive of stored entries whose data starts at multiples of 64, as PyTorch does. Equal entries give
/// equal bytes: there is no time in them.
///
/// Source: PKWARE's APPNOTE.
@safe struct ZipWriter {
  private struct Entry {
    var name: [UInt8]
    var checksum: UInt32
    var size: Int
    var header: Int
  }

  static let alignment = 64
  /// PyTorch marks its padding so.
  private static let paddingField: UInt16 = 0x4246

  private let write: (UnsafeRawBufferPointer) throws -> Void
  private var position = 0
  private var entries: [Entry] = []
  /// Sizes and offsets from here on go to 64-bit fields; lower in tests.
  private let wideFrom: Int

  init(wideFrom: Int = Int(UInt32.max), to write: @escaping (UnsafeRawBufferPointer) throws -> Void) {
    unsafe self.write = write
    self.wideFrom = wideFrom
  }

  /// Appends an entry whose bytes are those parts, one after the other.
  mutating func append(_ name: String, parts: [Tensor]) throws {
    var checksum: UInt32 = 0
    var size = 0
    for part in parts {
      checksum = unsafe part.withUnsafeBytes { unsafe Checksum.crc32($0, continuing: checksum) }
      size = try Checked.add(size, part.byteCount)
    }
    let entry = Entry(name: Array(name.utf8), checksum: checksum, size: size, header: position)
    try put(localHeader(entry))
    for part in parts { try unsafe part.withUnsafeBytes { try unsafe write($0) } }
    position += size
    entries.append(entry)
  }

  mutating func append(_ name: String, _ bytes: [UInt8]) throws {
    try append(name, parts: [try Tensor(bytes, [bytes.count])])
  }

  private mutating func put(_ bytes: [UInt8]) throws {
    try unsafe bytes.withUnsafeBytes { try unsafe write($0) }
    position += bytes.count
  }

  // ── Records ───────────────────────────────────────────────────────────────

  private func narrow(_ value: Int) -> UInt32 { value < wideFrom ? UInt32(truncatingIfNeeded: value) : .max }

  private func localHeader(_ entry: Entry) -> [UInt8] {
    let isWide = entry.size >= wideFrom
    var extra = [UInt8]()
    if isWide {
      extra.put(Zip.extra64)
      extra.put(UInt16(16))
      extra.put(UInt64(entry.size))
      extra.put(UInt64(entry.size))
    }
    let start = entry.header + Zip.localHeaderSize + entry.name.count + extra.count + 4
    let padding = (ZipWriter.alignment - start % ZipWriter.alignment) % ZipWriter.alignment
    extra.put(ZipWriter.paddingField)
    extra.put(UInt16(padding))
    extra += [UInt8](repeating: UInt8(ascii: "Z"), count: padding)
    var header = [UInt8]()
    header.put(Zip.localHeader)
    putCommon(entry, isWide: isWide, size: isWide ? .max : UInt32(entry.size), extra: extra.count, &header)
    return header + entry.name + extra
  }

  /// The fields that local and central headers share, from the version to the length of the extra field.
  private func putCommon(_ entry: Entry, isWide: Bool, size: UInt32, extra: Int, _ header: inout [UInt8]) {
    header.put(UInt16(isWide ? 45 : 20))
    // Names are UTF-8.
    header.put(UInt16(1 << 11))
    header.put(Zip.stored)
    // 1980-01-01, where zip's time begins.
    header.put(UInt16(0))
    header.put(UInt16(1 << 5 | 1))
    header.put(entry.checksum)
    header.put(size)
    header.put(size)
    header.put(UInt16(entry.name.count))
    header.put(UInt16(extra))
  }

  /// Writes the directory; nothing may follow.
  mutating func finish() throws {
    let start = position
    for entry in entries { try put(centralHeader(entry)) }
    let size = position - start
    let isWide = entries.count >= min(wideFrom, 0xFFFF) || start >= wideFrom || size >= wideFrom
    var end = [UInt8]()
    if isWide {
      end.put(Zip.endOfDirectory64)
      end.put(UInt64(Zip.endOfDirectory64Size - 12))
      end.put(UInt16(45))
      end.put(UInt16(45))
      end.put(UInt32(0))
      end.put(UInt32(0))
      end.put(UInt64(entries.count))
      end.put(UInt64(entries.count))
      end.put(UInt64(size))
      end.put(UInt64(start))
      end.put(Zip.locator64)
      end.put(UInt32(0))
      end.put(UInt64(position))
      end.put(UInt32(1))
    }
    let count = isWide ? UInt16.max : UInt16(entries.count)
    end.put(Zip.endOfDirectory)
    end.put(UInt16(0))
    end.put(UInt16(0))
    end.put(count)
    end.put(count)
    end.put(isWide ? .max : UInt32(size))
    end.put(isWide ? .max : UInt32(start))
    end.put(UInt16(0))
    try put(end)
  }

  private func centralHeader(_ entry: Entry) -> [UInt8] {
    let (wideSize, wideHeader) = (entry.size >= wideFrom, entry.header >= wideFrom)
    var extra = [UInt8]()
    if wideSize || wideHeader {
      extra.put(Zip.extra64)
      extra.put(UInt16((wideSize ? 16 : 0) + (wideHeader ? 8 : 0)))
      if wideSize {
        extra.put(UInt64(entry.size))
        extra.put(UInt64(entry.size))
      }
      if wideHeader { extra.put(UInt64(entry.header)) }
    }
    var header = [UInt8]()
    header.put(Zip.centralHeader)
    header.put(UInt16(45))
    putCommon(
      entry, isWide: wideSize || wideHeader, size: narrow(entry.size), extra: extra.count, &header)
    // No comment, first disk, no attributes.
    header.put(UInt16(0))
    header.put(UInt16(0))
    header.put(UInt16(0))
    header.put(UInt32(0))
    header.put(narrow(entry.header))
    return header + entry.name + extra
  }
}

extension [UInt8] {
  /// Appends a number, little-endian.
  mutating func put<Number: FixedWidthInteger>(_ number: Number) {
    for index in 0..<MemoryLayout<Number>.size { append(UInt8(truncatingIfNeeded: number >> Number(8 * index))) }
  }
}
