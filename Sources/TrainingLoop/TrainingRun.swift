internal import Architectures
internal import FoundationEssentials
internal import ONNXFormat
internal import Operators
internal import TensorCore
internal import Training

/// How a run is followed.
public protocol TrainingObserver: AnyObject {
  /// Something worth a line: a problem in the data, a checkpoint.
  func note(_ text: String)
  /// After every step.
  func progress(_ progress: TrainingProgress)
}

public struct TrainingProgress: Sendable {
  /// Steps done, and all there are.
  public var step: Int
  public var stepCount: Int
  public var epoch: Int
  public var loss: Double
  public var learningRate: Double
  public var imagesPerSecond: Double
  /// Until the last step, at the present speed.
  public var secondsLeft: Double
  /// The latest validation.
  public var metric: (name: String, value: Double)?
  /// Whether this step was also written to the log.
  public var isLogged: Bool
}

/// A training run: from a recipe to checkpoints and a model, with everything that it leaves in its folder.
///
/// Nothing depends on time or on the number of threads: a run that was ended at any moment and resumed gives the bits
/// of one that was not.
public final class TrainingRun {
  public enum Ending: Sendable, Equatable {
    case finished
    /// Asked to stop; a checkpoint is written.
    case stopped(step: Int)
  }

  private let recipe: TrainingRecipe
  private let setup: TrainingSetup
  private let folder: RunFolder
  private let trainer: Trainer
  private let validation: ValidationSet?
  private let log: RunLog
  private var state: RunState
  private weak var observer: (any TrainingObserver)?
  private var latestMetric: Double?

  /// Opens data, network and folder.
  /// - Parameter resuming: goes on from the newest checkpoint of the recipe's folder.
  /// - Throws: what the data, the recipe and the checkpoint throw; `.usage` when the folder holds a run already and is
  ///   not resumed.
  public init(_ recipe: TrainingRecipe, resuming: Bool, observer: any TrainingObserver) throws {
    self.recipe = recipe
    self.observer = observer
    let relay = NoteRelay(observer)
    folder = try RunFolder(recipe.folder)
    let checkpoints = try folder.checkpoints()
    guard resuming || checkpoints.isEmpty else {
      throw LigatureError(
        .usage, "'\(recipe.folder)' holds a run already; go on with --resume, or choose another 'folder'")
    }
    guard !resuming || !checkpoints.isEmpty else {
      throw LigatureError(.file, "there is no checkpoint in '\(recipe.folder)' to go on from; start without --resume")
    }
    let setup = try TrainingSetup(recipe, report: { relay.note($0) })
    self.setup = setup
    validation = try recipe.validation.map { try ValidationSet($0, setup: setup, report: { relay.note($0) }) }
    var options = Trainer.Options(threads: recipe.threads, memoryLimit: recipe.memoryLimit)
    options.session.memoryLimit = recipe.memoryLimit ?? .max
    let (data, training) = (TrainingRun.dataFingerprint(recipe, setup), TrainingRun.graphFingerprint(recipe, setup))
    if resuming {
      (trainer, state) = try TrainingRun.resume(checkpoints, folder, options, observer)
      if state.data != data {
        observer.note("data, batch or seed differ from the checkpoint's: the run goes on, but does not repeat another")
      }
      if state.training != training {
        observer.note(
          "network, optimiser and schedule are the checkpoint's: what the recipe changes of them has no effect; start "
            + "anew with 'initial' to change them")
      }
      (state.data, state.training) = (data, training)
      observer.note("going on after step \(state.step)")
    } else {
      trainer = try Trainer(setup.graph(report: observer.note), options: options)
      state = RunState(step: 0, samples: 0, bestMetric: nil, bestStep: nil, data: data, training: training)
    }
    log = try RunLog(folder.log, keepingUpTo: state.step)
    if let metric = validation?.metric { latestMetric = log.entries.compactMap { $0.metrics?[metric] }.last }
  }

  /// The newest checkpoint that is whole. One that was damaged is named and passed over.
  private static func resume(
    _ checkpoints: [(step: Int, path: String)], _ folder: RunFolder, _ options: Trainer.Options,
    _ observer: any TrainingObserver
  ) throws -> (Trainer, RunState) {
    var failure: (any Error)?
    for checkpoint in checkpoints {
      do {
        let model = try Model(contentsOf: checkpoint.path, operators: .standard)
        let state = try RunState(metadata: model.metadata, file: checkpoint.path)
        let trainer = try Trainer(resuming: model, options: options)
        guard try trainer.stepCount == state.step else {
          throw LigatureError(
            .format, "'\(checkpoint.path)' has done \(try trainer.stepCount) steps, but says \(state.step)")
        }
        return (trainer, state)
      } catch {
        failure = failure ?? error
        let why = "\(error)".replacing("'\(checkpoint.path)': ", with: "")
        observer.note("'\(checkpoint.path)' cannot be used: \(why); looking for an older one")
      }
    }
    throw LigatureError(
      .format, "no checkpoint in '\(folder.path)' can be used; start anew in another folder", cause: failure)
  }

