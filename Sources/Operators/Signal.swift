public import GraphIR
public import TensorCore

// Signal processing: windows, Fourier transforms, mel filters.

/// The element type that an attribute such as `output_datatype` names.
func namedElement(_ attributes: Attributes, _ attribute: String, default fallback: ElementType) throws -> ElementType {
  let number = try attributes.int(attribute, default: Int(fallback.rawValue))
  guard let element = Int32(exactly: number).flatMap(ElementType.init), Set<ElementType>.movable.contains(element)
  else { throw LigatureError(.attribute, "attribute '\(attribute)' is \(number), which is no type of numbers") }
  return element
}

/// A window: `size [] → [size]`.
public struct WindowFunction: Operator {
  public enum Kind: String, CaseIterable, Sendable {
    case hann = "HannWindow"
    case hamming = "HammingWindow"
    case blackman = "BlackmanWindow"
  }
  public static let names = Kind.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(kind.rawValue) }
  public let kind: Kind
  public let isPeriodic: Bool
  public let element: ElementType

  public init(name: OperatorName, attributes: Attributes) throws {
    kind = Kind(rawValue: name.type) ?? .hann
    isPeriodic = try attributes.flag("periodic", default: true)
    element = try namedElement(attributes, "output_datatype", default: .float32)
  }

  public var attributes: Attributes {
    var result = Attributes()
    if !isPeriodic { result.set("periodic", false) }
    if element != .float32 { result.set("output_datatype", Int(element.rawValue)) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    try expect(try context.input(0).element, in: .indices, "the size")
    guard let size = try context.dimensions(0)?.first else { return [TensorType(element, [.unknown("window")])] }
    if let value = size.value, value < 0 { throw LigatureError(.shape, "a window cannot have the size \(value)") }
    return [TensorType(element, [size])]
  }
}

/// The discrete Fourier transform along an axis: `[…, 1 or 2], length []?, axis []? → […, 2]`, the last axis real and
/// imaginary part. `onesided` keeps the first length / 2 + 1 places of real input's.
public struct DiscreteFourierTransform: Operator {
  public static let names = [OperatorName("DFT")]
  public var name: OperatorName { DiscreteFourierTransform.names[0] }
  public let isInverse: Bool
  public let isOneSided: Bool

  public init(name: OperatorName, attributes: Attributes) throws {
    isInverse = try attributes.flag("inverse", default: false)
    isOneSided = try attributes.flag("onesided", default: false)
    guard !(isInverse && isOneSided) else {
      throw LigatureError(.attribute, "a transform is either inverse or onesided, not both")
    }
  }

  public var attributes: Attributes {
    var result = Attributes()
    if isInverse { result.set("inverse", true) }
    if isOneSided { result.set("onesided", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...3)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    guard var shape = x.shape else { return [x] }
    guard shape.count >= 2 else { throw LigatureError(.rank, "takes […, 1 or 2], not \(x)") }
    let parts = shape[shape.count - 1]
    if let parts = parts.value, parts != 1, parts != 2 {
      throw LigatureError(.shape, "the last axis must have 1 or 2 parts, not \(parts)")
    }
    shape[shape.count - 1] = 2
    // An axis that only running tells may be any of them.
    guard let axis = context.optional(2) == nil ? -2 : try context.integers(2)?.first else {
      return [TensorType(x.element, shape.dropLast().map { .unknown("DFT(\($0))") } + [2])]
    }
    let at = try signalAxis(axis, rank: shape.count)
    var length = shape[at]
    if context.optional(1) != nil { length = try context.dimensions(1)?.first ?? .unknown("length") }
    if let value = length.value, value < 1 {
      throw LigatureError(.shape, "a transform cannot have the length \(value)")
    }
    shape[at] = isOneSided ? try length.dividedRoundingDown(by: 2) + 1 : length
    return [TensorType(x.element, shape)]
  }

  package func signalAxis(_ axis: Int, rank: Int) throws -> Int {
    let at = try normalizedAxis(axis, rank: rank)
    guard at < rank - 1 else { throw LigatureError(.attribute, "the transformed axis cannot be that of the parts") }
    return at
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 16)
  }
}

/// The short-time Fourier transform: `[N, length, 1 or 2], step [], window [w]?, frame length []? → [N, frames, bins, 2]`.
public struct ShortTimeFourierTransform: Operator {
  public static let names = [OperatorName("STFT")]
  public var name: OperatorName { ShortTimeFourierTransform.names[0] }
  public let isOneSided: Bool

  public init(name: OperatorName, attributes: Attributes) throws {
    isOneSided = try attributes.flag("onesided", default: true)
  }

  public var attributes: Attributes {
    var result = Attributes()
    if !isOneSided { result.set("onesided", false) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...4)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    guard let shape = x.shape else { return [TensorType(x.element, nil)] }
    guard shape.count == 3 else { throw LigatureError(.rank, "takes [N, length, 1 or 2], not \(x)") }
    if let parts = shape[2].value, parts != 1, parts != 2 {
      throw LigatureError(.shape, "the last axis must have 1 or 2 parts, not \(parts)")
    }
    guard let step = try context.integers(1)?.first, let length = try frameLength(context) else {
      return [TensorType(x.element, [shape[0], .unknown("frames"), .unknown("bins"), 2])]
    }
    guard step > 0 else { throw LigatureError(.numeric, "the step between frames is \(step), but must be positive") }
    let frames = try shape[1].windows(kernel: length, stride: step)
    return [TensorType(x.element, [shape[0], frames, .fixed(isOneSided ? length / 2 + 1 : length), 2])]
  }

  /// The frame length or else the window's.
  private func frameLength(_ context: InferenceContext) throws -> Int? {
    let window = context.optional(2)?.shape?.first?.value
    guard context.optional(3) != nil else {
      guard context.optional(2) != nil else {
        throw LigatureError(.arity, "a window or a frame length must be given")
      }
      return window
    }
    guard let length = try context.integers(3)?.first else { return nil }
    guard length > 0, window ?? length == length else {
      throw LigatureError(.shape, "the frame length \(length) must be positive and fit the window, \(window ?? length)")
    }
    return length
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 16)
  }
}

/// Triangular filters, evenly spaced on the mel scale: `bins [], DFT length [], sample rate [], lower edge [],
/// upper edge [] → [DFT length / 2 + 1, bins]`.
public struct MelWeightMatrix: Operator {
  public static let names = [OperatorName("MelWeightMatrix")]
  public var name: OperatorName { MelWeightMatrix.names[0] }
  public let element: ElementType

  public init(name: OperatorName, attributes: Attributes) throws {
    element = try namedElement(attributes, "output_datatype", default: .float32)
  }

  public var attributes: Attributes {
    var result = Attributes()
    if element != .float32 { result.set("output_datatype", Int(element.rawValue)) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(5...5)
    let inputs = try context.allInputs()
    for input in inputs[..<3] { try expect(input.element, in: .indices, "a count") }
    for input in inputs[3...] { try expect(input.element, in: .floats, "an edge") }
    let (bins, length) = (try context.integers(0)?.first, try context.integers(1)?.first)
    guard bins ?? 0 >= 0, length ?? 1 > 0 else {
      throw LigatureError(.numeric, "\(bins ?? 0) bins of a transform of length \(length ?? 0) make no matrix")
    }
    return [
      TensorType(
        element,
        [length.map { .fixed($0 / 2 + 1) } ?? .unknown("spectrum"), bins.map(Dimension.fixed) ?? .unknown("bins")])
    ]
  }
}
