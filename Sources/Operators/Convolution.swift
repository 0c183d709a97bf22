public import GraphIR
import TensorCore

/// How a window moves over the spatial axes: the attributes that Conv, ConvTranspose and ConvInteger share.
public struct ConvolutionWindow: Sendable, Hashable {
  public enum AutoPad: String, CaseIterable, Sendable {
    case notSet = "NOTSET"
    case sameUpper = "SAME_UPPER"
    case sameLower = "SAME_LOWER"
    case valid = "VALID"
  }

  /// Empty lists stand for what ONNX says of attributes that are left out: the weights' sizes, ones, zeros.
  public var kernelShape: [Int]
  public var strides: [Int]
  public var dilations: [Int]
  /// Begins of all axes, then ends of all axes.
  public var pads: [Int]
  public var autoPad: AutoPad
  public var group: Int

  public init(
    kernelShape: [Int] = [], strides: [Int] = [], dilations: [Int] = [], pads: [Int] = [], autoPad: AutoPad = .notSet,
    group: Int = 1
  ) throws {
    self.kernelShape = kernelShape
    self.strides = strides
    self.dilations = dilations
    self.pads = pads
    self.autoPad = autoPad
    self.group = group
    for (name, values) in [("kernel_shape", kernelShape), ("strides", strides), ("dilations", dilations)] {
      try ConvolutionWindow.expect(values, atLeast: 1, name)
    }
    try ConvolutionWindow.expect(pads, atLeast: 0, "pads")
    try ConvolutionWindow.expect([group], atLeast: 1, "group")
    let ranks = [kernelShape.count, strides.count, dilations.count, pads.count / 2].filter { $0 > 0 }
    guard Set(ranks).count <= 1, pads.count % 2 == 0 else {
      throw LigatureError(
        .attribute,
        "kernel_shape \(kernelShape), strides \(strides), dilations \(dilations) and pads \(pads) do not agree on the number of spatial axes"
      )
    }
    guard autoPad == .notSet || pads.allSatisfy({ $0 == 0 }) else {
      throw LigatureError(.attribute, "pads \(pads) cannot be given together with auto_pad \(autoPad.rawValue)")
    }
  }

  init(_ attributes: Attributes) throws {
    try self.init(
      kernelShape: attributes.ints("kernel_shape", default: []), strides: attributes.ints("strides", default: []),
      dilations: attributes.ints("dilations", default: []), pads: attributes.ints("pads", default: []),
      autoPad: attributes.choice("auto_pad", default: .notSet), group: attributes.int("group", default: 1))
  }

  /// Far more than any network has; small enough that products of a few of them cannot overflow.
  private static let most = 1 << 20

  private static func expect(_ values: [Int], atLeast least: Int, _ name: String) throws {
    guard values.allSatisfy({ $0 >= least && $0 <= most }) else {
      throw LigatureError(.attribute, "attribute '\(name)' is \(values); values from \(least) to \(most) are supported")
    }
  }

  var attributes: Attributes {
    var result = Attributes()
    if !kernelShape.isEmpty { result.set("kernel_shape", kernelShape) }
    if !strides.isEmpty { result.set("strides", strides) }
    if !dilations.isEmpty { result.set("dilations", dilations) }
    if !pads.isEmpty { result.set("pads", pads) }
    if autoPad != .notSet { result.set("auto_pad", autoPad.rawValue) }
    if group != 1 { result.set("group", group) }
    return result
  }

  public func stride(_ axis: Int) -> Int { strides.isEmpty ? 1 : strides[axis] }
  public func dilation(_ axis: Int) -> Int { dilations.isEmpty ? 1 : dilations[axis] }
  func pad(_ axis: Int, rank: Int) -> (begin: Int, end: Int) {
    pads.isEmpty ? (0, 0) : (pads[axis], pads[axis + rank])
  }

  /// Sizes of the kernel: the weights' last dimensions, or `kernel_shape`. `nil` where neither is known.
  func kernel(weights: [Dimension]?, rank: Int) throws -> [Int?] {
    let listed = [kernelShape.count, strides.count, dilations.count, pads.count / 2]
    guard listed.allSatisfy({ $0 == 0 || $0 == rank }) else {
      throw LigatureError(
        .attribute, "the attributes are for \(listed.max() ?? 0) spatial axes, the input has \(rank)")
    }
    return try (0..<rank).map { axis in
      let given = kernelShape.isEmpty ? nil : kernelShape[axis]
      guard let known = weights?[axis + 2].value else { return given }
      guard given ?? known == known else {
        throw LigatureError(.attribute, "kernel_shape is \(kernelShape), the weights have \(known) at axis \(axis + 2)")
      }
      guard known >= 1, known <= ConvolutionWindow.most else {
        throw LigatureError(.shape, "the weights have \(known) at axis \(axis + 2)")
      }
      return known
    }
  }