  /// What the stream of samples depends on.
  private static func dataFingerprint(_ recipe: TrainingRecipe, _ setup: TrainingSetup) -> String {
    fingerprint(
      [
        "\(recipe.seed)", "\(recipe.batch)", "\(setup.batches.samplesPerEpoch)", "\(recipe.image)",
        "\(recipe.wordAugmentation)", "\(recipe.pageAugmentation)",
      ]
        + recipe.data.map { entry in
          // The place in the recipe does not matter, nor do dictionaries have an order.
          var entry = entry
          entry.place = ""
          let options = entry.options.sorted { $0.key < $1.key }
          entry.options = [:]
          return "\(entry) \(options)"
        })
  }

  /// What the training graph is made from.
  private static func graphFingerprint(_ recipe: TrainingRecipe, _ setup: TrainingSetup) -> String {
    let options = setup.architecture.chosen.sorted { $0.key < $1.key }
    return fingerprint(
      [
        recipe.architecture, "\(options)", "\(recipe.optimizer)", "\(recipe.schedule)",
        "\(recipe.clipping ?? 0)", "\(setup.stepCount)",
      ])
  }

  /// FNV-1a, 64 bits.
  private static func fingerprint(_ parts: [String]) -> String {
    let hash = parts.joined(separator: "\n").utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    return String(hash, radix: 16)
  }

  // ── The loop ──────────────────────────────────────────────────────────────

  /// Trains to the end, or until `shouldStop` says so after a step.
  ///
  /// - Throws: what the data throws, and the trainer's error where a number is no longer finite. Checkpoints and log
  ///   are then as the last good step left them.
  public func run(shouldStop: () -> Bool = { false }) throws -> Ending {
    do {
      return try loop(shouldStop)
    } catch {
      // What led here is worth seeing; the error itself is worth more than a failure to draw.
      try? draw()
      throw error
    }
  }

  private func loop(_ shouldStop: () -> Bool) throws -> Ending {
    let first = state
    let (batches, batch) = (setup.batches, recipe.batch)
    let start = ContinuousClock.now
    // Samples are counted on from the checkpoint, so that a run may go on with another batch size.
    let prefetcher = Prefetcher(
      first.step..<max(setup.stepCount, first.step), workers: recipe.workers, depth: recipe.prefetch
    ) { step in
      try batches.batch(first: first.samples + (step - first.step) * batch, count: batch)
    }
    var meter = StepMeter(batch: batch)
    while let inputs = try prefetcher.next() {
      let result = try trainer.step(inputs)
      state.step += 1
      state.samples += batch
      meter.add(result)
      try afterStep(&meter, result, start)
      if shouldStop(), state.step < setup.stepCount {
        try flush(&meter, start)
        try save()
        return .stopped(step: state.step)
      }
    }
    try finish(start)
    return .finished
  }

  private func afterStep(_ meter: inout StepMeter, _ result: StepResult, _ start: ContinuousClock.Instant) throws {
    let isLast = state.step >= setup.stepCount
    let isCheckpoint = isLast || state.step % recipe.checkpoints.interval == 0
    let isValidation = recipe.validation.map { isLast || state.step % $0.interval == 0 } ?? false
    let isLogged = isCheckpoint || isValidation || state.step % recipe.logInterval == 0
    observer?.progress(
      TrainingProgress(
        step: state.step, stepCount: setup.stepCount, epoch: epoch, loss: meter.meanLoss,
        learningRate: Double(result.learningRate), imagesPerSecond: meter.imagesPerSecond,
        secondsLeft: meter.secondsPerStep * Double(setup.stepCount - state.step),
        metric: latestMetric.flatMap { value in validation.map { ($0.metric, value) } }, isLogged: isLogged))
    // What a checkpoint covers is in the log before the checkpoint is there.
    if isLogged { try flush(&meter, start) }
    if isValidation { try validate(start) }
    if isCheckpoint { try save() }
    if isValidation || isCheckpoint { try draw() }
    if isValidation || isCheckpoint { meter.restartClock() }
  }

  private var epoch: Int { max(state.samples - 1, 0) / setup.batches.samplesPerEpoch }

