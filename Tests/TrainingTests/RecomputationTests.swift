import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing
import Training

@Suite("Memory limits") struct RecomputationTests {
  /// Ten blocks of convolution, batch norm, ReLU and dropout, two of them with a way around: `image [N, 8, 12, 12]`.
  private func training() throws -> TrainingGraph {
    var builder = GraphBuilder()
    let image = try builder.graph.addInput("image", TensorType(.float32, ["N", 8, 12, 12]))
    var random = try RandomState(seed: 1, in: &builder)
    var (x, trainable, updates) = (image, [ValueID](), [random.update])
    for block in 0..<10 {
      func parameter(_ name: String, _ tensor: Tensor, _ builder: inout GraphBuilder) throws -> ValueID {
        try builder.graph.addParameter("block\(block).\(name)", tensor)
      }
      let ones = try Tensor([Float](repeating: 1, count: 8), [8])
      let weight = try parameter("weight", TinyNetwork.values([8, 8, 3, 3], block, scale: 0.2), &builder)
      let gamma = try parameter("gamma", ones, &builder)
      let beta = try parameter("beta", Tensor(zeros: .float32, [8]), &builder)
      let mean = try parameter("running_mean", Tensor(zeros: .float32, [8]), &builder)
      let variance = try parameter("running_var", ones, &builder)
      let conv = try builder.append(Conv(ConvolutionWindow(kernelShape: [3, 3], pads: [1, 1, 1, 1])), [x, weight])
      let normal = try builder.append(
        BatchNormalization(isTraining: true), [conv, gamma, beta, mean, variance], wanted: [true, true, true])
      var y = try builder.append(Unary(.relu), [normal[0]])
      y = try random.dropout(y, ratio: 0.1, in: &builder)
      x = block % 4 == 1 ? try builder.append(Binary(.add), [x, y]) : y
      trainable += [weight, gamma, beta]
      for (state, next) in [(mean, normal[1]), (variance, normal[2])] {
        if let next { updates.append(StateUpdate(state: state, next: next)) }
      }
    }
    let loss = try builder.append(Reduce(.mean, keepsDimensions: false), [builder.append(Binary(.mul), [x, x])])
    let objective = TrainingObjective(
      graph: builder.graph, loss: loss, terms: [], trainable: trainable, updates: updates, predictions: [])
    return try TrainingGraph(objective, optimizer: .adam(learningRate: 0.01), clipping: .norm(1))
  }

  private func batch(_ number: Int) throws -> [String: Tensor] {
    ["image": try TinyNetwork.values([6, 8, 12, 12], number)]
  }

  private let shapes = ["image": [6, 8, 12, 12]]

  @Test("steps below a limit have the same bits", arguments: [0.9, 0.7, 0.5]) func sameBits(share: Double) throws {
    let graph = try training()
    let free = try Trainer(graph, options: Trainer.Options(threads: 2))
    let use = try free.memoryUse(shapes)
    let limit = use.state + Int(Double(use.arena) * share)
    let bound = try Trainer(graph, options: Trainer.Options(threads: 2, memoryLimit: limit))
    let smaller = try bound.memoryUse(shapes)
    #expect(smaller.arena + smaller.state <= limit && smaller.arena < use.arena)
    try exclusively {
      for step in 0..<3 {
        bound.poison()
        let (a, b) = (try free.step(batch(step)), try bound.step(batch(step)))
        #expect(a.loss == b.loss && a.gradientNorm == b.gradientNorm)
      }
      #expect(try free.snapshot() == bound.snapshot())
    }
  }

  @Test("what is saved under a limit does not depend on it") func trainedState() throws {
    let graph = try training()
    let use = try Trainer(graph).memoryUse(shapes)
    let bound = try Trainer(graph, options: Trainer.Options(threads: 1, memoryLimit: use.state + use.arena * 7 / 10))
    // The first step rewrites the graph: the state set before must survive it.
    try bound.setState(named: "block3.beta", Tensor([Float](repeating: 0.5, count: 8), [8]))
    #expect(try bound.step(batch(0)).loss != Trainer(graph).step(batch(0)).loss)
    #expect(try bound.stepCount == 1)
    // A smaller batch fits as it is.
    #expect(try bound.step(["image": TinyNetwork.values([2, 8, 12, 12], 1)]).step == 2)
  }

  @Test("a limit that cannot be kept says how much is missing") func impossible() throws {
    let trainer = try Trainer(training(), options: Trainer.Options(threads: 1, memoryLimit: 40_000))
    let before = try trainer.snapshot()
    let error = #expect(throws: LigatureError.self) { try trainer.step(batch(0)) }
    #expect(error?.code == .limit && error?.message.contains("more than the memory limit of 40000") == true)
    #expect(try trainer.snapshot() == before)
  }
}
