public import GraphIR
import TensorCore

/// `data […, n, …], indices [i…] → […, i…, …]`: slices of `axis`; negative indices count from the end.
public struct Gather: Operator {
  public let axis: Int

  public static let names = [OperatorName("Gather")]
  public var name: OperatorName { Gather.names[0] }
  public init(axis: Int = 0) { self.axis = axis }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(axis: try attributes.int("axis", default: 0))
  }
  public var attributes: Attributes {
    var result = Attributes()
    if axis != 0 { result.set("axis", axis) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (data, indices) = (try context.input(0), try context.input(1))
    try expect(indices.element, in: .indices, "the indices")
    guard let shape = data.shape, let places = indices.shape else { return [TensorType(data.element, nil)] }
    let axis = try normalizedAxis(axis, rank: shape.count)
    return [TensorType(data.element, Array(shape[..<axis] + places + shape[(axis + 1)...]))]
  }

  /// Of the data only what is taken.
  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    var cost = Cost.moving([context.optional(1)], outputs)
    cost += Cost(bytesRead: cost.bytesWritten)
    return cost
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let values = try context.dimensions(0), let indices = try context.integers(1),
      try context.input(0).rank == 1
    else { return nil }
    return try indices.map { index in
      let place = index < 0 ? index + values.count : index
      guard values.indices.contains(place) else {
        throw LigatureError(.numeric, "index \(index) lies outside of the \(values.count) elements")
      }
      return values[place]
    }
  }

  public func sharedBytes(_ context: InferenceContext, outputs: [TensorType]) throws -> SharedBytes? {
    let data = try context.input(0)
    guard let shape = data.sizes, let indices = try context.constant(1)?.integers(), indices.count == 1 else {
      return nil
    }
    let axis = try normalizedAxis(axis, rank: shape.count)
    let place = indices[0] < 0 ? indices[0] + shape[axis] : indices[0]
    guard (0..<shape[axis]).contains(place), isOutermost(axis, of: shape) else { return nil }
    return .pieces([place * (try byteStride(axis, of: data))])
  }
}

/// `data […], indices […] → […]` of the indices' shape: one element each, by its place along `axis`.
public struct GatherElements: Operator {
  public let axis: Int

  public static let names = [OperatorName("GatherElements")]
  public var name: OperatorName { GatherElements.names[0] }
  public init(axis: Int = 0) { self.axis = axis }
  public init(name: OperatorName, attributes: Attributes) throws { axis = try attributes.int("axis", default: 0) }
  public var attributes: Attributes {
    var result = Attributes()
    if axis != 0 { result.set("axis", axis) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (data, indices) = (try context.input(0), try context.input(1))
    try expect(indices.element, in: .indices, "the indices")
    try checkElementwise(data, indices, axis)
    return [TensorType(data.element, indices.shape)]
  }
}

/// Indices of `GatherElements` and `ScatterElements` have the data's rank, and no more than its sizes beside `axis`.
private func checkElementwise(_ data: TensorType, _ indices: TensorType, _ axis: Int) throws {
  guard let shape = data.shape, let places = indices.shape else { return }
  guard shape.count == places.count else {
    throw LigatureError(.rank, "the data \(data) and the indices \(indices) must have one rank")
  }
  let axis = try normalizedAxis(axis, rank: shape.count)
  for index in shape.indices where index != axis {
    guard let a = shape[index].value, let b = places[index].value, b > a else { continue }
    throw LigatureError(.shape, "the indices \(indices) exceed the data \(data) along axis \(index)")
  }
}

/// Tuples of indices lie along the last axis: there must be one.
private func checkTuples(_ indices: TensorType) throws {
  guard indices.rank != 0 else { throw LigatureError(.rank, "the indices must be tuples, but are a scalar") }
}

/// `data [b…, d…, s…], indices [b…, i…, depth] → [b…, i…, s…]`: slices by tuples of indices.
public struct GatherND: Operator {
  public let batchDimensions: Int

