import GraphIR
import Operators
import Passes
import Runtime
import TensorCore
import TestSupport
import Testing

let options = Session.Options(threads: 1)
let evaluate = Session.evaluator(options)

/// Runs the passes, and checks that the graph is whole after each, and computes what it did.
///
/// - Parameter inputs: several sets of tensors to compare with.
/// - Returns: the graph as it is then, with all notes.
@discardableResult
func checked(
  _ graph: Graph, _ passes: [any Pass], _ inputs: [[Tensor]], tolerance: Float = 1e-5,
  at location: SourceLocation = #_sourceLocation
) throws -> (graph: Graph, notes: [PassNote]) {
  let expected = try run(graph, inputs)
  var changed = graph
  let reports = try PassManager(passes).run(&changed) { _, graph in try graph.verify() }
  try changed.verify()
  try compare(run(changed, inputs), expected, tolerance, "\(passes.map(\.name))", at: location)
  return (changed, reports.flatMap(\.notes))
}

/// The outputs of the graph as it is, without preparation.
func run(_ graph: Graph, _ inputs: [[Tensor]]) throws -> [[Tensor]] {
  let session = try Session(graph, options: options)
  return try inputs.map { try session.run($0) }
}

/// Equal within a share of each output's largest number. What is far smaller than the numbers that it was made of is
/// rounding: they are about 1 in these tests.
func compare(
  _ produced: [[Tensor]], _ expected: [[Tensor]], _ tolerance: Float, _ what: String,
  at location: SourceLocation = #_sourceLocation
) {
  for (a, b) in zip(produced.flatMap { $0 }, expected.flatMap { $0 }) {
    if let problem = difference(a, b, tolerance, leastScale: 0.1) {
      Issue.record("\(what): \(problem)", sourceLocation: location)
    }
  }
}

/// Numbers between -1 and 1.
func numbers(_ shape: [Int], seed: UInt64 = 1) throws -> Tensor {
  var random = SplitMix64(seed)
  return try Tensor((0..<Checked.elementCount(shape)).map { _ in Float.random(in: -1...1, using: &random) }, shape)
}

extension GraphBuilder {
  mutating func input(_ shape: [Dimension], _ name: String = "x") throws -> ValueID {
    try graph.addInput(name, TensorType(.float32, shape))
  }
  /// An operator of the standard set with one result.
  mutating func node(_ type: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:]) throws -> ValueID {
    guard let op = try OperatorSet.standard.decode(OperatorName(type), Attributes(attributes)) else {
      throw LigatureError(.unsupported, "there is no operator \(type)")
    }
    return try append(op, inputs)
  }
  mutating func scalar(_ value: Float) throws -> ValueID {
    try graph.addConstant(path("scalar"), Tensor(scalar: value))
  }
  mutating func numbers(_ shape: [Int], seed: UInt64 = 3) throws -> ValueID {
    try graph.addConstant(path("numbers"), PassesTests.numbers(shape, seed: seed))
  }
}

extension Graph {
  /// The types of its operators, in order.
  var types: [String] { order.map { self[$0].op.name.type } }
}

extension [PassNote] {
  var changes: [PassNote] { filter { $0.kind == .changed } }
  func rejection(with words: String) -> Bool { contains { $0.kind == .rejected && $0.text.contains(words) } }
  func change(with words: String) -> Bool { contains { $0.kind == .changed && $0.text.contains(words) } }
}
