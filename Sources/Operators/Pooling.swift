public import GraphIR
import TensorCore

/// How a window moves over the spatial axes of `[N, C, D₁, …, Dₙ]`, in the attributes that ONNX's pooling shares.
public struct PoolingWindow: Sendable, Equatable {
  public enum AutoPad: String, CaseIterable, Sendable {
    case explicit = "NOTSET"
    case sameUpper = "SAME_UPPER"
    case sameLower = "SAME_LOWER"
    case valid = "VALID"
  }
  public var kernel: [Int]
  public var strides: [Int]
  public var dilations: [Int]
  /// Begins of all axes, then ends.
  public var pads: [Int]
  public var autoPad: AutoPad
  /// The last window may start inside and reach out (`ceil_mode`).
  public var roundsUp: Bool

  init(_ attributes: Attributes) throws {
    guard let kernel = try attributes.optionalInts("kernel_shape"), !kernel.isEmpty else {
      throw LigatureError(.attribute, "attribute 'kernel_shape' is missing or empty")
    }
    self.kernel = kernel
    let ones = [Int](repeating: 1, count: kernel.count)
    strides = try attributes.ints("strides", default: ones)
    dilations = try attributes.ints("dilations", default: ones)
    pads = try attributes.ints("pads", default: [Int](repeating: 0, count: 2 * kernel.count))
    autoPad = try attributes.choice("auto_pad", default: .explicit)
    roundsUp = try attributes.flag("ceil_mode", default: false)
    guard strides.count == kernel.count, dilations.count == kernel.count, pads.count == 2 * kernel.count else {
      throw LigatureError(
        .attribute, "strides \(strides), dilations \(dilations) and pads \(pads) do not fit the kernel \(kernel)")
    }
    guard (kernel + strides + dilations).allSatisfy({ $0 > 0 && $0 < 1 << 31 }) else {
      throw LigatureError(
        .attribute, "kernel \(kernel), strides \(strides) and dilations \(dilations) must be positive and below 2^31")
    }
    for axis in kernel.indices {
      // A window of padding alone would have nothing to pool.
      for pad in [pads[axis], pads[kernel.count + axis]] where pad < 0 || pad > extent(axis) - 1 {
        throw LigatureError(.attribute, "the padding \(pad) must lie in 0..<\(extent(axis)), the kernel's size")
      }
    }
  }

  /// Elements that the window spans, dilation included.
  package func extent(_ axis: Int) -> Int { (kernel[axis] - 1) * dilations[axis] + 1 }

  func export(into result: inout Attributes) {
    result.set("kernel_shape", kernel)
    if strides.contains(where: { $0 != 1 }) { result.set("strides", strides) }
    if dilations.contains(where: { $0 != 1 }) { result.set("dilations", dilations) }
    if pads.contains(where: { $0 != 0 }) { result.set("pads", pads) }
    if autoPad != .explicit { result.set("auto_pad", autoPad.rawValue) }
    if roundsUp { result.set("ceil_mode", true) }
  }

  /// The output size along an axis.
  func output(_ size: Dimension, _ axis: Int) throws -> Dimension {
    let stride = strides[axis]
    switch autoPad {
    case .sameUpper, .sameLower:
      return try (size + .fixed(stride - 1)).dividedRoundingDown(by: .fixed(stride))
    case .valid:
      return try size.windows(kernel: kernel[axis], stride: stride, dilation: dilations[axis])
    case .explicit:
      let (begin, end) = (pads[axis], pads[kernel.count + axis])
      let count = try size.windows(
        kernel: kernel[axis], stride: stride, dilation: dilations[axis], padding: begin + end, roundingUp: roundsUp)
      // A window that would start in the padding at the end is left out.
      if roundsUp, let count = count.value, let size = size.value, (count - 1) * stride >= size + begin {
        return .fixed(count - 1)
      }
      return count
    }
  }

  /// Padding at both ends of an axis of known sizes.
  package func padding(_ axis: Int, input: Int, output: Int) -> (begin: Int, end: Int) {
    switch autoPad {
    case .explicit: return (pads[axis], pads[kernel.count + axis])
    case .valid: return (0, 0)
    case .sameUpper, .sameLower:
      let total = max(0, (output - 1) * strides[axis] + extent(axis) - input)
      let small = total / 2
      return autoPad == .sameUpper ? (small, total - small) : (total - small, small)
    }
  }

