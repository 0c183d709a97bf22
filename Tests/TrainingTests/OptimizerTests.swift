import CKernels
import Foundation
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing
import Training

/// `Tests/Fixtures/training/optimizers.json`: what PyTorch's optimisers do in five steps.
struct RecordedOptimizers: Decodable {
  struct Options: Decodable {
    let lr: Float
    let momentum: Float?
    let weight_decay: Float?
    let nesterov: Bool?
    let betas: [Float]?
    let eps: Float?
    let rho: Float?
  }
  struct Case: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let options: Options
    let start: [Float]
    let gradients: [[Float]]
    let parameters: [[Float]]
    let state: [String: [Float]]
    var description: String { name }

    var optimizer: Optimizer {
      let decay = options.weight_decay
      switch name.split(separator: " ")[0] {
      case "sgd":
        return .sgd(
          learningRate: options.lr, momentum: options.momentum ?? 0, weightDecay: decay ?? 0,
          nesterov: options.nesterov ?? false)
      case "adadelta":
        return .adadelta(
          learningRate: options.lr, rho: options.rho ?? 0.9, epsilon: options.eps ?? 1e-6, weightDecay: decay ?? 0)
      case "adamw":
        return .adamW(learningRate: options.lr, weightDecay: decay ?? 0.01)
      default:
        let betas = options.betas ?? [0.9, 0.999]
        return .adam(
          learningRate: options.lr, betas: (betas[0], betas[1]), epsilon: options.eps ?? 1e-8, weightDecay: decay ?? 0)
      }
    }
  }
  struct Clipping: Decodable, Sendable {
    let maximum: Float
    let a: [Float], b: [Float]
    let norm: Float
    let clippedA: [Float], clippedB: [Float]
  }
  let optimizers: [Case]
  let clipping: [Clipping]

  static func load() throws -> RecordedOptimizers {
    try JSONDecoder().decode(
      RecordedOptimizers.self, from: Data(contentsOf: fixtures.appendingPathComponent("training/optimizers.json")))
  }
}

extension RecordedOptimizers.Options: Sendable {}

/// The loss is the sum of parameters times inputs, so that each input is the gradient of its parameter.
func linearObjective(_ parameters: [(name: String, start: Tensor)]) throws -> TrainingObjective {
  var builder = GraphBuilder()
  var trainable: [ValueID] = []
  var terms: [TrainingObjective.Term] = []
  for (name, start) in parameters {
    let parameter = try builder.graph.addParameter(name, start)
    let gradient = try builder.graph.addInput("d.\(name)", TensorType(.float32, sizes: start.shape))
    let product = try builder.append(Binary(.mul), [parameter, gradient])
    trainable.append(parameter)
    terms.append(.init("loss_\(name)", try builder.append(Reduce(.sum, keepsDimensions: false), [product])))
  }
  let loss = terms.count == 1 ? terms[0].value : try builder.append(Variadic(.sum), terms.map(\.value))
  return TrainingObjective(
    graph: builder.graph, loss: loss, terms: terms, trainable: trainable, updates: [], predictions: [])
}

func closeEnough(_ a: [Float], _ b: [Float], _ tolerance: Float = 1e-6) -> Bool {
  let scale = b.map(abs).max() ?? 0
  return a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(scale, 1e-3) }
}

@Suite("Optimisers") struct OptimizerTests {
  @Test("five steps beside PyTorch's", arguments: try RecordedOptimizers.load().optimizers)
  func recorded(_ sample: RecordedOptimizers.Case) throws {
    let objective = try linearObjective([("w", Tensor(sample.start, [sample.start.count]))])
    let trainer = try Trainer(
      TrainingGraph(objective, optimizer: sample.optimizer), options: Trainer.Options(threads: 2))
    for (index, gradient) in sample.gradients.enumerated() {
      let result = try trainer.step(["d.w": Tensor(gradient, [gradient.count])])
      #expect(closeEnough(try trainer.state(named: "w").floats(), sample.parameters[index]))
      let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(closeEnough([result.gradientNorm], [Float(norm)]))
      #expect(result.learningRate == sample.options.lr && result.step == index + 1)
    }
    #expect(!sample.state.isEmpty || sample.options.momentum == nil)
    for (moment, expected) in sample.state {
      #expect(closeEnough(try trainer.state(named: "optimizer.\(moment).w").floats(), expected), "\(moment)")
    }
    #expect(try trainer.stepCount == 5)
  }