  /// Zeros before and after an axis of convolution, for an input of that size.
  public func padding(_ axis: Int, rank: Int, input: Int, kernel: Int) throws -> (begin: Int, end: Int) {
    switch autoPad {
    case .notSet: return pad(axis, rank: rank)
    case .valid: return (0, 0)
    case .sameUpper, .sameLower:
      let output = (input - 1) / stride(axis) + 1
      let span = try Checked.multiply(output - 1, stride(axis), "padding")
      let total = max(0, try Checked.add(span, (kernel - 1) * dilation(axis) + 1, "padding") - input)
      return autoPad == .sameUpper ? (total / 2, total - total / 2) : (total - total / 2, total / 2)
    }
  }

  /// What convolution makes of a spatial axis.
  func output(_ axis: Int, rank: Int, input: Dimension, kernel: Int?) throws -> Dimension {
    if autoPad == .sameUpper || autoPad == .sameLower {
      return try input.windows(kernel: 1, stride: stride(axis))
    }
    let pads = autoPad == .valid ? (begin: 0, end: 0) : pad(axis, rank: rank)
    guard let kernel else { return .unknown("windows(\(input))") }
    return try input.windows(
      kernel: kernel, stride: stride(axis), dilation: dilation(axis),
      padding: Checked.add(pads.begin, pads.end, "padding"))
  }
}

/// Convolution: `[N, C, …], [M, C / group, k…], [M]? → [N, M, …]`.
///
/// In the domain `ligature` (prepared graphs only) it may also add a fourth input, shaped as the output, and apply
/// an activation, whose result it may scale and shift.
public struct Conv: Operator {
  public static let standardName = OperatorName("Conv")
  public static let fusedName = OperatorName("FusedConv", domain: "ligature")
  public static let names = [standardName, fusedName]
  public let name: OperatorName
  public let window: ConvolutionWindow
  public let epilogue: Epilogue
  public var activation: FusedActivation { epilogue.activation }

  public init(_ window: ConvolutionWindow) {
    name = Conv.standardName
    self.window = window
    epilogue = .none
  }

  /// For prepared graphs.
  public init(fused window: ConvolutionWindow, _ epilogue: Epilogue) {
    name = Conv.fusedName
    self.window = window
    self.epilogue = epilogue
  }

  /// For prepared graphs.
  public init(fused window: ConvolutionWindow, _ activation: FusedActivation) {
    self.init(fused: window, Epilogue(activation))
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.name = name
    window = try ConvolutionWindow(attributes)
    epilogue = name == Conv.fusedName ? try Epilogue(attributes) : .none
  }

