import FoundationEssentials
public import TensorCore

/// Engines side by side on one model and the same inputs: each in a process of its own, kept on the same processors,
/// taking turns round by round.
public struct Comparison {
  /// An engine and the command that runs it; the first one is ours.
  public struct Engine: Sendable {
    public var name: String
    public var command: [String]

    public init(_ name: String, command: [String]) {
      self.name = name
      self.command = command
    }
  }

  public struct Result: Codable, Sendable {
    public var engine: String
    public var version: String?
    /// Why there is nothing else.
    public var error: String?
    /// Milliseconds: from opening the file to being ready, and of the first run; medians over all starts.
    public var load: Double?
    public var firstRun: Double?
    /// Milliseconds: the median turn of each round, and the shortest run of all.
    public var latency: Summary?
    /// The ratio ours to this one's.
    public var ratio: Ratio?
    /// Ours to this one's, load and first run together.
    public var startRatio: Double?
    /// Bytes held at most, and before loading.
    public var peakResident: Int?
    public var residentBefore: Int?
    /// The largest absolute difference of an output element from ours, and the same as a share of the largest
    /// absolute value.
    public var difference: Double?
    public var relativeDifference: Double?

    init(_ engine: String) { self.engine = engine }
  }

  public var model: String
  public var threads: Int
  public var inputs: [(name: String, tensor: Tensor)]
  /// At least so many rounds, and so many seconds of them.
  public var rounds = 10
  public var seconds = 5.0
  /// How often each engine is started to time loading and the first run.
  public var starts = 3
  /// Where ours keeps prepared models; the first start fills it.
  public var cache: String?
  /// The most seconds that an engine may take for an answer.
  public var patience = 600

  public init(model: String, threads: Int, inputs: [(name: String, tensor: Tensor)]) {
    self.model = model
    self.threads = threads
    self.inputs = inputs
  }

  /// Where the engines run: the last of the allowed processors, for the first ones serve the system.
  public func processors() throws -> [Int] {
    let allowed = try Processors.allowed()
    guard threads <= allowed.count else {
      throw LigatureError(
        .usage, "\(threads) threads cannot be kept on \(allowed.count) processors; measure with at most that many")
    }
    return Array(allowed.suffix(threads))
  }

  /// Measures. An engine that cannot run the model says why in its result; ours must.
  public func run(_ engines: [Engine]) throws -> [Result] {
    let folder = FileManager.default.temporaryDirectory.appending(path: "ligature-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = try inputs.enumerated().map { index, input in
      let path = folder.appending(path: "input-\(index)").path
      try unsafe input.tensor.withUnsafeBytes { unsafe try Data($0).write(to: URL(filePath: path)) }
      return EngineTask.RawTensor(
        name: input.name, element: input.tensor.element.description, shape: input.tensor.shape, file: path)
    }
    let processors = try processors()
    var runners = engines.map { engine in
      Runner(
        engine: engine,
        task: EngineTask(
          engine: engine.name, model: model, threads: threads, processors: processors, cache: cache,
          inputs: files),
        folder: folder, patience: patience)
    }
    for _ in 0..<max(starts, 1) {
      for index in runners.indices { runners[index].start() }
    }
    if let error = runners.first?.result.error {
      throw LigatureError(.unsupported, "\(model): \(error)")
    }
    takeTurns(&runners)
    for index in runners.indices { runners[index].finish() }
    return compare(runners)
  }

  private func takeTurns(_ runners: inout [Runner]) {
    for index in runners.indices { runners[index].warmUp() }
    let start = ContinuousClock.now
    var done = 0
    while done < rounds || start.duration(to: .now) < .seconds(seconds) && done < 10_000 {
      // Who comes first alternates too.
      for place in runners.indices {
        runners[done % 2 == 0 ? place : runners.count - 1 - place].turn()
      }
      done += 1
    }
  }

  private func compare(_ runners: [Runner]) -> [Result] {
    guard let ours = runners.first else { return [] }
    return runners.enumerated().map { index, runner in
      var result = runner.result
      guard index > 0, result.error == nil else { return result }
      result.ratio = Ratio(rounds: zip(ours.turns, runner.turns).map { (ours: $0, theirs: $1) })
      if let load = result.load, let first = result.firstRun, let ourLoad = ours.result.load,
        let ourFirst = ours.result.firstRun
      {
        result.startRatio = (ourLoad + ourFirst) / (load + first)
      }
      do {
        (result.difference, result.relativeDifference) = try largestDifference(ours.outputs, runner.outputs)
      } catch {
        result.error = "its outputs cannot be compared: \(error)"
      }
      return result
    }
  }
}

