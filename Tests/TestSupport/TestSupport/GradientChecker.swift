import Autodiff
import CKernels
public import GraphIR
import Operators
import Runtime
public import TensorCore
import Testing

/// One application of an operator whose gradient rule is checked by finite differences.
public struct GradientCase: Sendable, CustomStringConvertible {
  public var name: String
  public var op: any Operator
  /// `nil` where an optional input is left out.
  public var inputs: [Tensor?]
  /// Positions of the inputs that are constants of the graph (shapes, axes); no gradient by them is asked for.
  public var constants: Set<Int>
  /// Positions of further inputs whose gradient is not asked for.
  public var fixed: Set<Int>
  /// Which outputs the node has; `nil` where one is not wanted.
  public var outputs: [Bool]
  /// Which of them take part in the projection; all that are floating-point if nil.
  public var projected: Set<Int>?
  /// Relative to the sum of magnitudes that a directional derivative is made of.
  public var tolerance: Double
  /// Of the differences; twice that must not reach a kink.
  public var step: Double
  /// Dimensions of the inputs become symbols in the graph, so that rules cannot rely on numbers.
  public var isSymbolic = false

  public var description: String { "\(op.name) \(name)\(isSymbolic ? ", sizes unknown" : "")" }

  public init(
    _ type: String, _ name: String, _ inputs: [Tensor?], constants: Set<Int> = [], fixed: Set<Int> = [],
    outputs: [Bool] = [true], projected: Set<Int>? = nil, tolerance: Double = 1e-3, step: Double = 1.0 / 32
  ) throws {
    try self.init(
      type, name, [:], inputs, constants: constants, fixed: fixed, outputs: outputs, projected: projected,
      tolerance: tolerance, step: step)
  }

  public init(
    _ type: String, _ name: String, _ attributes: [String: Attribute], _ inputs: [Tensor?],
    constants: Set<Int> = [], fixed: Set<Int> = [], outputs: [Bool] = [true], projected: Set<Int>? = nil,
    tolerance: Double = 1e-3, step: Double = 1.0 / 32, domain: String = ""
  ) throws {
    guard let op = try OperatorSet.standard.decode(OperatorName(type, domain: domain), Attributes(attributes)) else {
      throw LigatureError(.unsupported, "the operator set does not know \(type)")
    }
    self.name = name
    self.op = op
    self.inputs = inputs
    self.constants = constants
    self.fixed = fixed
    self.outputs = outputs
    self.projected = projected
    self.tolerance = tolerance
    self.step = step
  }

  /// The same with sizes that the graph does not know.
  public var symbolic: GradientCase {
    var copy = self
    copy.isSymbolic = true
    return copy
  }
}

/// Checks the gradient rule of one operator: against central differences, and the laws that every kernel obeys.
public func checkGradient(_ sample: GradientCase) throws {
  var graph = Graph(name: "case")
  var tensors: [Tensor] = []
  var targets: [Int] = []
  let operands = try graph.addOperands(sample.inputs, constants: sample.constants) { graph, index, tensor in
    let dimensions = tensor.shape.enumerated().map { axis, size in
      sample.isSymbolic ? Dimension.symbol("d\(index)_\(axis)") : .fixed(size)
    }
    if tensor.element.isFloatingPoint, !sample.fixed.contains(index) { targets.append(tensors.count) }
    tensors.append(tensor)
    return try graph.addInput("i\(index)", TensorType(tensor.element, dimensions))
  }
  let names = sample.outputs.enumerated().map { $1 ? "o\($0)" : nil }
  for (slot, result) in try graph.append(sample.op, operands, name: "case", outputs: names).enumerated() {
    guard let result, sample.projected?.contains(slot) ?? graph[result].type.element.isFloatingPoint else { continue }
    try graph.addOutput(result)
  }
  try checkGradient(
    of: graph, at: tensors, by: targets, tolerance: sample.tolerance, step: sample.step, "\(sample)")
}

