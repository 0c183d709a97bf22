import Architectures
import GraphIR
import Runtime
import TensorCore
import TestSupport
import Testing

/// The arena is within a tenth of the largest sum of tensors that are alive at once, for all networks that can be
/// exported, whatever the size. Nothing runs.
@Suite struct PlanTests {
  struct Network: Sendable, CustomStringConvertible {
    let name: String
    var options: [String: String] = [:]
    let inputs: [[Int]]
    var description: String { "\(name) \(options)" }
  }

  private static let images = [
    [1, 3, 320, 320], [1, 3, 640, 640], [1, 3, 736, 1280], [2, 3, 512, 384], [1, 3, 96, 2240], [1, 3, 1600, 1600],
  ]
  static let networks = [
    Network(
      name: "CRNN", inputs: [[1, 1, 32, 100], [1, 1, 32, 16], [1, 1, 32, 640], [6, 1, 32, 160], [32, 1, 32, 100]]),
    Network(name: "DBNet", inputs: images),
    Network(name: "DBNet", options: ["depth": "50"], inputs: images),
    Network(name: "DBNet", options: ["depth": "50", "dcn": "2,3,4"], inputs: images),
  ]

  @Test(arguments: networks) func arenasAreTight(_ network: Network) throws {
    // Weights decide nothing here.
    let zeros = ComputedParameters { _, shape, element, _ in try Tensor(zeros: element, shape) }
    let graph = try Architectures.named(network.name).init(options: network.options).inference(zeros)
    for threads in [1, 2, 8] {
      let session = try Session(preparing: graph, options: Session.Options(threads: threads))
      for shape in network.inputs {
        let use = try session.memoryUse([shape])
        #expect(use.arena >= use.lowerBound && use.lowerBound > 0)
        #expect(
          Double(use.arena) <= 1.1 * Double(use.lowerBound), "\(shape) on \(threads) threads: \(use)")
      }
    }
  }
}
