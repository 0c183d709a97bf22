public import GraphIR
import TensorCore

/// `[…] → int64 [n]`: the dimensions from `start` up to `end`.
public struct Shape: Operator {
  public let start: Int
  public let end: Int?

  public static let names = [OperatorName("Shape")]
  public var name: OperatorName { Shape.names[0] }
  public init(start: Int = 0, end: Int? = nil) {
    self.start = start
    self.end = end
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(start: try attributes.int("start", default: 0), end: try attributes.optionalInt("end"))
  }

  public var attributes: Attributes {
    var result = Attributes()
    if start != 0 { result.set("start", start) }
    if let end { result.set("end", end) }
    return result
  }

  /// The axes that are listed; both ends count from the back if negative, and are clamped.
  package func range(rank: Int) -> Range<Int> {
    func settle(_ axis: Int) -> Int {
      min(max(axis < 0 ? axis.addingReportingOverflow(rank).partialValue : axis, 0), rank)
    }
    let first = settle(start)
    return first..<max(first, settle(end ?? rank))
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    guard let rank = try context.input(0).rank else { return [TensorType(.int64, [.unknown("rank")])] }
    return [TensorType(.int64, sizes: [range(rank: rank).count])]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let shape = try context.input(0).shape else { return nil }
    return Array(shape[range(rank: shape.count)])
  }
}

/// `[…] → int64 []`: the number of elements.
public struct Size: Operator {
  public static let names = [OperatorName("Size")]
  public var name: OperatorName { Size.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    return [TensorType(.int64, sizes: [])]
  }
  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let shape = try context.input(0).shape else { return nil }
    return [try product(shape)]
  }
}

/// `[…], shape int64 [rank] → […]`: the same elements under another shape. A 0 copies the input's dimension (unless
/// `allowZero`), one -1 takes what is left.
public struct Reshape: Operator {
  public let allowZero: Bool

