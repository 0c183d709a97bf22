import Foundation
import PyTorchCheckpoint
import TensorCore
import Testing

/// The files of `Tests/Fixtures/checkpoints`.
enum CheckpointFixtures {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures/checkpoints")

  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
  }
  static func json<Content: Decodable>(_ name: String, as type: Content.Type = Content.self) throws -> Content {
    try JSONDecoder().decode(Content.self, from: Data(contentsOf: folder.appendingPathComponent(name)))
  }

  /// What `<name>.json` says about a file.
  struct Facts: Decodable {
    var format: String
    var top: [String]?
    var meta: JSON?
    var state_dict: [Entry]?
    var optimizer: JSON?
    var same_tensors_as: String?
  }

  struct Entry: Decodable {
    var name: String
    var dtype: String
    var shape: [Int]
    var stride: [Int]
    var storage_offset: Int
    var requires_grad: Bool
  }

  struct Hostile: Decodable, Sendable, CustomTestStringConvertible {
    var file: String
    var outcome: String
    var why: String
    var testDescription: String { file }
  }
}

enum JSON: Decodable {
  case null
  case boolean(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let truth = try? container.decode(Bool.self) {
      self = .boolean(truth)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self) {
      self = .string(text)
    } else if let items = try? container.decode([JSON].self) {
      self = .array(items)
    } else {
      self = .object(try container.decode([String: JSON].self))
    }
  }

  /// Where a value differs from this; `nil` when it does not.
  func difference(_ value: PythonValue, at path: String, tensors: [String: Tensor]) -> String? {
    switch (self, value) {
    case (.null, .none): return nil
    case (.boolean(let a), .boolean(let b)) where a == b: return nil
    case (.number(let a), .integer(let b)) where a == Double(b): return nil
    case (.number(let a), .float(let b)) where a == b: return nil
    case (.string(let a), .string(let b)) where a == b: return nil
    case (.array(let a), .list(let b)), (.array(let a), .tuple(let b)):
      guard a.count == b.count else { return "\(path) has \(b.count) elements, not \(a.count)" }
      return zip(a, b).enumerated().lazy.compactMap {
        $1.0.difference($1.1, at: "\(path)[\($0)]", tensors: tensors)
      }.first
    case (.object(let a), .tensor(let b)):
      guard case .string(let name) = a["tensor"], let expected = tensors[name] else { return "\(path) names no tensor" }
      return same(b.tensor, expected) ? nil : "\(path) differs from \(name)"
    case (.object(let a), .dictionary(let b)):
      guard a.count == b.count else { return "\(path) has \(b.count) entries, not \(a.count)" }
      return b.entries.lazy.compactMap { entry in
        let key = entry.key.string ?? entry.key.integer.map { "\($0)" } ?? "?"
        guard let expected = a[key] else { return "\(path).\(key) is not expected" }
        return expected.difference(entry.value, at: "\(path).\(key)", tensors: tensors)
      }.first
    default: return "\(path) is \(value.kind), \(self) expected"
    }
  }
}

/// The same type, shape and bits.
func same(_ a: Tensor, _ b: Tensor) -> Bool {
  guard a.element == b.element, a.shape == b.shape else { return false }
  return unsafe a.withUnsafeBytes { left in unsafe b.withUnsafeBytes { unsafe left.elementsEqual($0) } }
}