/// Checks the derivatives of a graph's outputs by some of its inputs: a random projection of the outputs is
/// differentiated by autodiff, and by central differences of fourth order along random directions, summed up in float64.
///
/// - Parameters:
///   - targets: positions of the inputs.
///   - tolerance: relative to the sum of magnitudes that a directional derivative is made of.
///   - step: of the differences, for directions of largest magnitude 1.
public func checkGradient(
  of graph: Graph, at inputs: [Tensor], by targets: [Int], tolerance: Double = 1e-3, step: Double = 1.0 / 32,
  seed: UInt64 = 1, _ what: String
) throws {
  var random = SplitMix64(seed)
  let forward = try Session(graph, options: Session.Options(threads: 1))
  let results = try forward.run(inputs)
  let weights = try results.map { try Tensor(random.floats($0.count), $0.shape) }
  let gradients = try exclusively { try lawfulGradients(graph, inputs, weights, targets, what) }

  func project(_ inputs: [Tensor]) throws -> (value: Double, magnitude: Double) {
    var (value, magnitude) = (0.0, 0.0)
    for (result, weight) in zip(try forward.run(inputs), weights) {
      for (y, w) in zip(try result.floats(), try weight.floats()) {
        value += Double(y) * Double(w)
        magnitude += abs(Double(y) * Double(w))
      }
    }
    return (value, magnitude)
  }
  let magnitude = try project(inputs).magnitude
  for (target, gradient) in zip(targets, gradients) {
    let (x, slope) = (inputs[target], try gradient.floats())
    #expect(gradient.shape == x.shape, "\(what): the gradient of input \(target) has the shape \(gradient.shape)")
    for attempt in 0..<6 where x.count > 0 && slope.count == x.count {
      // Dense directions find what is wrong anywhere, single elements what dense ones drown.
      var direction = [Float](repeating: 0, count: x.count)
      if attempt < 3 { direction = random.floats(x.count) } else { direction[random.below(x.count)] = 1 }
      func along(_ factor: Double) throws -> Double {
        var moved = inputs
        let values = zip(try x.floats(), direction).map { Float(Double($0) + factor * step * Double($1)) }
        moved[target] = try Tensor(values, x.shape)
        return try project(moved).value
      }
      let near = try along(1) - along(-1)
      let far = try along(2) - along(-2)
      let measured = (8 * near - far) / (12 * step)
      let (claimed, scale) = zip(slope, direction).reduce((0.0, 0.0)) {
        ($0.0 + Double($1.0) * Double($1.1), $0.1 + abs(Double($1.0) * Double($1.1)))
      }
      // Forward results are float32: their rounding is seen through the step.
      let noise = 4 * magnitude * 0x1p-24 / step
      let error = abs(measured - claimed)
      #expect(
        error <= tolerance * max(scale, abs(measured)) + noise,
        "\(what): input \(target), direction \(attempt): \(claimed) instead of \(measured) (scale \(scale), noise \(noise))"
      )
    }
  }
}

/// The gradients, after checking that neither threads nor poisoned memory change a bit, and that every instruction set
/// agrees.
private func lawfulGradients(
  _ graph: Graph, _ inputs: [Tensor], _ weights: [Tensor], _ targets: [Int], _ what: String
) throws -> [Tensor] {
  var backward = graph
  let cotangents = try graph.outputs.enumerated().map { index, value in
    (value, try backward.addInput("cotangent\(index)", TensorType(weights[index].element, sizes: weights[index].shape)))
  }
  let values = targets.map { backward.inputs[$0] }
  let gradients = try pullBack(&backward, cotangents, to: values)
  try backward.verify()
  // A training graph is a file as well: each node must survive export and import.
  for id in backward.order {
    let op = backward[id].op
    let again = try OperatorSet.standard.decode(op.name, op.attributes)
    #expect(again.map { describe($0.attributes) } == describe(op.attributes), "\(what): export changes \(op.name)")
  }
  for (index, value) in values.enumerated() {
    guard let gradient = gradients[value] else {
      throw LigatureError(.usage, "\(what): there is no gradient of input \(targets[index])")
    }
    #expect(backward[gradient].type.isCompatible(with: backward[value].type), "\(what): the gradient's type differs")
    try backward.addOutput(gradient, name: "gradient\(index)")
  }
  func run(threads: Int) throws -> [Tensor] {
    let session = try Session(backward, options: Session.Options(threads: threads))
    let first = Array(try session.run(inputs + weights)[graph.outputs.count...])
    session.poison()
    let second = Array(try session.run(inputs + weights)[graph.outputs.count...])
    for (a, b) in zip(first, second) { #expect(sameBits(a, b), "\(what): a second run over a poisoned arena differs") }
    return first
  }
  let result = try run(threads: 1)
  for (a, b) in zip(result, try run(threads: 3)) {
    #expect(sameBits(a, b), "\(what): the number of threads changes bits of the gradient")
  }
  defer { lig_cpu_limit(~0) }
  for (limit, isa) in [(0, "scalar twin"), (UInt32(LIG_CPU_AVX2), "AVX2 alone")] {
    lig_cpu_limit(limit)
    for (a, b) in zip(try run(threads: 1), result) {
      if let problem = difference(a, b, 1e-4) { Issue.record("\(what), \(isa): \(problem)") }
    }
  }
  return result
}

extension SplitMix64 {
  /// Even in -1...1.
  package mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1...1, using: &self) }
  }
}

extension Tensor {
  /// Even in low...high, the same for the same seed.
  public static func random(_ shape: [Int], _ low: Float = -1, _ high: Float = 1, seed: UInt64 = 7) throws -> Tensor {
    var random = SplitMix64(seed &+ UInt64(shape.reduce(1) { $0 &* 31 &+ $1 }))
    return try Tensor(random.floats(Checked.elementCount(shape)).map { low + (high - low) * ($0 + 1) / 2 }, shape)
  }

  /// Distinct numbers in random order, `gap` apart and off zero by half of it (and `offset`): differences meet no kink
  /// and no tie.
  public static func distinct(
    _ shape: [Int], gap: Float = 0.25, offset: Float = 0, seed: UInt64 = 7
  ) throws -> Tensor {
    var random = SplitMix64(seed)
    let count = try Checked.elementCount(shape)
    let values = (0..<count).map { (Float($0) - Float(count / 2) + 0.5) * gap + offset }.shuffled(using: &random)
    return try Tensor(values, shape)
  }

  public static func integers(_ values: [Int], _ shape: [Int]? = nil) throws -> Tensor {
    try Tensor(values.map(Int64.init), shape ?? [values.count])
  }
}
