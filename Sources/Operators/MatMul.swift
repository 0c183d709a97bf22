public import GraphIR
import TensorCore

/// Matrix products over batches, as numpy's `matmul`: `[…, m, k], […, k, n] → […, m, n]`; operands of rank 1 are rows
/// on the left and columns on the right, and leave no axis.
public struct MatMul: Operator {
  public static let names = [OperatorName("MatMul")]
  public var name: OperatorName { MatMul.names[0] }

  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}
  public var attributes: Attributes { Attributes() }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (a, b) = (try context.input(0), try context.input(1))
    let element = try sharedElement([a, b])
    try expect(element, in: .numbers, "the input")
    return [TensorType(element, try productShape(a, b))]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { productCost(context, outputs) }
}

/// Matrix product of quantised numbers, exact in int32: a, b, a zero point?, b zero point?. The zero point of a is a
/// scalar or one value a row, that of b a scalar or one value a column.
public struct MatMulInteger: Operator {
  public static let names = [OperatorName("MatMulInteger")]
  public var name: OperatorName { MatMulInteger.names[0] }

  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}
  public var attributes: Attributes { Attributes() }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...4)
    let (a, b) = (try context.input(0), try context.input(1))
    try expect(a.element, in: [.uint8, .int8], "input 0")
    try expect(b.element, in: [.uint8, .int8], "input 1")
    for (index, operand, axis) in [(2, a, -2), (3, b, -1)] {
      guard let point = context.optional(index) else { continue }
      _ = try sharedElement([operand, point])
      guard let count = point.shape?.last?.value, count != 1, let shape = operand.shape, shape.count >= 2 else {
        continue
      }
      guard point.rank == 1, shape[shape.count + axis].value ?? count == count else {
        throw LigatureError(.shape, "the zero points \(point) do not fit \(operand)")
      }
    }
    return [TensorType(.int32, try productShape(a, b))]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { productCost(context, outputs) }
}

/// y = alpha · a · b + beta · c, a or b transposed if asked: `[m, k], [k, n], [broadcasts to m, n]? → [m, n]`.
public struct Gemm: Operator {
  public static let names = [OperatorName("Gemm")]
  public var name: OperatorName { Gemm.names[0] }
  public let alpha: Float
  public let beta: Float
  public let transposesA: Bool
  public let transposesB: Bool

  public init(alpha: Float = 1, beta: Float = 1, transposesA: Bool = false, transposesB: Bool = false) {
    self.alpha = alpha
    self.beta = beta
    self.transposesA = transposesA
    self.transposesB = transposesB
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(
      alpha: try attributes.float("alpha", default: 1), beta: try attributes.float("beta", default: 1),
      transposesA: try attributes.int("transA", default: 0) != 0,
      transposesB: try attributes.int("transB", default: 0) != 0)
  }

  public var attributes: Attributes {
    var result = Attributes()
    if alpha != 1 { result.set("alpha", alpha) }
    if beta != 1 { result.set("beta", beta) }
    if transposesA { result.set("transA", true) }
    if transposesB { result.set("transB", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...3)
    let (a, b) = (try context.input(0), try context.input(1))
    let element = try sharedElement([a, b, context.optional(2)].compactMap { $0 })
    try expect(element, in: .floats, "the input")
    guard (a.rank ?? 2) == 2, (b.rank ?? 2) == 2 else {
      throw LigatureError(.rank, "takes matrices, but has \(a) and \(b); use MatMul for other ranks")
    }
    guard let a = a.shape, let b = b.shape else { return [TensorType(element, nil)] }
    let (k, other) = (a[transposesA ? 0 : 1], b[transposesB ? 1 : 0])
    if let k = k.value, let other = other.value, k != other {
      throw LigatureError(.shape, "cannot multiply \(a) by \(b): \(k) and \(other) differ")
    }
    let shape = [a[transposesA ? 1 : 0], b[transposesB ? 0 : 1]]
    if let c = context.optional(2)?.shape {
      let fits =
        c.count <= 2
        && zip(c.reversed(), shape.reversed()).allSatisfy { own, whole in
          guard let own = own.value, let whole = whole.value else { return true }
          return own == 1 || own == whole
        }
      guard fits else { throw LigatureError(.shape, "\(c) does not broadcast to \(shape)") }
    }
    return [TensorType(element, shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let a = context.optional(0)?.sizes, a.count == 2,
      let count = outputs.first?.sizes.flatMap({ try? Checked.elementCount($0) })
    else { return .moving(context.inputs, outputs) }
    let k = a[transposesA ? 0 : 1]
    return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: k).partialValue)
  }
}

// ── Shared ──────────────────────────────────────────────────────────────────
func productShape(_ a: TensorType, _ b: TensorType) throws -> [Dimension]? {
  guard a.rank != 0, b.rank != 0 else {
    throw LigatureError(.rank, "cannot multiply \(a) by \(b): scalars have no axes")
  }
  guard let x = a.shape, let y = b.shape else { return nil }
  let (k, other) = (x[x.count - 1], y.count == 1 ? y[0] : y[y.count - 2])
  if let k = k.value, let other = other.value, k != other {
    throw LigatureError(.shape, "cannot multiply \(a) by \(b): \(k) and \(other) differ")
  }
  guard let batch = try broadcastShape([Array(x.dropLast(2)), Array(y.dropLast(2))]) else { return nil }
  return batch + (x.count == 1 ? [] : [x[x.count - 2]]) + (y.count == 1 ? [] : [y[y.count - 1]])
}

func productCost(_ context: InferenceContext, _ outputs: [TensorType], depth: Int? = nil) -> Cost {
  guard let k = depth ?? context.optional(0)?.sizes?.last,
    let count = outputs.first?.sizes.flatMap({ try? Checked.elementCount($0) })
  else { return .moving(context.inputs, outputs) }
  return .moving(context.inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: k).partialValue)
}