  @Test("clipping by the norm of all gradients", arguments: try RecordedOptimizers.load().clipping)
  func clippingByNorm(_ sample: RecordedOptimizers.Clipping) throws {
    let zeros = (try Tensor(zeros: .float32, [4, 3]), try Tensor(zeros: .float32, [5]))
    let graph = try TrainingGraph(
      linearObjective([("a", zeros.0), ("b", zeros.1)]), optimizer: .sgd(learningRate: 1),
      clipping: .norm(sample.maximum))
    let trainer = try Trainer(graph)
    let result = try trainer.step(["d.a": Tensor(sample.a, [4, 3]), "d.b": Tensor(sample.b, [5])])
    #expect(closeEnough([result.gradientNorm], [sample.norm]))
    // From 0, with a rate of 1, a parameter becomes its gradient with the sign changed.
    #expect(closeEnough(try trainer.state(named: "a").floats(), sample.clippedA.map { -$0 }))
    #expect(closeEnough(try trainer.state(named: "b").floats(), sample.clippedB.map { -$0 }))
  }

  @Test("clipping element by element") func clippingByValue() throws {
    let graph = try TrainingGraph(
      linearObjective([("a", Tensor(zeros: .float32, [4]))]), optimizer: .sgd(learningRate: 1), clipping: .value(0.5))
    let trainer = try Trainer(graph)
    try trainer.step(["d.a": Tensor([3, -3, 0.25, -0.5] as [Float], [4])])
    #expect(try trainer.state(named: "a").floats() == [-0.5, 0.5, -0.25, 0.5])
  }

  /// Every optimiser on tensors of many sizes: the same bits for any number of threads, and nearly the same ones for
  /// any instruction set.
  @Test("the same bits for any number of threads", arguments: try RecordedOptimizers.load().optimizers)
  func threads(_ sample: RecordedOptimizers.Case) throws {
    let counts = [1, 3, 17, 16384, 16385, 50001]
    func values(_ count: Int, _ seed: Int) -> [Float] {
      (0..<count).map { Float(($0 * 7919 + seed * 104729) % 2003) / 1001 - 1 }
    }
    func run(threads: Int) throws -> [[Float]] {
      let parameters = try counts.map { ("p\($0)", try Tensor(values($0, 1), [$0])) }
      let graph = try TrainingGraph(linearObjective(parameters), optimizer: sample.optimizer, clipping: .norm(10))
      let trainer = try Trainer(graph, options: Trainer.Options(threads: threads))
      for step in 2..<5 {
        let gradients = try counts.map { ("d.p\($0)", try Tensor(values($0, step), [$0])) }
        try trainer.step(Dictionary(uniqueKeysWithValues: gradients))
      }
      return try trainer.state().filter { $0.tensor.element == .float32 }.map { try $0.tensor.floats() }
    }
    try exclusively {
      let one = try run(threads: 1)
      #expect(try run(threads: 3) == one)
      lig_cpu_limit(0)
      defer { lig_cpu_limit(~0) }
      for (a, b) in zip(try run(threads: 1), one) { #expect(closeEnough(a, b, 1e-5)) }
    }
  }

  @Test("numbers out of range are refused") func refused() throws {
    let objective = try linearObjective([("w", Tensor(zeros: .float32, [2]))])
    let optimizers: [Optimizer] = [
      .sgd(learningRate: -1), .sgd(learningRate: .nan), .sgd(learningRate: 1, momentum: -0.1),
      .sgd(learningRate: 1, nesterov: true), .adam(betas: (1, 0.9)), .adam(epsilon: -1), .adamW(weightDecay: -1),
      .adadelta(rho: 1.5),
    ]
    for optimizer in optimizers {
      #expect(throws: LigatureError.self, "\(optimizer)") { try TrainingGraph(objective, optimizer: optimizer) }
    }
    for clipping in [GradientClipping.norm(0), .value(-1), .norm(.infinity)] {
      #expect(throws: LigatureError.self) {
        try TrainingGraph(objective, optimizer: .sgd(learningRate: 1), clipping: clipping)
      }
    }
  }

  @Test("attributes survive", arguments: try RecordedOptimizers.load().optimizers)
  func attributes(_ sample: RecordedOptimizers.Case) throws {
    let op = try OptimizerUpdate(sample.optimizer.rule, clip: 2)
    let again = try #require(try OperatorSet.standard.decode(op.name, op.attributes) as? OptimizerUpdate)
    #expect(again.rule == op.rule && again.clip == 2)
  }
}
