import CKernels
import Foundation
import GraphIR
import Operators
import Runtime
public import TensorCore
import Testing

/// Applies every law that an operator must obey to one case:
/// the operator survives export and import, inferred types are produced types, the result is the recorded one,
/// scalar twins agree with vector kernels, nothing reads memory that nobody wrote, and neither thread count nor
/// the number of runs changes a bit.
public func check(_ sample: OperatorCase) throws {
  try exclusively { try checkAlone(sample) }
}

private let exclusive = NSLock()

/// Runs tests that compare bits, or that limit the processor's features, one at a time: the limit is the process's.
public func exclusively<Result>(_ body: () throws -> Result) rethrows -> Result {
  try exclusive.withLock(body)
}

private func checkAlone(_ sample: OperatorCase) throws {
  guard let op = try OperatorSet.standard.decode(sample.op, sample.attributes) else {
    Issue.record("\(sample): the operator set does not know it")
    return
  }
  let again = try OperatorSet.standard.decode(op.name, op.attributes)
  #expect(again.map { describe($0.attributes) } == describe(op.attributes), "\(sample): export then import changes it")

  let (graph, inputs) = try singleNode(op, sample)
  let golden = try run(graph, inputs, threads: 1)
  compare(golden, sample.outputs, sample.tolerance, "\(sample): recorded result")
  if !op.traits.contains(.hasDataDependentShape) {
    for (slot, id) in graph.outputs.enumerated() {
      let produced = TensorType(golden[slot].element, sizes: golden[slot].shape)
      #expect(produced.isCompatible(with: graph[id].type), "\(sample): inferred \(graph[id].type), made \(produced)")
    }
  }
  let threaded = try run(graph, inputs, threads: 3)
  for (a, b) in zip(golden, threaded) { #expect(sameBits(a, b), "\(sample): the number of threads changes bits") }
  if let (skewed, widened) = try skewed(op, sample) {
    for (a, b) in zip(golden, try run(skewed, widened, threads: 1)) {
      #expect(sameBits(a, b), "\(sample): operands and results that are aligned to their element change bits")
    }
  }
  defer { lig_cpu_limit(~0) }
  let avx2 = UInt32(LIG_CPU_AVX2)
  let avx512 = UInt32(LIG_CPU_AVX512)
  let blas = UInt32(LIG_CPU_BLAS)
  for (limit, what) in [
    (0, "scalar twin"), (blas, "OpenBLAS"), (avx2, "AVX2 alone"), (avx2 | avx512, "AVX-512 without VNNI"),
  ] {
    lig_cpu_limit(limit)
    compare(try run(graph, inputs, threads: 1), sample.outputs, sample.tolerance, "\(sample): \(what)")
  }
}

extension Graph {
  /// The operands of one node: absent ones stay so, constants are kept here, `addVarying` makes the others from their
  /// position and an example.
  mutating func addOperands(
    _ tensors: [Tensor?], constants: Set<Int>, addVarying: (inout Graph, Int, Tensor) throws -> ValueID
  ) throws -> [ValueID?] {
    try tensors.enumerated().map { index, tensor in
      guard let tensor else { return nil }
      if constants.contains(index) { return try addConstant("i\(index)", tensor) }
      return try addVarying(&self, index, tensor)
    }
  }
}

/// A graph of that node alone, and the tensors to run it with.
private func singleNode(_ op: any Operator, _ sample: OperatorCase) throws -> (Graph, [Tensor]) {
  var graph = Graph(name: "case")
  var inputs: [Tensor] = []
  let operands = try graph.addOperands(sample.inputs, constants: sample.constants) { graph, index, tensor in
    inputs.append(tensor)
    return try graph.addInput("i\(index)", TensorType(tensor.element, sizes: tensor.shape))
  }
  let names = sample.outputs.enumerated().map { $1 == nil ? nil : "o\($0)" }
  for result in try graph.append(op, operands, name: "case", outputs: names) {
    if let result { try graph.addOutput(result) }
  }
  return (graph, inputs)
}

/// The same node between views: inputs are pieces of larger tensors from element 1 on, and results are made in larger
/// ones, so that nothing is aligned to more than its element. Nil where that cannot be said in a graph.
private func skewed(_ op: any Operator, _ sample: OperatorCase) throws -> (graph: Graph, inputs: [Tensor])? {
  guard !op.traits.contains(.hasDataDependentShape) else { return nil }
  let varying = sample.inputs.enumerated().filter { !sample.constants.contains($0.offset) }.compactMap(\.element)
  guard varying.allSatisfy({ $0.element.byteSize > 0 && $0.count > 0 }) else { return nil }
  var graph = Graph(name: "case")
  var inputs: [Tensor] = []
  func list(_ name: String, _ values: [Int], _ graph: inout Graph) throws -> ValueID {
    try graph.addConstant(name, Tensor(values.map(Int64.init), [values.count]))
  }
  let operands = try graph.addOperands(sample.inputs, constants: sample.constants) { graph, index, tensor in
    let wide = try unsafe Tensor(tensor.element, [tensor.count + 1]) { bytes in
      unsafe tensor.withUnsafeBytes { from in
        unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[tensor.element.byteSize...]).copyMemory(from: from)
      }
    }
    inputs.append(wide)
    let input = try graph.addInput("i\(index)", TensorType(wide.element, sizes: wide.shape))
    let (from, to) = (try list("from\(index)", [1], &graph), try list("to\(index)", [tensor.count + 1], &graph))
    let flat = try graph.append(Slice(), [input, from, to], name: "cut\(index)")
    let shape = try list("shape\(index)", tensor.shape, &graph)
    return try graph.append(Reshape(allowZero: true), [flat, shape], name: "shape\(index)of")
  }
  let names = sample.outputs.enumerated().map { $1 == nil ? nil : "o\($0)" }
  for (slot, result) in try graph.append(op, operands, name: "case", outputs: names).enumerated() {
    guard let result else { continue }
    guard let sizes = graph[result].type.sizes, let count = try? Checked.elementCount(sizes), count > 0 else {
      return nil
    }
    let element = graph[result].type.element
    guard element.byteSize > 0 else { return nil }
    let flat = try graph.append(
      Reshape(), [result, try list("flat\(slot)", [-1], &graph)], name: "flatten\(slot)")
    let head = try graph.addConstant("head\(slot)", Tensor(zeros: element, [1]))
    let joined = try graph.append(Concat(axis: 0), [head, flat], name: "join\(slot)")
    let cut = try graph.append(
      Slice(), [joined, try list("start\(slot)", [1], &graph), try list("end\(slot)", [count + 1], &graph)],
      name: "take\(slot)")
    try graph.addOutput(
      try graph.append(Reshape(allowZero: true), [cut, try list("back\(slot)", sizes, &graph)], name: "return\(slot)"))
  }
  return (graph, inputs)
}