  private func flush(_ meter: inout StepMeter, _ start: ContinuousClock.Instant) throws {
    guard var entry = meter.takeEntry(step: state.step, epoch: epoch) else { return }
    entry.seconds = seconds(since: start)
    try log.append(entry)
  }

  private func seconds(since start: ContinuousClock.Instant) -> Double {
    (start.duration(to: .now) / .milliseconds(1)).rounded() / 1000
  }

  private func validate(_ start: ContinuousClock.Instant) throws {
    guard let validation else { return }
    let graph = try trainer.inferenceGraph()
    let metrics = try validation.measure(graph, options: trainer.options.session)
    var entry = LogEntry(step: state.step, epoch: epoch)
    entry.metrics = metrics
    entry.seconds = seconds(since: start)
    try log.append(entry)
    guard let value = metrics[validation.metric] else { return }
    latestMetric = value
    let isBest = state.bestMetric.map { value > $0 } ?? true
    observer?.note(
      "step \(state.step): "
        + metrics.sorted { $0.key < $1.key }.map { "\($0.key) \(rounded($0.value))" }
        .joined(separator: ", ") + (isBest ? " (the best so far)" : ""))
    guard isBest else { return }
    (state.bestMetric, state.bestStep) = (value, state.step)
    try writeModel(to: folder.best)
  }

  private func rounded(_ value: Double) -> String { "\((value * 10_000).rounded() / 10_000)" }

  private func save() throws {
    try trainer.save(
      to: folder.checkpoint(state.step),
      metadata: [
        RunState.metadataKey: state.json(), Recipe.metadataKey: setup.model.json(),
        NetworkRecord.metadataKey: record().json(),
      ])
    try folder.removeOldCheckpoints(keeping: recipe.checkpoints.keep)
  }

  /// The model as it is at present, for whoever reads with it.
  private func writeModel(to path: String) throws {
    var model = Model(graph: try trainer.inferenceGraph())
    model.metadata[Recipe.metadataKey] = try setup.model.json()
    model.metadata[NetworkRecord.metadataKey] = try record().json()
    try model.write(to: path)
  }

  /// By which the weights go back to a checkpoint of MMOCR.
  private func record() throws -> NetworkRecord {
    let trainer = trainer
    return try NetworkRecord(setup.architecture, ComputedParameters { name, _, _, _ in try trainer.state(named: name) })
  }

  private func draw() throws {
    try LossCurve(title: recipe.name, entries: log.entries, metric: validation?.metric).write(to: folder.curve)
  }

  private func finish(_ start: ContinuousClock.Instant) throws {
    try writeModel(to: folder.model)
    try draw()
    observer?.note(
      "wrote \(folder.model)" + (state.bestStep.map { "; the best model, of step \($0), is \(folder.best)" } ?? ""))
  }
}

/// Carries notes from the threads that read data.
private final class NoteRelay: @unchecked Sendable {
  private let lock = Monitor()
  private weak var observer: (any TrainingObserver)?

  init(_ observer: any TrainingObserver) { self.observer = observer }

  func note(_ text: String) { lock.withLock { observer?.note(text) } }
}

/// Means and speed since the log's last entry.
private struct StepMeter {
  let batch: Int
  private var count = 0
  private var loss = 0.0
  private var terms: [String: Double] = [:]
  private var last: StepResult?
  private var clock = ContinuousClock.now
  private var recent: [Double] = []

  init(batch: Int) { self.batch = batch }

  mutating func add(_ result: StepResult) {
    count += 1
    loss += Double(result.loss)
    for term in result.terms { terms[term.name, default: 0] += Double(term.value) }
    last = result
    recent.append(clock.duration(to: .now) / .seconds(1))
    if recent.count > 50 { recent.removeFirst() }
    clock = .now
  }

  /// Time that was not training does not count.
  mutating func restartClock() { clock = .now }

  var meanLoss: Double { count > 0 ? loss / Double(count) : .nan }
  var secondsPerStep: Double { recent.isEmpty ? 0 : recent.reduce(0, +) / Double(recent.count) }
  var imagesPerSecond: Double { secondsPerStep > 0 ? Double(batch) / secondsPerStep : 0 }

  mutating func takeEntry(step: Int, epoch: Int) -> LogEntry? {
    guard count > 0, let last else { return nil }
    var entry = LogEntry(step: step, epoch: epoch)
    entry.loss = meanLoss
    entry.terms = terms.mapValues { $0 / Double(count) }
    entry.gradientNorm = Double(last.gradientNorm)
    entry.learningRate = Double(last.learningRate)
    entry.imagesPerSecond = (imagesPerSecond * 10).rounded() / 10
    (count, loss, terms) = (0, 0, [:])
    return entry
  }
}
