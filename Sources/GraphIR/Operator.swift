public import TensorCore

/// Domain and type of an operator, as ONNX files name them. The empty domain is ONNX's own.
public struct OperatorName: Hashable, Sendable, CustomStringConvertible {
  public var domain: String
  public var type: String

  public init(_ type: String, domain: String = "") {
    // "ai.onnx" is the long name of the default domain.
    self.domain = domain == "ai.onnx" ? "" : domain
    self.type = type
  }

  public var description: String { domain.isEmpty ? type : "\(domain).\(type)" }
}

/// One operator with its attributes: a small immutable value, at the canonical opset.
///
/// `init(name:attributes:)` is the importer, `name` with `attributes` is the exporter.
public protocol Operator: Sendable {
  /// Usually one; a family of alike operators (`Unary`) claims all of its names.
  static var names: [OperatorName] { get }
  /// Which of them this value is.
  var name: OperatorName { get }
  /// Throws `.attribute` for attributes that are missing, of the wrong kind or out of range.
  init(name: OperatorName, attributes: Attributes) throws
  /// Defaults may be left out.
  var attributes: Attributes { get }
  /// Types of all outputs, in order; throws when the inputs do not fit. May return more than the node uses.
  func inferTypes(_ context: InferenceContext) throws -> [TensorType]
  /// The integers that the first output holds, where they follow from shapes alone (`Shape`, `Gather` of it, …).
  /// Asked only for outputs of rank 0 or 1 of an integer type.
  func inferContents(_ context: InferenceContext) throws -> [Dimension]?
  /// What running it takes, for types whose sizes are all known.
  func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost
  var traits: Traits { get }
  /// The inputs whose place an output may take if sizes agree and nobody else needs them: the kernel reads there
  /// whatever it needs before it writes. By default what the traits say of the first output.
  func reusableInputs(output: Int) -> [Int]
  /// How the bytes of the results lie in those of the operands, where running would only copy them in one stretch:
  /// then a plan may place tensors so that nothing has to run. Asked for types whose sizes are all known.
  func sharedBytes(_ context: InferenceContext, outputs: [TensorType]) throws -> SharedBytes?
}

/// Results that are stretches of an operand's bytes, or the other way round.
public enum SharedBytes: Sendable, Equatable {
  /// Result i is what input 0 holds from that byte on.
  case pieces([Int])
  /// The first result is the inputs, one after the other.
  case joined
}

extension Operator {
  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? { nil }
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { .moving(context.inputs, outputs) }
  public var traits: Traits { [] }
  public func reusableInputs(output: Int) -> [Int] {
    guard output == 0 else { return [] }
    return (traits.contains(.canReuseInput0) ? [0] : []) + (traits.contains(.canReuseInput1) ? [1] : [])
  }
  public func sharedBytes(_ context: InferenceContext, outputs: [TensorType]) throws -> SharedBytes? {
    traits.contains(.isView) ? .pieces([0]) : nil
  }
}

/// What is known of a node's inputs when types are inferred.
public struct InferenceContext: Sendable {
  /// `nil` where an optional input is left out.
  public let inputs: [TensorType?]
  /// The tensors of those inputs that are constants.
  public let constants: [Tensor?]
  /// The integers of those inputs (rank 0 or 1) that are known, at least as symbols.
  public let contents: [[Dimension]?]
  /// How many outputs the node has.
  public let outputCount: Int

  public init(inputs: [TensorType?], constants: [Tensor?], contents: [[Dimension]?], outputCount: Int) {
    self.inputs = inputs
    self.constants = constants
    self.contents = contents
    self.outputCount = outputCount
  }

  /// Types alone, nothing known of contents.
  public init(_ inputs: [TensorType?], outputCount: Int = 1) {
    let unknown = inputs.count
    self.init(
      inputs: inputs, constants: Array(repeating: nil, count: unknown), contents: Array(repeating: nil, count: unknown),
      outputCount: outputCount)
  }

  /// The type of an input that must be there.
  public func input(_ index: Int) throws -> TensorType {
    guard let type = optional(index) else { throw LigatureError(.arity, "input \(index) is missing") }
    return type
  }

  /// The type of an input that may be left out.
  public func optional(_ index: Int) -> TensorType? { index < inputs.count ? inputs[index] : nil }

  public func constant(_ index: Int) -> Tensor? { index < constants.count ? constants[index] : nil }

  /// The integers that input `index` holds, as far as known: from a constant of any integer type, or by inference.
  public func dimensions(_ index: Int) throws -> [Dimension]? {
    if index < contents.count, let known = contents[index] { return known }
    guard let constant = constant(index) else { return nil }
    return try constant.integers().map(Dimension.fixed)
  }

