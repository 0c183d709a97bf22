public import GraphIR
import TensorCore

/// `[…], axes? int64 [n] → […]`: one number for all elements along the axes.
public struct Reduce: Operator {
  /// Raw values are ONNX's names.
  public enum Function: String, CaseIterable, Sendable {
    case sum = "ReduceSum"
    case mean = "ReduceMean"
    case max = "ReduceMax"
    case min = "ReduceMin"
    case prod = "ReduceProd"
    case l1 = "ReduceL1"
    case l2 = "ReduceL2"
    case sumSquare = "ReduceSumSquare"
    case logSum = "ReduceLogSum"
    case logSumExp = "ReduceLogSumExp"
  }
  public let function: Function
  /// Reduced axes stay, with size 1.
  public let keepsDimensions: Bool
  /// No axes mean none, rather than all.
  public let noAxesMeansNone: Bool

  public static let names = Function.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(function.rawValue) }

  public init(_ function: Function, keepsDimensions: Bool = true, noAxesMeansNone: Bool = false) {
    self.function = function
    self.keepsDimensions = keepsDimensions
    self.noAxesMeansNone = noAxesMeansNone
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    guard let function = Function(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no reduction")
    }
    self.init(
      function, keepsDimensions: try attributes.flag("keepdims", default: true),
      noAxesMeansNone: try attributes.flag("noop_with_empty_axes", default: false))
  }
  public var attributes: Attributes {
    var result = Attributes()
    if !keepsDimensions { result.set("keepdims", false) }
    if noAxesMeansNone { result.set("noop_with_empty_axes", true) }
    return result
  }

  /// One flag an axis: whether it is reduced.
  package func reducedAxes(_ axes: [Int]?, rank: Int) throws -> [Bool] {
    guard let axes, !axes.isEmpty else { return Array(repeating: !noAxesMeansNone, count: rank) }
    let chosen = Set(try normalizedAxes(axes, rank: rank))
    return (0..<rank).map(chosen.contains)
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...2)
    let input = try context.input(0)
    try expect(input.element, in: function == .max || function == .min ? .movable : .numbers, "the input")
    guard let shape = input.shape else { return [TensorType(input.element, nil)] }
    let axes = context.optional(1) == nil ? [] : try context.integers(1)
    guard let axes else {
      guard keepsDimensions else { return [TensorType(input.element, nil)] }
      return [TensorType(input.element, shape.map { .unknown("reduced(\($0))") })]
    }
    let reduced = try reducedAxes(axes, rank: shape.count)
    let result = zip(shape, reduced).compactMap { dimension, reduced -> Dimension? in
      reduced ? (keepsDimensions ? 1 : nil) : dimension
    }
    return [TensorType(input.element, result)]
  }

  /// Products and sums of shapes.
  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let values = try context.dimensions(0), try context.input(0).rank == 1 else { return nil }
    let axes = context.optional(1) == nil ? [] : try context.integers(1)
    guard let axes, try reducedAxes(axes, rank: 1)[0] else { return nil }
    switch function {
    case .prod: return [try product(values)]
    case .sum: return [try values.reduce(Dimension.fixed(0)) { try $0 + $1 }]
    default: return nil
    }
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let count = context.optional(0)?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0
    return .moving(context.inputs, outputs, multiplyAdds: count)
  }
}

/// `ArgMax`, `ArgMin`: `[…] → int64 […]`, the place of the extreme element along an axis.
public struct ArgExtreme: Operator {
  public enum Kind: String, CaseIterable, Sendable {
    case max = "ArgMax"
    case min = "ArgMin"
  }
  public let kind: Kind
  public let axis: Int
  public let keepsDimensions: Bool
  /// Of equal elements the last is chosen rather than the first.
  public let selectsLast: Bool

  public static let names = Kind.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(kind.rawValue) }

  public init(name: OperatorName, attributes: Attributes) throws {
    kind = name.type == Kind.max.rawValue ? .max : .min
    axis = try attributes.int("axis", default: 0)
    keepsDimensions = try attributes.flag("keepdims", default: true)
    selectsLast = try attributes.flag("select_last_index", default: false)
  }
  public var attributes: Attributes {
    var result = Attributes()
    result.set("axis", axis)
    if !keepsDimensions { result.set("keepdims", false) }
    if selectsLast { result.set("select_last_index", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: .numbers, "the input")
    guard var shape = input.shape else { return [TensorType(.int64, nil)] }
    let axis = try normalizedAxis(axis, rank: shape.count)
    guard shape[axis] != 0 else {
      throw LigatureError(.shape, "axis \(axis) of \(input) has no elements to choose from")
    }
    if keepsDimensions { shape[axis] = 1 } else { shape.remove(at: axis) }
    return [TensorType(.int64, shape)]
  }
}

/// `[…], axis [] → […]`: running sums along one axis.
public struct CumSum: Operator {
  public let isExclusive: Bool
  public let isReversed: Bool

  public static let names = [OperatorName("CumSum")]
  public var name: OperatorName { CumSum.names[0] }
  public init(exclusive: Bool = false, reversed: Bool = false) {
    isExclusive = exclusive
    isReversed = reversed
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    isExclusive = try attributes.flag("exclusive", default: false)
    isReversed = try attributes.flag("reverse", default: false)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if isExclusive { result.set("exclusive", true) }
    if isReversed { result.set("reverse", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let input = try context.input(0)
    try expect(input.element, in: .numbers, "the input")
    if let rank = input.rank, let axis = try context.integers(1) {
      guard axis.count == 1 else { throw LigatureError(.shape, "the axis must be a scalar") }
      _ = try normalizedAxis(axis[0], rank: rank)
    }
    return [input]
  }
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
}
