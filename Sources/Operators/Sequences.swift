public import GraphIR
public import TensorCore

// Lists of tensors, and tensors that may be missing. The graph records nothing of such values but that they are there:
// their type is `.undefined` without a shape.
private let unknown = TensorType(.undefined, nil)

/// Operators on sequences: they run between two plans, on data.
public struct SequenceOperator: Operator {
  public enum Function: String, CaseIterable, Sendable {
    /// `→ sequence` of nothing.
    case empty = "SequenceEmpty"
    /// `tensor … → sequence`
    case construct = "SequenceConstruct"
    /// `sequence, tensor, position? [] → sequence`: before that place, at the end without one.
    case insert = "SequenceInsert"
    /// `sequence, position? [] → sequence`: without that element, or the last one.
    case erase = "SequenceErase"
    /// `sequence, position [] → tensor`
    case at = "SequenceAt"
    /// `sequence → int64 []`
    case length = "SequenceLength"

    var inputs: ClosedRange<Int> {
      switch self {
      case .empty: 0...0
      case .construct: 1...Int(Int32.max)
      case .insert: 2...3
      case .erase: 1...2
      case .at: 2...2
      case .length: 1...1
      }
    }
  }
  public let function: Function
  /// Of `SequenceEmpty`: what its elements are going to be.
  public let element: ElementType

  public static let names = Function.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(function.rawValue) }
  public init(_ function: Function, element: ElementType = .float32) {
    self.function = function
    self.element = element
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    guard let function = Function(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no operator on sequences")
    }
    self.function = function
    let code = function == .empty ? try attributes.int("dtype", default: 1) : 1
    guard let raw = Int32(exactly: code), let element = ElementType(rawValue: raw), element != .undefined else {
      throw LigatureError(.attribute, "attribute 'dtype' is \(code), which is no element type that Ligature knows")
    }
    self.element = element
  }
  public var attributes: Attributes {
    var result = Attributes()
    if element != .float32 { result.set("dtype", Int(element.rawValue)) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(function.inputs)
    let position = function == .insert ? 2 : [.at, .erase].contains(function) ? 1 : nil
    if let position, let type = context.optional(position) { try expect(type.element, in: .indices, "the position") }
    return [function == .length ? TensorType(.int64, []) : unknown]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// `[…, n, …], sizes? int64 [] or [k] → sequence` of pieces along an axis: of those sizes, of one size but the last, or
/// single indices.
public struct SplitToSequence: Operator {
  public let axis: Int
  /// Whether single indices keep the axis.
  public let keepsAxis: Bool

  public static let names = [OperatorName("SplitToSequence")]
  public var name: OperatorName { SplitToSequence.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    axis = try attributes.int("axis", default: 0)
    keepsAxis = try attributes.flag("keepdims", default: true)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if axis != 0 { result.set("axis", axis) }
    if !keepsAxis { result.set("keepdims", false) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...2)
    if let rank = try context.input(0).rank { _ = try normalizedAxis(axis, rank: rank) }
    if let sizes = context.optional(1) { try expect(sizes.element, in: .indices, "the sizes") }
    return [unknown]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// `sequence → […]`: its tensors one after the other along an axis, or side by side along a new one.
public struct ConcatFromSequence: Operator {
  public let axis: Int
  public let makesAxis: Bool

  public static let names = [OperatorName("ConcatFromSequence")]
  public var name: OperatorName { ConcatFromSequence.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    axis = try attributes.int("axis")
    makesAxis = try attributes.flag("new_axis", default: false)
  }
  public var attributes: Attributes {
    var result = Attributes()
    result.set("axis", axis)
    if makesAxis { result.set("new_axis", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    return [unknown]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// Operators on what may be missing.
public struct OptionalOperator: Operator {
  public enum Function: String, CaseIterable, Sendable {
    /// `datum? → optional`
    case make = "Optional"
    /// `optional? → bool []`
    case hasElement = "OptionalHasElement"
    /// `optional → datum`; throws when there is none.
    case element = "OptionalGetElement"
  }
  public let function: Function
  /// Of `Optional`: what may be in it, as the file says; kept for export.
  private let type: Attribute?

  public static let names = Function.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(function.rawValue) }
  public init(_ function: Function) {
    self.function = function
    type = nil
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    guard let function = Function(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no operator on optionals")
    }
    self.function = function
    type = function == .make ? attributes["type"] : nil
  }
  public var attributes: Attributes { Attributes(type.map { ["type": $0] } ?? [:]) }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(function == .element ? 1...1 : 0...1)
    return [function == .hasElement ? TensorType(.bool, []) : unknown]
  }
  public var traits: Traits { .hasDataDependentShape }
}
