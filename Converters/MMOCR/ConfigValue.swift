import TensorCore

/// A value of a configuration written in Python, read as data: nothing is executed.
public indirect enum ConfigValue: Sendable, Equatable {
  case none
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case list([ConfigValue])
  case dictionary([Entry])
  /// Something that only running Python would tell, with the line and the reason.
  case unreadable(line: Int, String)

  public struct Entry: Sendable, Equatable {
    public var key: String
    public var value: ConfigValue

    public init(_ key: String, _ value: ConfigValue) {
      self.key = key
      self.value = value
    }
  }

  /// The entry of a dictionary; of two with one key the later.
  public subscript(key: String) -> ConfigValue? {
    guard case .dictionary(let entries) = self else { return nil }
    return entries.last { $0.key == key }?.value
  }

  public var elements: [ConfigValue]? { if case .list(let items) = self { items } else { nil } }
  public var string: String? { if case .string(let text) = self { text } else { nil } }
  public var integer: Int? { if case .integer(let number) = self { number } else { nil } }
  public var boolean: Bool? { if case .boolean(let truth) = self { truth } else { nil } }
  public var number: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .number(let number): number
    default: nil
    }
  }

  /// What it is, for messages.
  var kind: String {
    switch self {
    case .none: "None"
    case .boolean: "a truth value"
    case .integer: "a whole number"
    case .number: "a number"
    case .string: "a string"
    case .list: "a list"
    case .dictionary: "a dictionary"
    case .unreadable(let line, let reason): "\(reason) (line \(line))"
    }
  }
}

/// The assignments of a configuration file of MMOCR: `model = dict(type='DBNet', …)`.
///
/// Literals, `dict(…)`, names assigned before, sums and products of numbers, and sums of strings or lists are
/// understood. What a file takes from its `_base_` files is not followed.
public struct MMOCRConfig: Sendable {
  /// By name; of two with one name the later.
  public private(set) var values: [String: ConfigValue] = [:]
  /// What `_base_` lists.
  public private(set) var bases: [String] = []
  /// Statements that are not assignments, by their lines.
  public private(set) var skippedLines: [Int] = []

  /// Larger files are no configurations.
  static let longest = 4 << 20

  /// - Throws: `.file`, `.limit`; `.format` when quotes or brackets do not close.
  public init(contentsOf path: String) throws {
    let storage = try TensorStorage(mapping: path)
    guard storage.byteCount <= MMOCRConfig.longest else {
      throw LigatureError(.limit, "'\(path)' has \(storage.byteCount) bytes, which is no configuration")
    }
    do {
      try self.init(text: unsafe storage.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) })
    } catch let error as LigatureError {
      throw LigatureError(error.code, "'\(path)': \(error.message)", cause: error.cause)
    }
  }

  public init(text: String) throws {
    guard text.utf8.count <= MMOCRConfig.longest else {
      throw LigatureError(.limit, "a configuration of \(text.utf8.count) bytes is too long to be one")
    }
    var parser = ConfigParser(try ConfigTokens.tokens(of: text))
    while let statement = parser.statement() {
      if case .other(let line) = statement { skippedLines.append(line) }
    }
    values = parser.known
    let base = values.removeValue(forKey: "_base_")
    bases = (base?.elements ?? [base].compactMap { $0 }).compactMap(\.string)
  }

  /// The value at a path of keys (`model.backbone.style`): `nil` where there is none.
  public subscript(path: String) -> ConfigValue? {
    let keys = path.split(separator: ".").map(String.init)
    guard let first = keys.first else { return nil }
    return keys.dropFirst().reduce(values[first]) { value, key in
      if case .unreadable? = value { return value }
      return value?[key]
    }
  }

  // ── What is needed must be readable ─────────────────────────────────────
  private func read<Value>(_ path: String, _ wanted: String, _ get: (ConfigValue) -> Value?) throws -> Value? {
    guard let found = self[path], found != .none else { return nil }
    if let value = get(found) { return value }
    let origin = bases.isEmpty ? "" : "; the files that _base_ lists are not read"
    throw LigatureError(
      .unsupported,
      "'\(path)' of the configuration must be \(wanted), but is \(found.kind)\(origin); write it out there")
  }

  public func string(_ path: String) throws -> String? { try read(path, "a string", \.string) }
  public func integer(_ path: String) throws -> Int? { try read(path, "a whole number", \.integer) }
  public func number(_ path: String) throws -> Double? { try read(path, "a number", \.number) }
  public func boolean(_ path: String) throws -> Bool? { try read(path, "True or False", \.boolean) }
  public func numbers(_ path: String) throws -> [Double]? {
    try read(path, "a list of numbers") { value in
      guard let items = value.elements else { return nil }
      let numbers = items.compactMap(\.number)
      return numbers.count == items.count ? numbers : nil
    }
  }

  /// Steps of a pipeline, those inside of others (`MultiScaleFlipAug`) included, by their type.
  public func steps(_ pipeline: String) -> [(type: String, step: ConfigValue)] {
    var found: [(String, ConfigValue)] = []
    func visit(_ value: ConfigValue, _ depth: Int) {
      guard depth < 8 else { return }
      if let type = value["type"]?.string { found.append((type, value)) }
      for item in value.elements ?? [] { visit(item, depth + 1) }
      if let inner = value["transforms"] { visit(inner, depth + 1) }
    }
    if let value = self[pipeline] { visit(value, 0) }
    return found
  }
}
