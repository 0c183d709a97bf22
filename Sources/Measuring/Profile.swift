import GraphIR
public import Runtime
public import TensorCore

/// Where the time of a graph goes, node by node.
public struct Profile: Codable, Sendable {
  /// Times are milliseconds, rates 10^9 a second.
  public struct Rates: Codable, Sendable {
    /// Share of the time of all steps.
    public var share = 0.0
    /// Operations: two for each multiplication with an addition, as the plain algorithm has them. Winograd's takes
    /// fewer, so a convolution may exceed the peak.
    public var gigaflops = 0.0
    /// Of the machine's measured peak.
    public var peakShare = 0.0
    /// Bytes of inputs and outputs, each once.
    public var gigabytes = 0.0
  }

  public struct Step: Codable, Sendable {
    public var name: String
    public var `operator`: String
    /// The operator, and of convolutions which: `Conv 3x3 stride 2`, `Conv depthwise 5x5`.
    public var kind: String
    /// The modules that the node stands in, the outermost first.
    public var scope: [String]
    /// Sizes of the first output.
    public var output: [Int]
    public var minimum: Double
    public var median: Double
    public var multiplyAdds: Int
    public var byteCount: Int
    public var rates = Rates()
    /// Milliseconds after the start of the run that is shown, and how long it took in that run.
    public var start: Double
    public var duration: Double
  }

  /// Steps of one operator or kind together.
  public struct Group: Codable, Sendable {
    public var name: String
    public var nodes: Int
    /// Sum of the medians.
    public var time: Double
    public var multiplyAdds: Int
    public var byteCount: Int
    public var rates = Rates()
  }

  public var machine: MachinePeak
  public var runs: Int
  /// Milliseconds of a whole run: median and minimum.
  public var total: Double
  public var minimum: Double
  /// In the order in which they run.
  public var steps: [Step]
  public var operators: [Group]
  public var kinds: [Group]

  /// Runs a session under observation.
  ///
  /// - Parameters:
  ///   - runs: how often; after two that do not count.
  public init(_ session: Session, _ inputs: [Tensor], runs: Int, machine: MachinePeak) throws {
    for _ in 0..<2 { try session.run(inputs) { _ in } }
    let observer = StepClock()
    for _ in 0..<max(runs, 1) {
      observer.begin()
      try session.run(inputs, observer: observer) { _ in }
      observer.end()
    }
    try self.init(observer.records, session.graph, machine: machine)
  }

  init(_ records: [StepClock.Record], _ graph: Graph, machine: MachinePeak) throws {
    self.machine = machine
    runs = records.count
    let totals = Summary(records.map(\.total))
    (total, minimum) = (totals.median, totals.minimum)
    steps = []
    operators = []
    kinds = []
    // The run that is shown as it went: the one in the middle.
    let order = records.indices.sorted { records[$0].total < records[$1].total }
    guard !order.isEmpty else { return }
    let shown = records[order[(order.count - 1) / 2]]
    guard records.allSatisfy({ $0.events.map(\.node) == shown.events.map(\.node) }) else {
      throw LigatureError(.usage, "the runs did not take the same steps; give inputs that do not change")
    }
    for (index, event) in shown.events.enumerated() {
      let times = Summary(records.map { $0.duration(index) })
      let node = graph[event.node]
      steps.append(
        Step(
          name: node.name, operator: node.op.name.type, kind: kindName(node, graph), scope: scopes(of: node),
          output: event.output, minimum: times.minimum, median: times.median, multiplyAdds: event.cost.multiplyAdds,
          byteCount: event.cost.bytesRead &+ event.cost.bytesWritten, start: shown.start(index),
          duration: shown.duration(index)))
    }
    let sum = steps.reduce(0) { $0 + $1.median }
    for index in steps.indices {
      let step = steps[index]
      steps[index].rates = Rates(step.median, of: sum, step.multiplyAdds, step.byteCount, machine)
    }
    operators = Profile.groups(steps, by: \.operator, of: sum, machine)
    kinds = Profile.groups(steps, by: \.kind, of: sum, machine)
  }

  private static func groups(
    _ steps: [Step], by key: KeyPath<Step, String>, of sum: Double, _ machine: MachinePeak
  ) -> [Group] {
    var found: [String: Group] = [:]
    for step in steps {
      let name = step[keyPath: key]
      var group = found[name] ?? Group(name: name, nodes: 0, time: 0, multiplyAdds: 0, byteCount: 0)
      group.nodes += 1
      group.time += step.median
      group.multiplyAdds = group.multiplyAdds &+ step.multiplyAdds
      group.byteCount = group.byteCount &+ step.byteCount
      found[name] = group
    }
    return found.values.map { group in
      var group = group
      group.rates = Rates(group.time, of: sum, group.multiplyAdds, group.byteCount, machine)
      return group
    }.sorted { ($1.time, $0.name) < ($0.time, $1.name) }
  }
}

extension Profile.Rates {
  init(_ milliseconds: Double, of sum: Double, _ multiplyAdds: Int, _ byteCount: Int, _ machine: MachinePeak) {
    guard milliseconds > 0 else { return }
    share = sum > 0 ? milliseconds / sum : 0
    gigaflops = 2 * Double(multiplyAdds) / milliseconds * 1e-6
    peakShare = machine.gigaflops > 0 ? gigaflops / machine.gigaflops : 0
    gigabytes = Double(byteCount) / milliseconds * 1e-6
  }
}

/// Notes when each step ended.
final class StepClock: StepObserver, @unchecked Sendable {
  struct Event {
    var node: NodeID
    var cost: Cost
    var output: [Int]
    /// Milliseconds since the start of the run.
    var end: Double
  }
  struct Record {
    var events: [Event] = []
    /// Milliseconds of the whole run.
    var total = 0.0

    func start(_ index: Int) -> Double { index > 0 ? events[index - 1].end : 0 }
    func duration(_ index: Int) -> Double { events[index].end - start(index) }
  }

  private(set) var records: [Record] = []
  private var current = Record()
  private var clock = ContinuousClock.now

  func begin() {
    current = Record()
    // A run must not wait for memory.
    current.events.reserveCapacity(records.last?.events.count ?? 4096)
    clock = .now
  }

  func end() {
    current.total = milliseconds(since: clock)
    records.append(current)
  }

  func didRun(_ step: Int?, of node: NodeID, _ cost: Cost, output: [Int]) {
    current.events.append(Event(node: node, cost: cost, output: output, end: milliseconds(since: clock)))
  }

  func didRun(_ step: Int) {}
}

private func milliseconds(since start: ContinuousClock.Instant) -> Double {
  let time = start.duration(to: .now).components
  return Double(time.seconds) * 1000 + Double(time.attoseconds) * 1e-15
}
