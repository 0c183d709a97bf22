import FoundationEssentials
public import GraphIR
public import Runtime
public import TensorCore

/// What a step left to look at.
public struct StepResult: Sendable {
  public struct Term: Sendable, Hashable {
    public let name: String
    public let value: Float
  }
  /// The number of this step, from 1.
  public let step: Int
  public let loss: Float
  /// The parts of the loss, in the objective's order.
  public let terms: [Term]
  /// Of all gradients together, before clipping.
  public let gradientNorm: Float
  /// That this step used.
  public let learningRate: Float
  /// What the graph gives beside, by name.
  public let predictions: [String: Tensor]
}

/// Runs a training graph step by step and keeps its state. One thread at a time.
public final class Trainer {
  public struct Options: Sendable {
    /// Threads, and how many sets of input sizes are kept. Its memory limit does not count: see `memoryLimit`.
    public var session: Session.Options
    /// The most bytes that state and intermediate tensors may take together; `nil` for no limit. A graph that needs
    /// more is rewritten to compute activations again in the backward pass (see `Recomputation`).
    public var memoryLimit: Int?

    public init(threads: Int? = nil, memoryLimit: Int? = nil) {
      session = Session.Options(threads: threads)
      self.memoryLimit = memoryLimit
    }
  }

  /// What is trained; its state is in the trainer alone (`state(named:)`).
  public let graph: TrainingGraph
  public let options: Options
  private(set) var session: Session
  /// Input sizes that are known to stay below the memory limit.
  private var fitting: [[[Int]]] = []

  /// - Throws: `.unsupported`, naming the node, when an operator has no kernel.
  public init(_ graph: TrainingGraph, options: Options = Options()) throws {
    self.options = options
    session = try Trainer.session(graph.graph, graph, options)
    try session.releaseInitialState()
    self.graph = try graph.withoutState()
  }

  private static func session(_ graph: Graph, _ training: TrainingGraph, _ options: Options) throws -> Session {
    var session = options.session
    // Below a limit of its own the trainer sees to it; without one, more than the machine has is an error at once.
    session.memoryLimit = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    session.precision = session.precision ?? .float32
    return try Session(graph, updates: training.updates, options: session)
  }

  /// Names and types of what a step takes.
  public var inputs: [(name: String, type: TensorType)] { session.inputs }

  /// One step: forward, backward, update.
  ///
  /// - Parameter inputs: by name, all of `self.inputs`.
  /// - Throws: `.numeric` when the loss or a gradient is not finite, naming the first node that gave such a value;
  ///   `.usage`, `.shape` or `.type` for inputs that do not fit; what kernels say of values out of range. Parameters
  ///   and all other state are then as they were before the step.
  @discardableResult
  public func step(_ inputs: [String: Tensor]) throws -> StepResult {
    let ordered = try arrange(inputs)
    try fit(ordered)
    let number = try stepCount + 1
    var result: StepResult?
    do {
      let check = { (results: Results) in
        let seen = try self.read(results, number)
        guard seen.loss.isFinite, seen.gradientNorm.isFinite else { throw NotFinite(result: seen) }
        result = seen
      }
      try session.run(ordered, check: check) { _ in }
    } catch let failure as NotFinite {
      throw try explain(failure.result, ordered)
    }
    guard let result else { throw LigatureError(.usage, "the step was not run") }
    return result
  }

  /// Rewrites the graph where a step with these inputs would take more memory than allowed.
  private func fit(_ inputs: [Tensor]) throws {
    guard let limit = options.memoryLimit, !fitting.contains(where: { zip($0, inputs).allSatisfy { $0 == $1.shape } })
    else { return }
    try fit(inputs.map(\.shape), below: limit)
  }

  private func fit(_ shapes: [[Int]], below limit: Int) throws {
    let use = try session.memoryUse(shapes)
    if try Checked.add(use.arena, use.state) > limit {
      let (training, options) = (graph, options)
      let recomputation = try Recomputation(training.graph, loss: training.graph.outputs[0], shapes: shapes) {
        try Trainer.session($0, training, options)
      }
      let smaller = try Trainer.session(recomputation.graph(below: limit), training, options)
      for (name, tensor) in try session.state() { try smaller.setState(named: name, tensor) }
      session = smaller
      // What fitted the old graph may not fit this one.
      fitting = []
    }
    if fitting.count == options.session.planCapacity { fitting.removeFirst() }
    fitting.append(shapes)
  }

  /// How many steps have been done, in this process and before it was resumed.
  public var stepCount: Int {
    get throws { try state(named: TrainingGraph.stepName).integers().first ?? 0 }
  }

  private func arrange(_ inputs: [String: Tensor]) throws -> [Tensor] {
    let wanted = session.inputs
    for name in inputs.keys where !wanted.contains(where: { $0.name == name }) {
      throw LigatureError(
        .usage, "the training graph has no input '\(name)'; it has: \(wanted.map(\.name).joined(separator: ", "))")
    }
    return try wanted.map { input in
      guard let tensor = inputs[input.name] else { throw LigatureError(.usage, "input '\(input.name)' is missing") }
      return tensor
    }
  }

  private func read(_ results: Results, _ step: Int) throws -> StepResult {
    func number(_ index: Int) throws -> Float {
      try unsafe results.withUnsafeBytes(index) { unsafe $0.count >= 4 ? $0.load(as: Float.self) : .nan }
    }
    let count = graph.terms.count
    let terms = try graph.terms.enumerated().map { StepResult.Term(name: $1, value: try number(1 + $0)) }
    var predictions: [String: Tensor] = [:]
    for (index, name) in graph.predictions.enumerated() { predictions[name] = try results.tensor(3 + count + index) }
    return StepResult(
      step: step, loss: try number(0), terms: terms, gradientNorm: try number(1 + count),
      learningRate: try number(2 + count), predictions: predictions)
  }
}

