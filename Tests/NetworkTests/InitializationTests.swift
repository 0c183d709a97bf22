import Architectures
import GraphIR
import TensorCore
import Testing

@Suite struct InitializationTests {
  private func draw(_ initializer: Initializer, seed: UInt64 = 5, name: String = "a.weight") throws -> [Float] {
    try InitialParameters(seed: seed).tensor(
      named: name, shape: [200, 100], element: .float32, initializer: initializer
    ).floats()
  }

  private func moments(_ values: [Float]) -> (mean: Double, deviation: Double) {
    let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
    let variance = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count)
    return (mean, variance.squareRoot())
  }

  @Test func distributions() throws {
    let normal = try draw(.normal(deviation: 0.5))
    #expect(abs(moments(normal).mean) < 0.015 && abs(moments(normal).deviation - 0.5) < 0.01)
    // About 4.6 % beyond two deviations.
    #expect(abs(Double(normal.filter { abs($0) > 1 }.count) / 20_000 - 0.0455) < 0.006)
    let uniform = try draw(.uniform(bound: 0.25))
    #expect(uniform.allSatisfy { abs($0) <= 0.25 } && (uniform.max() ?? 0) > 0.249 && (uniform.min() ?? 0) < -0.249)
    #expect(abs(moments(uniform).deviation - 0.25 / 3.0.squareRoot()) < 0.003)
    let range = try draw(.range(0, 1))
    #expect(range.allSatisfy { (0...1).contains($0) } && abs(moments(range).mean - 0.5) < 0.01)
    #expect(Initializer.torchDefault(fanIn: 25) == .uniform(bound: 0.2))
    #expect(Initializer.kaimingNormal(fan: 8) == .normal(deviation: 0.5))
  }

  @Test func theSeedAndTheNameAloneDecide() throws {
    let start = Initializer.uniform(bound: 1)
    #expect(try draw(start) == draw(start))
    #expect(try draw(start) != draw(start, seed: 6))
    #expect(try draw(start) != draw(start, name: "b.weight"))
    // The same tensor in a network with other layers beside it.
    let name = "backbone.layer1.0.conv1.weight"
    let tensors = try ["18", "34"].map { depth in
      let graph = try DBNet(options: ["depth": depth, "base_channels": "4"]).inference(InitialParameters(seed: 1))
      return try #require(graph.value(named: name).flatMap { graph[$0].tensor }).floats()
    }
    #expect(tensors[0] == tensors[1])
  }

  @Test func layersStartAsTheReferences() throws {
    let network = try DBNet(options: ["depth": "50", "dcn": "4", "base_channels": "16"])
    let graph = try network.training(InitialParameters(seed: 2)).graph
    func values(_ name: String) throws -> [Float] {
      try #require(graph.value(named: name).flatMap { graph[$0].tensor }).floats()
    }
    // Blocks start as the identity, offsets at zero.
    #expect(try values("backbone.layer2.1.bn3.weight").allSatisfy { $0 == 0 })
    #expect(try values("backbone.layer2.1.bn2.weight").allSatisfy { $0 == 1 })
    #expect(try values("backbone.layer4.0.conv2.conv_offset.weight").allSatisfy { $0 == 0 })
    #expect(try values("backbone.layer4.0.conv2.weight").contains { $0 != 0 })
    #expect(try values("bbox_head.binarize.1.bias").allSatisfy { $0 == 1e-4 })
    let kernel = try values("backbone.layer3.0.conv2.weight")
    #expect(abs(moments(kernel).deviation / (2.0 / (64 * 9)).squareRoot() - 1) < 0.02)
    #expect(try values("backbone.bn1.running_var").allSatisfy { $0 == 1 })
  }
}
