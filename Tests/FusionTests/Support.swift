import CKernels
import GraphIR
import Operators
import Passes
import Runtime
import TensorCore
import TestSupport
import Testing

/// A graph that a test writes, with the numbers to run it on.
struct Sample {
  var builder = GraphBuilder()
  private(set) var inputs: [Tensor] = []
  private var random = SplitMix64(11)

  /// An input of random numbers from -2 to 2. Axes in `symbolic` have no fixed size in the graph.
  mutating func input(_ shape: [Int], symbolic: Set<Int> = []) throws -> ValueID {
    let name = "x\(inputs.count)"
    let dimensions = shape.enumerated().map { symbolic.contains($0) ? Dimension.symbol("d\($0)") : .fixed($1) }
    inputs.append(try tensor(shape, -2...2))
    return try builder.graph.addInput(name, TensorType(.float32, dimensions))
  }

  mutating func tensor(_ shape: [Int], _ range: ClosedRange<Float> = -1...1) throws -> Tensor {
    let count = shape.reduce(1, *)
    return try Tensor((0..<count).map { _ in Float.random(in: range, using: &random) }, shape)
  }

  mutating func weights(_ shape: [Int], _ range: ClosedRange<Float> = -1...1) throws -> ValueID {
    try builder.constant(tensor(shape, range))
  }

  mutating func number(_ value: Double, shape: [Int] = []) throws -> ValueID {
    try builder.constant(Tensor([Float(value)], shape))
  }

  mutating func binary(_ function: Binary.Function, _ a: ValueID, _ b: ValueID) throws -> ValueID {
    try builder.append(Binary(function), [a, b])
  }

  mutating func unary(_ function: Unary.Function, _ x: ValueID) throws -> ValueID {
    try builder.append(Unary(function), [x])
  }

  mutating func output(_ value: ValueID) throws { try builder.graph.addOutput(value) }
}

/// Runs the passes, checks that what the graph computes stays within 1e-5 of the largest magnitude of each output, and
/// gives back the operators that are left, in order, and the notes.
@discardableResult
func fuse(_ sample: Sample, _ passes: [any Pass]) throws -> (operators: [String], notes: [PassNote]) {
  var prepared = sample.builder.graph
  let reports = try PassManager(passes + [DeadCode()]).run(&prepared)
  try prepared.verify()
  try exclusively { try compare(prepared, sample) }
  return (prepared.order.map { prepared[$0].op.name.type }, reports.flatMap(\.notes))
}

/// On every instruction set, with one thread and with three.
private func compare(_ prepared: Graph, _ sample: Sample) throws {
  let expected = try Session(sample.builder.graph, options: Session.Options(threads: 1)).run(sample.inputs)
  defer { lig_cpu_limit(~0) }
  for limit in [0, UInt32(LIG_CPU_AVX2), ~0] {
    lig_cpu_limit(limit)
    let results = try [1, 3].map { threads in
      try Session(prepared, options: Session.Options(threads: threads)).run(sample.inputs)
    }
    for (a, b) in zip(results[0], results[1]) { #expect(sameBits(a, b), "the number of threads changes bits") }
    for (a, b) in zip(results[0], expected) {
      if let problem = difference(a, b, 1e-5) { Issue.record("after the passes, features \(limit): \(problem)") }
    }
  }
}

/// Whether some note rejects for a reason that contains these words.
func rejects(_ notes: [PassNote], _ words: String) -> Bool {
  notes.contains { $0.kind == .rejected && $0.text.contains(words) }
}