/// Runs twice over a poisoned arena; both runs must agree to the bit.
private func run(_ graph: Graph, _ inputs: [Tensor], threads: Int) throws -> [Tensor] {
  let session = try Session(graph, options: Session.Options(threads: threads))
  let first = try session.run(inputs)
  session.poison()
  let second = try session.run(inputs)
  for (a, b) in zip(first, second) { #expect(sameBits(a, b), "a second run over a poisoned arena differs") }
  return first
}

public func sameBits(_ a: Tensor, _ b: Tensor) -> Bool {
  guard a.element == b.element, a.shape == b.shape else { return false }
  return unsafe a.withUnsafeBytes { x in unsafe b.withUnsafeBytes { y in unsafe x.elementsEqual(y) } }
}

private func compare(_ produced: [Tensor], _ expected: [Tensor?], _ tolerance: Float, _ what: String) {
  for (a, b) in zip(produced, expected.compactMap { $0 }) {
    if let problem = difference(a, b, tolerance) { Issue.record("\(what): \(problem)") }
  }
}

/// What is wrong with `produced`, or nil if it equals `expected` within `tolerance` of the largest magnitude.
///
/// - Parameter leastScale: what a smaller largest magnitude counts as.
public func difference(
  _ produced: Tensor, _ expected: Tensor, _ tolerance: Float, leastScale: Float = .leastNormalMagnitude
) -> String? {
  guard produced.element == expected.element, produced.shape == expected.shape else {
    return "made \(produced.element)\(produced.shape), expected \(expected.element)\(expected.shape)"
  }
  guard produced.element.isFloatingPoint, let a = try? produced.floats(), let b = try? expected.floats() else {
    return sameBits(produced, expected) ? nil : "the values differ"
  }
  let scale = b.reduce(leastScale) { $1.isFinite ? max($0, abs($1)) : $0 }
  for (index, (x, y)) in zip(a, b).enumerated() {
    if x == y || (x.isNaN && y.isNaN) { continue }
    if !(abs(x - y) <= tolerance * scale) {
      return "element \(index) is \(x), expected \(y) (scale \(scale))"
    }
  }
  return nil
}

func describe(_ attributes: Attributes) -> String {
  attributes.sortedNames.map { "\($0)=\(attributes[$0].map { "\($0)" } ?? "")" }.joined(separator: " ")
}
