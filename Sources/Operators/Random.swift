public import GraphIR
public import TensorCore

/// ONNX's random generators.
///
/// `RandomNormal` and `RandomUniform` take nothing and make the shape that an attribute says; those that end in `Like`
/// take a tensor of that shape; `Bernoulli` takes probabilities, `Multinomial` unnormalised logarithms
/// `[batch, classes]` and makes `[batch, sample_size]`. With a `seed` two sessions give the same numbers, run by run.
public struct RandomGenerator: Operator {
  public enum Kind: String, CaseIterable, Sendable {
    case normal = "RandomNormal"
    case normalLike = "RandomNormalLike"
    case uniform = "RandomUniform"
    case uniformLike = "RandomUniformLike"
    case bernoulli = "Bernoulli"
    case multinomial = "Multinomial"
  }
  public static let names = Kind.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(kind.rawValue) }
  public let kind: Kind
  /// `nil`: the input's.
  public let element: ElementType?
  public let shape: [Int]
  /// Mean and deviation, or the bounds.
  public let parameters: (Float, Float)
  public let sampleCount: Int
  public let seed: Float?

  public init(name: OperatorName, attributes: Attributes) throws {
    guard let kind = Kind(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no random generator that Ligature knows")
    }
    self.kind = kind
    seed = try attributes.optionalFloat("seed")
    let number = try attributes.optionalInt("dtype")
    let types: Set<ElementType> = kind == .bernoulli ? .movable : kind == .multinomial ? .indices : .floats
    let fallback: ElementType? =
      switch kind {
      case .normal, .uniform: .float32
      case .multinomial: .int32
      default: nil
      }
    element = try number.map { try named($0, in: types) } ?? fallback
    shape = try attributes.ints("shape", default: [])
    guard kind != .normal && kind != .uniform || attributes["shape"] != nil else {
      throw LigatureError(.attribute, "attribute 'shape' is missing")
    }
    _ = try Checked.elementCount(shape)
    sampleCount = try attributes.int("sample_size", default: 1)
    guard sampleCount > 0 else { throw LigatureError(.attribute, "attribute 'sample_size' must be positive") }
    switch kind {
    case .normal, .normalLike:
      parameters = (try attributes.float("mean", default: 0), try attributes.float("scale", default: 1))
    default: parameters = (try attributes.float("low", default: 0), try attributes.float("high", default: 1))
    }
  }

  public var attributes: Attributes {
    var result = Attributes()
    if let seed { result.set("seed", seed) }
    if let element { result.set("dtype", Int(element.rawValue)) }
    switch kind {
    case .normal, .normalLike:
      result.set("mean", parameters.0)
      result.set("scale", parameters.1)
    case .uniform, .uniformLike:
      result.set("low", parameters.0)
      result.set("high", parameters.1)
    case .multinomial: result.set("sample_size", sampleCount)
    case .bernoulli: break
    }
    if kind == .normal || kind == .uniform { result.set("shape", shape) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    if kind == .normal || kind == .uniform {
      try context.expectInputs(0...0)
      return [TensorType(element ?? .float32, sizes: shape)]
    }
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: kind == .bernoulli || kind == .multinomial ? .floats : .movable, "the input")
    guard kind == .multinomial else {
      let made = element ?? x.element
      try expect(made, in: kind == .bernoulli ? .movable : .floats, "what is made")
      return [TensorType(made, x.shape)]
    }
    guard x.isCompatible(with: TensorType(.undefined, [.unknown("batch"), .unknown("classes")])) else {
      throw LigatureError(.rank, "takes [batch, classes], not \(x)")
    }
    return [TensorType(element ?? .int32, [x.shape?[0] ?? .unknown("batch"), .fixed(sampleCount)])]
  }

  public var traits: Traits { .isImpure }
}

private func named(_ number: Int, in types: Set<ElementType>) throws -> ElementType {
  guard let element = Int32(exactly: number).flatMap(ElementType.init), types.contains(element) else {
    throw LigatureError(.attribute, "attribute 'dtype' is \(number), which is no type that this generator makes")
  }
  return element
}
