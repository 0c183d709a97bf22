import Autodiff
public import GraphIR
public import Operators
import TensorCore

/// A whole training step as one graph with state: forward, loss, backward, clipping and the optimiser's update.
///
/// Its outputs, in order: the loss, each of its terms, the norm of all gradients (before clipping), the learning rate,
/// and the predictions that were asked for. Its state: the parameters that are trained, what else the objective
/// updates (running statistics, random generators), the optimiser's moments `optimizer.<moment>.<parameter>`, and the
/// number of steps done, `training.step`.
public struct TrainingGraph: Sendable {
  public let graph: Graph
  public let updates: [StateUpdate]
  /// Names of the terms of the loss, in the order of the outputs.
  public let terms: [String]
  /// Names of the predictions among the outputs, in order.
  public let predictions: [String]
  /// The graph that a file offers to whoever only runs it; its parameters are those of the same name here.
  public let inference: Graph?

  /// The state that counts steps: int64, rank 0.
  public static let stepName = "training.step"
  /// Names of the outputs.
  public static let lossName = "loss"
  public static let gradientNormName = "gradient_norm"
  public static let learningRateName = "learning_rate"

  /// Completes an objective.
  ///
  /// - Parameters:
  ///   - inference: what saved files offer to those who only run them. Without it nothing can be saved.
  ///   - predictions: whether the objective's predictions become outputs: they cost a copy each step.
  /// - Throws: `.unsupported`, naming the node, where a gradient rule is missing; `.attribute` for an optimiser's or
  ///   schedule's numbers out of range; `.type` for parameters that are not float32; `.format` for names taken twice.
  public init(
    _ objective: TrainingObjective, optimizer: Optimizer, schedule: LearningRateSchedule = .fixed,
    clipping: GradientClipping = .none, inference: Graph? = nil, predictions: Bool = false
  ) throws {
    var graph = objective.graph
    guard !objective.trainable.isEmpty else {
      throw LigatureError(.usage, "the objective has no parameter to train; leave some of them unfrozen")
    }
    for id in objective.trainable {
      guard case .parameter(let tensor) = graph[id].role, tensor.element == .float32 else {
        throw LigatureError(.type, "'\(graph[id].name)' cannot be trained: it must be a float32 parameter")
      }
    }
    let gradients = try differentiate(&graph, loss: objective.loss, wrt: objective.trainable)
    var builder = GraphBuilder(graph, scope: ["optimizer"])
    var writer = try UpdateWriter(optimizer, schedule, clipping, in: &builder)
    try writer.write(
      objective.trainable.map { id in
        guard let gradient = gradients[id] else {
          throw LigatureError(.unsupported, "'\(builder.graph[id].name)' has no gradient; freeze it")
        }
        return (id, gradient)
      }, in: &builder)
    graph = builder.graph
    graph.removeOutputs()
    try graph.addOutput(objective.loss, name: TrainingGraph.lossName)
    for term in objective.terms { try graph.addOutput(term.value, name: term.name) }
    try graph.addOutput(writer.norm, name: TrainingGraph.gradientNormName)
    try graph.addOutput(writer.rate, name: TrainingGraph.learningRateName)
    if predictions { for term in objective.predictions { try graph.addOutput(term.value, name: term.name) } }
    let updates = objective.updates + writer.updates
    try graph.eraseUnused(keeping: updates.map(\.next))
    self.init(
      graph: graph, updates: updates, terms: objective.terms.map(\.name),
      predictions: predictions ? objective.predictions.map(\.name) : [], inference: inference)
  }

  init(graph: Graph, updates: [StateUpdate], terms: [String], predictions: [String], inference: Graph?) {
    self.graph = graph
    self.updates = updates
    self.terms = terms
    self.predictions = predictions
    self.inference = inference
  }
}

extension TrainingGraph {
  /// The same without what the state starts with: a session has it.
  func withoutState() throws -> TrainingGraph {
    var (graph, inference) = (graph, inference)
    try graph.forget(updates.map(\.state))
    let names = updates.map { graph[$0.state].name }
    let shared = names.compactMap { name in
      inference?.value(named: name).flatMap { inference?[$0].tensor == nil ? nil : $0 }
    }
    try inference?.forget(shared)
    return TrainingGraph(
      graph: graph, updates: updates, terms: terms, predictions: predictions, inference: inference)
  }
}

/// Appends what turns gradients into new parameters.
private struct UpdateWriter {
  private let optimizer: Optimizer
  private let clipping: GradientClipping
  private let next: ValueID
  let rate: ValueID
  private(set) var norm: ValueID
  private(set) var updates: [StateUpdate]

  init(
    _ optimizer: Optimizer, _ schedule: LearningRateSchedule, _ clipping: GradientClipping,
    in builder: inout GraphBuilder
  ) throws {
    self.optimizer = optimizer
    self.clipping = clipping
    switch clipping {
    case .norm(let maximum), .value(let maximum):
      guard maximum > 0, maximum.isFinite else {
        throw LigatureError(.attribute, "gradients cannot be clipped to \(maximum); give a number above 0")
      }
    case .none: break
    }
    let step = try builder.graph.addParameter(TrainingGraph.stepName, Tensor(scalar: Int64(0)))
    next = try builder.append(Binary(.add), [step, builder.scalar(1, .int64, name: "one")], name: "step")
    rate = try builder.append(LearningRate(base: optimizer.learningRate, schedule: schedule), [step], name: "rate")
    updates = [StateUpdate(state: step, next: next)]
    norm = rate  // until the gradients are there
  }

  mutating func write(_ gradients: [(parameter: ValueID, gradient: ValueID)], in builder: inout GraphBuilder) throws {
    norm = try builder.append(GlobalNorm(), gradients.map { $0.gradient }, name: "norm")
    var scale: ValueID?
    var limit: Float?
    switch clipping {
    case .none: break
    case .value(let maximum): limit = maximum
    case .norm(let maximum):
      let guarded = try builder.append(Binary(.add), [norm, builder.scalar(1e-6, .float32)], name: "guard")
      let ratio = try builder.append(
        Binary(.div), [builder.scalar(Double(maximum), .float32), guarded], name: "ratio")
      scale = try builder.append(Variadic(.min), [ratio, builder.scalar(1, .float32)], name: "scale")
    }
    let op = try OptimizerUpdate(optimizer.rule, clip: limit)
    // Moments share one block of zeros until they are first written.
    let largest = gradients.compactMap { builder.graph[$0.parameter].tensor?.byteCount }.max() ?? 0
    let zeros = try TensorStorage(zeroPages: largest)
    for (parameter, gradient) in gradients {
      try update(parameter, gradient, op, scale, zeros, in: &builder)
    }
  }

  private mutating func update(
    _ parameter: ValueID, _ gradient: ValueID, _ op: OptimizerUpdate, _ scale: ValueID?, _ zeros: TensorStorage,
    in builder: inout GraphBuilder
  ) throws {
    let name = builder.graph[parameter].name
    let shape = builder.graph[parameter].tensor?.shape ?? []
    let moments = try op.rule.moments.map { moment in
      try builder.graph.addParameter(
        "optimizer.\(moment).\(name)", Tensor(.float32, shape, storage: zeros))
    }
    var step: ValueID?
    if case .adam = op.rule { step = next }
    let results = try builder.append(
      op, [parameter, gradient, rate, scale, step] + moments, name: name,
      wanted: Array(repeating: true, count: 1 + moments.count))
    for (state, result) in zip([parameter] + moments, results) {
      if let result { updates.append(StateUpdate(state: state, next: result)) }
    }
  }
}
