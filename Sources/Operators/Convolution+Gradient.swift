public import GraphIR
import TensorCore

extension Conv: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    guard name == Conv.standardName else {
      throw LigatureError(.unsupported, "\(name) belongs to prepared graphs; differentiate before they are prepared")
    }
    let (x, w, g) = (try context.input(0), try context.input(1), try context.cotangent())
    var results = [ValueID?](repeating: nil, count: context.inputs.count)
    if context.needs(0) { results[0] = try inputGradient(x, w, g, &builder) }
    if context.needs(1) {
      results[1] = try builder.append(ConvWeightGradient(window), [x, g, builder.shape(of: w)])
    }
    if context.needs(2) { results[2] = try channelSum(g, &builder) }
    return results
  }

  /// A transposed convolution, with its output padded to the input's sizes where the stride left a rest.
  private func inputGradient(
    _ x: ValueID, _ w: ValueID, _ g: ValueID, _ builder: inout GraphBuilder
  ) throws -> ValueID {
    let spatial = try builder.rank(of: x) - 2
    let fixed = (0..<spatial).allSatisfy { window.stride($0) == 1 }
    guard window.autoPad == .notSet || window.autoPad == .valid else {
      return try builder.append(ConvInputGradient(window), [g, w, builder.shape(of: x)])
    }
    if fixed { return try builder.append(ConvTranspose(window), [g, w]) }
    guard let from = builder.type(x).shape, let kernel = builder.type(w).sizes, let to = builder.type(g).shape,
      from[2...].allSatisfy({ $0.value != nil }), to[2...].allSatisfy({ $0.value != nil })
    else { return try builder.append(ConvInputGradient(window), [g, w, builder.shape(of: x)]) }
    let rest = (0..<spatial).map { axis -> Int in
      let pads = window.autoPad == .valid ? (begin: 0, end: 0) : window.pad(axis, rank: spatial)
      let reached =
        ((to[axis + 2].value ?? 0) - 1) * window.stride(axis) + (kernel[axis + 2] - 1) * window.dilation(axis) + 1
      return (from[axis + 2].value ?? 0) + pads.begin + pads.end - reached
    }
    return try builder.append(ConvTranspose(window, outputPadding: rest), [g, w])
  }
}

extension ConvTranspose: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, w, g) = (try context.input(0), try context.input(1), try context.cotangent())
    var results = [ValueID?](repeating: nil, count: context.inputs.count)
    let (window, read) = try reading(g, x, w, &builder)
    if context.needs(0) { results[0] = try builder.append(Conv(window), [read, w]) }
    // The roles of input and gradient are exchanged.
    if context.needs(1) {
      results[1] = try builder.append(ConvWeightGradient(window), [read, x, builder.shape(of: w)])
    }
    if context.needs(2) { results[2] = try channelSum(g, &builder) }
    return results
  }

  /// Windows over the gradient of which there are as many as x has elements, and the part of it that they read.
  ///
  /// Output padding is read by none of them, unless it is as large as a stride: then there would be too many.
  private func reading(
    _ g: ValueID, _ x: ValueID, _ w: ValueID, _ builder: inout GraphBuilder
  ) throws -> (window: ConvolutionWindow, gradient: ValueID) {
    let isSame = window.autoPad == .sameUpper || window.autoPad == .sameLower
    let overhangs = outputPadding.enumerated().contains { $1 >= window.stride($0) }
    guard isSame || overhangs || !outputShape.isEmpty else { return (window, g) }
    guard let kernel = builder.type(w).sizes else {
      throw LigatureError(
        .unsupported, "ConvTranspose with auto_pad or output_shape has a gradient rule for weights of known sizes only")
    }
    let spatial = kernel.count - 2
    var (begins, ends, cuts) = ([Int](), [Int](), [Int]())
    for axis in 0..<spatial {
      let size = kernel[axis + 2]
      let (input, output) = try sizes(axis, rank: spatial, kernel: size, x: builder.type(x), isSame: isSame)
      let begin = try padding(axis, rank: spatial, input: input, kernel: size, output: output)
      let reach = (input - 1) * window.stride(axis) + (size - 1) * window.dilation(axis) + 1 - begin
      begins.append(begin)
      ends.append(max(reach - output, 0))
      cuts.append(min(reach - output, 0))
    }
    let plain = try ConvolutionWindow(
      kernelShape: window.kernelShape, strides: window.strides, dilations: window.dilations, pads: begins + ends,
      group: window.group)
    guard cuts.contains(where: { $0 < 0 }) else { return (plain, g) }
    let pads = [Int](repeating: 0, count: spatial + 4) + cuts
    return (plain, try builder.append(Pad(), [g, builder.integers(pads, name: "pads")]))
  }

  /// The sizes of an axis of x and of the result. Unless the latter is given, x might have any size: one element tells
  /// as much of the padding.
  private func sizes(
    _ axis: Int, rank: Int, kernel: Int, x: TensorType, isSame: Bool
  ) throws -> (input: Int, output: Int) {
    guard outputShape.isEmpty else {
      guard let input = x.shape?[axis + 2].value else {
        throw LigatureError(
          .unsupported, "ConvTranspose with output_shape has a gradient rule for inputs of known sizes only; give pads")
      }
      return (input, outputShape[axis])
    }
    guard !isSame else { return (1, window.stride(axis)) }
    let pads = window.autoPad == .valid ? (begin: 0, end: 0) : window.pad(axis, rank: rank)
    let padding = outputPadding.isEmpty ? 0 : outputPadding[axis]
    return (1, (kernel - 1) * window.dilation(axis) + 1 + padding - pads.begin - pads.end)
  }
}