  public static let names = [OperatorName("GatherND")]
  public var name: OperatorName { GatherND.names[0] }
  public init() { batchDimensions = 0 }
  public init(name: OperatorName, attributes: Attributes) throws {
    batchDimensions = try attributes.int("batch_dims", default: 0)
    guard batchDimensions >= 0 else { throw LigatureError(.attribute, "attribute 'batch_dims' must not be negative") }
  }
  public var attributes: Attributes {
    var result = Attributes()
    if batchDimensions != 0 { result.set("batch_dims", batchDimensions) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (data, indices) = (try context.input(0), try context.input(1))
    try expect(indices.element, in: [.int64], "the indices")
    try checkTuples(indices)
    guard let shape = data.shape, let places = indices.shape, let depth = places.last?.value else {
      return [TensorType(data.element, nil)]
    }
    guard batchDimensions < min(shape.count, places.count), depth >= 1, depth <= shape.count - batchDimensions else {
      throw LigatureError(
        .shape, "tuples of \(depth) indices after \(batchDimensions) batch dimensions do not fit \(data) and \(indices)"
      )
    }
    for (a, b) in zip(shape, places).prefix(batchDimensions) where a.value != nil && b.value != nil && a != b {
      throw LigatureError(.shape, "the batch dimensions of \(data) and \(indices) differ")
    }
    return [TensorType(data.element, places.dropLast() + shape[(batchDimensions + depth)...])]
  }
}

/// `[…], starts [n], ends [n], axes? [n], steps? [n] → […]`: every step-th slice from start up to end.
public struct Slice: Operator {
  public static let names = [OperatorName("Slice")]
  public var name: OperatorName { Slice.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  /// What is taken of one axis.
  package struct Piece: Sendable {
    package var start: Int
    package var step: Int
    package var count: Int
  }

  /// What is taken of each axis of `shape`.
  package static func pieces(_ shape: [Int], starts: [Int], ends: [Int], axes: [Int]?, steps: [Int]?) throws -> [Piece]
  {
    let axes = try normalizedAxes(axes ?? Array(0..<starts.count), rank: shape.count)
    let steps = steps ?? Array(repeating: 1, count: starts.count)
    guard ends.count == starts.count, axes.count == starts.count, steps.count == starts.count else {
      throw LigatureError(.shape, "starts, ends, axes and steps must be equally many")
    }
    var result = shape.map { Piece(start: 0, step: 1, count: $0) }
    for (index, axis) in axes.enumerated() {
      result[axis] = try piece(of: shape[axis], from: starts[index], to: ends[index], by: steps[index])
    }
    return result
  }

  private static func piece(of size: Int, from start: Int, to end: Int, by step: Int) throws -> Piece {
    guard step != 0 else { throw LigatureError(.numeric, "a step of 0 leads nowhere") }
    // Places count from the back if negative, and are clamped; a backward end may be -1, just before the front.
    func settle(_ place: Int, _ low: Int, _ high: Int) -> Int {
      min(max(place < 0 ? place.addingReportingOverflow(size).partialValue : place, low), high)
    }
    if step > 0 {
      let (first, last) = (settle(start, 0, size), settle(end, 0, size))
      let count = last > first ? (last - first - 1) / step + 1 : 0
      return Piece(start: count == 0 ? 0 : first, step: count > 1 ? step : 1, count: count)
    }
    let (first, last) = (settle(start, 0, size - 1), settle(end, -1, size - 1))
    guard size > 0, first > last else { return Piece(start: 0, step: 1, count: 0) }
    let count = step == .min ? 1 : (first - last - 1) / -step + 1
    return Piece(start: first, step: count > 1 ? step : 1, count: count)
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...5)
    let input = try context.input(0)
    for index in 1..<context.inputs.count {
      guard let type = context.optional(index) else { continue }
      try expect(type.element, in: .indices, "input \(index)")
      guard (type.rank ?? 1) == 1 else { throw LigatureError(.rank, "input \(index) must be a list, but is \(type)") }
    }
    guard let shape = input.shape else { return [input] }
    guard let axes = try chosenAxes(context, shape.count) else {
      return [TensorType(input.element, shape.map { .unknown("slice(\($0))") })]
    }
    let steps = context.optional(4) == nil ? Array(repeating: 1, count: axes.count) : try context.integers(4)
    let (starts, ends) = (try context.dimensions(1), try context.dimensions(2))
    var result = shape
    for (index, axis) in axes.enumerated() {
      result[axis] = try size(
        of: shape[axis], starts.map { try element($0, index) }, ends.map { try element($0, index) },
        steps.map { try element($0, index) })
    }
    return [TensorType(input.element, result)]
  }

