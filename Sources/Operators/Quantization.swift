public import GraphIR
public import TensorCore

/// `DynamicQuantizeLinear`: float32 x of any shape → uint8 y of the same shape, its scale and its zero point (scalars).
/// The scale makes 0...255 cover all values and zero.
public struct DynamicQuantizeLinear: Operator {
  public static let names = [OperatorName("DynamicQuantizeLinear")]
  public var name: OperatorName { DynamicQuantizeLinear.names[0] }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}
  public var attributes: Attributes { Attributes() }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: [.float32], "x")
    return [TensorType(.uint8, x.shape), TensorType(.float32, []), TensorType(.uint8, [])]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
}

/// How the scales (and zero points) of `QuantizeLinear` and `DequantizeLinear` lie over a tensor: one for all (a scalar
/// or `[1]`), one for each position of an axis (`[D]`), or one for each block of positions (as x, but for that axis).
public struct QuantizationGrid: Sendable, Hashable {
  public let axis: Int
  /// Positions of the axis that share a scale; 0 for scales of rank 0 or 1.
  public let blockSize: Int

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis", default: 1)
    blockSize = try attributes.int("block_size", default: 0)
    guard blockSize >= 0 else {
      throw LigatureError(.attribute, "block_size must not be negative, but is \(blockSize)")
    }
  }

  func write(to attributes: inout Attributes) {
    if axis != 1 { attributes.set("axis", axis) }
    if blockSize != 0 { attributes.set("block_size", blockSize) }
  }

  /// Throws unless the scale (and zero point) fit x.
  func check(_ x: TensorType, scale: TensorType, zero: TensorType?) throws {
    // One number, as a scalar or as a list of one, is the same.
    if let zero, let a = zero.shape, let b = scale.shape,
      a.contains(where: { $0 != 1 }) || b.contains(where: { $0 != 1 }),
      zip(a, b).contains(where: { $0.value != nil && $1.value != nil && $0 != $1 })
        || a.count != b.count
    {
      throw LigatureError(.shape, "the scale \(scale) and the zero point \(zero) must have one shape")
    }
    guard let x = x.shape, let scale = scale.shape else { return }
    guard blockSize > 0 else {
      guard scale.count <= 1 else { throw LigatureError(.rank, "a scale of rank \(scale.count) needs a block_size") }
      guard let count = scale.first?.value, count != 1 else { return }
      let size = x[try normalizedAxis(axis, rank: x.count)]
      if let size = size.value, size != count {
        throw LigatureError(.shape, "there are \(count) scales for an axis of \(size)")
      }
      return
    }
    let at = try normalizedAxis(axis, rank: x.count)
    guard scale.count == x.count else {
      throw LigatureError(.rank, "scales of blocks must have the rank of x, \(x.count), not \(scale.count)")
    }
    for (index, (size, count)) in zip(x, scale).enumerated() {
      guard let size = size.value, let count = count.value else { continue }
      let wanted = index == at ? size / blockSize + (size % blockSize == 0 ? 0 : 1) : size
      guard count == wanted else {
        throw LigatureError(.shape, "scales \(scale) do not fit \(x) with blocks of \(blockSize) along axis \(at)")
      }
    }
  }
}

/// `QuantizeLinear`: q = saturate(round(x / scale) + zero point), rounding ties to even. Floats of 8 bits round by
/// themselves.
public struct QuantizeLinear: Operator {
  public static let names = [OperatorName("QuantizeLinear")]
  public var name: OperatorName { QuantizeLinear.names[0] }
  public let grid: QuantizationGrid
  /// `nil`: the zero point's type, or uint8.
  public let outputElement: ElementType?
  /// What is too large for a float of 8 bits becomes its largest value.
  public let saturates: Bool

  public init(name: OperatorName, attributes: Attributes) throws {
    grid = try QuantizationGrid(attributes)
    saturates = try attributes.flag("saturate", default: true)
    let number = try attributes.int("output_dtype", default: 0)
    guard let element = Int32(exactly: number).flatMap(ElementType.init) else {
      throw LigatureError(.attribute, "output_dtype \(number) is no element type that Ligature knows")
    }
    outputElement = element == .undefined ? nil : element
    if let outputElement { try expect(outputElement, in: .quantized, "output_dtype") }
  }

  public var attributes: Attributes {
    var attributes = Attributes()
    grid.write(to: &attributes)
    if let outputElement { attributes.set("output_dtype", Int(outputElement.rawValue)) }
    if !saturates { attributes.set("saturate", false) }
    return attributes
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...3)
    let (x, scale, zero) = (try context.input(0), try context.input(1), context.optional(2))
    try expect(x.element, in: [.float32, .float16, .bfloat16, .int32], "x")
    try expect(scale.element, in: [.float32, .float16, .bfloat16, .int32], "the scale")
    try grid.check(x, scale: scale, zero: zero)
    guard let zero, zero.element != .undefined else { return [TensorType(outputElement ?? .uint8, x.shape)] }
    try expect(zero.element, in: .quantized, "the zero point")
    if let outputElement, outputElement != zero.element {
      throw LigatureError(.type, "output_dtype is \(outputElement), but the zero point is \(zero.element)")
    }
    return [TensorType(zero.element, x.shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
}

/// `DequantizeLinear`: x = (q - zero point) * scale, in the scale's type.
public struct DequantizeLinear: Operator {
  public static let names = [OperatorName("DequantizeLinear")]
  public var name: OperatorName { DequantizeLinear.names[0] }
  public let grid: QuantizationGrid

  public init(name: OperatorName, attributes: Attributes) throws { grid = try QuantizationGrid(attributes) }

  public var attributes: Attributes {
    var attributes = Attributes()
    grid.write(to: &attributes)
    return attributes
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...3)
    let (q, scale, zero) = (try context.input(0), try context.input(1), context.optional(2))
    try expect(q.element, in: Set.quantized.union([.int32]), "the input")
    try expect(scale.element, in: [.float32, .float16, .bfloat16], "the scale")
    if let zero { _ = try sharedElement([q, zero]) }
    try grid.check(q, scale: scale, zero: zero)
    return [TensorType(scale.element, q.shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { context.elementwiseCost(outputs) }
}

extension Set<ElementType> {
  /// What QuantizeLinear makes.
  package static let quantized = Set<ElementType>([.int8, .uint8, .int16, .uint16]).union(Set.narrow)
}
