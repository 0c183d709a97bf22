public import GraphIR
public import TensorCore

/// Functions of one tensor, element by element: `[…] → […]` of the same type.
public struct Unary: Operator {
  /// Raw values are ONNX's names.
  public enum Function: String, CaseIterable, Sendable {
    case relu = "Relu"
    case sigmoid = "Sigmoid"
    case tanh = "Tanh"
    case exp = "Exp"
    case log = "Log"
    case sqrt = "Sqrt"
    case reciprocal = "Reciprocal"
    case neg = "Neg"
    case abs = "Abs"
    case floor = "Floor"
    case ceil = "Ceil"
    case round = "Round"
    case sign = "Sign"
    case erf = "Erf"
    case softplus = "Softplus"
    case softsign = "Softsign"
    case hardSigmoid = "HardSigmoid"
    case hardSwish = "HardSwish"
    case leakyRelu = "LeakyRelu"
    case elu = "Elu"
    case selu = "Selu"
    case celu = "Celu"
    case gelu = "Gelu"
    case mish = "Mish"
    case thresholdedRelu = "ThresholdedRelu"
    case shrink = "Shrink"
    case swish = "Swish"
    case sin = "Sin"
    case cos = "Cos"
    case tan = "Tan"
    case asin = "Asin"
    case acos = "Acos"
    case atan = "Atan"
    case sinh = "Sinh"
    case cosh = "Cosh"
    case asinh = "Asinh"
    case acosh = "Acosh"
    case atanh = "Atanh"

    /// Names and defaults of the attributes, at most two.
    var parameters: [(name: String, fallback: Float)] {
      switch self {
      case .hardSigmoid: [("alpha", 0.2), ("beta", 0.5)]
      case .leakyRelu: [("alpha", 0.01)]
      case .elu, .celu, .thresholdedRelu, .swish: [("alpha", 1)]
      case .selu: [("alpha", 1.673_263_2), ("gamma", 1.050_701)]
      case .shrink: [("lambd", 0.5), ("bias", 0)]
      default: []
      }
    }

    var elements: Set<ElementType> {
      switch self {
      case .relu, .neg: .signedNumbers
      case .abs, .sign: .numbers
      default: .floats
      }
    }
  }

  public let function: Function
  /// The function's attributes in ONNX's order (`alpha` first); 0 where it has none.
  public let alpha: Float
  public let beta: Float
  /// `Gelu` by tanh rather than erf.
  public let approximatesByTanh: Bool

  public static let names = Function.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(function.rawValue) }

  public init(_ function: Function, alpha: Float? = nil, beta: Float? = nil, approximatesByTanh: Bool = false) {
    let parameters = function.parameters
    self.function = function
    self.alpha = alpha ?? parameters.first?.fallback ?? 0
    self.beta = beta ?? parameters.dropFirst().first?.fallback ?? 0
    self.approximatesByTanh = approximatesByTanh
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    guard let function = Function(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no function of one tensor")
    }
    let values = try function.parameters.map { try attributes.float($0.name, default: $0.fallback) }
    let approximation = function == .gelu ? try attributes.string("approximate", default: "none") : "none"
    guard ["none", "tanh"].contains(approximation) else {
      throw LigatureError(.attribute, "attribute 'approximate' is '\(approximation)'; known are: none, tanh")
    }
    self.init(
      function, alpha: values.first, beta: values.dropFirst().first, approximatesByTanh: approximation == "tanh")
  }

  public var attributes: Attributes {
    var result = Attributes()
    for (parameter, value) in zip(function.parameters, [alpha, beta]) { result.set(parameter.name, value) }
    if approximatesByTanh { result.set("approximate", "tanh") }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: function.elements, "the input")
    return [input]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard function == .neg else { return nil }
    return try context.dimensions(0)?.map { try 0 - $0 }
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
  public var traits: Traits { .canReuseInput0 }
}

/// `[…], min? [], max? [] → […]`: values below `min` become `min`, above `max` become `max`.
public struct Clip: Operator {
  public static let names = [OperatorName("Clip")]
  public var name: OperatorName { Clip.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...3)
    let input = try context.input(0)
    try expect(input.element, in: .numbers, "the input")
    for index in 1...2 {
      guard let bound = context.optional(index) else { continue }
      _ = try sharedElement([input, bound])
      // Exporters write scalars as [1] now and then.
      if let sizes = bound.sizes, try Checked.elementCount(sizes) != 1 {
        throw LigatureError(.shape, "the bound at input \(index) must be a scalar, but is \(bound)")
      }
    }
    return [input]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
  public var traits: Traits { .canReuseInput0 }
}

/// `Not`: `bool […] → bool […]`; `BitwiseNot`: `[…] → […]` of integers.
public struct Not: Operator {
  public let isBitwise: Bool

