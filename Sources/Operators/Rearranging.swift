public import GraphIR
import TensorCore

// Operators that put elements elsewhere.

/// Reverses the first elements of each sequence: `[…], lengths int64 [batch] → […]`.
public struct ReverseSequence: Operator {
  public static let names = [OperatorName("ReverseSequence")]
  public var name: OperatorName { ReverseSequence.names[0] }
  public let batchAxis: Int
  public let timeAxis: Int

  public init(name: OperatorName, attributes: Attributes) throws {
    batchAxis = try attributes.int("batch_axis", default: 1)
    timeAxis = try attributes.int("time_axis", default: 0)
    guard Set([batchAxis, timeAxis]) == [0, 1] else {
      throw LigatureError(.attribute, "batch_axis \(batchAxis) and time_axis \(timeAxis) must be 0 and 1")
    }
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("batch_axis", batchAxis)
    result.set("time_axis", timeAxis)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (x, lengths) = (try context.input(0), try context.input(1))
    try expect(x.element, in: .movable, "the input")
    try expect(lengths.element, in: [.int64], "the lengths")
    if let rank = x.rank, rank < 2 { throw LigatureError(.rank, "takes sequences of batches, not \(x)") }
    let wanted = TensorType(.int64, [x.shape?[batchAxis] ?? .unknown("batch")])
    guard lengths.isCompatible(with: wanted) else {
      throw LigatureError(.shape, "the lengths are \(lengths), but must be \(wanted)")
    }
    return [x]
  }
}

/// Crops or pads axes around their middle to the sizes wanted: `[…], sizes int64 [axes] → […]`.
public struct CenterCropPad: Operator {
  public static let names = [OperatorName("CenterCropPad")]
  public var name: OperatorName { CenterCropPad.names[0] }
  public let axes: [Int]?

  public init(name: OperatorName, attributes: Attributes) throws { axes = try attributes.optionalInts("axes") }

  public var attributes: Attributes {
    var result = Attributes()
    if let axes { result.set("axes", axes) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let x = try context.input(0)
    try expect(x.element, in: .movable, "the input")
    try expect(try context.input(1).element, in: .indices, "the sizes")
    guard var shape = x.shape else { return [x] }
    let chosen = try normalizedAxes(axes ?? Array(shape.indices), rank: shape.count)
    let sizes = try context.dimensions(1) ?? chosen.map { .unknown("crop\($0)") }
    guard sizes.count == chosen.count else {
      throw LigatureError(.shape, "there are \(sizes.count) sizes for \(chosen.count) axes")
    }
    for (axis, size) in zip(chosen, sizes) {
      if let value = size.value, value < 0 { throw LigatureError(.shape, "an axis cannot have the size \(value)") }
      shape[axis] = size
    }
    return [TensorType(x.element, shape)]
  }
}

/// Adds blocks back to an image: `[N, C · block, L], image sizes int64 [n], block sizes int64 [n] → [N, C, image…]`.
public struct Col2Im: Operator {
  public static let names = [OperatorName("Col2Im")]
  public var name: OperatorName { Col2Im.names[0] }
  public let window: ConvolutionWindow

  public init(name: OperatorName, attributes: Attributes) throws {
    window = try ConvolutionWindow(
      strides: attributes.ints("strides", default: []), dilations: attributes.ints("dilations", default: []),
      pads: attributes.ints("pads", default: []))
  }

