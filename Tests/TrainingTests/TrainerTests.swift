import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing
import Training

@Suite("Training steps") struct TrainerTests {
  @Test("the loss goes down, and its terms add up") func learns() throws {
    let trainer = try Trainer(TinyNetwork(dropout: 0).training(), options: Trainer.Options(threads: 2))
    let batch = try TinyNetwork.batch(0)
    let first = try trainer.step(batch)
    #expect(first.terms.map(\.name) == ["loss_square", "loss_size"])
    #expect(abs(first.terms[0].value + first.terms[1].value - first.loss) < 1e-6)
    #expect(first.predictions["logits"]?.shape == [5, 3])
    #expect(first.gradientNorm > 0)
    var last = first
    for _ in 0..<40 { last = try trainer.step(batch) }
    #expect(last.loss < first.loss / 10)
    #expect(last.step == 41)
  }

  /// The graph's own parameters stay as they were; the inference graph takes the trained ones, running statistics too.
  @Test("what is trained reaches the inference graph") func inference() throws {
    let network = TinyNetwork(dropout: 0)
    let trainer = try Trainer(network.training(), options: Trainer.Options(threads: 1))
    for step in 0..<3 { try trainer.step(TinyNetwork.batch(step)) }
    let graph = try trainer.inferenceGraph()
    for name in ["conv.weight", "bn.running_mean", "bn.running_var", "fc.bias"] {
      let before = try #require(network.inference().value(named: name).flatMap { try network.inference()[$0].tensor })
      let after = try #require(graph.value(named: name).flatMap { graph[$0].tensor })
      #expect(try after.floats() == trainer.state(named: name).floats())
      #expect(try after.floats() != before.floats(), "\(name)")
    }
  }

  @Test("weights that change are read anew at each step") func nothingIsPacked() throws {
    let trainer = try Trainer(TinyNetwork(dropout: 0).training(), options: Trainer.Options(threads: 1))
    let (batch, other) = (try TinyNetwork.batch(0), try TinyNetwork.batch(1))
    let first = try trainer.step(batch).loss
    for _ in 0..<3 { try trainer.step(other) }
    // A fresh trainer that starts from the trained state sees the same loss as this one.
    let fresh = try Trainer(TinyNetwork(dropout: 0).training(), options: Trainer.Options(threads: 1))
    for (name, tensor) in try trainer.state() { try fresh.setState(named: name, tensor) }
    let (a, b) = (try trainer.step(batch).loss, try fresh.step(batch).loss)
    #expect(a == b)
    #expect(a != first)
  }

  @Test("the same bits for any number of threads, with a poisoned arena, and from run to run")
  func deterministic() throws {
    func run(threads: Int) throws -> [String: [UInt8]] {
      let trainer = try Trainer(
        TinyNetwork().training(.adam(learningRate: 0.01), clipping: .norm(1)),
        options: Trainer.Options(threads: threads))
      for step in 0..<4 {
        trainer.poison()
        try trainer.step(TinyNetwork.batch(step, count: 3 + step % 2))
      }
      return try trainer.snapshot()
    }
    try exclusively {
      let one = try run(threads: 1)
      #expect(try run(threads: 1) == one)
      #expect(try run(threads: 3) == one)
    }
  }

  @Test("a step updates parameters in place: state takes no room in the arena") func inPlace() throws {
    let trainer = try Trainer(TinyNetwork().training(), options: Trainer.Options(threads: 1))
    let names = try trainer.state().map(\.name)
    #expect(names.contains("optimizer.momentum_buffer.conv.weight") && names.contains("training.step"))
    let use = try trainer.memoryUse(["image": [5, 1, 6, 8], "target": [5, 3]])
    #expect(use.state == (try trainer.state().reduce(0) { $0 + $1.tensor.byteCount }))
    #expect(trainer.copiedStates == ["bn.running_mean", "bn.running_var"], "they are made before the loss is known")
  }

