import GraphIR
import Operators
import TensorCore

/// A graph of a few nodes, and tensors to run it with, out of decisions: any operator with any operands and attributes,
/// most of them wrong.
struct WildGraph {
  var graph = Graph(name: "wild")
  var inputs: [Tensor] = []
  private var values: [ValueID] = []
  private var choices: Choices

  /// - Throws: what building a graph throws of a node that does not fit.
  init(_ bytes: [UInt8]) throws {
    choices = Choices(bytes)
    for number in 0..<1 + choices.pick(3) { try appendNode(number) }
    // What nobody reads.
    for id in values where graph.uses(of: id).isEmpty { try graph.addOutput(id, name: graph[id].name) }
  }

  private mutating func appendNode(_ number: Int) throws {
    let signature = Signature.all[choices.pick(Signature.all.count)]
    var attributes = Attributes()
    let wanted = choices.byte() | choices.byte() << 8
    for (place, attribute) in signature.attributes.enumerated() where wanted >> place & 1 == 1 {
      attributes[attribute.name] = try value(attribute.kind, attribute.name)
    }
    let name = OperatorName(signature.name)
    let found = try OperatorSet.standard.decode(name, attributes)
    let op = found ?? Opaque(name: name, attributes: attributes, declaredTypes: [])
    let span = signature.inputs.count
    var operands: [ValueID?] = []
    for slot in 0..<signature.inputs.lowerBound + choices.pick(span) { operands.append(try operand(number, slot)) }
    let outputs = (0..<max(1, 1 + choices.pick(signature.outputs))).map { Optional("n\(number).\($0)") }
    let results = try graph.append(op, operands, name: "n\(number)", outputs: outputs)
    values += results.compactMap(\.self)
  }

  private mutating func operand(_ node: Int, _ slot: Int) throws -> ValueID? {
    let how = choices.pick(8)
    if how == 7 { return nil }
    if how >= 5, let known = values.last { return known }
    if how == 4, !values.isEmpty { return choices.pick(values) }
    let tensor = try tensor()
    let name = "v\(node).\(slot)"
    if how & 1 == 1 { return try graph.addConstant(name, tensor) }
    inputs.append(tensor)
    let shape: [Dimension] = tensor.shape.enumerated().map { axis, size in
      how == 2 ? .symbol("\(name).\(axis)") : .fixed(size)
    }
    return try graph.addInput(name, TensorType(tensor.element, shape))
  }

  /// At most 64 Ki elements.
  private mutating func tensor() throws -> Tensor {
    let element = choices.pick([
      ElementType.float32, .int64, .float32, .int64, .float32, .uint8, .int8, .int32, .bool, .float16, .float64,
      .bfloat16,
      .int16, .uint16, .uint32, .uint64,
    ])
    var shape = (0..<choices.pick(6)).map { _ in choices.size() }
    while (try? Checked.elementCount(shape)).map({ $0 > 1 << 16 }) ?? true { shape.removeLast() }
    let count = try Checked.elementCount(shape)
    // A pattern of up to 8 numbers, repeated.
    let pattern = (0..<1 + choices.pick(8)).map { _ in
      element.isFloatingPoint ? (0, choices.number()) : (choices.integer(), Float(0))
    }
    switch element {
    case .float32: return try Tensor((0..<count).map { pattern[$0 % pattern.count].1 }, shape)
    case .float64: return try Tensor((0..<count).map { Double(pattern[$0 % pattern.count].1) }, shape)
    case .int64: return try Tensor((0..<count).map { Int64(pattern[$0 % pattern.count].0) }, shape)
    default:
      let bits = pattern.map { element.isFloatingPoint ? Int($0.1.bitPattern >> 16) : $0.0 }
      let size = element.byteSize
      return try unsafe Tensor(element, shape) { bytes in
        for index in 0..<count {
          let value = element == .bool ? bits[index % bits.count] & 1 : bits[index % bits.count]
          for byte in 0..<size { unsafe bytes[index * size + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
        }
      }
    }
  }

  private mutating func value(_ kind: Character, _ name: String) throws -> Attribute {
    switch kind {
    case "i": return .int(Int64(choices.integer()))
    case "f": return .float(choices.number())
    case "I": return .ints((0..<choices.pick(6)).map { _ in Int64(choices.integer()) })
    case "F": return .floats((0..<choices.pick(4)).map { _ in choices.number() })
    case "t": return .tensor(try tensor())
    case "S": return .strings((0..<choices.pick(3)).map { _ in choices.pick(WildGraph.words) })
    default: return .string(choices.pick(WildGraph.words))
    }
  }

  private static let words = [
    "", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "constant", "reflect", "edge", "wrap", "linear", "nearest",
    "cubic", "bilinear", "bicubic", "zeros", "border", "reflection", "half_pixel", "asymmetric", "align_corners",
    "pytorch_half_pixel", "tf_crop_and_resize", "half_pixel_symmetric", "floor", "ceil", "round_prefer_ceil", "avg",
    "max", "output_half_pixel", "none", "add", "mul", "min", "LEFT", "RIGHT", "DCR", "CRD", "forward", "reverse",
    "bidirectional", "Tanh", "Sigmoid", "Relu", "HardSigmoid", "tanh", "stretch", "not_larger", "not_smaller", "sum",
    "mean", "ij,jk->ik", "...i,i...->...", "ii->i", "i->", "a,b->ab", "ij", "->", "...",
  ]
}