  public var attributes: Attributes { window.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let x = try context.input(0)
    try expect(x.element, in: .numbers, "the input")
    if let rank = x.rank, rank != 3 { throw LigatureError(.rank, "takes [N, C · block, L], not \(x)") }
    for index in 1...2 { try expect(try context.input(index).element, in: [.int64], "a list of sizes") }
    let rank = try context.input(1).shape?.first?.value ?? context.input(2).shape?.first?.value
    let (image, block) = (try context.dimensions(1), try context.integers(2))
    guard let axes = image?.count ?? rank, axes > 0, axes <= 16 else { return [TensorType(x.element, nil)] }
    var channels = Dimension.unknown("channels")
    if let block {
      guard block.count == axes, block.allSatisfy({ $0 > 0 }) else {
        throw LigatureError(.shape, "the block \(block) must have \(axes) positive sizes")
      }
      let count = try Checked.elementCount(block)
      if let all = x.shape?[1].value {
        guard all % count == 0 else { throw LigatureError(.shape, "\(all) channels are no whole blocks of \(block)") }
        channels = .fixed(all / count)
      }
      if let sizes = try context.integers(1) { try expectBlocks(x, sizes, block) }
    }
    let spatial = image ?? (0..<axes).map { .unknown("image\($0)") }
    return [TensorType(x.element, [x.shape?[0] ?? .unknown("N"), channels] + spatial)]
  }

  private func expectBlocks(_ x: TensorType, _ image: [Int], _ block: [Int]) throws {
    let counts = try blockCounts(image: image, block: block)
    let count = try Checked.elementCount(counts)
    if let length = x.shape?[2].value, length != count {
      throw LigatureError(.shape, "an image of \(image) has \(count) blocks of \(block), not \(length)")
    }
  }

  /// How many blocks there are along each axis.
  package func blockCounts(image: [Int], block: [Int]) throws -> [Int] {
    guard image.count == block.count, image.allSatisfy({ $0 > 0 }) else {
      throw LigatureError(.shape, "the image sizes \(image) must be positive, one for each of \(block)")
    }
    let kernel = try window.kernel(weights: nil, rank: image.count).count
    return try (0..<kernel).map { axis in
      let size = try window.output(axis, rank: kernel, input: .fixed(image[axis]), kernel: block[axis])
      return size.value ?? 0
    }
  }

  package func begin(_ axis: Int, rank: Int) -> Int { window.pad(axis, rank: rank).begin }
}

/// Puts pooled values back where they came from: `[N, C, …], places int64 (as x), sizes int64?  → [N, C, …]`, zeros
/// elsewhere. Places count over the whole result.
public struct MaxUnpool: Operator {
  public static let names = [OperatorName("MaxUnpool")]
  public var name: OperatorName { MaxUnpool.names[0] }
  public let window: ConvolutionWindow

  public init(name: OperatorName, attributes: Attributes) throws {
    window = try ConvolutionWindow(
      kernelShape: attributes.ints("kernel_shape", default: []), strides: attributes.ints("strides", default: []),
      pads: attributes.ints("pads", default: []))
    guard !window.kernelShape.isEmpty else { throw LigatureError(.attribute, "attribute 'kernel_shape' is missing") }
  }

  public var attributes: Attributes { window.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...3)
    let (x, places) = (try context.input(0), try context.input(1))
    try expect(x.element, in: .floats, "the input")
    try expect(places.element, in: [.int64], "the places")
    guard let shape = x.shape else { return [x] }
    guard shape.count == window.kernelShape.count + 2, places.isCompatible(with: TensorType(.int64, shape)) else {
      throw LigatureError(.shape, "the input \(x) and the places \(places) must be [N, C, …] alike, as the kernel says")
    }
    if context.optional(2) != nil {
      let sizes = try context.dimensions(2) ?? shape.indices.map { .unknown("unpooled\($0)") }
      guard sizes.count == shape.count, sizes.allSatisfy({ $0.value ?? 0 >= 0 }) else {
        throw LigatureError(.shape, "the sizes \(sizes) do not fit \(x)")
      }
      return [TensorType(x.element, sizes)]
    }
    let rank = window.kernelShape.count
    let spatial = try (0..<rank).map { axis in
      let pads = window.pad(axis, rank: rank)
      let rest = window.kernelShape[axis] - window.stride(axis) - pads.begin - pads.end
      let size = try shape[axis + 2] * .fixed(window.stride(axis)) + .fixed(rest)
      if let value = size.value, value < 0 { throw LigatureError(.shape, "the pads leave nothing of axis \(axis + 2)") }
      return size
    }
    return [TensorType(x.element, shape[..<2] + spatial)]
  }
}

