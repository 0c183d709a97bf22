import TensorCore

/// Bytes of model files as nobody's encoder would write them. Field numbers are those of `Schemas/onnx.proto`.
enum Wire {
  static let float = 1, int64 = 7, bool = 9

  static func varint(_ value: Int) -> [UInt8] {
    var rest = UInt64(bitPattern: Int64(value))
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
  static func field(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(content.count) + content
  }
  static func field(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
  static func int(_ number: Int, _ value: Int) -> [UInt8] { varint(number << 3) + varint(value) }

  static func littleEndian<Integer: FixedWidthInteger>(_ values: [Integer]) -> [UInt8] {
    values.flatMap { value in
      (0..<MemoryLayout<Integer>.size).map { UInt8(truncatingIfNeeded: value >> Integer(8 * $0)) }
    }
  }

  // ── Messages ──────────────────────────────────────────────────────────────
  static func ints(_ name: String, _ values: [Int]) -> [UInt8] {
    field(5, field(1, name) + values.flatMap { int(8, $0) } + int(20, 7))
  }
  static func int(_ name: String, _ value: Int) -> [UInt8] { field(5, field(1, name) + int(3, value) + int(20, 2)) }
  static func text(_ name: String, _ value: String) -> [UInt8] {
    field(5, field(1, name) + field(4, value) + int(20, 3))
  }
  static func graph(_ name: String, _ value: [UInt8]) -> [UInt8] {
    field(5, field(1, name) + field(6, value) + int(20, 5))
  }

  /// A node as a field of its graph.
  static func node(_ type: String, _ inputs: [String], _ outputs: [String], _ attributes: [UInt8] = []) -> [UInt8] {
    field(1, inputs.flatMap { field(1, $0) } + outputs.flatMap { field(2, $0) } + field(4, type) + attributes)
  }
  /// An initialiser as a field of its graph.
  static func tensor(_ name: String, _ type: Int, _ shape: [Int], _ raw: [UInt8]) -> [UInt8] {
    field(5, shape.flatMap { int(1, $0) } + int(2, type) + field(8, name) + field(9, raw))
  }
  static func floats(_ name: String, _ shape: [Int], _ value: Float = 1) -> [UInt8] {
    tensor(name, float, shape, littleEndian([UInt32](repeating: value.bitPattern, count: shape.reduce(1, *))))
  }
  static func integers(_ name: String, _ values: [Int], _ shape: [Int]? = nil) -> [UInt8] {
    tensor(name, int64, shape ?? [values.count], littleEndian(values))
  }
  /// An initialiser in another file.
  static func external(_ name: String, _ shape: [Int], _ keys: KeyValuePairs<String, String>) -> [UInt8] {
    let entries = keys.flatMap { field(13, field(1, $0) + field(2, $1)) }
    return field(5, shape.flatMap { int(1, $0) } + int(2, float) + field(8, name) + entries + int(14, 1))
  }

  private static func value(_ name: String, _ type: Int, _ shape: [Int]?) -> [UInt8] {
    let sizes = shape.map { field(2, $0.flatMap { field(1, int(1, $0)) }) } ?? []
    return field(1, name) + field(2, field(1, int(1, type) + sizes))
  }
  static func input(_ name: String, _ shape: [Int]?, _ type: Int = float) -> [UInt8] {
    field(11, value(name, type, shape))
  }
  static func output(_ name: String, _ shape: [Int]? = nil, _ type: Int = float) -> [UInt8] {
    field(12, value(name, type, shape))
  }

  /// A model of opset 21 with that graph.
  static func model(_ graph: [UInt8]) -> [UInt8] { int(1, 8) + field(7, field(2, "g") + graph) + field(8, int(2, 21)) }
}