// ── State ───────────────────────────────────────────────────────────────────
extension Trainer {
  /// Names of all state: parameters, statistics, moments, counters.
  public var stateNames: [String] { session.stateNames }

  /// What a state holds at present; later steps do not change the tensor.
  public func state(named name: String) throws -> Tensor { try session.state(named: name) }

  /// All state. Nothing is copied until a step is made while somebody still holds the tensors.
  public func state() throws -> [(name: String, tensor: Tensor)] { try session.state() }

  /// Replaces what a state holds. Throws `.usage` for an unknown name, `.shape` for a tensor of another type.
  public func setState(named name: String, _ tensor: Tensor) throws { try session.setState(named: name, tensor) }

  /// The inference graph with the parameters as they are at present.
  ///
  /// - Throws: `.usage` when the training graph was made without one.
  public func inferenceGraph() throws -> Graph {
    guard var result = graph.inference else {
      throw LigatureError(
        .usage, "the training graph was made without an inference graph; give it one to save or export")
    }
    for (name, tensor) in try state() {
      guard let value = result.value(named: name), result[value].tensor != nil else { continue }
      try result.setTensor(value, tensor)
    }
    return result
  }

  /// What a step with inputs of these shapes takes, without running anything; with a memory limit, after the rewriting
  /// that it may ask for.
  ///
  /// - Throws: `.limit`, saying how many bytes are missing, when no rewriting stays below the memory limit.
  public func memoryUse(_ shapes: [String: [Int]]) throws -> MemoryUse {
    let ordered = try session.inputs.map { input in
      guard let shape = shapes[input.name] else {
        throw LigatureError(.usage, "the shape of input '\(input.name)' is missing")
      }
      return shape
    }
    if let limit = options.memoryLimit { try fit(ordered, below: limit) }
    return try session.memoryUse(ordered)
  }
}

// ── What is not finite ──────────────────────────────────────────────────────
private struct NotFinite: Error {
  let result: StepResult
}

extension Trainer {
  /// Runs the step again, looking at every result, and says where the first one came from that is not finite.
  private func explain(_ result: StepResult, _ inputs: [Tensor]) throws -> LigatureError {
    let what =
      result.loss.isFinite
      ? "the norm of the gradients is \(result.gradientNorm) (loss \(result.loss))" : "the loss is \(result.loss)"
    let prefix = "at step \(result.step): \(what); parameters are as before this step."
    for (input, tensor) in zip(session.inputs, inputs) {
      if let found = try NonFiniteValues(tensor) {
        return LigatureError(.numeric, "\(prefix) The input '\(input.name)' holds \(found); check the data")
      }
    }
    for (name, tensor) in try state() {
      if let found = try NonFiniteValues(tensor) {
        return LigatureError(
          .numeric, "\(prefix) The state '\(name)' held \(found) before; resume from an earlier checkpoint")
      }
    }
    var first: (node: NodeID, text: String)?
    var firstNaN: (node: NodeID, text: String)?
    try unsafe session.walk(inputs) { node, value, element, bytes in
      guard let found = unsafe NonFiniteValues(element, bytes) else { return true }
      let place = (node, "'\(self.session.graph[value].name)' with \(found)")
      if first == nil { first = place }
      if found.nanCount > 0 { firstNaN = place }
      return firstNaN == nil
    }
    guard let first else {
      return LigatureError(.numeric, "\(prefix) Run again, it was finite: the memory is not reliable")
    }
    let node = session.graph[first.node]
    var text = "\(prefix) The first result that is not finite is \(first.text)"
    if let firstNaN, firstNaN.node != first.node {
      text += "; the first NaN is \(firstNaN.text), made by \(session.graph[firstNaN.node].name)"
    }
    text += ". A lower learning rate, a warm-up or clipping the gradients often helps"
    return LigatureError(.numeric, text, node: "\(node.name) (\(node.op.name))")
  }
}

/// How many elements of a tensor are not finite; `nil` where all are.
struct NonFiniteValues: CustomStringConvertible {
  private(set) var nanCount = 0
  private(set) var infiniteCount = 0
  private let count: Int

  init?(_ tensor: Tensor) throws {
    guard tensor.element.isFloatingPoint,
      let found = unsafe tensor.withUnsafeBytes({ bytes in
        unsafe NonFiniteValues(tensor.element, bytes)
      })
    else { return nil }
    self = found
  }

  /// The types that gradients are computed in; of other types nothing is said.
  init?(_ element: ElementType, _ bytes: UnsafeRawBufferPointer) {
    switch element {
    case .float32:
      count = bytes.count / 4
      unsafe scan(bytes, Float.self)
    case .float64:
      count = bytes.count / 8
      unsafe scan(bytes, Double.self)
    default: return nil
    }
    if nanCount + infiniteCount == 0 { return nil }
  }

  private mutating func scan<Scalar: BinaryFloatingPoint & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ type: Scalar.Type
  ) {
    let size = Swift.MemoryLayout<Scalar>.size
    for index in 0..<count {
      let value = unsafe bytes.loadUnaligned(fromByteOffset: index * size, as: type)
      if value.isNaN { nanCount += 1 } else if value.isInfinite { infiniteCount += 1 }
    }
  }

  var description: String {
    let parts = [(nanCount, "NaN"), (infiniteCount, "infinite")].filter { $0.0 > 0 }
    return parts.map { "\($0.0) \($0.1)" }.joined(separator: " and ") + " of \(count) elements"
  }
}

// ── For tests ───────────────────────────────────────────────────────────────
extension Trainer {
  package func poison() { session.poison() }
  /// States that are not written in place.
  package var copiedStates: [String] { session.copiedStates }
}
