public import GraphIR
public import TensorCore

/// `→ […]`: a tensor written into the graph. Folded into a constant value when a file is read.
public struct Constant: Operator {
  public let value: Tensor
  /// The attribute that holds it, so that export gives back what was imported.
  private let attribute: String

  public static let names = [OperatorName("Constant")]
  public var name: OperatorName { Constant.names[0] }
  public init(_ value: Tensor) {
    self.value = value
    attribute = "value"
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    let known = ["value", "value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings"]
    let present = known.filter { attributes[$0] != nil }
    guard present.count == 1, let attribute = present.first else {
      throw LigatureError(
        .attribute, "exactly one of \(known.joined(separator: ", ")) must be given; sparse constants are not supported")
    }
    self.attribute = attribute
    switch attributes[attribute] {
    case .tensor(let tensor): value = tensor
    case .float(let number): value = Tensor(scalar: number)
    case .floats(let numbers): value = try Tensor(numbers, [numbers.count])
    case .int(let number): value = Tensor(scalar: number)
    case .ints(let numbers): value = try Tensor(numbers, [numbers.count])
    case .string(let text): value = try Tensor(strings: [text], [])
    case .strings(let texts): value = try Tensor(strings: texts, [texts.count])
    default: throw LigatureError(.attribute, "attribute '\(attribute)' is of the wrong kind")
    }
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("value", value)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(0...0)
    return [TensorType(value.element, sizes: value.shape)]
  }
  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    value.count <= 1024 ? try value.integers().map(Dimension.fixed) : nil
  }
}

/// `shape int64 [n] → […]` filled with one value (float32 0 if none is given).
public struct ConstantOfShape: Operator {
  public let value: Tensor

  public static let names = [OperatorName("ConstantOfShape")]
  public var name: OperatorName { ConstantOfShape.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    value = try attributes.optionalTensor("value") ?? Tensor(scalar: Float(0))
    guard value.count == 1, Set<ElementType>.movable.contains(value.element) else {
      throw LigatureError(.attribute, "attribute 'value' must be one number, but is \(value.element)\(value.shape)")
    }
  }
  public var attributes: Attributes {
    var result = Attributes()
    result.set("value", value)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    if let wanted = try context.dimensions(0) {
      if let negative = wanted.first(where: { ($0.value ?? 0) < 0 }) {
        throw LigatureError(.shape, "the shape \(wanted) has the negative dimension \(negative)")
      }
      return [TensorType(value.element, wanted)]
    }
    guard let rank = try context.input(0).shape?.first?.value, rank >= 0, rank <= 64 else {
      return [TensorType(value.element, nil)]
    }
    return [TensorType(value.element, (0..<rank).map { .unknown("filled\($0)") })]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let sizes = try context.integers(0), try Checked.elementCount(sizes) <= 64 else { return nil }
    return Array(repeating: .fixed(try value.integers()[0]), count: try Checked.elementCount(sizes))
  }
}

/// `start [], limit [], delta [] → [n]`: start, start + delta, … below (or above) limit.
public struct NumberRange: Operator {
  public static let names = [OperatorName("Range")]
  public var name: OperatorName { NumberRange.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let inputs = try context.allInputs()
    let element = try sharedElement(inputs)
    try expect(element, in: [.float32, .float64, .int16, .int32, .int64], "the input")
    for input in inputs {
      if let sizes = input.sizes, try Checked.elementCount(sizes) != 1 {
        throw LigatureError(.shape, "start, limit and delta must be scalars, but one is \(input)")
      }
    }
    return [TensorType(element, [try count(context, element)])]
  }

  private func count(_ context: InferenceContext, _ element: ElementType) throws -> Dimension {
    if element.isFloatingPoint {
      var values: [Double] = []
      for index in 0..<3 {
        guard let constant = context.constant(index) else { return .unknown("range") }
        values.append(try element == .float64 ? constant.scalars(as: Double.self)[0] : Double(constant.floats()[0]))
      }
      let count = ((values[1] - values[0]) / values[2]).rounded(.up)
      guard values[2] != 0, count.isFinite, count < 1e15 else {
        throw LigatureError(.numeric, "a range from \(values[0]) to \(values[1]) by \(values[2]) has no end")
      }
      return .fixed(Int(max(0, count)))
    }
    guard let start = try context.dimensions(0)?.first, let limit = try context.dimensions(1)?.first,
      let delta = try context.integers(2)?.first
    else { return .unknown("range") }
    guard delta != 0 else { throw LigatureError(.numeric, "a range by 0 has no end") }
    guard let a = start.value, let b = limit.value else {
      return delta == 1 ? try limit - start : .unknown("range")
    }
    let (distance, overflow) = b.subtractingReportingOverflow(a)
    guard !overflow, distance > .min / 2, distance < .max / 2, delta > .min / 2, delta < .max / 2 else {
      throw LigatureError(.numeric, "a range from \(a) to \(b) by \(delta) is too long")
    }
    return .fixed(max(0, (distance + delta - delta.signum()) / delta))
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let start = try context.integers(0)?.first, let delta = try context.integers(2)?.first,
      let count = try inferTypes(context)[0].shape?.first?.value, count <= 1024
    else { return nil }
    return try (0..<count).map { .fixed(try Checked.add(start, Checked.multiply($0, delta))) }
  }
}

/// `[rows, columns] → [rows, columns]`: ones on the `k`-th diagonal.
public struct EyeLike: Operator {
  public let diagonal: Int
  /// `nil`: the input's.
  public let element: ElementType?

  public static let names = [OperatorName("EyeLike")]
  public var name: OperatorName { EyeLike.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    diagonal = try attributes.int("k", default: 0)
    element = try attributes.optionalInt("dtype").map { code in
      guard let raw = Int32(exactly: code), let element = ElementType(rawValue: raw),
        Set<ElementType>.movable.contains(element)
      else { throw LigatureError(.attribute, "attribute 'dtype' is \(code), which is no numeric element type") }
      return element
    }
  }
  public var attributes: Attributes {
    var result = Attributes()
    if diagonal != 0 { result.set("k", diagonal) }
    if let element { result.set("dtype", Int(element.rawValue)) }
    return result
  }
  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    guard (input.rank ?? 2) == 2 else { throw LigatureError(.rank, "the input must be a matrix, but is \(input)") }
    return [TensorType(element ?? input.element, input.shape)]
  }
}
