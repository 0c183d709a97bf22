public import TensorCore

/// A value fixed in a node, in the kinds that ONNX has.
public enum Attribute: Sendable {
  case int(Int64)
  case float(Float)
  case string(String)
  case ints([Int64])
  case floats([Float])
  case strings([String])
  case tensor(Tensor)
  case tensors([Tensor])
  /// A closed sub-graph: what it takes from outside are explicit inputs, after its formal ones (`Node.captures`).
  case graph(Graph)
  case graphs([Graph])
  /// A kind that Ligature does not model (sparse tensors, type protos): its bytes, kept so that files round-trip.
  case opaque(kind: Int32, bytes: [UInt8])

  public var kindName: String {
    switch self {
    case .int: "an integer"
    case .float: "a float"
    case .string: "a string"
    case .ints: "integers"
    case .floats: "floats"
    case .strings: "strings"
    case .tensor: "a tensor"
    case .tensors: "tensors"
    case .graph: "a graph"
    case .graphs: "graphs"
    case .opaque: "of a kind that Ligature does not model"
    }
  }
}

/// A node's attributes by name. The typed accessors throw `.attribute` when the kind differs from what is asked for.
public struct Attributes: Sendable {
  public private(set) var storage: [String: Attribute]

  public init(_ storage: [String: Attribute] = [:]) { self.storage = storage }

  public subscript(name: String) -> Attribute? {
    get { storage[name] }
    set { storage[name] = newValue }
  }

  /// In the order in which they are printed and encoded.
  public var sortedNames: [String] { storage.keys.sorted() }

  public var isEmpty: Bool { storage.isEmpty }

  private func mismatch(_ name: String, _ found: Attribute, wanted: String) -> LigatureError {
    LigatureError(.attribute, "attribute '\(name)' must be \(wanted), but is \(found.kindName)")
  }

  private func missing(_ name: String) -> LigatureError {
    LigatureError(.attribute, "attribute '\(name)' is missing")
  }
}

// ── Typed access ────────────────────────────────────────────────────────────
extension Attributes {
  public func optionalInt(_ name: String) throws -> Int? {
    guard let found = storage[name] else { return nil }
    guard case .int(let value) = found else { throw mismatch(name, found, wanted: "an integer") }
    return Int(value)
  }
  public func int(_ name: String, default fallback: Int) throws -> Int { try optionalInt(name) ?? fallback }
  public func int(_ name: String) throws -> Int {
    guard let value = try optionalInt(name) else { throw missing(name) }
    return value
  }
  /// An integer that stands for a truth value; anything but 0 and 1 is an error.
  public func flag(_ name: String, default fallback: Bool) throws -> Bool {
    switch try optionalInt(name) {
    case nil: return fallback
    case 0: return false
    case 1: return true
    case let value?: throw LigatureError(.attribute, "attribute '\(name)' must be 0 or 1, but is \(value)")
    }
  }

  public func optionalFloat(_ name: String) throws -> Float? {
    guard let found = storage[name] else { return nil }
    guard case .float(let value) = found else { throw mismatch(name, found, wanted: "a float") }
    return value
  }
  public func float(_ name: String, default fallback: Float) throws -> Float { try optionalFloat(name) ?? fallback }

  public func optionalString(_ name: String) throws -> String? {
    guard let found = storage[name] else { return nil }
    guard case .string(let value) = found else { throw mismatch(name, found, wanted: "a string") }
    return value
  }
  public func string(_ name: String, default fallback: String) throws -> String {
    try optionalString(name) ?? fallback
  }
  /// A string that names a case of `Choice`; an unknown one is an error that lists the choices.
  public func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, default fallback: Choice
  ) throws -> Choice {
    guard let text = try optionalString(name) else { return fallback }
    guard let choice = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw LigatureError(.attribute, "attribute '\(name)' is '\(text)'; known are: \(known)")
    }
    return choice
  }

  public func optionalInts(_ name: String) throws -> [Int]? {
    guard let found = storage[name] else { return nil }
    switch found {
    case .ints(let values): return values.map { Int($0) }
    // An empty list has no kind on the wire of some exporters.
    case .floats(let values) where values.isEmpty: return []
    default: throw mismatch(name, found, wanted: "integers")
    }
  }
  public func ints(_ name: String, default fallback: [Int]) throws -> [Int] { try optionalInts(name) ?? fallback }

  public func optionalFloats(_ name: String) throws -> [Float]? {
    guard let found = storage[name] else { return nil }
    switch found {
    case .floats(let values): return values
    case .ints(let values) where values.isEmpty: return []
    default: throw mismatch(name, found, wanted: "floats")
    }
  }

  public func optionalStrings(_ name: String) throws -> [String]? {
    guard let found = storage[name] else { return nil }
    guard case .strings(let values) = found else { throw mismatch(name, found, wanted: "strings") }
    return values
  }

  public func optionalTensor(_ name: String) throws -> Tensor? {
    guard let found = storage[name] else { return nil }
    guard case .tensor(let value) = found else { throw mismatch(name, found, wanted: "a tensor") }
    return value
  }

  public func graph(_ name: String) throws -> Graph {
    guard let found = storage[name] else { throw missing(name) }
    guard case .graph(let value) = found else { throw mismatch(name, found, wanted: "a graph") }
    return value
  }
}

// ── Writing ─────────────────────────────────────────────────────────────────
extension Attributes {
  public mutating func set(_ name: String, _ value: Int) { storage[name] = .int(Int64(value)) }
  public mutating func set(_ name: String, _ value: Bool) { storage[name] = .int(value ? 1 : 0) }
  public mutating func set(_ name: String, _ value: Float) { storage[name] = .float(value) }
  public mutating func set(_ name: String, _ value: String) { storage[name] = .string(value) }
  public mutating func set(_ name: String, _ value: [Int]) { storage[name] = .ints(value.map(Int64.init)) }
  public mutating func set(_ name: String, _ value: [Float]) { storage[name] = .floats(value) }
  public mutating func set(_ name: String, _ value: [String]) { storage[name] = .strings(value) }
  public mutating func set(_ name: String, _ value: Tensor) { storage[name] = .tensor(value) }
}