  @Test("inputs that do not fit are refused, and leave the state") func misfits() throws {
    let trainer = try Trainer(TinyNetwork().training(), options: Trainer.Options(threads: 1))
    var batch = try TinyNetwork.batch(0)
    try trainer.step(batch)
    let before = try trainer.snapshot()
    let cases: [(String, Tensor?)] = [
      ("image", nil), ("picture", try Tensor(zeros: .float32, [1])), ("target", try Tensor(zeros: .float32, [5, 4])),
      ("target", try Tensor(zeros: .int64, [5, 3])), ("target", try Tensor(zeros: .float32, [4, 3])),
    ]
    for (name, tensor) in cases {
      let kept = batch[name]
      batch[name] = tensor
      #expect(throws: LigatureError.self, "\(name)") { try trainer.step(batch) }
      batch[name] = kept
    }
    #expect(try trainer.snapshot() == before)
    #expect(try trainer.step(batch).step == 2)
  }
}

@Suite("Losses that are not finite") struct NotFiniteTests {
  private func failure(_ trainer: Trainer, _ batch: [String: Tensor]) throws -> LigatureError {
    let before = try trainer.snapshot()
    let error = try #require(#expect(throws: LigatureError.self) { try trainer.step(batch) })
    #expect(try trainer.snapshot() == before, "the state is as it was")
    #expect(error.code == .numeric)
    return error
  }

  @Test("an input that holds NaN is named") func input() throws {
    let trainer = try Trainer(TinyNetwork().training(), options: Trainer.Options(threads: 1))
    try trainer.step(TinyNetwork.batch(0))
    var batch = try TinyNetwork.batch(1)
    var values = try #require(batch["target"]).floats()
    values[4] = .nan
    batch["target"] = try Tensor(values, [5, 3])
    let error = try failure(trainer, batch)
    #expect(error.message.contains("input 'target' holds 1 NaN of 15 elements") && error.message.contains("step 2"))
    #expect(try trainer.step(TinyNetwork.batch(1)).step == 2, "training goes on")
  }

  @Test("a state that was spoiled is named") func state() throws {
    let trainer = try Trainer(TinyNetwork().training(), options: Trainer.Options(threads: 1))
    try trainer.setState(named: "fc.bias", Tensor([0, .infinity, 0] as [Float], [3]))
    let error = try failure(trainer, TinyNetwork.batch(1))
    #expect(error.message.contains("state 'fc.bias' held 1 infinite of 3 elements"))
  }

  /// log(p x) in the forward pass: 0 gives an infinity at the logarithm. sqrt(p x) is finite at 0, its derivative not.
  @Test("the first node is named, forward and backward", arguments: [Unary.Function.log, .sqrt])
  func node(_ function: Unary.Function) throws {
    var builder = GraphBuilder()
    let x = try builder.graph.addInput("x", TensorType(.float32, [2]))
    let weight = try builder.graph.addParameter("w", Tensor([1, 2] as [Float], [2]))
    let product = try builder.append(Binary(.mul), [weight, x], name: "product")
    let y = try builder.append(Unary(function), [product], name: "function")
    let loss = try builder.append(Reduce(.sum, keepsDimensions: false), [y], name: "total")
    let objective = TrainingObjective(
      graph: builder.graph, loss: loss, terms: [], trainable: [weight], updates: [], predictions: [])
    let trainer = try Trainer(
      TrainingGraph(objective, optimizer: .adam()), options: Trainer.Options(threads: 1))
    try trainer.step(["x": Tensor([1, 2] as [Float], [2])])
    let error = try failure(trainer, ["x": Tensor([1, 0] as [Float], [2])])
    if function == .log {
      #expect(error.node == "function (Log)")
      #expect(error.message.contains("the loss is -inf"))
    } else {
      #expect(error.node?.contains("/gradient/function") == true)
      #expect(error.message.contains("the norm of the gradients is"))
    }
  }
}
