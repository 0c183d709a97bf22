import Autodiff
import CKernels
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing
import Training

@Suite("Dropout") struct DropoutTests {
  /// The known answers that come with the generator's description.
  @Test("Philox gives the known words") func knownAnswers() {
    let cases: [(counter: [UInt32], key: [UInt32], words: [UInt32])] = [
      ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
      (
        [UInt32](repeating: .max, count: 4), [.max, .max], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
      ),
      (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ]
    for sample in cases { #expect(philox(sample.counter, sample.key) == sample.words) }
  }

  private func philox(_ counter: [UInt32], _ key: [UInt32]) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: 4)
    unsafe lig_philox(counter, key, &words)
    return words
  }

  /// `draws` steps of y = dropout(x) at two sites; the state advances with each.
  private func run(
    count: Int, ratio: Float, seed: Int64, draws: Int, threads: Int = 1, x: [Float]? = nil
  ) throws -> [[[Float]]] {
    var builder = GraphBuilder()
    let input = try builder.graph.addInput("x", TensorType(.float32, sizes: [count]))
    var random = try RandomState(seed: seed, in: &builder)
    for site in 0..<2 {
      try builder.graph.addOutput(random.dropout(input, ratio: ratio, in: &builder), name: "y\(site)")
    }
    let session = try Session(
      builder.graph, updates: [random.update], options: Session.Options(threads: threads))
    let tensor = try Tensor(x ?? [Float](repeating: 1, count: count), [count])
    return try (0..<draws).map { _ in try session.run([tensor]).map { try $0.floats() } }
  }

  @Test("what is dropped is what the description says") func description() throws {
    let (count, ratio, seed) = (700, Float(0.3), Int64(-123_456_789_012))
    let x = (0..<count).map { Float($0) - 350 }
    let made = try run(count: count, ratio: ratio, seed: seed, draws: 3, x: x)
    let bits = UInt64(bitPattern: seed)
    for (draw, sites) in made.enumerated() {
      for (site, y) in sites.enumerated() {
        let expected = x.indices.map { index -> Float in
          let block = UInt32(index / 256 * 64 + index % 64)
          let words = philox(
            [block, UInt32(site), UInt32(draw), 0], [UInt32(truncatingIfNeeded: bits), UInt32(bits >> 32)])
          return words[index % 256 / 64] >= UInt32(0.3 * 0x1p32) ? x[index] * Float(1 / 0.7) : 0
        }
        #expect(y == expected)
      }
    }
  }

  @Test("mean and variance are right; sites, steps and seeds are independent", arguments: [Float(0.1), 0.5, 0.8])
  func statistics(ratio: Float) throws {
    let count = 200_000
    let made = try run(count: count, ratio: ratio, seed: 5, draws: 2)
    let other = try run(count: count, ratio: ratio, seed: 6, draws: 1)
    let masks = [made[0][0], made[0][1], made[1][0], other[0][0]]
    let keep = 1 - Double(ratio)
    let variance = (1 - keep) / keep
    for mask in masks {
      let mean = mask.reduce(0) { $0 + Double($1) } / Double(count)
      let spread = mask.reduce(0) { $0 + (Double($1) - 1) * (Double($1) - 1) } / Double(count)
      // Five standard errors.
      #expect(abs(mean - 1) < 5 * (variance / Double(count)).squareRoot())
      #expect(abs(spread - variance) < 0.03 * variance)
    }
    for a in masks.indices {
      for b in masks.indices where b > a {
        let covariance = zip(masks[a], masks[b]).reduce(0) { $0 + (Double($1.0) - 1) * (Double($1.1) - 1) }
        #expect(abs(covariance / Double(count) / variance) < 5 / Double(count).squareRoot(), "\(a) and \(b)")
      }
    }
  }

  @Test("the same bits for any number of threads and instruction set, and from run to run") func repeats() throws {
    try exclusively {
      let x = (0..<50_001).map { Float($0 % 1013) / 100 - 5 }
      let one = try run(count: x.count, ratio: 0.4, seed: 11, draws: 2, x: x)
      #expect(try run(count: x.count, ratio: 0.4, seed: 11, draws: 2, threads: 3, x: x) == one)
      for limit in [0, UInt32(LIG_CPU_AVX2)] {
        lig_cpu_limit(limit)
        defer { lig_cpu_limit(~0) }
        #expect(try run(count: x.count, ratio: 0.4, seed: 11, draws: 2, x: x) == one)
      }
    }
  }

  @Test("the gradient passes where the value passes") func gradient() throws {
    var builder = GraphBuilder()
    let x = try builder.graph.addInput("x", TensorType(.float32, sizes: [1000]))
    var random = try RandomState(seed: 3, in: &builder)
    let y = try random.dropout(x, ratio: 0.25, in: &builder)
    let loss = try builder.append(Reduce(.sum, keepsDimensions: false), [y])
    var graph = builder.graph
    let gradients = try differentiate(&graph, loss: loss, wrt: [x])
    try graph.addOutput(y, name: "y")
    try graph.addOutput(try #require(gradients[x]), name: "g")
    let outputs = try Session(graph, options: Session.Options(threads: 1)).run([
      Tensor([Float](repeating: 3, count: 1000), [1000])
    ])
    let (values, slopes) = (try outputs[0].floats(), try outputs[1].floats())
    #expect(values.contains(0) && values.contains { $0 != 0 })
    for (value, slope) in zip(values, slopes) { #expect(abs(value - 3 * slope) < 1e-6) }
  }

  @Test("a ratio of 0 adds nothing; others out of range are refused") func ratios() throws {
    var builder = GraphBuilder()
    let x = try builder.graph.addInput("x", TensorType(.float32, [2]))
    var random = try RandomState(seed: 3, in: &builder)
    #expect(try random.dropout(x, ratio: 0, in: &builder) == x)
    for ratio in [Float(1), -0.1, .nan] {
      #expect(throws: LigatureError.self) { try Dropout(ratio: ratio, site: 0) }
    }
    #expect(throws: LigatureError.self) { try Dropout(ratio: 0.5, site: -1) }
    let op = try Dropout(ratio: 0.1, site: 4)
    let again = try #require(try OperatorSet.standard.decode(op.name, op.attributes) as? Dropout)
    #expect(again.ratio == 0.1 && again.site == 4)
  }
}
