import Foundation
import GraphIR
import Operators
import Runtime
import TensorCore
import Testing

/// Operators of losses, in the domain `ligature`, against the simplest code that computes the same.
@Suite struct LossOperators {
  private func mask(_ values: [Float], _ k: Int, threads: Int = 1) throws -> [Bool] {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["n"]))
    let count = try graph.addInput("k", TensorType(.int64, []))
    try graph.addOutput(graph.append(LargestMask(), [x, count], name: "mask"))
    let inputs = [try Tensor(values, [values.count]), Tensor(scalar: Int64(k))]
    return try Session(graph, options: Session.Options(threads: threads)).run(inputs)[0].scalars(as: Bool.self)
  }

  private func naive(_ values: [Float], _ k: Int) -> [Bool] {
    func isBefore(_ a: Int, _ b: Int) -> Bool {
      let (x, y) = (values[a], values[b])
      if x.isNaN != y.isNaN { return x.isNaN }
      return x != y && !x.isNaN ? x > y : a < b
    }
    var result = [Bool](repeating: false, count: values.count)
    for index in values.indices.sorted(by: isBefore).prefix(k) { result[index] = true }
    return result
  }

  @Test func largestMask() throws {
    var state: UInt64 = 7
    func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    let special: [Float] = [0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -1e-30, 3.5]
    let samples: [[Float]] = [
      [], [2], special, (0..<1000).map { _ in Float(next() % 17) - 8 },
      (0..<1000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: next() << 7)) },
      // Several blocks, with ties across them, and values that differ in the last bits alone.
      (0..<140_000).map { _ in 1 + Float(next() % 3000) * 0x1p-23 },
    ]
    for values in samples {
      let count = values.count
      for k in Set([0, 1, 2, count / 3, count / 2, count - 1, count]) where (0...count).contains(k) {
        #expect(try mask(values, k) == naive(values, k), "\(k) of \(count)")
        #expect(try mask(values, k, threads: 3) == naive(values, k))
      }
    }
  }

  @Test func largestMaskRefusesCountsOutOfRange() throws {
    for k in [-1, 4, Int.max] { #expect(throws: LigatureError.self) { try mask([1, 2, 3], k) } }
  }

  @Test func binaryCrossEntropy() throws {
    let p: [Float] = [0, 1, 0.5, 0.25, 1e-9, 1 - 0x1p-24, 0, 1, 0.3, .nan, 1.5]
    let t: [Float] = [1, 0, 1, 0, 0, 1, 0, 1, 0.4, 0, 1]
    var graph = Graph()
    let type = TensorType(.float32, sizes: [p.count])
    let inputs = [try graph.addInput("p", type), try graph.addInput("t", type)]
    try graph.addOutput(graph.append(BinaryCrossEntropy(), inputs, name: "loss"))
    let found = try Session(graph).run([Tensor(p, [p.count]), Tensor(t, [p.count])])[0].floats()
    let expected = zip(p, t).map { p, t -> Double in
      let (p, t) = (Double(p), Double(t))
      return -t * max(-100, log(p)) - (1 - t) * max(-100, log(1 - p))
    }
    for index in 0..<9 { #expect(abs(Double(found[index]) - expected[index]) <= 1e-6 * max(1, abs(expected[index]))) }
    #expect(found[9].isNaN && found[10].isNaN)
    #expect(found[0] == 100 && found[1] == 100 && found[6] == 0 && found[7] == 0)
  }
}
