public import GraphIR
package import TensorCore

// What gradient rules write with: the operators that they use most, by short names.

extension GraphBuilder {
  // ── Arithmetic ────────────────────────────────────────────────────────────
  package mutating func binary(_ function: Binary.Function, _ a: ValueID, _ b: ValueID) throws -> ValueID {
    try append(Binary(function), [a, b])
  }
  package mutating func add(_ a: ValueID, _ b: ValueID) throws -> ValueID { try binary(.add, a, b) }
  package mutating func subtract(_ a: ValueID, _ b: ValueID) throws -> ValueID { try binary(.sub, a, b) }
  package mutating func multiply(_ a: ValueID, _ b: ValueID) throws -> ValueID { try binary(.mul, a, b) }
  package mutating func divide(_ a: ValueID, _ b: ValueID) throws -> ValueID { try binary(.div, a, b) }
  package mutating func unary(_ function: Unary.Function, _ x: ValueID) throws -> ValueID {
    try append(Unary(function), [x])
  }
  package mutating func negate(_ x: ValueID) throws -> ValueID { try unary(.neg, x) }

  /// A number of the element type of `x`, which broadcasts against it.
  package mutating func number(_ value: Double, like x: ValueID) throws -> ValueID {
    try scalar(value, type(x).element)
  }
  package mutating func scale(_ x: ValueID, by factor: Double) throws -> ValueID {
    factor == 1 ? x : try multiply(x, number(factor, like: x))
  }
  /// a x + b
  package mutating func affine(_ x: ValueID, times a: Double, plus b: Double) throws -> ValueID {
    let scaled = try scale(x, by: a)
    return b == 0 ? scaled : try add(scaled, number(b, like: x))
  }
  package mutating func square(_ x: ValueID) throws -> ValueID { try multiply(x, x) }

  /// bool: x compared with a number.
  package mutating func compare(_ x: ValueID, _ function: Binary.Function, _ value: Double) throws -> ValueID {
    try binary(function, x, number(value, like: x))
  }
  /// `yes` where the condition holds, `no` elsewhere.
  package mutating func select(_ condition: ValueID, _ yes: ValueID, _ no: ValueID) throws -> ValueID {
    try append(Where(), [condition, yes, no])
  }
  /// `x` where the condition holds, zero elsewhere.
  package mutating func keep(_ x: ValueID, where condition: ValueID) throws -> ValueID {
    try select(condition, x, number(0, like: x))
  }
  package mutating func cast(_ x: ValueID, to element: ElementType) throws -> ValueID {
    type(x).element == element ? x : try append(Cast(to: element), [x])
  }

  // ── Shapes ────────────────────────────────────────────────────────────────
  /// The dimensions of a value as int64 `[rank]`: a constant where they are numbers.
  package mutating func shape(of x: ValueID) throws -> ValueID {
    if let sizes = type(x).sizes { return try integers(sizes, name: "shape") }
    return try append(Shape(), [x])
  }

  package mutating func rank(of x: ValueID) throws -> Int {
    guard let rank = type(x).rank else {
      throw LigatureError(
        .rank, "'\(graph[x].name)' has no known number of dimensions, which its gradient needs; declare its shape")
    }
    return rank
  }

  package mutating func reshape(_ x: ValueID, like other: ValueID) throws -> ValueID {
    if let shape = type(x).shape, shape == type(other).shape { return x }
    return try append(Reshape(allowZero: true), [x, shape(of: other)])
  }
  package mutating func reshape(_ x: ValueID, to shape: [Int]) throws -> ValueID {
    try append(Reshape(), [x, integers(shape)])
  }
  package mutating func transpose(_ x: ValueID, _ perm: [Int]) throws -> ValueID {
    perm == Array(perm.indices) ? x : try append(Transpose(perm: perm), [x])
  }
  /// The last two axes exchanged.
  package mutating func transposeMatrices(_ x: ValueID) throws -> ValueID {
    let rank = try rank(of: x)
    return try transpose(x, Array(0..<rank - 2) + [rank - 1, rank - 2])
  }
  package mutating func expand(_ x: ValueID, like other: ValueID) throws -> ValueID {
    if let shape = type(x).shape, shape == type(other).shape { return x }
    return try append(Expand(), [x, shape(of: other)])
  }
  /// A tensor of one number, of the shape of x and its element type, unless another is given.
  package mutating func filled(_ value: Double, like x: ValueID, element: ElementType? = nil) throws -> ValueID {
    var attributes = Attributes()
    attributes.set("value", try Tensor(number: value, element ?? type(x).element).reshaped([1]))
    let op = try ConstantOfShape(name: ConstantOfShape.names[0], attributes: attributes)
    return try append(op, [shape(of: x)])
  }
  package mutating func zeros(like x: ValueID) throws -> ValueID { try filled(0, like: x) }
  /// int64, of the shape of x: the place of each element along an axis, counted from 0.
  package mutating func places(in x: ValueID, along axis: Int) throws -> ValueID {
    let ones = try filled(1, like: x, element: .int64)
    return try append(CumSum(exclusive: true), [ones, scalar(Double(axis), .int64)])
  }