  /// The same, if all of them are numbers.
  public func integers(_ index: Int) throws -> [Int]? {
    guard let dimensions = try dimensions(index) else { return nil }
    let values = dimensions.compactMap(\.value)
    return values.count == dimensions.count ? values : nil
  }

  /// Throws `.arity` unless the number of inputs lies in the range.
  public func expectInputs(_ range: ClosedRange<Int>) throws {
    guard range.contains(inputs.count) else {
      let wanted = range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
      throw LigatureError(.arity, "takes \(wanted) inputs, but has \(inputs.count)")
    }
  }
}

/// What running a node takes.
public struct Cost: Sendable, Equatable {
  /// Multiplications with an addition; one counts as two floating-point operations.
  public var multiplyAdds = 0
  public var bytesRead = 0
  public var bytesWritten = 0

  public init(multiplyAdds: Int = 0, bytesRead: Int = 0, bytesWritten: Int = 0) {
    self.multiplyAdds = multiplyAdds
    self.bytesRead = bytesRead
    self.bytesWritten = bytesWritten
  }

  /// Saturates instead of overflowing: costs are estimates.
  public static func += (total: inout Cost, part: Cost) {
    func sum(_ a: Int, _ b: Int) -> Int {
      let (sum, overflow) = a.addingReportingOverflow(b)
      return overflow ? .max : sum
    }
    total.multiplyAdds = sum(total.multiplyAdds, part.multiplyAdds)
    total.bytesRead = sum(total.bytesRead, part.bytesRead)
    total.bytesWritten = sum(total.bytesWritten, part.bytesWritten)
  }

  /// Every input read once, every output written once, and `multiplyAdds`.
  public static func moving(_ inputs: [TensorType?], _ outputs: [TensorType], multiplyAdds: Int = 0) -> Cost {
    func bytes(_ type: TensorType?) -> Int {
      guard let type, let sizes = type.sizes else { return 0 }
      return (try? Checked.byteCount(type.element, sizes)) ?? 0
    }
    return Cost(
      multiplyAdds: multiplyAdds,
      bytesRead: inputs.reduce(0) { $0 &+ bytes($1) }, bytesWritten: outputs.reduce(0) { $0 &+ bytes($1) })
  }
}

public struct Traits: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The first output may take the place of input 0 or 1 if sizes agree and nobody else needs that input:
  /// the kernel reads every element before it writes there.
  public static let canReuseInput0 = Traits(rawValue: 1)
  public static let canReuseInput1 = Traits(rawValue: 2)
  /// The first output holds input 0's bytes unchanged: it can be a view (`Reshape`, `Identity`).
  public static let isView = Traits(rawValue: 4)
  /// Operands may be swapped.
  public static let isCommutative = Traits(rawValue: 8)
  /// Output sizes follow from the values of the inputs, not from their types (`NonZero`): known only while running.
  public static let hasDataDependentShape = Traits(rawValue: 16)
  /// Two runs on the same input may differ (random generators), or it changes state: never folded or merged.
  public static let isImpure = Traits(rawValue: 32)
}

/// An operator that Ligature does not know: round-trips and prints, but has no kernel.
public struct Opaque: Operator {
  public static var names: [OperatorName] { [] }
  public let name: OperatorName
  public let attributes: Attributes
  /// Types of the outputs as far as the file declares them.
  public let declaredTypes: [TensorType]

  public init(name: OperatorName, attributes: Attributes, declaredTypes: [TensorType]) {
    self.name = name
    self.attributes = attributes
    self.declaredTypes = declaredTypes
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(name: name, attributes: attributes, declaredTypes: [])
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    (0..<context.outputCount).map { $0 < declaredTypes.count ? declaredTypes[$0] : TensorType(.undefined, nil) }
  }
}

/// The operators that a reader knows, by name: an explicit manifest.
public struct OperatorSet: Sendable {
  private var types: [OperatorName: any Operator.Type] = [:]

  public init(_ families: [any Operator.Type]) {
    for family in families {
      for name in family.names { types[name] = family }
    }
  }

  public var names: [OperatorName] { types.keys.sorted { ($0.domain, $0.type) < ($1.domain, $1.type) } }

  public func contains(_ name: OperatorName) -> Bool { types[name] != nil }

  package func family(of name: OperatorName) -> (any Operator.Type)? { types[name] }

  /// The operator of that name, or `nil` when the set does not know it.
  /// Throws when it does and the attributes do not fit.
  public func decode(_ name: OperatorName, _ attributes: Attributes) throws -> (any Operator)? {
    try types[name]?.init(name: name, attributes: attributes)
  }
}
