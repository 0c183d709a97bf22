import GraphIR
import TensorCore
import TestSupport
import Testing

private func unary(_ type: String, _ low: Float, _ high: Float, _ attributes: [String: Attribute] = [:]) throws
  -> GradientCase
{
  try GradientCase(type, "", attributes, [.random([3, 5], low, high)])
}

@Suite("Gradients of element-wise functions") struct ElementwiseGradients {
  static func smoothCases() throws -> [GradientCase] {
    [
      try unary("Sigmoid", -3, 3), try unary("Tanh", -2, 2), try unary("Exp", -1, 1), try unary("Log", 0.5, 2),
      try unary("Sqrt", 0.5, 2), try unary("Reciprocal", 0.6, 2), try unary("Neg", -1, 1), try unary("Erf", -2, 2),
      try unary("Softplus", -3, 3), try unary("Softsign", 0.2, 3), try unary("Gelu", -2, 2),
      try unary("Gelu", -2, 2, ["approximate": .string("tanh")]), try unary("Mish", -2, 2),
      try unary("Swish", -2, 2, ["alpha": .float(1.5)]), try unary("Sin", -2, 2), try unary("Cos", -2, 2),
      try unary("Tan", -1, 1), try unary("Asin", -0.7, 0.7), try unary("Acos", -0.7, 0.7), try unary("Atan", -2, 2),
      try unary("Sinh", -1, 1), try unary("Cosh", -1, 1), try unary("Asinh", -2, 2), try unary("Acosh", 1.5, 3),
      try unary("Atanh", -0.6, 0.6),
    ]
  }

  /// Functions with kinks, on both sides of them but not on them.
  static func kinkedCases() throws -> [GradientCase] {
    func sample(_ type: String, _ attributes: [String: Attribute] = [:], gap: Float = 0.25) throws -> GradientCase {
      try GradientCase(type, "", attributes, [.distinct([4, 6], gap: gap)])
    }
    return [
      try sample("Relu"), try sample("LeakyRelu", ["alpha": .float(0.2)]), try sample("Abs"), try sample("Sign"),
      try sample("Elu", ["alpha": .float(1.3)]), try sample("Selu"), try sample("Celu", ["alpha": .float(0.7)]),
      try sample("HardSigmoid", gap: 0.37), try sample("HardSwish", gap: 0.37), try sample("Shrink", gap: 0.4),
      try sample("ThresholdedRelu", ["alpha": .float(0.5)]), try sample("Floor", gap: 0.5),
      try sample("Ceil", gap: 0.5),
      try sample("Round", gap: 0.5), try sample("Identity"),
    ]
  }

  static func binaryCases() throws -> [GradientCase] {
    let (a, b) = (try Tensor.random([2, 3, 4], 0.5, 2), try Tensor.random([3, 1], 0.5, 2, seed: 9))
    let apart = try Tensor.distinct([2, 3, 4], gap: 0.3)
    let other = try Tensor.distinct([3, 1], gap: 0.3, offset: 0.15, seed: 3)
    var cases: [GradientCase] = []
    for type in ["Add", "Sub", "Mul", "Div", "Pow"] {
      cases.append(try GradientCase(type, "broadcast to the right", [a, b]))
      cases.append(try GradientCase(type, "broadcast to the left", [b, a]))
      cases.append(try GradientCase(type, "broadcast both", [.random([4, 1, 3], 0.5, 2), .random([2, 1], 0.5, 2)]))
    }
    cases += cases.map(\.symbolic)
    cases += [
      try GradientCase("Pow", "square", [.random([5], -2, 2), Tensor(scalar: Float(2))], constants: [1]),
      try GradientCase("Pow", "cube of negatives", [.random([5], -2, 2), Tensor(scalar: Float(3))], constants: [1]),
      try GradientCase("Pow", "to 0", [.distinct([5]), Tensor(scalar: Float(0))], constants: [1]),
      try GradientCase("Pow", "integer exponent", [.random([5], -2, 2), Tensor(scalar: Int64(3))], constants: [1]),
      try GradientCase("PRelu", "a slope a channel", [apart, other]),
      try GradientCase("Mod", "of floats", ["fmod": .int(1)], [.random([6], 2.1, 2.6), .random([6], 0.9, 1.0)]),
      try GradientCase("Max", "two", [apart, other]), try GradientCase("Min", "two", [apart, other]),
      try GradientCase("Max", "three", [apart, other, Tensor(scalar: Float(0.375))]),
      try GradientCase("Sum", "three", [a, b, a]), try GradientCase("Mean", "three", [a, b, b]),
      try GradientCase("Where", "", [Tensor([true, false, true], [3, 1]), a, b]),
      try GradientCase("Where", "", [Tensor([true, false, true], [3, 1]), a, b]).symbolic,
      try GradientCase("Clip", "both bounds", [apart, Tensor(scalar: Float(-0.9)), Tensor(scalar: Float(1.2))]),
      try GradientCase("Clip", "above", [apart, nil, Tensor(scalar: Float(1.2))]),
      try GradientCase("Clip", "none", [apart]),
      try GradientCase("Cast", "", ["to": .int(1)], [a]),
    ]
    return cases
  }

  @Test("smooth functions", arguments: try smoothCases()) func smooth(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("functions with kinks", arguments: try kinkedCases()) func kinked(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("functions of several tensors", arguments: try binaryCases()) func binary(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
}
