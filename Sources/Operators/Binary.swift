public import GraphIR
import TensorCore

/// Functions of two tensors with broadcasting: `[…], […] → […]`.
public struct Binary: Operator {
  /// Raw values are ONNX's names.
  public enum Function: String, CaseIterable, Sendable {
    case add = "Add"
    case sub = "Sub"
    case mul = "Mul"
    case div = "Div"
    case pow = "Pow"
    case mod = "Mod"
    case prelu = "PRelu"
    case equal = "Equal"
    case less = "Less"
    case lessOrEqual = "LessOrEqual"
    case greater = "Greater"
    case greaterOrEqual = "GreaterOrEqual"
    case and = "And"
    case or = "Or"
    case xor = "Xor"
    case bitShift = "BitShift"
    case bitwiseAnd = "BitwiseAnd"
    case bitwiseOr = "BitwiseOr"
    case bitwiseXor = "BitwiseXor"

    var elements: Set<ElementType> {
      switch self {
      case .add, .sub, .mul, .div, .pow, .mod, .prelu, .less, .lessOrEqual, .greater, .greaterOrEqual: .numbers
      case .equal: .held
      case .and, .or, .xor: [.bool]
      case .bitShift: .unsignedIntegers
      case .bitwiseAnd, .bitwiseOr, .bitwiseXor: .integers
      }
    }

    /// Comparisons give bool.
    public var isComparison: Bool {
      switch self {
      case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: true
      default: false
      }
    }
  }

  public let function: Function
  /// `Mod` with the sign of the dividend (C's `fmod`) rather than that of the divisor.
  public let followsDividend: Bool
  /// `BitShift` to the left rather than to the right.
  public let shiftsLeft: Bool

  public static let names = Function.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(function.rawValue) }

  public init(_ function: Function) {
    self.function = function
    followsDividend = false
    shiftsLeft = false
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    guard let function = Function(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no function of two tensors")
    }
    self.function = function
    followsDividend = function == .mod ? try attributes.flag("fmod", default: false) : false
    guard function == .bitShift else {
      shiftsLeft = false
      return
    }
    let direction = try attributes.string("direction", default: "")
    guard ["LEFT", "RIGHT"].contains(direction) else {
      throw LigatureError(.attribute, "attribute 'direction' is '\(direction)'; known are: LEFT, RIGHT")
    }
    shiftsLeft = direction == "LEFT"
  }

  public var attributes: Attributes {
    var result = Attributes()
    if followsDividend { result.set("fmod", true) }
    if function == .bitShift { result.set("direction", shiftsLeft ? "LEFT" : "RIGHT") }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (a, b) = (try context.input(0), try context.input(1))
    try expect(a.element, in: function.elements, "input 0")
    try expect(b.element, in: function.elements, "input 1")
    // The exponent may be of another type than the base, which gives the result its type.
    let element = function == .pow ? a.element : try sharedElement([a, b])
    let shape = try broadcastShape([a.shape, b.shape])
    if function == .prelu, let shape, let own = a.rank, shape.count != own {
      throw LigatureError(.shape, "the slope \(b) must broadcast to the shape of \(a)")
    }
    return [TensorType(function.isComparison ? .bool : element, shape)]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard try context.input(0).element.isInteger, let a = try context.dimensions(0), let b = try context.dimensions(1),
      let count = broadcastCount([a.count, b.count])
    else { return nil }
    return try (0..<count).map { index -> Dimension? in
      let (x, y) = (a[a.count == 1 ? 0 : index], b[b.count == 1 ? 0 : index])
      switch function {
      case .add: return try x + y
      case .sub: return try x - y
      case .mul: return try x * y
      case .div:
        // Division is towards zero; sizes are not negative.
        guard y != 0, (x.value ?? 0) >= 0, (y.value ?? 1) > 0 else { return nil }
        return try x.dividedRoundingDown(by: y)
      case .mod:
        guard let x = x.value, let y = y.value, x >= 0, y > 0 else { return nil }
        return .fixed(x % y)
      default: return nil
      }
    }.reduce([]) { known, next in next.flatMap { next in known.map { $0 + [next] } } }
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }

  public var traits: Traits {
    switch function {
    case .add, .mul: [.canReuseInput0, .canReuseInput1, .isCommutative]
    case .sub, .div: [.canReuseInput0, .canReuseInput1]
    // The exponent may have to be converted first.
    case .pow, .mod, .prelu, .bitShift: .canReuseInput0
    case .and, .or, .xor, .bitwiseAnd, .bitwiseOr, .bitwiseXor:
      [.canReuseInput0, .canReuseInput1, .isCommutative]
    case .equal: .isCommutative
    case .less, .lessOrEqual, .greater, .greaterOrEqual: []
    }
  }
}

/// Functions of any number of tensors with broadcasting: `[…], … → […]` of the same type.
public struct Variadic: Operator {
  /// Raw values are ONNX's names.
  public enum Function: String, CaseIterable, Sendable {
    case min = "Min"
    case max = "Max"
    case sum = "Sum"
    case mean = "Mean"
  }
  public let function: Function

  public static let names = Function.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(function.rawValue) }
  public var attributes: Attributes { Attributes() }

  public init(_ function: Function) { self.function = function }
  public init(name: OperatorName, attributes: Attributes) throws {
    guard let function = Function(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no function of several tensors")
    }
    self.init(function)
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...Int(Int32.max))
    let inputs = try context.allInputs()
    let element = try sharedElement(inputs)
    let allowed: Set<ElementType> = function == .sum || function == .mean ? .floats : .numbers
    try expect(element, in: allowed, "the input")
    return [TensorType(element, try broadcastShape(inputs.map(\.shape)))]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    var lists: [[Int]] = []
    for index in context.inputs.indices {
      guard let values = try context.integers(index) else { return nil }
      lists.append(values)
    }
    guard let count = broadcastCount(lists.map(\.count)) else { return nil }
    return (0..<count).map { index in
      let values = lists.map { $0[$0.count == 1 ? 0 : index] }
      return .fixed((function == .min ? values.min() : values.max()) ?? 0)
    }
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: context.inputs.count)
  }
  public var traits: Traits { .isCommutative }
}

/// `bool […], […], […] → […]` with broadcasting: the second where the first is true, the third elsewhere.
public struct Where: Operator {
  public static let names = [OperatorName("Where")]
  public var name: OperatorName { Where.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let inputs = try context.allInputs()
    try expect(inputs[0].element, in: [.bool], "the condition")
    let element = try sharedElement(Array(inputs[1...]))
    try expect(element, in: .held, "the values")
    return [TensorType(element, try broadcastShape(inputs.map(\.shape)))]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let condition = try context.constant(0)?.integers(), let a = try context.dimensions(1),
      let b = try context.dimensions(2), let count = broadcastCount([condition.count, a.count, b.count])
    else { return nil }
    return (0..<count).map { index in
      condition[condition.count == 1 ? 0 : index] != 0 ? a[a.count == 1 ? 0 : index] : b[b.count == 1 ? 0 : index]
    }
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
}
