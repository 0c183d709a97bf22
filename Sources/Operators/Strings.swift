public import GraphIR
import TensorCore

/// `string […], string […] → string […]` with broadcasting: one text after the other.
public struct StringConcat: Operator {
  public static let names = [OperatorName("StringConcat")]
  public var name: OperatorName { StringConcat.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let inputs = try context.allInputs()
    for (index, input) in inputs.enumerated() { try expect(input.element, in: [.string], "input \(index)") }
    return [TensorType(.string, try broadcastShape(inputs.map(\.shape)))]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// `string […] → string […, most], int64 […]`: the parts of each text, filled up with empty ones, and how many they are.
public struct StringSplit: Operator {
  /// `nil` or empty: at runs of white space.
  public let delimiter: String?
  /// The most cuts.
  public let limit: Int?

  public static let names = [OperatorName("StringSplit")]
  public var name: OperatorName { StringSplit.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    delimiter = try attributes.optionalString("delimiter")
    limit = try attributes.optionalInt("maxsplit")
  }
  public var attributes: Attributes {
    var result = Attributes()
    if let delimiter { result.set("delimiter", delimiter) }
    if let limit { result.set("maxsplit", limit) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: [.string], "the input")
    return [
      TensorType(.string, input.shape.map { $0 + [.unknown("parts")] }), TensorType(.int64, input.shape),
    ]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// `string [n] or [1, n] → string [m] or [1, m]`: without stop words, in lower or upper case.
public struct StringNormalizer: Operator {
  public enum Case: String, CaseIterable, Sendable {
    case lower = "LOWER"
    case upper = "UPPER"
    case unchanged = "NONE"
  }
  public let change: Case
  public let isCaseSensitive: Bool
  public let stopWords: [String]
  private let locale: String?

  public static let names = [OperatorName("StringNormalizer")]
  public var name: OperatorName { StringNormalizer.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    change = try attributes.choice("case_change_action", default: Case.unchanged)
    isCaseSensitive = try attributes.flag("is_case_sensitive", default: false)
    stopWords = try attributes.optionalStrings("stopwords") ?? []
    locale = try attributes.optionalString("locale")
  }
  public var attributes: Attributes {
    var result = Attributes()
    if change != .unchanged { result.set("case_change_action", change.rawValue) }
    if isCaseSensitive { result.set("is_case_sensitive", true) }
    if !stopWords.isEmpty { result.set("stopwords", stopWords) }
    if let locale { result.set("locale", locale) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: [.string], "the input")
    if let shape = input.shape {
      guard shape.count == 1 || (shape.count == 2 && (shape[0].value ?? 1) == 1) else {
        throw LigatureError(.shape, "the input must be [n] or [1, n], but is \(input)")
      }
    }
    return [TensorType(.string, input.shape.map { $0.dropLast() + [.unknown("words")] })]
  }
  public var traits: Traits { .hasDataDependentShape }
}
