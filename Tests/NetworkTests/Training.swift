import Architectures
import Autodiff
import GraphIR
import TensorCore
import TensorFiles
import Testing

extension SafeTensors {
  func integers(_ name: String) throws -> [Int] {
    guard let tensor = tensors[name] else { throw LigatureError(.file, "the fixture has no '\(name)'") }
    return try tensor.integers()
  }

  func floats(_ name: String) throws -> Tensor {
    guard let tensor = tensors[name] else { throw LigatureError(.file, "the fixture has no '\(name)'") }
    return try Tensor(tensor.floats(), tensor.shape)
  }
}

/// Losses, running statistics and the norms of all gradients are those that MMOCR gives.
func expectTraining(
  _ objective: TrainingObjective, _ bundle: Bundle, _ targets: [String: Tensor], gradientTolerance: Double = 1e-3
) throws {
  var objective = objective
  let gradients = try differentiate(&objective.graph, loss: objective.loss, wrt: objective.trainable)
  var inputs = targets
  inputs["image"] = try bundle.image(bundle.lossInput)
  let results = try run(outputs(of: objective, gradients), inputs)
  for (name, expected) in bundle.losses {
    let found = try Double(#require(results[name]).floats()[0])
    #expect(abs(found - expected) < 1e-5 * abs(expected), "\(name) is \(found), not \(expected)")
  }
  for (name, expected) in bundle.statistics where !name.hasSuffix("num_batches_tracked") {
    let found = try #require(results["next." + name]).floats().prefix(expected.count)
    #expect(error(Array(found), expected) < 1e-5, "\(name)")
  }
  for update in objective.updates where objective.graph[update.state].name.hasSuffix("num_batches_tracked") {
    #expect(try #require(results["next." + objective.graph[update.state].name]).integers() == [1])
  }
  let largest = bundle.norms.values.max() ?? 0
  for (name, expected) in bundle.norms {
    let found = try Double(#require(results["norm." + name]).floats()[0])
    // Gradients that are zero in exact arithmetic hold rounding noise.
    let tolerance = max(gradientTolerance * expected, 1e-5 * largest)
    #expect(abs(found - expected) <= tolerance, "the gradient of \(name) has norm \(found), not \(expected)")
  }
  #expect(Set(bundle.norms.keys) == Set(objective.trainable.map { objective.graph[$0].name }))
}
