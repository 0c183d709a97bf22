import FoundationEssentials
import TensorCore

/// JSON of any structure. Python's `NaN` and `Infinity` are read as well.
public enum JSONValue: Codable, Sendable, Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let values): try container.encode(values)
    case .object(let members): try container.encode(members)
    }
  }

  /// As a value of our own, with Python's names for its members (`thr_min`).
  func decoded<Value: Decodable>(as type: Value.Type) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      return try decoder.decode(type, from: JSONEncoder().encode(self))
    } catch {
      throw LigatureError(.format, "the bundle's parameters are no \(type): \(error)")
    }
  }

  /// Throws `.file` when the file cannot be read, `.format` when it holds no JSON.
  init(contentsOf path: String) throws {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw LigatureError(.file, "cannot read '\(path)'", cause: error)
    }
    let decoder = JSONDecoder()
    decoder.allowsJSON5 = true
    do {
      self = try decoder.decode(JSONValue.self, from: data)
    } catch {
      throw LigatureError(.format, "'\(path)' holds no JSON: \(error)")
    }
  }
}

extension JSONValue {
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self, let value = members[key], value != .null else { return nil }
    return value
  }

  public var double: Double? { if case .number(let value) = self { value } else { nil } }
  public var integer: Int? { double.flatMap { Int(exactly: $0) } }
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
  public var object: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
  public var strings: [String]? { all(\.string) }
  public var integers: [Int]? { all(\.integer) }
  public var doubles: [Double]? { all(\.double) }

  private func all<Element>(_ read: (JSONValue) -> Element?) -> [Element]? {
    guard let array else { return nil }
    let values = array.compactMap(read)
    return values.count == array.count ? values : nil
  }
}

extension JSONValue? {
  /// A member that must be there. Throws `.format`, naming it.
  func required<Value>(_ what: String, _ read: (JSONValue) -> Value?) throws -> Value {
    guard let value = flatMap(read) else {
      throw LigatureError(.format, "the bundle has no '\(what)', or not of the kind that is expected there")
    }
    return value
  }
}
