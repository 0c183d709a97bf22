public import GraphIR
import Operators
import TensorCore

/// A size along height and width.
public struct Size2D: Sendable, Hashable, ExpressibleByIntegerLiteral {
  public var height: Int
  public var width: Int

  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }
  public init(_ both: Int) { self.init(both, both) }
  public init(integerLiteral both: Int) { self.init(both) }

  var list: [Int] { [height, width] }
  /// Begins and ends of both axes.
  var pads: [Int] { [height, width, height, width] }
  var count: Int { height * width }
}

/// PyTorch's layers. `[N, C, H, W]` everywhere but for `linear`.
extension ModuleBuilder {
  /// The number of channels, which must be known.
  public func channels(of x: ValueID, axis: Int = 1) throws -> Int {
    guard let shape = type(x).shape, axis < shape.count, let channels = shape[axis].value else {
      throw LigatureError(
        .shape, "'\(builder.graph[x].name)' is \(type(x)): the channels at axis \(axis) are not known")
    }
    return channels
  }

  /// `nn.Conv2d`: weight `[out, in / groups, kH, kW]`, bias `[out]`.
  ///
  /// - Parameter initializer: of the weight; PyTorch's default if nil. The bias has PyTorch's.
  public mutating func conv2d(
    _ x: ValueID, _ name: String, out: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0,
    dilation: Size2D = 1, groups: Int = 1, bias: Bool = true, initializer: Initializer? = nil,
    biasInitializer: Initializer? = nil
  ) throws -> ValueID {
    let channels = try channels(of: x)
    let fan = Initializer.torchDefault(fanIn: channels / groups * kernel.count)
    return try scoped(name) { m in
      let weight = try m.parameter(
        "weight", [out, channels / groups, kernel.height, kernel.width], initializer ?? fan)
      let bias = bias ? try m.parameter("bias", [out], biasInitializer ?? fan) : nil
      let window = try ConvolutionWindow(
        kernelShape: kernel.list, strides: stride.list, dilations: dilation.list, pads: padding.pads, group: groups)
      return try m.builder.append(Conv(window), [x, weight] + (bias.map { [$0] } ?? []))
    }
  }

  /// `nn.ConvTranspose2d`: weight `[in, out / groups, kH, kW]`, bias `[out]`.
  public mutating func convTranspose2d(
    _ x: ValueID, _ name: String, out: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0,
    bias: Bool = true, initializer: Initializer? = nil
  ) throws -> ValueID {
    let channels = try channels(of: x)
    // PyTorch takes the second axis for the inputs here, too.
    let fan = Initializer.torchDefault(fanIn: out * kernel.count)
    return try scoped(name) { m in
      let weight = try m.parameter("weight", [channels, out, kernel.height, kernel.width], initializer ?? fan)
      let bias = bias ? try m.parameter("bias", [out], fan) : nil
      let window = try ConvolutionWindow(kernelShape: kernel.list, strides: stride.list, pads: padding.pads)
      return try m.builder.append(ConvTranspose(window), [x, weight] + (bias.map { [$0] } ?? []))
    }
  }

  /// `ModulatedDeformConv2dPack` of mmcv: a convolution (`conv_offset`) says, for each place, where each tap reads and
  /// how much of it counts. Weight `[out, in, kH, kW]`, offsets and mask from `3 · kH · kW` channels.
  public mutating func modulatedDeformConv2d(
    _ x: ValueID, _ name: String, out: Int, kernel: Size2D, stride: Size2D = 1, padding: Size2D = 0
  ) throws -> ValueID {
    let channels = try channels(of: x)
    let taps = kernel.count
    return try scoped(name) { m in
      let fan = Initializer.torchDefault(fanIn: channels * taps)
      let weight = try m.parameter("weight", [out, channels, kernel.height, kernel.width], fan)
      let plan = try m.conv2d(
        x, "conv_offset", out: 3 * taps, kernel: kernel, stride: stride, padding: padding, initializer: .zeros,
        biasInitializer: .zeros)
      let pieces = try m.builder.append(
        Split(axis: 1), [plan, m.builder.integers([2 * taps, taps], name: "split")], wanted: [true, true])
      guard let offsets = pieces[0], let logits = pieces[1] else { throw LigatureError(.arity, "Split lacks a result") }
      let mask = try m.sigmoid(logits)
      let window = try ConvolutionWindow(kernelShape: kernel.list, strides: stride.list, pads: padding.pads)
      return try m.builder.append(DeformConv(window), [x, weight, offsets, nil, mask])
    }
  }