  public static let names = [OperatorName("Reshape")]
  public var name: OperatorName { Reshape.names[0] }
  public init(allowZero: Bool = false) { self.allowZero = allowZero }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(allowZero: try attributes.flag("allowzero", default: false))
  }

  public var attributes: Attributes {
    var result = Attributes()
    if allowZero { result.set("allowzero", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (input, target) = (try context.input(0), try context.input(1))
    try expect(target.element, in: [.int64], "the shape")
    guard let wanted = try context.dimensions(1) else {
      let rank = target.shape?.first?.value
      // A shape of unknown numbers: the rank at least, unless it is hostile.
      guard let rank, rank >= 0, rank <= 64 else { return [TensorType(input.element, nil)] }
      return [TensorType(input.element, (0..<rank).map { .unknown("reshaped\($0)") })]
    }
    return [TensorType(input.element, try resolve(wanted, input.shape))]
  }

  private func resolve(_ wanted: [Dimension], _ shape: [Dimension]?) throws -> [Dimension]? {
    var result: [Dimension] = []
    var free: Int?
    for (index, dimension) in wanted.enumerated() {
      switch dimension {
      case .fixed(0) where !allowZero:
        guard let shape else { return nil }
        guard index < shape.count else {
          throw LigatureError(.shape, "dimension \(index) of the new shape copies one that the input does not have")
        }
        result.append(shape[index])
      case .fixed(-1):
        guard free == nil else { throw LigatureError(.shape, "the new shape \(wanted) has more than one -1") }
        free = index
        result.append(1)
      case .fixed(let size) where size < 0:
        throw LigatureError(.shape, "the new shape \(wanted) has the negative dimension \(size)")
      default: result.append(dimension)
      }
    }
    guard let shape else {
      if let free { result[free] = .unknown("reshaped") }
      return result
    }
    if let free { result[free] = try rest(of: shape, beside: result) }
    if let old = TensorType(.undefined, shape).sizes, let new = TensorType(.undefined, result).sizes,
      try Checked.elementCount(old) != Checked.elementCount(new)
    {
      throw LigatureError(.shape, "\(old) cannot be reshaped to \(wanted): the numbers of elements differ")
    }
    return result
  }

  /// What a -1 stands for: the product of `shape` over that of the others. Symbols on both sides cancel.
  private func rest(of shape: [Dimension], beside others: [Dimension]) throws -> Dimension {
    var numerator = shape
    var denominator: [Dimension] = []
    for dimension in others where dimension != 1 {
      if dimension.isDeterminate, let same = numerator.firstIndex(of: dimension), dimension != 0 {
        numerator.remove(at: same)
      } else {
        denominator.append(dimension)
      }
    }
    let (top, bottom) = (try product(numerator), try product(denominator))
    if bottom == 0 { return 0 }
    if let a = top.value, let b = bottom.value, a % b != 0 {
      throw LigatureError(.shape, "\(shape) cannot be reshaped: \(a) elements do not divide by \(b)")
    }
    // Numbers share factors that symbols hide: 4*N over 2 is 2*N.
    if bottom.value != nil, top.value == nil {
      let factor = try product(numerator.filter { $0.value != nil })
      if let a = factor.value, let b = bottom.value, a % b == 0 {
        return try product(numerator.filter { $0.value == nil }) * .fixed(a / b)
      }
    }
    return try top.dividedRoundingDown(by: bottom)
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? { try context.dimensions(0) }
  public var traits: Traits { .isView }
}

/// `[…], axes? int64 [n] → […]`: without the dimensions of size 1 that are named, or all of them.
public struct Squeeze: Operator {
  public static let names = [OperatorName("Squeeze")]
  public var name: OperatorName { Squeeze.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...2)
    let input = try context.input(0)
    guard let shape = input.shape else { return [input] }
    guard context.optional(1) != nil else {
      // Whether a symbol is 1 only running tells.
      guard shape.allSatisfy({ $0.value != nil }) else { return [TensorType(input.element, nil)] }
      return [TensorType(input.element, shape.filter { $0 != 1 })]
    }
    guard let axes = try context.integers(1) else { return [TensorType(input.element, nil)] }
    let dropped = Set(try normalizedAxes(axes, rank: shape.count))
    for axis in dropped where (shape[axis].value ?? 1) != 1 {
      throw LigatureError(.shape, "axis \(axis) of \(input) has size \(shape[axis]), only 1 can be squeezed")
    }
    return [TensorType(input.element, shape.indices.filter { !dropped.contains($0) }.map { shape[$0] })]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? { try context.dimensions(0) }
  public var traits: Traits { .isView }
}

/// `[…], axes int64 [n] → […]`: with dimensions of size 1 at the places named, counted in the result.
public struct Unsqueeze: Operator {
  public static let names = [OperatorName("Unsqueeze")]
  public var name: OperatorName { Unsqueeze.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let input = try context.input(0)
    guard let shape = input.shape, let axes = try context.integers(1) else { return [TensorType(input.element, nil)] }
    let rank = try Checked.add(shape.count, axes.count)
    let added = Set(try normalizedAxes(axes, rank: rank))
    var rest = shape[...]
    return [TensorType(input.element, (0..<rank).map { added.contains($0) ? 1 : rest.popFirst() ?? 1 })]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? { try context.dimensions(0) }
  public var traits: Traits { .isView }
}

/// `[…] → [a, b]`: the dimensions before `axis` in one, the others in the other.
public struct Flatten: Operator {
  public let axis: Int

  public static let names = [OperatorName("Flatten")]
  public var name: OperatorName { Flatten.names[0] }
  public init(axis: Int = 1) { self.axis = axis }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(axis: try attributes.int("axis", default: 1))
  }
  public var attributes: Attributes {
    var result = Attributes()
    if axis != 1 { result.set("axis", axis) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    guard let shape = input.shape else { return [TensorType(input.element, [.unknown("flat0"), .unknown("flat1")])] }
    let cut = axis == shape.count ? axis : try normalizedAxis(axis, rank: shape.count)
    return [TensorType(input.element, [try product(shape[..<cut]), try product(shape[cut...])])]
  }
  public var traits: Traits { .isView }
}

/// `[…], shape int64 [n] → […]`: broadcast to that shape (both ways: a 1 keeps the input's dimension).
public struct Expand: Operator {
  public static let names = [OperatorName("Expand")]
  public var name: OperatorName { Expand.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let input = try context.input(0)
    guard let wanted = try context.dimensions(1) else { return [TensorType(input.element, nil)] }
    if let negative = wanted.first(where: { ($0.value ?? 0) < 0 }) {
      throw LigatureError(.shape, "the shape \(wanted) has the negative dimension \(negative)")
    }
    return [TensorType(input.element, try broadcastShape([input.shape, wanted]))]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    guard let values = try context.dimensions(0), values.count == 1, let sizes = try context.integers(1) else {
      return nil
    }
    let count = try Checked.elementCount(sizes)
    return count <= 64 ? Array(repeating: values[0], count: count) : nil
  }
}

/// `[…] → […]` with the axes in the order `perm`; reversed without it.
public struct Transpose: Operator {
  public let perm: [Int]?

  public static let names = [OperatorName("Transpose")]
  public var name: OperatorName { Transpose.names[0] }
  public init(perm: [Int]? = nil) { self.perm = perm }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(perm: try attributes.optionalInts("perm"))
    if let perm, perm.sorted() != Array(0..<perm.count) {
      throw LigatureError(.attribute, "attribute 'perm' is \(perm), which is no order of 0..<\(perm.count)")
    }
  }
  public var attributes: Attributes {
    var result = Attributes()
    if let perm { result.set("perm", perm) }
    return result
  }

  /// The order of axes for inputs of that rank.
  package func order(rank: Int) throws -> [Int] {
    guard let perm else { return (0..<rank).reversed() }
    guard perm.count == rank else {
      throw LigatureError(.rank, "attribute 'perm' is \(perm), but the input has \(rank) dimensions")
    }
    return perm
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    guard let shape = input.shape else {
      return [TensorType(input.element, perm.map { $0.indices.map { .unknown("transposed\($0)") } })]
    }
    return [TensorType(input.element, try order(rank: shape.count).map { shape[$0] })]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? { try context.dimensions(0) }

  /// Nothing moves where only axes of one index change places.
  public func sharedBytes(_ context: InferenceContext, outputs: [TensorType]) throws -> SharedBytes? {
    guard let shape = try context.input(0).sizes else { return nil }
    let moved = try order(rank: shape.count).filter { shape[$0] != 1 }
    return moved == moved.sorted() ? .pieces([0]) : nil
  }
}
