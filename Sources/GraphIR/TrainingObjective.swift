/// A value that lives from run to run, and the result that takes its place after each.
public struct StateUpdate: Sendable, Hashable {
  /// A parameter of the graph: a weight, a running statistic, an optimiser's moment, a counter.
  public var state: ValueID
  /// Computed by the graph, of the same type.
  public var next: ValueID

  public init(state: ValueID, next: ValueID) {
    self.state = state
    self.next = next
  }
}

/// A graph that computes a loss: what an architecture describes, and what training completes with gradients and
/// updates.
public struct TrainingObjective: Sendable {
  /// One part of a result, under the name that logs and files give it.
  public struct Term: Sendable {
    public var name: String
    public var value: ValueID

    public init(_ name: String, _ value: ValueID) {
      self.name = name
      self.value = value
    }
  }

  /// Batch norm on batch statistics where it is trained, dropout active. Inputs are pictures and targets.
  public var graph: Graph
  /// What is minimised: one float32 number, the sum of the terms.
  public var loss: ValueID
  /// The parts of the loss under MMOCR's names (`loss_prob`, …), one number each.
  public var terms: [Term]
  /// What the optimiser changes, in the order of the checkpoint.
  public var trainable: [ValueID]
  /// What else changes with every step: running statistics, the counters of random generators.
  public var updates: [StateUpdate]
  /// What the network computes before the loss, for accuracies and for tests.
  public var predictions: [Term]

  public init(
    graph: Graph, loss: ValueID, terms: [Term], trainable: [ValueID], updates: [StateUpdate], predictions: [Term]
  ) {
    self.graph = graph
    self.loss = loss
    self.terms = terms
    self.trainable = trainable
    self.updates = updates
    self.predictions = predictions
  }
}