  /// `nn.BatchNorm2d` (or 1d): weight, bias, running_mean, running_var `[C]`, num_batches_tracked.
  ///
  /// Training takes the statistics of the batch and records them; with `normEval` or where it is frozen it keeps to
  /// what is recorded.
  public mutating func batchNorm(
    _ x: ValueID, _ name: String, epsilon: Float = 1e-5, momentum: Float = 0.1, weight: Initializer = .ones,
    bias: Initializer = .zeros
  ) throws -> ValueID {
    let channels = try channels(of: x)
    return try scoped(name) { m in
      let scale = try m.parameter("weight", [channels], weight)
      let shift = try m.parameter("bias", [channels], bias)
      let mean = try m.buffer("running_mean", [channels], .zeros)
      let variance = try m.buffer("running_var", [channels], .ones)
      try m.counter("num_batches_tracked")
      let inputs = [x, scale, shift, mean, variance]
      guard m.countsBatches else { return try m.builder.append(BatchNormalization(epsilon: epsilon), inputs) }
      let op = BatchNormalization(epsilon: epsilon, momentum: 1 - momentum, isTraining: true)
      let results = try m.builder.append(op, inputs, wanted: [true, true, true])
      guard let y = results[0], let nextMean = results[1], let nextVariance = results[2] else {
        throw LigatureError(.arity, "BatchNormalization lacks a result")
      }
      m.update(mean, to: nextMean)
      m.update(
        variance,
        to: try m.unbiased(nextVariance, after: variance, kept: Double(op.momentum), of: x, channels: scale))
      return y
    }
  }

  /// ONNX records the variance of the batch as it is, PyTorch that times n / (n - 1): what was added is enlarged by
  /// its (n - 1)-th part. One value a channel has no such variance; it then counts as it is.
  private mutating func unbiased(
    _ next: ValueID, after old: ValueID, kept: Double, of x: ValueID, channels: ValueID
  ) throws -> ValueID {
    try builder.scoped("unbiased") { b in
      let n = try b.count(of: x, over: channels)
      let rest = try b.append(Variadic(.max), [b.affine(n, times: 1, plus: -1), b.number(1, like: next)])
      let added = try b.subtract(next, b.scale(old, by: kept))
      return try b.add(next, b.divide(added, rest))
    }
  }

  /// `nn.Linear` over the last axis: weight `[out, in]`, bias `[out]`.
  public mutating func linear(
    _ x: ValueID, _ name: String, out: Int, bias: Bool = true, initializer: Initializer? = nil
  ) throws -> ValueID {
    guard let rank = type(x).rank, rank >= 1 else {
      throw LigatureError(.rank, "'\(builder.graph[x].name)' is \(type(x)), which no linear layer takes")
    }
    let channels = try channels(of: x, axis: rank - 1)
    let fan = Initializer.torchDefault(fanIn: channels)
    return try scoped(name) { m in
      let weight = try m.parameter("weight", [out, channels], initializer ?? fan)
      let bias = bias ? try m.parameter("bias", [out], fan) : nil
      let operands = [weight] + (bias.map { [$0] } ?? [])
      guard rank != 2 else { return try m.builder.append(Gemm(transposesB: true), [x] + operands) }
      let rows = try m.builder.reshape(x, to: [-1, channels])
      let product = try m.builder.append(Gemm(transposesB: true), [rows] + operands)
      let outer = try m.builder.append(Shape(end: -1), [x])
      let shape = try m.builder.append(Concat(axis: 0), [outer, m.builder.integers([out])])
      return try m.builder.append(Reshape(), [product, shape])
    }
  }

  // ── Without parameters ────────────────────────────────────────────────────
  public mutating func relu(_ x: ValueID) throws -> ValueID { try builder.unary(.relu, x) }
  public mutating func sigmoid(_ x: ValueID) throws -> ValueID { try builder.unary(.sigmoid, x) }
  public mutating func leakyRelu(_ x: ValueID, slope: Float) throws -> ValueID {
    try builder.append(Unary(.leakyRelu, alpha: slope), [x])
  }

  /// `nn.MaxPool2d`; padding never wins.
  public mutating func maxPool2d(
    _ x: ValueID, kernel: Size2D, stride: Size2D, padding: Size2D = 0, ceilMode: Bool = false, name: String? = nil
  ) throws -> ValueID {
    var attributes = Attributes()
    attributes.set("kernel_shape", kernel.list)
    attributes.set("strides", stride.list)
    attributes.set("pads", padding.pads)
    attributes.set("ceil_mode", ceilMode)
    return try builder.append(MaxPool(name: MaxPool.names[0], attributes: attributes), [x], name: name)
  }

  /// `F.interpolate(x, size=other.shape[2:], mode='nearest')`: `[N, C, h, w]` at the height and width of another map.
  public mutating func upsampleNearest(_ x: ValueID, like other: ValueID) throws -> ValueID {
    var attributes = Attributes()
    attributes.set("mode", "nearest")
    attributes.set("coordinate_transformation_mode", "asymmetric")
    attributes.set("nearest_mode", "floor")
    let op = try Resize(name: Resize.names[0], attributes: attributes)
    let own = try builder.append(Shape(end: 2), [x])
    let wanted = try builder.append(Shape(start: 2), [other])
    let sizes = try builder.append(Concat(axis: 0), [own, wanted])
    return try builder.append(op, [x, nil, nil, sizes])
  }
}
