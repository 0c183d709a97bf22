import TensorCore

/// Turns the bytes of a fuzzer into decisions. There are always more: after the last byte come zeros, which stand for
/// the plainest choice everywhere.
struct Choices {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func byte() -> Int { rest.popFirst().map(Int.init) ?? 0 }
  mutating func pick(_ count: Int) -> Int {
    count > 256 ? (byte() << 8 | byte()) % count : byte() % max(count, 1)
  }
  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[pick(elements.count)] }
  mutating func flag() -> Bool { byte() & 1 == 1 }

  /// Mostly small, now and then where arithmetic breaks.
  mutating func integer() -> Int {
    let byte = byte()
    switch byte {
    case 0..<200: return byte % 9 - 2
    case 200..<232: return byte - 200
    default: return Choices.edges[byte % Choices.edges.count]
    }
  }

  mutating func number() -> Float {
    let byte = byte()
    return byte < 200 ? Float(byte % 17 - 4) / 4 : Choices.strange[byte % Choices.strange.count]
  }

  /// A dimension: mostly 1 to 4.
  mutating func size() -> Int {
    let byte = byte()
    switch byte {
    case 0..<220: return byte % 4 + 1
    case 220..<240: return 0
    case 240..<250: return byte - 235
    default: return [64, 1000, 1 << 20, 1 << 31, 1 << 40, 7][byte - 250]
    }
  }

  private static let edges = [
    Int.min, .max, .min + 1, .max - 1, -1, 1 << 31, -1 << 31, 1 << 32, 1 << 62, 1 << 61, 1 << 20, 65536, -128, 255, 100,
    1 << 40,
  ]
  private static let strange: [Float] = [
    .nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, -0, 1e10,
    -1e10, 2_147_483_648, -3_000_000_000, 9.3e18, 1e-20, 0.5, 1000, -1000,
  ]
}
