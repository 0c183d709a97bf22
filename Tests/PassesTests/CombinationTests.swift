import Foundation
import GraphIR
import ONNXFormat
import Operators
import Passes
import Runtime
import TensorCore
import TestSupport
import Testing

/// Real models compute what ONNX Runtime computes, whichever passes they went through: none, each alone, all but each,
/// the sequence up to each stage, and sequences drawn at random, which `make differential` takes more of.
/// (The quantised model amplifies a flipped rounding: `ModelParityTests` compare it piece by piece.)
@Suite(.serialized) struct CombinationTests {
  private static let environment = ProcessInfo.processInfo.environment
  /// Of random sequences, for each model.
  private static let count = environment["LIGATURE_COMBINATIONS"].flatMap { Int($0) } ?? 2
  private static let isWhole = environment["LIGATURE_COMBINATIONS"] != nil
  private static let tolerance: Float = 1e-4

  struct Sample: Sendable, CustomStringConvertible {
    let model: String
    let shape: [Int]
    var description: String { model }
  }
  static let samples = [
    Sample(model: "ppocrv4-det", shape: [1, 3, 96, 160]), Sample(model: "ppocrv4-rec", shape: [2, 3, 48, 96]),
    Sample(model: "ppocrv4-cls", shape: [2, 3, 48, 192]), Sample(model: "ddddocr-common", shape: [1, 1, 64, 71]),
    Sample(model: "ddddocr-det", shape: [1, 3, 416, 416]),
  ]

  private struct Combination {
    let name: String
    let passes: [any Pass]
  }

  private func combinations() -> [Combination] {
    let stages = Pipelines.prepared(evaluate: evaluate).stages
    var all = [Combination(name: "no pass", passes: [])]
    for index in stages.indices where Self.isWhole || index % 8 == 0 {
      let (name, passes) = (stages[index].name, stages.map(\.pass))
      all.append(Combination(name: "\(name) alone", passes: [passes[index]]))
      all.append(Combination(name: "until \(name)", passes: Array(passes[...index])))
      all.append(Combination(name: "all but \(name)", passes: passes.filter { $0.name != passes[index].name }))
    }
    var random = SplitMix64(5)
    for number in 0..<Self.count {
      let drawn = stages.map(\.pass).shuffled(using: &random).prefix(Int.random(in: 2...stages.count, using: &random))
      let names = drawn.map(\.name).joined(separator: ", ")
      all.append(Combination(name: "draw \(number) (\(names))", passes: Array(drawn)))
    }
    return all
  }

  @Test(arguments: samples) func computesTheSame(_ sample: Sample) throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: ".build/models/raw/\(sample.model).onnx").path
    let portable = try Model(contentsOf: path, operators: .standard).graph
    let inputs = [[try pageLike(sample.shape)]]
    let expected = try #require(try ONNXRuntime().results(of: portable, inputs, sample.model))
    for combination in combinations() {
      var graph = portable
      try PassManager(combination.passes).run(&graph)
      try graph.verify()
      let session = try Session(graph, options: Session.Options(threads: 2))
      compare(try inputs.map { try session.run($0) }, expected, Self.tolerance, combination.name)
    }
  }
}