  /// How many elements of `x` there are to one of `y`, as a number of x's element type.
  package mutating func count(of x: ValueID, over y: ValueID) throws -> ValueID {
    if let a = type(x).sizes, let b = type(y).sizes {
      return try number(Double(Checked.elementCount(a)) / Double(max(Checked.elementCount(b), 1)), like: x)
    }
    let element = type(x).element
    let (all, some) = (try append(Size(), [x]), try append(Size(), [y]))
    return try divide(cast(all, to: element), cast(some, to: element))
  }

  // ── Products ──────────────────────────────────────────────────────────────
  /// x with 1 for each 0, and where these were, as numbers.
  package mutating func withoutZeros(_ x: ValueID) throws -> (values: ValueID, zeros: ValueID) {
    let isZero = try compare(x, .equal, 0)
    return (try select(isZero, number(1, like: x), x), try cast(isZero, to: type(x).element))
  }

  /// What a product is without its factor x. The quotient would fail at zeros: `product` is that of all other factors,
  /// and `zeros` is how many are 0.
  package mutating func cofactor(of x: ValueID, product: ValueID, zeros: ValueID) throws -> ValueID {
    let rest = try divide(product, withoutZeros(x).values)
    return try select(
      compare(x, .equal, 0), keep(product, where: compare(zeros, .equal, 1)),
      keep(rest, where: compare(zeros, .equal, 0)))
  }

  // ── Reductions ────────────────────────────────────────────────────────────
  package mutating func reduce(
    _ function: Reduce.Function, _ x: ValueID, axes: [Int], keepsDimensions: Bool = true
  ) throws -> ValueID {
    guard !axes.isEmpty else { return x }
    return try append(Reduce(function, keepsDimensions: keepsDimensions), [x, integers(axes, name: "axes")])
  }

  /// The sum over everything along which `value` was broadcast to the shape of `gradient`.
  package mutating func sum(_ gradient: ValueID, to value: ValueID) throws -> ValueID {
    guard let wide = type(gradient).shape, let narrow = type(value).shape else {
      return try append(SumTo(), [gradient, shape(of: value)])
    }
    guard wide != narrow else { return gradient }
    let missing = wide.count - narrow.count
    guard missing >= 0 else { throw mismatch(gradient, value) }
    var axes = Array(0..<missing)
    for (axis, dimension) in narrow.enumerated() where dimension != wide[axis + missing] {
      switch (dimension, wide[axis + missing]) {
      case (1, _): axes.append(axis + missing)
      // What is broadcast against a number above 1 has that size.
      case (.fixed, .symbol), (.symbol, 1): break
      case (.fixed, .fixed): throw mismatch(gradient, value)
      // Whether this symbol is 1 only running tells.
      case (.symbol, _): return try append(SumTo(), [gradient, shape(of: value)])
      }
    }
    guard axes.count > missing else { return try reduce(.sum, gradient, axes: axes, keepsDimensions: false) }
    let sum = try reduce(.sum, gradient, axes: axes)
    return missing == 0 ? sum : try append(Squeeze(), [sum, integers(Array(0..<missing), name: "axes")])
  }

  private func mismatch(_ gradient: ValueID, _ value: ValueID) -> LigatureError {
    LigatureError(
      .shape, "the gradient of '\(graph[value].name)' is \(type(gradient)), which \(type(value)) does not broadcast to")
  }
}

/// `[…], shape int64 [n] → […]` of that shape: the sum along which a tensor of it would be broadcast to the input's.
/// The adjoint of broadcasting, for sizes that only running tells.
public struct SumTo: Operator {
  public static let names = [OperatorName("SumTo", domain: "ligature")]
  public var name: OperatorName { SumTo.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (x, target) = (try context.input(0), try context.input(1))
    try expect(x.element, in: .floats, "the input")
    try expect(target.element, in: [.int64], "the shape")
    guard let shape = try context.dimensions(1) else { return [TensorType(x.element, nil)] }
    if let wide = x.shape, shape.count > wide.count {
      throw LigatureError(.shape, "\(shape) has more dimensions than \(x)")
    }
    if let wide = x.sizes, let sizes = TensorType(.undefined, shape).sizes { _ = try summedAxes(wide, to: sizes) }
    return [TensorType(x.element, shape)]
  }

  /// One flag an axis of `wide`: whether it is summed over.
  package func summedAxes(_ wide: [Int], to narrow: [Int]) throws -> [Bool] {
    let missing = wide.count - narrow.count
    guard missing >= 0 else { throw LigatureError(.shape, "\(narrow) has more dimensions than \(wide)") }
    return try wide.enumerated().map { axis, size in
      guard axis >= missing else { return true }
      guard narrow[axis - missing] != size else { return false }
      guard narrow[axis - missing] == 1 else { throw LigatureError(.shape, "\(narrow) does not broadcast to \(wide)") }
      return true
    }
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let count = context.optional(0)?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0
    return .moving(context.inputs, outputs, multiplyAdds: count)
  }
}
