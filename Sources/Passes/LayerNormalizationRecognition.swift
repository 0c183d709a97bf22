public import GraphIR
import Operators
import TensorCore

/// Gives layer normalisation that exporters spell out its one operator back:
/// `d = x - mean(x)`, `d / sqrt(mean(d²) + ε)`, perhaps with scale and bias.
public struct LayerNormalizationRecognition: Pass {
  public let name = "layer-normalization-recognition"
  public let summary = "Turns layer normalisation that is spelled out into LayerNormalization."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard let output = graph[id].outputs.first, let output, graph[output].type.element == .float32,
        let core = core(output, graph)
      else { continue }
      let name = graph[id].name
      guard let first = core.axis(graph), let sizes = core.normalizedSizes(graph, from: first) else {
        notes.append(
          PassNote(.rejected, node: name, "the axes that it normalises are not the last, or not of fixed size"))
        continue
      }
      let (last, scale, bias) = affine(id, output, sizes, graph)
      let op = LayerNormalization(axis: first, epsilon: core.epsilon)
      let count = try Checked.elementCount(sizes)
      let base = graph[output].name
      let gamma = try graph.addConstant(
        graph.freshName(base + ".scale"),
        Tensor(scale.map { try expanded($0, count) } ?? [Float](repeating: 1, count: count), sizes))
      var inputs: [ValueID?] = [core.x, gamma]
      if let bias {
        inputs.append(try graph.addConstant(graph.freshName(base + ".bias"), Tensor(expanded(bias, count), sizes)))
      }
      try graph.update(last, op: op, inputs: inputs)
      notes.append(PassNote(.changed, node: name, "is \(op.name) over \(sizes)"))
    }
    return notes
  }

  private struct Core {
    let x: ValueID
    let epsilon: Float
    /// As the means name them.
    let axes: [Int]

    /// The first axis, if all after it are normalised as well.
    func axis(_ graph: Graph) -> Int? {
      guard let rank = graph[x].type.rank, rank > 0, !axes.isEmpty,
        let sorted = try? normalizedAxes(axes, rank: rank).sorted(), let first = sorted.first,
        sorted == Array(first..<rank)
      else { return nil }
      return first
    }

    func normalizedSizes(_ graph: Graph, from first: Int) -> [Int]? {
      guard let shape = graph[x].type.shape else { return nil }
      let sizes = shape[first...].compactMap(\.value)
      return sizes.count == shape.count - first && !sizes.contains(0) ? sizes : nil
    }
  }

  /// `x`, ε and the axes, if the value is `d / sqrt(mean(d²) + ε)`.
  private func core(_ value: ValueID, _ graph: Graph) -> Core? {
    guard let (centered, deviation) = quotient(value, graph), let (sum, epsilon) = root(deviation, graph) else {
      return nil
    }
    guard let (x, axes) = centeredOperand(centered, graph), let (square, otherAxes) = mean(sum, graph),
      axes == otherAxes, let squared = squareOperand(square, graph)
    else { return nil }
    // Older exporters subtract the mean twice.
    guard squared == centered || centeredOperand(squared, graph)?.x == x else { return nil }
    return Core(x: x, epsilon: epsilon, axes: axes)
  }

  /// Numerator and denominator of `a / b` or `a * reciprocal(b)`; a power of -1/2 has its base's root as denominator.
  private func quotient(_ value: ValueID, _ graph: Graph) -> (ValueID, Denominator)? {
    if let (_, inputs) = graph.binary(value, .div), let a = inputs[0], let b = inputs[1] { return (a, .root(b)) }
    guard let (_, inputs) = graph.binary(value, .mul), let a = inputs[0], let b = inputs[1] else { return nil }
    for (a, b) in [(a, b), (b, a)] {
      if let id = graph.producer(of: b), (graph[id].op as? Unary)?.function == .reciprocal,
        let root = graph[id].inputs[0]
      {
        return (a, .root(root))
      }
      if let (base, power) = graph.binaryWithScalar(b, .pow), power == -0.5 { return (a, .square(base)) }
    }
    return nil
  }

  private enum Denominator {
    case root(ValueID)
    /// The denominator's square.
    case square(ValueID)
  }

  /// The variance and ε of `sqrt(v + ε)`.
  private func root(_ denominator: Denominator, _ graph: Graph) -> (ValueID, Float)? {
    let square: ValueID
    switch denominator {
    case .square(let value): square = value
    case .root(let value):
      if let id = graph.producer(of: value), (graph[id].op as? Unary)?.function == .sqrt, let x = graph[id].inputs[0] {
        square = x
      } else if let (x, power) = graph.binaryWithScalar(value, .pow), power == 0.5 {
        square = x
      } else {
        return nil
      }
    }
    guard let (variance, epsilon) = graph.binaryWithScalar(square, .add), epsilon >= 0 else { return nil }
    return (variance, epsilon)
  }

  private func mean(_ value: ValueID, _ graph: Graph) -> (x: ValueID, axes: [Int])? {
    guard let id = graph.producer(of: value), let op = graph[id].op as? Reduce, op.function == .mean,
      op.keepsDimensions, let x = graph[id].inputs[0], graph[id].inputs.count == 2,
      let axes = try? graph.constant(graph[id].inputs[1])?.integers()
    else { return nil }
    return (x, axes)
  }

  /// `x` and the axes of `x - mean(x)`.
  private func centeredOperand(_ value: ValueID, _ graph: Graph) -> (x: ValueID, axes: [Int])? {
    guard let (_, inputs) = graph.binary(value, .sub), let x = inputs[0], let average = inputs[1],
      let (averaged, axes) = mean(average, graph), averaged == x
    else { return nil }
    return (x, axes)
  }

  private func squareOperand(_ value: ValueID, _ graph: Graph) -> ValueID? {
    if let (x, power) = graph.binaryWithScalar(value, .pow) { return power == 2 ? x : nil }
    guard let (_, inputs) = graph.binary(value, .mul), let x = inputs[0], inputs[1] == x else { return nil }
    return x
  }

  /// The last node that belongs to it, and the constants that it multiplies by and adds.
  private func affine(
    _ id: NodeID, _ output: ValueID, _ sizes: [Int], _ graph: Graph
  ) -> (last: NodeID, scale: Tensor?, bias: Tensor?) {
    func follower(_ value: ValueID, _ function: Binary.Function) -> (NodeID, ValueID, Tensor)? {
      guard let next = graph.soleUse(of: value), let (id, inputs) = graph.binary(graph[next].outputs[0], function),
        let other = inputs.first(where: { $0 != value }), let tensor = graph.constant(other), fits(tensor, sizes),
        let result = graph[id].outputs[0], graph[result].type == graph[value].type
      else { return nil }
      return (id, result, tensor)
    }
    if let (product, scaled, scale) = follower(output, .mul) {
      guard let (sum, _, bias) = follower(scaled, .add) else { return (product, scale, nil) }
      return (sum, scale, bias)
    }
    guard let (sum, _, bias) = follower(output, .add) else { return (id, nil, nil) }
    return (sum, nil, bias)
  }

  /// One number, or one for each of the elements that are normalised.
  private func fits(_ tensor: Tensor, _ sizes: [Int]) -> Bool {
    guard tensor.element == .float32 else { return false }
    if tensor.count == 1 { return true }
    let padding = tensor.shape.count - sizes.count
    return padding >= 0 && tensor.shape.prefix(padding).allSatisfy { $0 == 1 }
      && Array(tensor.shape.dropFirst(padding)) == sizes
  }

  private func expanded(_ tensor: Tensor, _ count: Int) throws -> [Float] {
    let values = try tensor.floats()
    guard let first = values.first, values.count == 1 else { return values }
    return [Float](repeating: first, count: count)
  }
}