/// `[N, C, …] → [C]`
func channelSum(_ g: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
  let rank = try builder.rank(of: g)
  return try builder.reduce(.sum, g, axes: [0] + (2..<rank), keepsDimensions: false)
}

/// The derivative of a convolution by its weights: `x [N, C, …], gradient [N, M, …], shape int64 → [M, C / group, k…]`,
/// the last given by `shape`. With x and gradient exchanged it is that of a transposed convolution.
public struct ConvWeightGradient: Operator {
  public static let names = [OperatorName("ConvWeightGradient", domain: "ligature")]
  public var name: OperatorName { ConvWeightGradient.names[0] }
  public let window: ConvolutionWindow

  public init(_ window: ConvolutionWindow) { self.window = window }
  public init(name: OperatorName, attributes: Attributes) throws { window = try ConvolutionWindow(attributes) }
  public var attributes: Attributes { window.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let (x, g) = (try context.input(0), try context.input(1))
    try expect(try sharedElement([x, g]), in: .floats, "the input")
    guard let rank = x.rank ?? g.rank, rank >= 3, (g.rank ?? rank) == rank else {
      throw LigatureError(.rank, "x \(x) and gradient \(g) must have the same rank, at least 3")
    }
    guard let shape = try context.dimensions(2) else { return [TensorType(x.element, nil)] }
    guard shape.count == rank, shape.allSatisfy({ ($0.value ?? 1) > 0 }) else {
      throw LigatureError(.shape, "weights of the shape \(shape) do not fit x \(x)")
    }
    let weights = TensorType(x.element, shape)
    // What convolution makes of x and such weights must be what the gradient is of.
    let forward = try Conv(window).inferTypes(InferenceContext([x, weights]))[0]
    guard g.isCompatible(with: forward) else {
      throw LigatureError(.shape, "the gradient is \(g), but the convolution gives \(forward)")
    }
    return [weights]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let g = context.optional(1)?.sizes, let w = outputs.first?.sizes, let count = try? Checked.elementCount(g),
      let taps = try? Checked.elementCount(Array(w.dropFirst()))
    else { return .moving(context.inputs, outputs) }
    return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: taps).partialValue)
  }
}

/// The derivative of a convolution by its input: `gradient [N, M, …], weights [M, C / group, k…], shape int64 →
/// [N, C, …]`, the last given by `shape`. A transposed convolution whose result may have sizes that only running tells.
public struct ConvInputGradient: Operator {
  public static let names = [OperatorName("ConvInputGradient", domain: "ligature")]
  public var name: OperatorName { ConvInputGradient.names[0] }
  public let window: ConvolutionWindow

  public init(_ window: ConvolutionWindow) { self.window = window }
  public init(name: OperatorName, attributes: Attributes) throws { window = try ConvolutionWindow(attributes) }
  public var attributes: Attributes { window.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let (g, w) = (try context.input(0), try context.input(1))
    try expect(try sharedElement([g, w]), in: .floats, "the input")
    guard let shape = try context.dimensions(2) else {
      return [TensorType(g.element, g.rank.map { (0..<$0).map { .unknown("adjoint\($0)") } })]
    }
    let x = TensorType(g.element, shape)
    let forward = try Conv(window).inferTypes(InferenceContext([x, w]))[0]
    guard g.isCompatible(with: forward) else {
      throw LigatureError(.shape, "the gradient is \(g), but the convolution gives \(forward)")
    }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let g = context.optional(0)?.sizes, let w = context.optional(1)?.sizes,
      let count = try? Checked.elementCount(g), let taps = try? Checked.elementCount(Array(w.dropFirst()))
    else { return .moving(context.inputs, outputs) }
    return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: taps).partialValue)
  }
}