/// One engine through all its starts and turns.
private struct Runner {
  let engine: Comparison.Engine
  let task: EngineTask
  let folder: URL
  let patience: Int
  var result: Comparison.Result
  /// Of each turn the median run, in milliseconds.
  var turns: [Double] = []
  var outputs: [Tensor] = []
  private var process: EngineProcess?
  private var loads: [Double] = []
  private var firstRuns: [Double] = []
  private var shortest = Double.infinity
  private var repeats = 1

  init(engine: Comparison.Engine, task: EngineTask, folder: URL, patience: Int) {
    self.engine = engine
    self.task = task
    self.folder = folder
    self.patience = patience
    result = Comparison.Result(engine.name)
  }

  /// Remembers what went wrong; from then on the engine takes no part.
  private mutating func attempt(_ body: (inout Runner) throws -> Void) {
    guard result.error == nil else { return }
    do {
      try body(&self)
    } catch let error as LigatureError {
      fail(error.message)
    } catch {
      fail("\(error)")
    }
  }

  private mutating func fail(_ text: String) {
    let version = result.version
    result = Comparison.Result(engine.name)
    result.version = version
    result.error = text
    process = nil
  }

  private func ask(_ line: String) throws -> EngineReply {
    guard let process else { throw LigatureError(.file, "\(engine.name) does not run") }
    let reply = try process.ask(line, seconds: patience)
    if let error = reply.error {
      let remedy = reply.isMissing == true ? "; install it where --python looks" : ""
      throw LigatureError(.unsupported, error + remedy)
    }
    return reply
  }

  private func runs(_ count: Int) throws -> [Double] {
    guard let times = try ask("run \(count)").times, times.count == count, times.allSatisfy({ $0 >= 0 }) else {
      throw LigatureError(.file, "\(engine.name) did not say how long \(count) runs took")
    }
    return times
  }

  /// A fresh process: load and first run. The last one started goes on.
  mutating func start() {
    attempt { runner in
      runner.process = nil
      runner.process = try EngineProcess(runner.engine.name, runner.engine.command, folder: runner.folder)
      let line = String(decoding: try JSONEncoder().encode(runner.task), as: UTF8.self)
      let reply = try runner.ask(line)
      runner.result.version = reply.version
      runner.result.residentBefore = reply.resident
      runner.loads.append(reply.load ?? .nan)
      runner.firstRuns += try runner.runs(1)
      runner.result.load = Summary(runner.loads).median
      runner.result.firstRun = Summary(runner.firstRuns).median
    }
  }

  /// Runs until times are steady, and settles how many runs a turn has: at least 10 ms of them.
  mutating func warmUp() {
    attempt { runner in
      let time = try runner.runs(2)[1]
      if time < 50 { _ = try runner.runs(3) }
      runner.repeats = min(max(Int((10 / max(time, 0.001)).rounded(.up)), 1), 500)
    }
  }

  /// One turn. What ran before left its own data in the caches: short runs go once without being counted.
  mutating func turn() {
    attempt { runner in
      let extra = runner.repeats > 1 || (runner.turns.last ?? 0) < 50 ? 1 : 0
      let times = try runner.runs(runner.repeats + extra).dropFirst(extra)
      runner.shortest = min(runner.shortest, times.min() ?? .infinity)
      runner.turns.append(Summary(Array(times)).median)
    }
  }

  /// Memory and outputs; then the process ends.
  mutating func finish() {
    attempt { runner in
      var latency = Summary(runner.turns)
      latency.minimum = runner.shortest
      runner.result.latency = latency
      runner.result.peakResident = try runner.ask("memory").peak
      runner.outputs = try (runner.ask("outputs \(runner.folder.path)").outputs ?? []).map { try $0.tensor() }
      runner.process = nil
    }
  }
}

/// Over all outputs, in order: the largest absolute difference, and the largest as a share of its output's scale.
func largestDifference(_ ours: [Tensor], _ theirs: [Tensor]) throws -> (absolute: Double, relative: Double) {
  guard ours.count == theirs.count else {
    throw LigatureError(.shape, "there are \(theirs.count) outputs, not \(ours.count)")
  }
  var (absolute, relative) = (0.0, 0.0)
  for (own, other) in zip(ours, theirs) {
    guard own.shape == other.shape else {
      throw LigatureError(.shape, "an output is \(other.shape), ours is \(own.shape)")
    }
    var (largest, scale) = (0.0, 0.0)
    for (a, b) in zip(try own.floats(), try other.floats()) where !(a.isNaN && b.isNaN) && a != b {
      let gap = Double(abs(a - b))
      largest = gap.isNaN ? .infinity : max(largest, gap)
    }
    for value in try own.floats() where value.isFinite { scale = max(scale, Double(abs(value))) }
    absolute = max(absolute, largest)
    if largest > 0 { relative = max(relative, largest / max(scale, .leastNormalMagnitude)) }
  }
  return (absolute, relative)
}