  private func element<T>(_ list: [T], _ index: Int) throws -> T {
    guard index < list.count else {
      throw LigatureError(.shape, "starts, ends, axes and steps must be equally many")
    }
    return list[index]
  }

  private func chosenAxes(_ context: InferenceContext, _ rank: Int) throws -> [Int]? {
    if context.optional(3) != nil {
      return try context.integers(3).map { try normalizedAxes($0, rank: rank) }
    }
    guard let count = try context.dimensions(1)?.count ?? context.input(1).shape?.first?.value else { return nil }
    guard count >= 0, count <= rank else {
      throw LigatureError(.shape, "there are \(count) starts for \(rank) dimensions")
    }
    return Array(0..<count)
  }

  /// The size of a slice of `whole`, as far as it is known.
  private func size(of whole: Dimension, _ start: Dimension?, _ end: Dimension?, _ step: Int?) throws -> Dimension {
    let unknown = Dimension.unknown("slice(\(whole))")
    guard let step, let start, let end else { return unknown }
    if let size = whole.value, let a = start.value, let b = end.value {
      return .fixed(try Slice.piece(of: size, from: a, to: b, by: step).count)
    }
    guard step == 1, let first = start.value else { return unknown }
    // Up to the very end, however it is spelt.
    if (end == whole && whole.isDeterminate) || (end.value ?? 0) >= Int(Int32.max) {
      guard first >= 0 else { return unknown }
      return first == 0 ? whole : try whole - .fixed(first)
    }
    guard let last = end.value, first >= 0, last < 0 else { return unknown }
    return try whole - .fixed(Checked.add(first, last == .min ? .max : -last))
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let values = try context.dimensions(0), try context.input(0).rank == 1,
      let starts = try context.integers(1), let ends = try context.integers(2)
    else { return nil }
    let axes = context.optional(3) == nil ? nil : try context.integers(3)
    let steps = context.optional(4) == nil ? nil : try context.integers(4)
    guard axes != nil || context.optional(3) == nil, steps != nil || context.optional(4) == nil else { return nil }
    let piece = try Slice.pieces([values.count], starts: starts, ends: ends, axes: axes, steps: steps)[0]
    return (0..<piece.count).map { values[piece.start + $0 * piece.step] }
  }

  public func sharedBytes(_ context: InferenceContext, outputs: [TensorType]) throws -> SharedBytes? {
    let input = try context.input(0)
    guard let shape = input.sizes, let starts = try context.constant(1)?.integers(),
      let ends = try context.constant(2)?.integers(), !shape.contains(0)
    else { return nil }
    let pieces = try Slice.pieces(
      shape, starts: starts, ends: ends, axes: context.constant(3)?.integers(), steps: context.constant(4)?.integers())
    guard pieces.allSatisfy({ $0.step == 1 && $0.count > 0 }) else { return nil }
    // Only the outermost axis of more than one index may be cut: the rest is taken whole.
    guard let cut = pieces.indices.first(where: { pieces[$0].count > 1 || shape[$0] > 1 }) else { return .pieces([0]) }
    var offset = 0
    for axis in cut..<shape.count {
      offset += pieces[axis].start * (try byteStride(axis, of: input))
      // Further in, an axis may be cut only where all before it were cut down to one.
      let outer = pieces[..<axis].allSatisfy { $0.count == 1 }
      guard pieces[axis].count == shape[axis] || outer else { return nil }
    }
    return .pieces([offset])
  }
}

/// `data […], indices […], updates […] → […]`: a copy of the data with single elements replaced or combined;
/// `ScatterND` replaces whole slices, `indices [i…, depth]`.
public struct Scatter: Operator {
  public enum Kind: Sendable, Equatable {
    case elements(axis: Int)
    case slices
  }
  public enum Reduction: String, CaseIterable, Sendable { case none, add, mul, max, min }
  public let kind: Kind
  public let reduction: Reduction

