/// How a camera was held: EXIF tag 0x0112. The raw value tells where the stored row 0 and column 0 belong.
public enum Orientation: Int, Sendable, CaseIterable {
  case upright = 1
  case mirrored = 2
  case upsideDown = 3
  case flipped = 4
  case transposed = 5
  case rightTop = 6
  case transversed = 7
  case leftBottom = 8

  public var swapsSides: Bool { rawValue >= 5 }

  /// The turns that bring the stored pixels upright, in order.
  var turns: [Turn] {
    switch self {
    case .upright: []
    case .mirrored: [.flipHorizontally]
    case .upsideDown: [.half]
    case .flipped: [.flipVertically]
    case .transposed: [.transpose]
    case .rightTop: [.clockwise]
    case .transversed: [.transpose, .half]
    case .leftBottom: [.counterclockwise]
    }
  }

  /// Reads the tag from an EXIF block (a TIFF header and its first directory); upright where there is none.
  init(exif bytes: ArraySlice<UInt8>) {
    self = TIFFReader(bytes).flatMap { $0.shortValue(ofTag: 0x0112) }.flatMap { Orientation(rawValue: $0) } ?? .upright
  }
}

/// As much of TIFF as one number of the first directory takes. Every access is checked: the bytes are a stranger's.
private struct TIFFReader {
  private let bytes: ArraySlice<UInt8>
  private let isBigEndian: Bool

  init?(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    switch Array(bytes.prefix(4)) {
    case [0x49, 0x49, 0x2A, 0]: isBigEndian = false
    case [0x4D, 0x4D, 0, 0x2A]: isBigEndian = true
    default: return nil
    }
  }

  func shortValue(ofTag tag: Int) -> Int? {
    guard let directory = integer(at: 4, size: 4), let count = integer(at: directory, size: 2) else { return nil }
    for index in 0..<count {
      let entry = directory + 2 + 12 * index
      guard let found = integer(at: entry, size: 2) else { return nil }
      guard found == tag else { continue }
      // Type 3 is an unsigned short; it lies at the start of the value field.
      guard integer(at: entry + 2, size: 2) == 3, integer(at: entry + 4, size: 4) == 1 else { return nil }
      return integer(at: entry + 8, size: 2)
    }
    return nil
  }

  /// At most 4 bytes, so offsets and sums of them stay far below `Int.max`.
  private func integer(at offset: Int, size: Int) -> Int? {
    guard offset >= 0, offset + size <= bytes.count else { return nil }
    let field = bytes[bytes.startIndex + offset..<bytes.startIndex + offset + size]
    return isBigEndian ? field.reduce(0) { $0 << 8 | Int($1) } : field.reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}
