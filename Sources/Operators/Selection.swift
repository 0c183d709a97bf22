public import GraphIR
import TensorCore

/// `[…, n, …], k int64 [1] → values […, k, …], indices int64 […, k, …]`: the k best along an axis.
public struct TopK: Operator {
  public let axis: Int
  public let selectsLargest: Bool
  /// Best first; otherwise the order is not defined (ours is the same).
  public let isSorted: Bool

  public static let names = [OperatorName("TopK")]
  public var name: OperatorName { TopK.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    axis = try attributes.int("axis", default: -1)
    selectsLargest = try attributes.flag("largest", default: true)
    isSorted = try attributes.flag("sorted", default: true)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if axis != -1 { result.set("axis", axis) }
    if !selectsLargest { result.set("largest", false) }
    if !isSorted { result.set("sorted", false) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (input, k) = (try context.input(0), try context.input(1))
    try expect(input.element, in: .numbers, "the input")
    try expect(k.element, in: [.int64], "k")
    guard var shape = input.shape else { return [input, TensorType(.int64, nil)] }
    let axis = try normalizedAxis(axis, rank: shape.count)
    let wanted = try context.dimensions(1)?.first
    if let count = wanted?.value {
      guard count >= 0, count <= shape[axis].value ?? .max else {
        throw LigatureError(.numeric, "k is \(count), but the axis has \(shape[axis]) elements")
      }
    }
    shape[axis] = wanted ?? .unknown("top(\(shape[axis]))")
    return [TensorType(input.element, shape), TensorType(.int64, shape)]
  }
}

/// `float32 […], k int64 [] → bool […]`: whether an element is one of the k largest. Of equal ones the first win, NaN
/// counts as larger than everything. Unlike TopK's, the result's shape does not depend on k.
public struct LargestMask: Operator {
  public static let names = [OperatorName("LargestMask", domain: "ligature")]
  public var name: OperatorName { LargestMask.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (input, k) = (try context.input(0), try context.input(1))
    try expect(input.element, in: [.float32], "the input")
    try expect(k.element, in: [.int64], "k")
    if let sizes = k.sizes, try Checked.elementCount(sizes) != 1 {
      throw LigatureError(.shape, "k must be one number, but is \(k)")
    }
    return [TensorType(.bool, input.shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 4)
  }
}

/// `[…] → int64 [rank, found]`: the coordinates of all elements but zeros, in row-major order.
public struct NonZero: Operator {
  public static let names = [OperatorName("NonZero")]
  public var name: OperatorName { NonZero.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let rank = try context.input(0).rank
    return [TensorType(.int64, [rank.map(Dimension.fixed) ?? .unknown("rank"), .unknown("found")])]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// `boxes [N, B, 4], scores [N, C, B], limit? [], iou? [], threshold? [] → int64 [found, 3]` of (image, class, box).
public struct NonMaxSuppression: Operator {
  /// Boxes are centre x, centre y, width, height rather than two corners y, x, y, x.
  public let boxesAreCentred: Bool

  public static let names = [OperatorName("NonMaxSuppression")]
  public var name: OperatorName { NonMaxSuppression.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    boxesAreCentred = try attributes.flag("center_point_box", default: false)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if boxesAreCentred { result.set("center_point_box", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...5)
    for index in 0..<2 {
      let type = try context.input(index)
      try expect(type.element, in: [.float32], "input \(index)")
      guard (type.rank ?? 3) == 3 else {
        throw LigatureError(.rank, "input \(index) must have 3 dimensions, not \(type)")
      }
    }
    return [TensorType(.int64, [.unknown("found"), 3])]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// `[…], condition bool [m] → […]`: the slices of an axis (or the elements of the flattened input) where it is true.
public struct Compress: Operator {
  public let axis: Int?

  public static let names = [OperatorName("Compress")]
  public var name: OperatorName { Compress.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws { axis = try attributes.optionalInt("axis") }
  public var attributes: Attributes {
    var result = Attributes()
    if let axis { result.set("axis", axis) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let input = try context.input(0)
    try expect(try context.input(1).element, in: [.bool], "the condition")
    guard let axis else { return [TensorType(input.element, [.unknown("kept")])] }
    guard var shape = input.shape else { return [input] }
    shape[try normalizedAxis(axis, rank: shape.count)] = .unknown("kept")
    return [TensorType(input.element, shape)]
  }
  public var traits: Traits { .hasDataDependentShape }
}

/// `[…] → values, first int64 [u], inverse int64 [n], counts int64 [u]`: each element (or slice of an axis) once.
public struct Unique: Operator {
  /// `nil`: elements of the flattened input.
  public let axis: Int?
  /// In rising order; otherwise in the order of their first appearance.
  public let isSorted: Bool

  public static let names = [OperatorName("Unique")]
  public var name: OperatorName { Unique.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    axis = try attributes.optionalInt("axis")
    isSorted = try attributes.flag("sorted", default: true)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if let axis { result.set("axis", axis) }
    if !isSorted { result.set("sorted", false) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    let found = TensorType(.int64, [.unknown("unique")])
    guard let axis else {
      let count = try input.shape.map { try product($0) } ?? .unknown("elements")
      return [TensorType(input.element, [.unknown("unique")]), found, TensorType(.int64, [count]), found]
    }
    guard var shape = input.shape else { return [input, found, TensorType(.int64, [.unknown("slices")]), found] }
    let place = try normalizedAxis(axis, rank: shape.count)
    let slices = shape[place]
    shape[place] = .unknown("unique")
    return [TensorType(input.element, shape), found, TensorType(.int64, [slices]), found]
  }
  public var traits: Traits { .hasDataDependentShape }
}
