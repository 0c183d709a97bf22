import GraphIR
import TensorCore

/// An architecture as the bundle speaks of it: graphs that hold the bundle's parameters, its names for inputs and
/// outputs, and what stands around the network.
protocol Subject: Sendable {
  init(_ bundle: Bundle) throws

  func inferenceGraph() throws -> Graph
  /// What the inference graph reads, by name, from the bundle's `in.*`.
  func inferenceInputs(_ recorded: [String: Tensor]) throws -> [String: Tensor]
  /// From the graph's outputs to the bundle's `out.*`.
  func outputs(_ produced: [String: Tensor]) throws -> [String: Tensor]

  func trainingObjective() throws -> TrainingObjective
  /// What the training graph reads, by name, from the bundle's `in.*` and texts.
  func trainingInputs(_ recorded: [String: Tensor]) throws -> [String: Tensor]

  /// The loss alone on given maps, which are the objective's only `trainable` values.
  func lossCase(_ description: JSONValue, _ recorded: [String: Tensor]) throws -> LossCase?

  /// Targets, post-processing or convertor, and test pipeline: those of them that the bundle has.
  func surroundings(_ section: Check.Section) throws -> [Check]
}

/// A loss on its own.
struct LossCase {
  var graph: Graph
  var loss: ValueID
  var terms: [TrainingObjective.Term]
  /// What the loss is differentiated by: an input of the graph.
  var prediction: ValueID
  /// Of all inputs.
  var inputs: [String: Tensor]
}