  /// The shape of the result for `[N, C, D₁, …, Dₙ]`.
  func inferShape(_ input: TensorType) throws -> [Dimension]? {
    guard let shape = input.shape else { return nil }
    guard shape.count == kernel.count + 2 else {
      throw LigatureError(
        .rank, "a kernel of \(kernel.count) axes needs [N, C, \(kernel.count) spatial axes], but the input is \(input)")
    }
    return try shape.enumerated().map { try $0 < 2 ? $1 : output($1, $0 - 2) }
  }

  func cost(_ context: InferenceContext, _ outputs: [TensorType]) -> Cost {
    context.elementwiseCost(
      outputs, perElement: kernel.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue }))
  }
}

/// `[N, C, D…] → [N, C, O…]`, and the places of the maxima as int64 if a second output is wanted.
public struct MaxPool: Operator {
  public let window: PoolingWindow
  /// Places are counted along the first spatial axis first (`storage_order` 1).
  public let isColumnMajor: Bool

  public static let names = [OperatorName("MaxPool")]
  public var name: OperatorName { MaxPool.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    window = try PoolingWindow(attributes)
    isColumnMajor = try attributes.flag("storage_order", default: false)
  }
  public var attributes: Attributes {
    var result = Attributes()
    window.export(into: &result)
    if isColumnMajor { result.set("storage_order", true) }
    return result
  }
  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: Set.floats.union([.int8, .uint8]), "the input")
    let shape = try window.inferShape(input)
    return [TensorType(input.element, shape), TensorType(.int64, shape)]
  }
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { window.cost(context, outputs) }
}

/// `[N, C, D…] → [N, C, O…]`: `AveragePool` and `LpPool`.
public struct AveragePool: Operator {
  public enum Kind: Sendable, Equatable {
    case average(countsPadding: Bool)
    /// (Σ |x|^p)^(1/p)
    case norm(Int)
  }
  public let kind: Kind
  public let window: PoolingWindow

  public static let names = [OperatorName("AveragePool"), OperatorName("LpPool")]
  public var name: OperatorName { if case .average = kind { AveragePool.names[0] } else { AveragePool.names[1] } }
  public init(name: OperatorName, attributes: Attributes) throws {
    window = try PoolingWindow(attributes)
    if name.type == "AveragePool" {
      kind = .average(countsPadding: try attributes.flag("count_include_pad", default: false))
    } else {
      let p = try attributes.int("p", default: 2)
      guard p > 0, p < 1 << 20 else { throw LigatureError(.attribute, "attribute 'p' is \(p), but must be positive") }
      kind = .norm(p)
    }
  }
  public var attributes: Attributes {
    var result = Attributes()
    window.export(into: &result)
    switch kind {
    case .average(let countsPadding): if countsPadding { result.set("count_include_pad", true) }
    case .norm(let p): if p != 2 { result.set("p", p) }
    }
    return result
  }
  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: .floats, "the input")
    return [TensorType(input.element, try window.inferShape(input))]
  }
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { window.cost(context, outputs) }
}

/// `[N, C, D…] → [N, C, 1…]`: the mean or maximum of each channel.
public struct GlobalPool: Operator {
  public enum Kind: String, CaseIterable, Sendable {
    case average = "GlobalAveragePool"
    case max = "GlobalMaxPool"
  }
  public let kind: Kind

  public static let names = Kind.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(kind.rawValue) }
  public var attributes: Attributes { Attributes() }
  public init(_ kind: Kind) { self.kind = kind }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(name.type == Kind.average.rawValue ? .average : .max)
  }
  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    try expect(input.element, in: .floats, "the input")
    guard let shape = input.shape else { return [input] }
    guard shape.count >= 3 else {
      throw LigatureError(.rank, "the input must be [N, C, spatial axes], but is \(input)")
    }
    return [TensorType(input.element, shape.enumerated().map { $0 < 2 ? $1 : 1 })]
  }
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let count = context.optional(0)?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0
    return .moving(context.inputs, outputs, multiplyAdds: count)
  }
}