/// Where a resampled image's pixels come from: `theta [N, 2, 3] or [N, 3, 4], sizes int64 [N, C, (D,) H, W] →
/// [N, (D,) H, W, 2 or 3]`.
public struct AffineGrid: Operator {
  public static let names = [OperatorName("AffineGrid")]
  public var name: OperatorName { AffineGrid.names[0] }
  public let alignsCorners: Bool

  public init(name: OperatorName, attributes: Attributes) throws {
    alignsCorners = try attributes.flag("align_corners", default: false)
  }

  public var attributes: Attributes {
    var result = Attributes()
    if alignsCorners { result.set("align_corners", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let theta = try context.input(0)
    try expect(theta.element, in: .floats, "theta")
    try expect(try context.input(1).element, in: [.int64], "the sizes")
    let known = theta.shape?.dropFirst().first?.value.map { $0 + 2 }
    guard let count = try context.dimensions(1)?.count ?? context.input(1).shape?.first?.value ?? known else {
      return [TensorType(theta.element, nil)]
    }
    let axes = count - 2
    guard axes == 2 || axes == 3,
      theta.isCompatible(with: TensorType(.undefined, [.unknown("N"), .fixed(axes), .fixed(axes + 1)]))
    else {
      throw LigatureError(.shape, "theta \(theta) does not fit an image of \(axes) spatial axes; 2 or 3 are known")
    }
    let sizes = try context.dimensions(1) ?? (0..<count).map { .unknown("grid\($0)") }
    guard sizes.allSatisfy({ $0.value ?? 1 >= 0 }) else { throw LigatureError(.shape, "\(sizes) are no sizes") }
    if let images = theta.shape?[0].value, let wanted = sizes[0].value, images != wanted {
      throw LigatureError(.shape, "theta is for \(images) images, the sizes are for \(wanted)")
    }
    return [TensorType(theta.element, [sizes[0]] + sizes[2...] + [.fixed(axes)])]
  }
}

/// The determinant of square matrices: `[…, M, M] → […]`.
public struct Determinant: Operator {
  public static let names = [OperatorName("Det")]
  public var name: OperatorName { Determinant.names[0] }
  public var attributes: Attributes { Attributes() }
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the input")
    guard let shape = x.shape else { return [x] }
    guard shape.count >= 2 else { throw LigatureError(.rank, "takes […, M, M], not \(x)") }
    if let rows = shape[shape.count - 2].value, let columns = shape[shape.count - 1].value, rows != columns {
      throw LigatureError(.shape, "takes square matrices, not \(x)")
    }
    return [TensorType(x.element, shape.dropLast(2))]
  }
}

/// Maxima over parts of images: `[N, C, H, W], regions [R, 5] (image, left, top, right, bottom) → [R, C, h, w]`.
public struct MaxRoiPool: Operator {
  public static let names = [OperatorName("MaxRoiPool")]
  public var name: OperatorName { MaxRoiPool.names[0] }
  public let size: [Int]
  public let scale: Float

  public init(name: OperatorName, attributes: Attributes) throws {
    size = try attributes.ints("pooled_shape", default: [])
    scale = try attributes.float("spatial_scale", default: 1)
    guard size.count == 2, size.allSatisfy({ $0 > 0 && $0 < 1 << 20 }), scale.isFinite else {
      throw LigatureError(.attribute, "pooled_shape \(size) must be two positive sizes, and spatial_scale finite")
    }
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("pooled_shape", size)
    result.set("spatial_scale", scale)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (x, regions) = (try context.input(0), try context.input(1))
    try expect(try sharedElement([x, regions]), in: .floats, "the input")
    if let rank = x.rank, rank != 4 { throw LigatureError(.rank, "takes [N, C, H, W], not \(x)") }
    guard regions.isCompatible(with: TensorType(.undefined, [.unknown("R"), 5])) else {
      throw LigatureError(.shape, "regions must be [R, 5], not \(regions)")
    }
    let (count, channels) = (regions.shape?[0] ?? .unknown("R"), x.shape?[1] ?? .unknown("C"))
    return [TensorType(x.element, [count, channels] + size.map(Dimension.fixed))]
  }
}
