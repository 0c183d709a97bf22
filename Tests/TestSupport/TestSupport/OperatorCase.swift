public import Foundation
public import GraphIR
public import TensorCore

/// One recorded application of an operator: a line of `Tests/Fixtures/operators/<Family>.jsonl`.
public struct OperatorCase: Sendable, CustomStringConvertible {
  public let name: String
  public let op: OperatorName
  public let attributes: Attributes
  /// `nil` where an optional input is left out.
  public let inputs: [Tensor?]
  /// Positions of the inputs that are constants of the graph.
  public let constants: Set<Int>
  /// `nil` where an optional output is not wanted.
  public let outputs: [Tensor?]
  /// Relative to the largest expected magnitude of each output; 0 asks for equality.
  public let tolerance: Float

  public var description: String { "\(op) \(name)" }

  /// All cases of a family. `folder` is `Tests/Fixtures/operators`.
  public static func load(_ family: String) throws -> [OperatorCase] {
    let url = fixtures.appendingPathComponent("operators/\(family).jsonl")
    return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
      try OperatorCase(JSONDecoder().decode(Line.self, from: Data($0.utf8)))
    }
  }

  private init(_ line: Line) throws {
    name = line.name
    op = OperatorName(line.op, domain: line.domain)
    attributes = Attributes(try line.attributes.mapValues { try $0.attribute() })
    inputs = try line.inputs.map { try $0?.tensor() }
    constants = Set(line.constants)
    outputs = try line.outputs.map { try $0?.tensor() }
    tolerance = line.tolerance
  }
}

/// `Tests/Fixtures`, found from this file's own place.
public let fixtures = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Fixtures")

// ── The lines ───────────────────────────────────────────────────────────────
private struct Line: Decodable {
  let name: String
  let op: String
  let domain: String
  let attributes: [String: AttributeLine]
  let inputs: [TensorLine?]
  let constants: [Int]
  let outputs: [TensorLine?]
  let tolerance: Float
}

struct TensorLine: Decodable {
  let element: String
  let shape: [Int]
  let data: String

  func tensor() throws -> Tensor {
    guard let type = ElementType.allCases.first(where: { $0.description == element }),
      let bytes = Data(base64Encoded: data), bytes.count == (try Checked.byteCount(type, shape))
    else { throw LigatureError(.format, "a tensor of \(element)\(shape) is broken in the fixture") }
    return try unsafe Tensor(type, shape) { target in _ = unsafe bytes.copyBytes(to: target) }
  }
}

struct AttributeLine: Decodable {
  let int: Int?
  let float: Float?
  let string: String?
  let ints: [Int]?
  let floats: [Float]?
  let strings: [String]?
  let tensor: TensorLine?

  func attribute() throws -> Attribute {
    if let int { return .int(Int64(int)) }
    if let float { return .float(float) }
    if let string { return .string(string) }
    if let ints { return .ints(ints.map(Int64.init)) }
    if let floats { return .floats(floats) }
    if let strings { return .strings(strings) }
    if let tensor { return .tensor(try tensor.tensor()) }
    throw LigatureError(.format, "an attribute of the fixture has no value")
  }
}
