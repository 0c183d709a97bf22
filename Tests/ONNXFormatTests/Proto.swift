import GraphIR
import ONNXFormat

/// Protobuf bytes, written by hand: independent of the encoder under test, and able to say what no sound encoder says.
struct Proto {
  var bytes: [UInt8] = []

  init(_ build: (inout Proto) -> Void = { _ in }) { build(&self) }

  mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
  mutating func tag(_ field: Int, _ wireType: Int) { varint(UInt64(field) << 3 | UInt64(wireType)) }
  mutating func int(_ field: Int, _ value: Int) {
    tag(field, 0)
    varint(UInt64(bitPattern: Int64(value)))
  }
  mutating func float(_ field: Int, _ value: Float) {
    tag(field, 5)
    bytes += littleEndian(value.bitPattern)
  }
  mutating func data(_ field: Int, _ content: [UInt8]) {
    tag(field, 2)
    varint(UInt64(content.count))
    bytes += content
  }
  mutating func text(_ field: Int, _ content: String) { data(field, Array(content.utf8)) }
  mutating func message(_ field: Int, _ content: Proto) { data(field, content.bytes) }
}

func littleEndian<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
  (0..<MemoryLayout<Integer>.size).map { UInt8(truncatingIfNeeded: value >> Integer(8 * $0)) }
}

func floatBytes(_ values: [Float]) -> [UInt8] { values.flatMap { littleEndian($0.bitPattern) } }
func int64Bytes(_ values: [Int]) -> [UInt8] { values.flatMap { littleEndian(Int64($0)) } }

// ── ONNX's messages ─────────────────────────────────────────────────────────
enum ONNX {
  static let float = 1, int64 = 7, bool = 9

  enum Value {
    case float(Float), int(Int), string(String), ints([Int]), floats([Float]), tensor(Proto), graph(Proto)
    case reference(String, kind: Int)
  }

  static func attribute(_ name: String, _ value: Value) -> Proto {
    Proto { proto in
      proto.text(1, name)
      switch value {
      case .float(let value):
        proto.float(2, value)
        proto.int(20, 1)
      case .int(let value):
        proto.int(3, value)
        proto.int(20, 2)
      case .string(let value):
        proto.text(4, value)
        proto.int(20, 3)
      case .tensor(let value):
        proto.message(5, value)
        proto.int(20, 4)
      case .graph(let value):
        proto.message(6, value)
        proto.int(20, 5)
      case .floats(let values):
        for value in values { proto.float(7, value) }
        proto.int(20, 6)
      case .ints(let values):
        for value in values { proto.int(8, value) }
        proto.int(20, 7)
      case .reference(let target, let kind):
        proto.text(21, target)
        proto.int(20, kind)
      }
    }
  }

  static func node(
    _ type: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "",
    _ attributes: KeyValuePairs<String, Value> = [:]
  ) -> Proto {
    Proto { proto in
      for input in inputs { proto.text(1, input) }
      for output in outputs { proto.text(2, output) }
      if !name.isEmpty { proto.text(3, name) }
      proto.text(4, type)
      for (name, value) in attributes { proto.message(5, attribute(name, value)) }
      if !domain.isEmpty { proto.text(7, domain) }
    }
  }

  static func tensor(_ name: String, _ type: Int, _ shape: [Int], _ fill: (inout Proto) -> Void) -> Proto {
    Proto { proto in
      for size in shape { proto.int(1, size) }
      proto.int(2, type)
      if !name.isEmpty { proto.text(8, name) }
      fill(&proto)
    }
  }
  static func floats(_ name: String, _ values: [Float], _ shape: [Int]? = nil) -> Proto {
    tensor(name, float, shape ?? [values.count]) { $0.data(9, floatBytes(values)) }
  }
  static func ints(_ name: String, _ values: [Int], _ shape: [Int]? = nil) -> Proto {
    tensor(name, int64, shape ?? [values.count]) { $0.data(9, int64Bytes(values)) }
  }

  /// Sizes; negative ones and texts are open.
  static func value(_ name: String, _ type: Int = float, _ shape: [Dimension]? = nil) -> Proto {
    Proto { proto in
      proto.text(1, name)
      proto.message(
        2,
        Proto { outer in
          outer.message(
            1,
            Proto { tensor in
              tensor.int(1, type)
              guard let shape else { return }
              tensor.message(
                2,
                Proto { dimensions in
                  for dimension in shape {
                    dimensions.message(
                      1,
                      Proto { item in
                        switch dimension {
                        case .fixed(let size): item.int(1, size)
                        case .symbol(let name): item.text(2, name)
                        }
                      })
                  }
                })
            })
        })
    }
  }

  static func graph(
    _ nodes: [Proto], inputs: [Proto] = [], outputs: [Proto], constants: [Proto] = [], name: String = "test",
    _ more: (inout Proto) -> Void = { _ in }
  ) -> Proto {
    Proto { proto in
      for node in nodes { proto.message(1, node) }
      proto.text(2, name)
      for constant in constants { proto.message(5, constant) }
      for input in inputs { proto.message(11, input) }
      for output in outputs { proto.message(12, output) }
      more(&proto)
    }
  }

  static func operatorSet(_ domain: String, _ version: Int) -> Proto {
    Proto {
      $0.text(1, domain)
      $0.int(2, version)
    }
  }

  static func model(_ graph: Proto, opset: Int, _ more: (inout Proto) -> Void = { _ in }) -> [UInt8] {
    let proto = Proto { proto in
      proto.int(1, 8)
      proto.message(7, graph)
      proto.message(8, operatorSet("", opset))
      more(&proto)
    }
    return proto.bytes
  }

  /// x: float32[2, 3] -> one node -> y.
  static func single(_ node: Proto, opset: Int, shape: [Dimension]? = [2, 3], constants: [Proto] = []) -> [UInt8] {
    model(graph([node], inputs: [value("x", float, shape)], outputs: [value("y")], constants: constants), opset: opset)
  }
}

// ── Reading results ─────────────────────────────────────────────────────────
extension Model {
  /// Reads without knowing any operator: all nodes stay as they are in the file.
  init(plain bytes: [UInt8]) throws { try self.init(bytes: bytes, operators: OperatorSet([])) }
}

extension Graph {
  var allNodes: [Node] { order.map { self[$0] } }
  var types: [String] { allNodes.map(\.op.name.type) }
  func node(_ type: String) -> Node? { allNodes.first { $0.op.name.type == type } }
  func names(_ ids: [ValueID?]) -> [String?] { ids.map { $0.map { self[$0].name } } }
  /// The integers of a constant input.
  func integers(_ node: Node, _ input: Int) throws -> [Int]? {
    guard input < node.inputs.count, let id = node.inputs[input] else { return nil }
    return try self[id].tensor?.integers()
  }
  func floats(_ node: Node, _ input: Int) throws -> [Float]? {
    guard input < node.inputs.count, let id = node.inputs[input] else { return nil }
    return try self[id].tensor?.floats()
  }
}
