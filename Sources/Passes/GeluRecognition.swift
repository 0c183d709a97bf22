public import GraphIR
import Operators
import TensorCore

/// Gives GELU that exporters spell out, by erf or by tanh, its one operator back.
///
/// There are many spellings of `x (1 + t) / 2`, with `t = erf(x / √2)` or `t = tanh(√(2/π) (x + 0.044715 x³))`. Rather
/// than list them, the pass computes what the nodes around `t` make of it, as polynomials in x.
public struct GeluRecognition: Pass {
  public let name = "gelu-recognition"
  public let summary = "Turns GELU that is spelled out, by erf or by tanh, into one operator."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard let op = graph[id].op as? Unary, op.function == .erf || op.function == .tanh,
        let argument = graph[id].inputs[0], let t = graph[id].outputs[0], graph[t].type.element == .float32,
        let x = base(of: argument, isTanh: op.function == .tanh, graph)
      else { continue }
      guard let output = product(of: x, t, graph) else {
        notes.append(
          PassNote(.rejected, node: graph[id].name, "what follows is not x (1 + \(op.function.rawValue)) / 2"))
        continue
      }
      guard let last = graph.producer(of: output), graph[output].type.isSurelyEqual(to: graph[x].type) else { continue }
      let name = graph[last].name
      try graph.update(last, op: Unary(.gelu, approximatesByTanh: op.function == .tanh), inputs: [x])
      notes.append(PassNote(.changed, node: name, "is Gelu"))
    }
    return notes
  }

  /// The x of which the argument is the polynomial that GELU has there.
  private func base(of argument: ValueID, isTanh: Bool, _ graph: Graph) -> ValueID? {
    let wanted: [Double] = isTanh ? [0, 0.797_884_56, 0, 0.797_884_56 * 0.044_715] : [0, 0.707_106_78]
    for x in operands(below: argument, graph) {
      let reading = Reading(graph: graph, x: x, t: nil)
      guard let form = reading.form(of: argument), form.isNear(plain: wanted, timesT: []) else { continue }
      return x
    }
    return nil
  }

  private func operands(below value: ValueID, _ graph: Graph) -> [ValueID] {
    var found: [ValueID] = []
    var level = [value]
    for _ in 0..<Reading.depthLimit where found.count < 64 {
      level = level.flatMap { value -> [ValueID] in
        guard let id = graph.producer(of: value), graph[id].op is Binary else { return [] }
        return graph[id].inputs.compactMap { $0 }.filter { graph.constant($0) == nil }
      }
      found += level.filter { !found.contains($0) }
    }
    return found
  }

  /// The value after `t` that is `x / 2 + x / 2 · t`.
  private func product(of x: ValueID, _ t: ValueID, _ graph: Graph) -> ValueID? {
    let reading = Reading(graph: graph, x: x, t: t)
    var value = t
    for _ in 0..<Reading.depthLimit {
      guard let next = graph.soleUse(of: value), graph[next].op is Binary, let result = graph[next].outputs[0] else {
        return nil
      }
      value = result
      if let form = reading.form(of: value), form.isNear(plain: [0, 0.5], timesT: [0, 0.5]) { return value }
    }
    return nil
  }
}

/// Reads a value as p(x) + q(x) · t, with polynomials p and q.
private struct Reading {
  static let depthLimit = 8
  let graph: Graph
  let x: ValueID
  let t: ValueID?

  struct Form {
    /// Coefficients, that of the constant first.
    var plain: [Double]
    var timesT: [Double] = []

    func isNear(plain: [Double], timesT: [Double]) -> Bool {
      near(self.plain, plain) && near(self.timesT, timesT)
    }

    private func near(_ a: [Double], _ b: [Double]) -> Bool {
      (0..<max(a.count, b.count)).allSatisfy { index in
        let (x, y) = (index < a.count ? a[index] : 0, index < b.count ? b[index] : 0)
        return abs(x - y) <= 1e-5 * abs(y)
      }
    }
  }

  func form(of value: ValueID, depth: Int = 0) -> Form? {
    if value == x { return Form(plain: [0, 1]) }
    if value == t { return Form(plain: [], timesT: [1]) }
    if let number = graph.scalar(value) { return Form(plain: [Double(number)]) }
    guard depth < Reading.depthLimit, let id = graph.producer(of: value), let op = graph[id].op as? Binary,
      let left = graph[id].inputs[0], let right = graph[id].inputs[1], let a = form(of: left, depth: depth + 1)
    else { return nil }
    if op.function == .pow {
      guard let power = graph.scalar(right), power == 2 || power == 3, a.timesT.isEmpty else { return nil }
      let square = product(a.plain, a.plain)
      return Form(plain: power == 2 ? square : product(square, a.plain))
    }
    guard let b = form(of: right, depth: depth + 1) else { return nil }
    switch op.function {
    case .add: return Form(plain: sum(a.plain, b.plain, 1), timesT: sum(a.timesT, b.timesT, 1))
    case .sub: return Form(plain: sum(a.plain, b.plain, -1), timesT: sum(a.timesT, b.timesT, -1))
    case .mul:
      guard a.timesT.isEmpty || b.timesT.isEmpty else { return nil }
      return Form(
        plain: product(a.plain, b.plain), timesT: sum(product(a.plain, b.timesT), product(a.timesT, b.plain), 1))
    case .div:
      guard b.plain.count == 1, b.timesT.isEmpty, b.plain[0] != 0 else { return nil }
      return Form(plain: a.plain.map { $0 / b.plain[0] }, timesT: a.timesT.map { $0 / b.plain[0] })
    default: return nil
    }
  }

  private func sum(_ a: [Double], _ b: [Double], _ sign: Double) -> [Double] {
    (0..<max(a.count, b.count)).map { ($0 < a.count ? a[$0] : 0) + sign * ($0 < b.count ? b[$0] : 0) }
  }

  private func product(_ a: [Double], _ b: [Double]) -> [Double] {
    guard !a.isEmpty, !b.isEmpty else { return [] }
    guard a.count + b.count < 16 else { return [.nan] }  // no GELU
    var result = [Double](repeating: 0, count: a.count + b.count - 1)
    for (i, u) in a.enumerated() {
      for (j, v) in b.enumerated() { result[i + j] += u * v }
    }
    return result
  }
}
