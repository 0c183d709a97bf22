public import GraphIR
import TensorCore

/// A matrix product of a prepared graph: `epilogue(alpha * a · b + bias + residual)`.
///
/// `[…, m, k], [k, n] or […, k, n], bias [n]?, residual […, m, n]? → […, m, n]`. Matrices may be given transposed, which
/// swaps their last two sizes.
public struct FusedMatMul: Operator {
  public static let names = [OperatorName("FusedMatMul", domain: "ligature")]
  public var name: OperatorName { FusedMatMul.names[0] }
  public let alpha: Float
  public let transposesA: Bool
  public let transposesB: Bool
  public let epilogue: Epilogue

  public init(
    alpha: Float = 1, transposesA: Bool = false, transposesB: Bool = false, _ epilogue: Epilogue = .none
  ) {
    self.alpha = alpha
    self.transposesA = transposesA
    self.transposesB = transposesB
    self.epilogue = epilogue
  }

  /// The same product with another epilogue.
  public func with(_ epilogue: Epilogue) -> FusedMatMul {
    FusedMatMul(alpha: alpha, transposesA: transposesA, transposesB: transposesB, epilogue)
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(
      alpha: try attributes.float("alpha", default: 1), transposesA: try attributes.flag("transA", default: false),
      transposesB: try attributes.flag("transB", default: false), try Epilogue(attributes))
  }

  public var attributes: Attributes {
    var result = Attributes()
    if alpha != 1 { result.set("alpha", alpha) }
    if transposesA { result.set("transA", true) }
    if transposesB { result.set("transB", true) }
    epilogue.write(to: &result)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...4)
    let (a, b) = (try context.input(0), try context.input(1))
    let (bias, residual) = (context.optional(2), context.optional(3))
    let element = try sharedElement([a, b, bias, residual].compactMap { $0 })
    try expect(element, in: .floats, "the input")
    guard a.rank ?? 2 >= 2, b.rank ?? 2 >= 2 else {
      throw LigatureError(.rank, "takes matrices, but has \(a) and \(b)")
    }
    let shape = try productShape(turned(a, transposesA), turned(b, transposesB))
    if let bias, let columns = shape?.last,
      !bias.isCompatible(with: TensorType(element, [columns]))
    {
      throw LigatureError(.shape, "the bias is \(bias), but must have one value for each of \(columns) columns")
    }
    if let residual, !residual.isCompatible(with: TensorType(element, shape)) {
      throw LigatureError(.shape, "the fourth input must have the output's type \(TensorType(element, shape))")
    }
    return [TensorType(element, shape)]
  }

  private func turned(_ type: TensorType, _ isTurned: Bool) -> TensorType {
    guard isTurned, var shape = type.shape else { return type }
    shape.swapAt(shape.count - 1, shape.count - 2)
    return TensorType(type.element, shape)
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let a = context.optional(0)?.sizes, a.count >= 2 else { return .moving(context.inputs, outputs) }
    return productCost(context, outputs, depth: a[a.count - (transposesA ? 2 : 1)])
  }
}