  public static let names = [OperatorName("ScatterElements"), OperatorName("ScatterND")]
  public var name: OperatorName { kind == .slices ? Scatter.names[1] : Scatter.names[0] }
  public init(_ kind: Kind, _ reduction: Reduction = .none) {
    self.kind = kind
    self.reduction = reduction
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    kind = name.type == "ScatterND" ? .slices : .elements(axis: try attributes.int("axis", default: 0))
    reduction = try attributes.choice("reduction", default: .none)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if case .elements(let axis) = kind, axis != 0 { result.set("axis", axis) }
    if reduction != .none { result.set("reduction", reduction.rawValue) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let (data, indices, updates) = (try context.input(0), try context.input(1), try context.input(2))
    try expect(indices.element, in: kind == .slices ? [.int64] : .indices, "the indices")
    _ = try sharedElement([data, updates])
    switch kind {
    case .elements(let axis):
      try checkElementwise(data, indices, axis)
      if let a = indices.sizes, let b = updates.sizes, a != b {
        throw LigatureError(.shape, "the indices \(indices) and the updates \(updates) must have one shape")
      }
    case .slices:
      try checkTuples(indices)
      guard let shape = data.shape, let places = indices.shape, let depth = places.last?.value else { break }
      guard depth >= 1, depth <= shape.count else {
        throw LigatureError(.shape, "tuples of \(depth) indices do not fit \(data)")
      }
      let wanted = TensorType(data.element, places.dropLast() + shape[depth...])
      guard updates.isCompatible(with: wanted) else {
        throw LigatureError(.shape, "the updates must be \(wanted), but are \(updates)")
      }
    }
    return [data]
  }
}

/// `indices […], depth [], values [2] → […, depth, …]`: values = [off, on].
public struct OneHot: Operator {
  public let axis: Int

  public static let names = [OperatorName("OneHot")]
  public var name: OperatorName { OneHot.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws { axis = try attributes.int("axis", default: -1) }
  public var attributes: Attributes {
    var result = Attributes()
    if axis != -1 { result.set("axis", axis) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...3)
    let (indices, values) = (try context.input(0), try context.input(2))
    if let sizes = values.sizes, sizes != [2] {
      throw LigatureError(.shape, "the values must be [off, on], but are \(values)")
    }
    guard let shape = indices.shape else { return [TensorType(values.element, nil)] }
    let axis = try normalizedAxis(axis, rank: shape.count + 1)
    var depth = try context.input(1).element.isInteger ? context.dimensions(1)?.first : nil
    if depth == nil, let real = try context.constant(1)?.floats().first, real >= 0, real < 1e15 {
      depth = .fixed(Int(real))
    }
    if let number = depth?.value, number < 0 {
      throw LigatureError(.numeric, "the depth \(number) is negative")
    }
    return [TensorType(values.element, Array(shape[..<axis] + [depth ?? .unknown("depth")] + shape[axis...]))]
  }
}

/// `[…, rows, columns], k? [] → […, rows, columns]`: the upper or lower triangle, zero elsewhere.
public struct Trilu: Operator {
  public let keepsUpper: Bool

  public static let names = [OperatorName("Trilu")]
  public var name: OperatorName { Trilu.names[0] }
  public init(name: OperatorName, attributes: Attributes) throws {
    keepsUpper = try attributes.flag("upper", default: true)
  }
  public var attributes: Attributes {
    var result = Attributes()
    if !keepsUpper { result.set("upper", false) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...2)
    let input = try context.input(0)
    guard (input.rank ?? 2) >= 2 else { throw LigatureError(.rank, "the input must be a matrix, but is \(input)") }
    if let k = context.optional(1) {
      try expect(k.element, in: [.int64], "input 1")
      if let sizes = k.sizes, try Checked.elementCount(sizes) != 1 {
        throw LigatureError(.shape, "input 1 must be a scalar, but is \(k)")
      }
    }
    return [input]
  }
}
