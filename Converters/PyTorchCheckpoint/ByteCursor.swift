import TensorCore

/// Reads forward through a part of some bytes; every step is checked against its end.
struct ByteCursor {
  let storage: TensorStorage
  private(set) var position: Int
  let end: Int
  /// What the bytes are, for messages.
  let what: String

  init(_ storage: TensorStorage, from start: Int, to end: Int, what: String) throws {
    guard start >= 0, start <= end, end <= storage.byteCount else {
      throw LigatureError(.format, "\(what) lies outside the file; obtain the file again")
    }
    self.storage = storage
    position = start
    self.end = end
    self.what = what
  }

  var remaining: Int { end - position }

  private func check(_ count: Int) throws {
    guard count >= 0, count <= end - position else {
      throw LigatureError(
        .format, "\(what) ends too early: \(count) bytes expected at byte \(position); obtain the file again")
    }
  }

  mutating func byte() throws -> UInt8 {
    try check(1)
    defer { position += 1 }
    return unsafe storage.address.load(fromByteOffset: position, as: UInt8.self)
  }

  /// A little-endian number.
  mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type = Number.self) throws -> Number
  {
    let size = MemoryLayout<Number>.size
    try check(size)
    defer { position += size }
    return Number(littleEndian: unsafe storage.address.loadUnaligned(fromByteOffset: position, as: Number.self))
  }

  mutating func bytes(_ count: Int) throws -> [UInt8] {
    try check(count)
    defer { position += count }
    return unsafe storage.withUnsafeBytes { unsafe Array($0[position..<position + count]) }
  }

  mutating func skip(_ count: Int) throws {
    try check(count)
    position += count
  }

  /// The bytes up to the next line feed, which is passed and not given.
  mutating func line(longest: Int = 1 << 16) throws -> [UInt8] {
    var found: [UInt8] = []
    while true {
      let next = try byte()
      if next == UInt8(ascii: "\n") { return found }
      guard found.count < longest else {
        throw LigatureError(.limit, "\(what) holds a line of more than \(longest) bytes; this is no checkpoint")
      }
      found.append(next)
    }
  }

  /// UTF-8 text of that many bytes.
  mutating func text(_ count: Int) throws -> String {
    let start = position
    guard let text = String(validating: try bytes(count), as: UTF8.self) else {
      throw LigatureError(.format, "\(what) holds a text that is not UTF-8, at byte \(start); obtain the file again")
    }
    return text
  }
}
