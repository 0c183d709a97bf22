import Autodiff
import Foundation
public import GraphIR
import Operators
import Runtime
public import TensorCore
import Testing

/// One line of `Tests/Fixtures/gradients/*.jsonl`: what another framework gives for an operator and its derivative.
public struct RecordedGradient: Sendable, CustomStringConvertible {
  public let name: String
  public let op: OperatorName
  public let attributes: Attributes
  public let inputs: [Tensor?]
  public let constants: Set<Int>
  public let outputs: [Tensor?]
  /// The gradients that are given for outputs; `nil`: none.
  public let cotangents: [Tensor?]
  /// By position of the input.
  public let gradients: [Int: Tensor]
  public let tolerance: Float

  public var description: String { "\(op) \(name)" }

  public static func load(_ file: String) throws -> [RecordedGradient] {
    try String(contentsOf: fixtures.appendingPathComponent("gradients/\(file).jsonl"), encoding: .utf8)
      .split(separator: "\n").map { try RecordedGradient(JSONDecoder().decode(Line.self, from: Data($0.utf8))) }
  }

  private init(_ line: Line) throws {
    name = line.name
    op = OperatorName(line.op, domain: line.domain)
    attributes = Attributes(try line.attributes.mapValues { try $0.attribute() })
    inputs = try line.inputs.map { try $0?.tensor() }
    constants = Set(line.constants)
    outputs = try line.outputs.map { try $0?.tensor() }
    cotangents = try line.cotangents.map { try $0?.tensor() }
    gradients = Dictionary(
      uniqueKeysWithValues: try line.gradients.compactMap { key, value in try Int(key).map { ($0, try value.tensor()) }
      })
    tolerance = line.tolerance
  }

  private struct Line: Decodable {
    let name: String
    let op: String
    let domain: String
    let attributes: [String: AttributeLine]
    let inputs: [TensorLine?]
    let constants: [Int]
    let outputs: [TensorLine?]
    let cotangents: [TensorLine?]
    let gradients: [String: TensorLine]
    let tolerance: Float
  }
}

/// Compares outputs and gradients with the recorded ones.
///
/// - Parameter transform: what is put between the first input and the operator; its gradient is that of the input then.
public func compareWithRecord(_ sample: RecordedGradient, transform: (any Operator)? = nil) throws {
  guard let op = try OperatorSet.standard.decode(sample.op, sample.attributes) else {
    throw LigatureError(.unsupported, "the operator set does not know \(sample.op)")
  }
  var graph = Graph(name: "record")
  var tensors: [Tensor] = []
  let values = try sample.inputs.enumerated().map { index, tensor -> ValueID? in
    guard let tensor else { return nil }
    if sample.constants.contains(index) { return try graph.addConstant("i\(index)", tensor) }
    tensors.append(tensor)
    return try graph.addInput("i\(index)", TensorType(tensor.element, sizes: tensor.shape))
  }
  var operands = values
  if let transform { operands[0] = try graph.append(transform, [operands[0]], name: "transform") }
  let names = sample.outputs.enumerated().map { $1 == nil ? nil : "o\($0)" }
  let results = try graph.append(op, operands, name: "case", outputs: names)
  var cotangents: [(ValueID, ValueID)] = []
  for (result, given) in zip(results, sample.cotangents) {
    if let result { try graph.addOutput(result) }
    if let result, let given { cotangents.append((result, try graph.addConstant("g\(cotangents.count)", given))) }
  }
  let positions = sample.gradients.keys.sorted()
  let targets = try positions.map { position in
    guard let value = values[position] else {
      throw LigatureError(.format, "input \(position) has a gradient, but is left out")
    }
    return value
  }
  let gradients = try pullBack(&graph, cotangents, to: targets)
  for (position, target) in zip(positions, targets) {
    if let gradient = gradients[target] { try graph.addOutput(gradient, name: "gradient\(position)") }
  }
  let produced = try Session(graph, options: Session.Options(threads: 1)).run(tensors)
  let expected = sample.outputs.compactMap { $0 } + positions.compactMap { sample.gradients[$0] }
  #expect(produced.count == expected.count, "\(sample): \(produced.count) results instead of \(expected.count)")
  for (index, (a, b)) in zip(produced, expected).enumerated() {
    if let problem = difference(a, b, sample.tolerance) { Issue.record("\(sample), result \(index): \(problem)") }
  }
}
