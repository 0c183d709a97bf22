public import GraphIR
import Operators
public import TensorCore

/// Writes a network as PyTorch modules have it: parameters under the names of the state dict, nodes under the same
/// path as a scope (`backbone.layer1.0.conv1.weight` beside `/backbone/layer1/0/conv1/Conv`).
///
/// The same description gives the graph that reads and the one that learns: parameters are constants in the first,
/// which passes may fold, and parameters in the second, which knows what is trained and which statistics change.
/// Parameters are listed in the order in which they are first asked for, which must be that of the state dict; where
/// a module computes in another order than it registers, ask for its parameters beforehand.
public struct ModuleBuilder {
  public enum Phase: Sendable {
    case inference
    case training
  }

  /// What holds for all modules of a scope.
  public struct Settings: Sendable {
    /// Batch norm keeps to its recorded statistics while training (`norm_eval`); its weight and bias are trained.
    public var normEval = false
    /// Nothing is trained, and batch norm keeps to its recorded statistics (`frozen_stages`).
    public var isFrozen = false
  }

  public let phase: Phase
  public var builder: GraphBuilder
  public private(set) var settings = Settings()
  /// In the order of the state dict.
  public private(set) var parameters: [ParameterSpec] = []
  /// What is trained, in the same order. Empty for inference.
  public private(set) var trainable: [ValueID] = []
  /// Running statistics and counters with what follows them. Empty for inference.
  public private(set) var updates: [StateUpdate] = []
  private let source: any ParameterSource
  private var path: [String] = []
  private var values: [String: ValueID] = [:]

  public init(_ phase: Phase, _ source: any ParameterSource, name: String) {
    self.phase = phase
    self.source = source
    builder = GraphBuilder(Graph(name: name))
  }

  public func type(_ value: ValueID) -> TensorType { builder.type(value) }

  /// What `body` asks for lies inside of the module `name`, which may be a path (`layer1.0`).
  ///
  /// - Parameters:
  ///   - normEval, frozen: for this module and all inside of it; `nil` as outside.
  public mutating func scoped<Result>(
    _ name: String, normEval: Bool? = nil, frozen: Bool? = nil, _ body: (inout ModuleBuilder) throws -> Result
  ) rethrows -> Result {
    let (outerPath, outerScope, outerSettings) = (path, builder.scope, settings)
    let names = name.split(separator: ".").map(String.init)
    path += names
    builder.scope += names
    if let normEval { settings.normEval = normEval }
    if let frozen { settings.isFrozen = frozen }
    defer { (path, builder.scope, settings) = (outerPath, outerScope, outerSettings) }
    return try body(&self)
  }

  /// A tensor that the network takes.
  public mutating func input(_ name: String, _ element: ElementType, _ shape: [Dimension]) throws -> ValueID {
    try builder.graph.addInput(name, TensorType(element, shape))
  }

  // ── Parameters ────────────────────────────────────────────────────────────
  /// A weight or bias of the present module: trained unless it is frozen. Asked for again, it is the same value.
  public mutating func parameter(_ name: String, _ shape: [Int], _ initializer: Initializer) throws -> ValueID {
    try declare(name, shape, .float32, initializer, isBuffer: false)
  }

  /// Float32 state of the present module that back-propagation does not change.
  public mutating func buffer(_ name: String, _ shape: [Int], _ initializer: Initializer) throws -> ValueID {
    try declare(name, shape, .float32, initializer, isBuffer: true)
  }

  private mutating func declare(
    _ leaf: String, _ shape: [Int], _ element: ElementType, _ initializer: Initializer, isBuffer: Bool
  ) throws -> ValueID {
    let name = (path + [leaf]).joined(separator: ".")
    if let known = values[name] {
      guard type(known) == TensorType(element, sizes: shape) else {
        throw LigatureError(.shape, "'\(name)' is asked for as \(element)\(shape), but is \(type(known))")
      }
      return known
    }
    let tensor = try source.tensor(named: name, shape: shape, element: element, initializer: initializer)
    // Weights that are stored in half precision are widened where they are read; folding does it once.
    let isHalved = phase == .inference && element == .float32 && tensor.element == .float16
    guard tensor.shape == shape, tensor.element == element || isHalved else {
      throw LigatureError(
        .format, "'\(name)' must be \(element)\(shape), but \(tensor.element)\(tensor.shape) was given for it")
    }
    let isTrained = !isBuffer && !settings.isFrozen
    parameters.append(
      ParameterSpec(name: name, shape: shape, element: element, isTrained: isTrained, isBuffer: isBuffer))
    var value =
      phase == .training
      ? try builder.graph.addParameter(name, tensor) : try builder.graph.addConstant(name, tensor)
    if isHalved { value = try builder.cast(value, to: .float32) }
    if isTrained, phase == .training { trainable.append(value) }
    values[name] = value
    return value
  }

  /// Lets a buffer take another value after each training step.
  public mutating func update(_ state: ValueID, to next: ValueID) {
    if phase == .training { updates.append(StateUpdate(state: state, next: next)) }
  }

  /// Counts training steps (`num_batches_tracked`). What only reads has no use for the number.
  public mutating func counter(_ name: String) throws {
    let value = try declare(name, [], .int64, .zeros, isBuffer: true)
    guard countsBatches else { return }
    let next = try builder.append(Binary(.add), [value, builder.scalar(1, .int64)], name: name)
    update(value, to: next)
  }

  /// Whether batch norm takes the statistics of the batch here, and records them.
  var countsBatches: Bool { phase == .training && !settings.normEval && !settings.isFrozen }
}

// ── Results ─────────────────────────────────────────────────────────────────
extension ModuleBuilder {
  /// The graph that reads, with these outputs.
  public mutating func inference(_ outputs: [TrainingObjective.Term]) throws -> Graph {
    for output in outputs { try builder.graph.addOutput(output.value, name: output.name) }
    return builder.graph
  }

  /// The graph that learns: its loss is the sum of the terms, each one number.
  public mutating func objective(
    _ terms: [TrainingObjective.Term], predictions: [TrainingObjective.Term]
  ) throws -> TrainingObjective {
    guard let first = terms.first else { throw LigatureError(.usage, "a training objective needs a loss") }
    let loss = try builder.scoped("loss") { builder in
      try terms.dropFirst().reduce(first.value) { try builder.add($0, $1.value) }
    }
    return TrainingObjective(
      graph: builder.graph, loss: loss, terms: terms, trainable: trainable, updates: updates, predictions: predictions)
  }
}
