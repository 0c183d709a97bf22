public import GraphIR
import TensorCore

/// Several element-wise functions of a prepared graph in one pass over memory: `[…], … → […]`, with broadcasting.
///
/// A small program: each step applies a function to inputs or to results of earlier steps; the last step's result is
/// the operator's.
public struct FusedElementwise: Operator {
  public enum Function: Sendable, Equatable {
    case unary(Unary)
    case clip(Float, Float)
    case binary(Binary.Function)

    public static func == (a: Function, b: Function) -> Bool {
      switch (a, b) {
      case (.unary(let a), .unary(let b)):
        a.function == b.function && a.alpha == b.alpha && a.beta == b.beta
          && a.approximatesByTanh == b.approximatesByTanh
      case (.clip(let a, let b), .clip(let c, let d)): a == c && b == d
      case (.binary(let a), .binary(let b)): a == b
      default: false
      }
    }
  }

  public struct Step: Sendable, Equatable {
    public var function: Function
    /// One or two: k is input k, `inputs + s` the result of step s.
    public var operands: [Int]

    public init(_ function: Function, _ operands: [Int]) {
      self.function = function
      self.operands = operands
    }
  }

  /// What kernels hold room for.
  public static let mostInputs = 8
  public static let mostSteps = 24

  public let inputs: Int
  public let steps: [Step]

  public static let names = [OperatorName("FusedElementwise", domain: "ligature")]
  public var name: OperatorName { FusedElementwise.names[0] }

  public init(inputs: Int, steps: [Step]) throws {
    guard (1...FusedElementwise.mostInputs).contains(inputs), (1...FusedElementwise.mostSteps).contains(steps.count)
    else {
      throw LigatureError(
        .attribute,
        "\(inputs) inputs and \(steps.count) steps; 1 to \(FusedElementwise.mostInputs) inputs and 1 to \(FusedElementwise.mostSteps) steps can be fused"
      )
    }
    for (index, step) in steps.enumerated() {
      var arity = 1
      if case .binary = step.function { arity = 2 }
      guard step.operands.count == arity, step.operands.allSatisfy({ (0..<inputs + index).contains($0) }) else {
        throw LigatureError(.attribute, "step \(index) reads operands \(step.operands) that it cannot have")
      }
    }
    self.inputs = inputs
    self.steps = steps
  }

  /// Functions that kernels have vectors for.
  public static func canFuse(_ function: Unary.Function) -> Bool {
    switch function {
    case .sin, .cos, .tan, .asin, .acos, .atan, .sinh, .cosh, .asinh, .acosh, .atanh: false
    default: true
    }
  }
  public static func canFuse(_ function: Binary.Function) -> Bool {
    switch function {
    case .add, .sub, .mul, .div, .pow, .prelu: true
    default: false
    }
  }

  // ── Attributes: a name, two operands (-1: none) and two numbers a step ────
  public init(name: OperatorName, attributes: Attributes) throws {
    let names = try attributes.optionalStrings("functions") ?? []
    let operands = try attributes.ints("operands", default: [])
    let numbers = try attributes.optionalFloats("numbers") ?? []
    guard operands.count == 2 * names.count, numbers.count == 2 * names.count else {
      throw LigatureError(
        .attribute, "\(names.count) functions have \(operands.count) operands and \(numbers.count) numbers; each has 2")
    }
    let steps = try names.enumerated().map { index, name in
      Step(
        try FusedElementwise.function(name, numbers[2 * index], numbers[2 * index + 1]),
        operands[2 * index...2 * index + 1].filter { $0 != -1 })
    }
    try self.init(inputs: attributes.int("inputs"), steps: steps)
  }

  private static func function(_ name: String, _ a: Float, _ b: Float) throws -> Function {
    if name == "Clip" { return .clip(a, b) }
    if name == "GeluTanh" { return .unary(Unary(.gelu, approximatesByTanh: true)) }
    if let function = Unary.Function(rawValue: name), canFuse(function) {
      return .unary(Unary(function, alpha: a, beta: b))
    }
    if let function = Binary.Function(rawValue: name), canFuse(function) { return .binary(function) }
    throw LigatureError(.attribute, "the function '\(name)' cannot be fused")
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("inputs", inputs)
    result.set("operands", steps.flatMap { $0.operands.count == 2 ? $0.operands : $0.operands + [-1] })
    let parts = steps.map { step -> (name: String, numbers: [Float]) in
      switch step.function {
      case .unary(let op): (op.approximatesByTanh ? "GeluTanh" : op.function.rawValue, [op.alpha, op.beta])
      case .clip(let low, let high): ("Clip", [low, high])
      case .binary(let function): (function.rawValue, [0, 0])
      }
    }
    result.set("functions", parts.map(\.name))
    result.set("numbers", parts.flatMap(\.numbers))
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(inputs...inputs)
    let types = try context.allInputs()
    let element = try sharedElement(types)
    try expect(element, in: [.float32, .float16, .bfloat16], "the input")
    return [TensorType(element, try broadcastShape(types.map(\.shape)))]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: steps.count)
  }

  /// Each block is read before it is written.
  public func reusableInputs(output: Int) -> [Int] { output == 0 ? Array(0..<inputs) : [] }
}
