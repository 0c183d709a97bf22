import Foundation
import GraphIR
import Passes
import Runtime
import TensorCore
import TestSupport
import Testing

/// Random graphs, four times by us and once by ONNX Runtime: as they are and prepared, on one thread and on two.
/// `make differential GRAPHS=1000` takes that many; LIGATURE_FIRST_GRAPH says where to begin.
@Suite(.serialized) struct DifferentialTests {
  private static let environment = ProcessInfo.processInfo.environment
  static let count = environment["LIGATURE_GRAPHS"].flatMap { Int($0) } ?? 40
  static let first = environment["LIGATURE_FIRST_GRAPH"].flatMap { Int($0) } ?? 1000

  /// What another engine, or another order of additions, may differ by, of each output's largest number.
  private static let tolerance: Float = 1e-4

  @Test func graphsComputeWhatOthersCompute() throws {
    let other = try ONNXRuntime()
    var refused = 0
    for seed in Self.first..<Self.first + Self.count {
      let random = try RandomGraph(seed: UInt64(seed), steps: 10 + seed % 15)
      let inputs = try random.inputs()
      let own = try runs(random.graph, inputs, seed)
      guard let others = try other.results(of: random.graph, inputs, "graph \(seed)") else {
        refused += 1
        continue
      }
      compare(own, others, Self.tolerance, "graph \(seed), prepared against ONNX Runtime")
      if (seed - Self.first) % 1000 == 999 { print("\(seed + 1 - Self.first) graphs") }
    }
    // ONNX Runtime has no kernels for some types; far from all graphs have them.
    #expect(refused * 10 <= Self.count, "ONNX Runtime refused \(refused) of \(Self.count) graphs")
  }

  /// The prepared graph's results, after comparing them with the others'.
  private func runs(_ graph: Graph, _ inputs: [[Tensor]], _ seed: Int) throws -> [[Tensor]] {
    var results: [[[Tensor]]] = []
    for isPrepared in [false, true] {
      var ofThreads: [[[Tensor]]] = []
      for threads in [1, 2] {
        let options = threads == 1 ? Self.one : Self.two
        let session = try isPrepared ? Session(preparing: graph, options: options) : Session(graph, options: options)
        ofThreads.append(try inputs.map { try session.run($0) })
      }
      let what = "graph \(seed), \(isPrepared ? "prepared" : "as it is")"
      for (a, b) in zip(ofThreads[0].flatMap(\.self), ofThreads[1].flatMap(\.self)) where !hasSameBits(a, b) {
        Issue.record("\(what): two threads compute other bits than one")
      }
      results.append(ofThreads[0])
    }
    compare(results[1], results[0], Self.tolerance, "graph \(seed), prepared against as it is")
    return results[1]
  }

  private func hasSameBits(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.element == b.element, a.shape == b.shape else { return false }
    return unsafe a.withUnsafeBytes { a in unsafe b.withUnsafeBytes { b in unsafe a.elementsEqual(b) } }
  }

  private static let one = Session.Options(threads: 1)
  private static let two = Session.Options(threads: 2)
}