  public static let names = [OperatorName("Not"), OperatorName("BitwiseNot")]
  public var name: OperatorName { Not.names[isBitwise ? 1 : 0] }
  public var attributes: Attributes { Attributes() }
  public init(name: OperatorName, attributes: Attributes) throws { isBitwise = name.type == "BitwiseNot" }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: isBitwise ? .integers : [.bool], "the input")
    return [input]
  }
  public var traits: Traits { .canReuseInput0 }
}

/// `IsNaN`, `IsInf`: `[…] → bool […]`
public struct Classify: Operator {
  public enum Kind: String, CaseIterable, Sendable {
    case isNaN = "IsNaN"
    case isInf = "IsInf"
  }
  public let kind: Kind
  /// Which infinities `IsInf` finds.
  public let detectsNegative: Bool
  public let detectsPositive: Bool

  public static let names = Kind.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(kind.rawValue) }

  public init(name: OperatorName, attributes: Attributes) throws {
    kind = name.type == Kind.isNaN.rawValue ? .isNaN : .isInf
    detectsNegative = try attributes.flag("detect_negative", default: true)
    detectsPositive = try attributes.flag("detect_positive", default: true)
  }

  public var attributes: Attributes {
    var result = Attributes()
    if !detectsNegative { result.set("detect_negative", false) }
    if !detectsPositive { result.set("detect_positive", false) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: .floats, "the input")
    return [TensorType(.bool, input.shape)]
  }
}

/// `[…] → […]` of another element type: `Cast`, and `CastLike`, which takes the type of its second input.
public struct Cast: Operator {
  /// `.undefined` for `CastLike`.
  public let target: ElementType
  public var isLike: Bool { target == .undefined }
  /// What is too large for a float of 8 bits becomes its largest value.
  public let saturates: Bool

  public static let names = [OperatorName("Cast"), OperatorName("CastLike")]
  public var name: OperatorName { Cast.names[isLike ? 1 : 0] }

  public init(to target: ElementType, saturates: Bool = true) {
    self.target = target
    self.saturates = saturates
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    let saturates = try attributes.flag("saturate", default: true)
    guard name.type == "Cast" else {
      self.init(to: .undefined, saturates: saturates)
      return
    }
    let code = try attributes.int("to")
    guard let raw = Int32(exactly: code), let target = ElementType(rawValue: raw),
      Set<ElementType>.held.union(Set.narrow).contains(target)
    else {
      throw LigatureError(.attribute, "attribute 'to' is \(code), which is no element type that Ligature converts to")
    }
    self.init(to: target, saturates: saturates)
  }

  public var attributes: Attributes {
    var result = Attributes()
    if !isLike { result.set("to", Int(target.rawValue)) }
    if !saturates { result.set("saturate", false) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(isLike ? 2...2 : 1...1)
    let input = try context.input(0)
    try expect(input.element, in: .held.union(Set.narrow), "the input")
    let element = isLike ? try context.input(1).element : target
    try expect(element, in: .held.union(Set.narrow), "the target type")
    return [TensorType(element, input.shape)]
  }

  /// Integers stay what they are, as long as they fit.
  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard try context.input(0).element.isInteger, let contents = try context.dimensions(0) else { return nil }
    let element = isLike ? try context.input(1).element : target
    switch element {
    case .int64: return contents
    case .int32: return contents.allSatisfy { $0.value.map { Int32(exactly: $0) != nil } ?? true } ? contents : nil
    default: return nil
    }
  }
}

/// `Identity`, and `Dropout`, which does nothing at inference: `[…] → […]`.
public struct Identity: Operator {
  public enum Kind: Sendable {
    case identity
    /// `Dropout` keeps its inputs `ratio` and `training_mode`, which switches it on.
    case dropout(seed: Int?)
  }
  public let kind: Kind

  public static let names = [OperatorName("Identity"), OperatorName("Dropout")]
  public var name: OperatorName { if case .identity = kind { Identity.names[0] } else { Identity.names[1] } }

  public init() { kind = .identity }
  public init(name: OperatorName, attributes: Attributes) throws {
    kind = name.type == "Identity" ? .identity : .dropout(seed: try attributes.optionalInt("seed"))
  }

  public var attributes: Attributes {
    var result = Attributes()
    if case .dropout(let seed?) = kind { result.set("seed", seed) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    let input = try context.input(0)
    guard case .dropout = kind else {
      try context.expectInputs(1...1)
      return [input]
    }
    try context.expectInputs(1...3)
    if let ratio = context.optional(1) { try expect(ratio.element, in: .floats, "the ratio") }
    if let training = context.optional(2) { try expect(training.element, in: [.bool], "the training mode") }
    return [input, TensorType(.bool, input.shape)]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? { try context.dimensions(0) }
  /// A mask, if one is wanted, must be written, and the third input may ask for random numbers.
  public var traits: Traits { if case .identity = kind { .isView } else { .isImpure } }
}