  public var attributes: Attributes {
    var result = window.attributes
    epilogue.write(to: &result)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(name == Conv.fusedName ? 2...4 : 2...3)
    let (x, w) = (try context.input(0), try context.input(1))
    let operands = [x, w, context.optional(2), context.optional(3)].compactMap { $0 }
    let element = try sharedElement(operands)
    try expect(element, in: .floats, "the input")
    let shape = try convolvedShape(x, w, window)
    try expectBias(context.optional(2), shape: shape)
    if let residual = context.optional(3), !residual.isCompatible(with: TensorType(element, shape)) {
      throw LigatureError(.shape, "the fourth input must have the output's type \(TensorType(element, shape))")
    }
    return [TensorType(element, shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { convolutionCost(context, outputs) }
}

/// Convolution of quantised numbers, exact in int32: `[N, C, …], [M, C / group, k…], x zero point?, w zero point? →
/// int32[N, M, …]`. The zero point of x is a scalar, that of w a scalar or one value a filter.
public struct ConvInteger: Operator {
  public static let names = [OperatorName("ConvInteger")]
  public var name: OperatorName { ConvInteger.names[0] }
  public let window: ConvolutionWindow

  public init(_ window: ConvolutionWindow) { self.window = window }
  public init(name: OperatorName, attributes: Attributes) throws { window = try ConvolutionWindow(attributes) }
  public var attributes: Attributes { window.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...4)
    let (x, w) = (try context.input(0), try context.input(1))
    try expect(x.element, in: [.uint8, .int8], "input 0")
    try expect(w.element, in: [.uint8, .int8], "input 1")
    for (index, operand) in [(2, x), (3, w)] {
      guard let point = context.optional(index) else { continue }
      _ = try sharedElement([operand, point])
      guard point.rank ?? 0 <= 1 else { throw LigatureError(.rank, "the zero point at input \(index) is \(point)") }
    }
    let shape = try convolvedShape(x, w, window)
    if let points = context.optional(3)?.shape?.first?.value, points != 1, let filters = shape?[1].value,
      points != filters
    {
      throw LigatureError(.shape, "there are \(points) zero points for \(filters) filters")
    }
    return [TensorType(.int32, shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { convolutionCost(context, outputs) }
}

/// Transposed convolution: `[N, C, …], [C, M / group, k…], [M]? → [N, M, …]`.
///
/// In the domain `ligature` (prepared graphs only) it may also apply an activation, as `Conv` does.
public struct ConvTranspose: Operator {
  public static let standardName = OperatorName("ConvTranspose")
  public static let fusedName = OperatorName("FusedConvTranspose", domain: "ligature")
  public static let names = [standardName, fusedName]
  public let name: OperatorName
  public let window: ConvolutionWindow
  public let epilogue: Epilogue
  /// Added to the sizes at the ends; empty: zeros.
  public let outputPadding: [Int]
  /// The sizes wanted, from which padding follows; empty: not given.
  public let outputShape: [Int]

  public init(_ window: ConvolutionWindow, outputPadding: [Int] = [], outputShape: [Int] = []) throws {
    try self.init(ConvTranspose.standardName, window, .none, outputPadding, outputShape)
  }

  /// For prepared graphs.
  public init(fusing epilogue: Epilogue, into op: ConvTranspose) throws {
    try self.init(ConvTranspose.fusedName, op.window, epilogue, op.outputPadding, op.outputShape)
  }

  private init(
    _ name: OperatorName, _ window: ConvolutionWindow, _ epilogue: Epilogue, _ outputPadding: [Int],
    _ outputShape: [Int]
  ) throws {
    self.name = name
    self.window = window
    self.epilogue = epilogue
    self.outputPadding = outputPadding
    self.outputShape = outputShape
    guard outputPadding.allSatisfy({ (0..<(1 << 20)).contains($0) }) else {
      throw LigatureError(.attribute, "attribute 'output_padding' is \(outputPadding); it must not be negative")
    }
    guard outputShape.allSatisfy({ $0 > 0 && $0 < 1 << 40 }) else {
      throw LigatureError(.attribute, "attribute 'output_shape' is \(outputShape); it must be positive")
    }
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    try self.init(
      name, ConvolutionWindow(attributes), name == ConvTranspose.fusedName ? Epilogue(attributes) : .none,
      attributes.ints("output_padding", default: []), attributes.ints("output_shape", default: []))
  }

  public var attributes: Attributes {
    var result = window.attributes
    if !outputPadding.isEmpty { result.set("output_padding", outputPadding) }
    if !outputShape.isEmpty { result.set("output_shape", outputShape) }
    epilogue.write(to: &result)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...3)
    let (x, w) = (try context.input(0), try context.input(1))
    let element = try sharedElement([x, w, context.optional(2)].compactMap { $0 })
    try expect(element, in: .floats, "the input")
    guard let rank = try spatialRank(x, w) else { return [TensorType(element, nil)] }
    for (name, values) in [("output_padding", outputPadding), ("output_shape", outputShape)]
    where !values.isEmpty && values.count != rank {
      throw LigatureError(.attribute, "attribute '\(name)' is \(values), for \(rank) spatial axes")
    }
    if let channels = x.shape?[1].value, let taken = w.shape?[0].value, channels != taken {
      throw LigatureError(.shape, "the input has \(channels) channels, the weights are for \(taken)")
    }
    if let channels = w.shape?[0].value ?? x.shape?[1].value, channels % window.group != 0 {
      throw LigatureError(.shape, "\(channels) channels cannot be shared between \(window.group) groups")
    }
    let kernel = try window.kernel(weights: w.shape, rank: rank)
    let filters = try w.shape.map { try $0[1] * .fixed(window.group) } ?? .unknown("filters")
    guard let xs = x.shape else { return [TensorType(element, nil)] }
    let spatial = try (0..<rank).map { axis in
      try size(axis, rank: rank, input: xs[axis + 2], kernel: kernel[axis])
    }
    let shape = [xs[0], filters] + spatial
    try expectBias(context.optional(2), shape: shape)
    return [TensorType(element, shape)]
  }

  private func extent(_ axis: Int, _ kernel: Int) -> Int {
    (kernel - 1) * window.dilation(axis) + 1 + (outputPadding.isEmpty ? 0 : outputPadding[axis])
  }

  private func size(_ axis: Int, rank: Int, input: Dimension, kernel: Int?) throws -> Dimension {
    if !outputShape.isEmpty { return .fixed(outputShape[axis]) }
    if window.autoPad == .sameUpper || window.autoPad == .sameLower { return try input * .fixed(window.stride(axis)) }
    guard let kernel else { return .unknown("unwindowed(\(input))") }
    let pads = window.autoPad == .valid ? (begin: 0, end: 0) : window.pad(axis, rank: rank)
    let stride = window.stride(axis)
    let rest = extent(axis, kernel) - stride - pads.begin - pads.end
    let size = try input * .fixed(stride) + .fixed(rest)
    if let size = size.value, size < 1 {
      throw LigatureError(.shape, "pads \(window.pads) take away all of axis \(axis + 2)")
    }
    return size
  }

  /// Cut off before an axis, for an input of that size.
  public func padding(_ axis: Int, rank: Int, input: Int, kernel: Int, output: Int) throws -> Int {
    let automatic = window.autoPad == .sameUpper || window.autoPad == .sameLower
    guard automatic || !outputShape.isEmpty else {
      return window.autoPad == .valid ? 0 : window.pad(axis, rank: rank).begin
    }
    let full = try Checked.add(
      Checked.multiply(input - 1, window.stride(axis), "a size"), extent(axis, kernel), "a size")
    let total = max(0, full - output)
    return window.autoPad == .sameUpper ? total / 2 : total - total / 2
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let x = context.optional(0)?.sizes, let w = context.optional(1)?.sizes,
      let inputs = try? Checked.elementCount(x), let taps = try? Checked.elementCount(Array(w.dropFirst()))
    else { return .moving(context.inputs, outputs) }
    return .moving(context.inputs, outputs, multiplyAdds: inputs.multipliedReportingOverflow(by: taps).partialValue)
  }
}

// ── Shared ──────────────────────────────────────────────────────────────────
/// Spatial axes of an input, or nil while neither operand's rank is known.
private func spatialRank(_ x: TensorType, _ w: TensorType) throws -> Int? {
  guard let rank = x.rank ?? w.rank else { return nil }
  guard rank >= 3, (w.rank ?? rank) == rank else {
    throw LigatureError(.rank, "the input \(x) and the weights \(w) must have the same rank, at least 3")
  }
  return rank - 2
}

func convolvedShape(_ x: TensorType, _ w: TensorType, _ window: ConvolutionWindow) throws -> [Dimension]? {
  guard let rank = try spatialRank(x, w) else { return nil }
  if let channels = x.shape?[1].value, let taken = w.shape?[1].value {
    guard taken <= channels, channels == (try Checked.multiply(taken, window.group, "channels")) else {
      throw LigatureError(
        .shape, "the input has \(channels) channels, the weights are for \(window.group) groups of \(taken)")
    }
  }
  if let filters = w.shape?[0].value, filters % window.group != 0 {
    throw LigatureError(.shape, "\(filters) filters cannot be shared between \(window.group) groups")
  }
  let kernel = try window.kernel(weights: w.shape, rank: rank)
  guard let xs = x.shape else { return nil }
  let spatial = try (0..<rank).map {
    try window.output($0, rank: rank, input: xs[$0 + 2], kernel: kernel[$0])
  }
  return [xs[0], w.shape?[0] ?? .unknown("filters")] + spatial
}

func expectBias(_ bias: TensorType?, shape: [Dimension]?) throws {
  guard let bias else { return }
  guard bias.isCompatible(with: TensorType(bias.element, shape.map { [$0[1]] } ?? bias.shape)), bias.rank ?? 1 == 1
  else { throw LigatureError(.shape, "the bias is \(bias), but must have one value a filter") }
}

func convolutionCost(_ context: InferenceContext, _ outputs: [TensorType]) -> Cost {
  guard let y = outputs.first?.sizes, let w = context.optional(1)?.sizes,
    let count = try? Checked.elementCount(y), let taps = try? Checked.elementCount(Array(w.dropFirst()))
  else { return .moving(context.inputs, outputs) }
  return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: taps).partialValue)
}
