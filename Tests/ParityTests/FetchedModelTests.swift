import CAllocationCounter
import Foundation
import GraphIR
import ONNXFormat
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

/// Laws of the runtime on real models, which `Models/fetch --raw --ddddocr` obtains.
@Suite(.serialized) struct FetchedModelTests {
  struct Sample: Sendable, CustomStringConvertible {
    let model: String
    let shapes: [[Int]]
    /// Sizes that are planned only.
    var planned: [[Int]] = []
    var description: String { model }
  }

  static let samples = [
    Sample(
      model: "ppocrv4-det", shapes: [[1, 3, 96, 160], [2, 3, 64, 64]],
      planned: [[1, 3, 640, 640], [1, 3, 736, 1280], [1, 3, 2240, 2240], [4, 3, 320, 480]]),
    Sample(
      model: "ppocrv4-rec", shapes: [[2, 3, 48, 160], [1, 3, 48, 96]],
      planned: [[1, 3, 48, 320], [6, 3, 48, 320], [32, 3, 48, 320], [1, 3, 48, 2000]]),
    Sample(model: "ppocrv4-cls", shapes: [[6, 3, 48, 192], [1, 3, 48, 192]]),
    Sample(
      model: "ddddocr-common", shapes: [[1, 1, 64, 128], [1, 1, 64, 71]],
      planned: [[1, 1, 64, 300], [1, 1, 64, 1000]]),
    Sample(model: "ddddocr-det", shapes: [[1, 3, 416, 416]]),
    Sample(model: "ddddocr-old", shapes: [[1, 1, 64, 128]]),
  ]

  private func graph(_ sample: Sample) throws -> Graph {
    let path = Command.root.appending(path: ".build/models/raw/\(sample.model).onnx").path
    return try Model(contentsOf: path, operators: .standard).graph
  }

  /// Smooth numbers between -1 and 1, the same in every run.
  private func input(_ shape: [Int]) throws -> Tensor {
    try Tensor((0..<Checked.elementCount(shape)).map { sinf(Float($0) * 0.37) * cosf(Float($0 % 977)) }, shape)
  }

  @Test(arguments: samples) func runsAllocateNothingAfterWarmUp(_ sample: Sample) throws {
    let session = try Session(preparing: graph(sample), options: Session.Options(threads: 2))
    let inputs = try sample.shapes.map { [try input($0)] }
    let sequence = inputs + inputs.reversed()
    for input in sequence { try session.run(input) { _ in } }
    let before = lig_allocations()
    for input in sequence { try session.run(input) { _ in } }
    #expect(lig_allocations() - before == 0)
  }

  @Test(arguments: samples) func bitsDependNeitherOnThreadsNorOnWhatMemoryHeld(_ sample: Sample) throws {
    try exclusively {
      let graph = try graph(sample)
      let single = try Session(preparing: graph, options: Session.Options(threads: 1))
      let triple = try Session(preparing: graph, options: Session.Options(threads: 3))
      for shape in sample.shapes {
        let input = try input(shape)
        let first = try single.run([input])
        single.poison()
        let second = try single.run([input])
        let third = try triple.run([input])
        for index in first.indices {
          #expect(sameBits(first[index], second[index]), "a poisoned arena changes \(shape)")
          #expect(sameBits(first[index], third[index]), "the number of threads changes \(shape)")
        }
      }
    }
  }

  /// Folding and fusing may round otherwise, but no more than that. (The quantised model amplifies a flipped rounding;
  /// it is compared with ONNX Runtime instead.)
  @Test(arguments: samples.filter { $0.model != "ddddocr-old" })
  func preparedGraphsComputeTheSame(_ sample: Sample) throws {
    try exclusively {
      let graph = try graph(sample)
      let portable = try Session(graph)
      let prepared = try Session(preparing: graph)
      #expect(prepared.graph.nodeCount < graph.nodeCount)
      try prepared.graph.verify()
      for shape in sample.shapes {
        for (kind, input) in [
          ("smooth", try input(shape)), ("page", try pageLike(shape)), ("noise", try Tensor.random(shape, -2, 2)),
        ] {
          try checkPrepared(prepared, against: portable, [input], "\(kind) \(shape)")
        }
      }
    }
  }

  @Test(arguments: samples) func memoryIsLaidOutTightly(_ sample: Sample) throws {
    let session = try Session(preparing: graph(sample))
    for shape in sample.shapes + sample.planned {
      let use = try session.memoryUse([shape])
      #expect(use.arena >= use.lowerBound)
      #expect(Double(use.arena) <= 1.1 * Double(use.lowerBound), "\(shape): \(use)")
    }
  }
}
