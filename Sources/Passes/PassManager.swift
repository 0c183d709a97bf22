public import GraphIR
import TensorCore

/// What a pass did to a graph.
public struct PassReport: Sendable {
  /// The name of its stage.
  public let stage: String
  public let pass: String
  public let nodesBefore: Int
  public let nodesAfter: Int
  public let seconds: Double
  public let notes: [PassNote]

  public var changed: Bool { notes.contains { $0.kind == .changed } }
}

/// Runs passes in order, and compacts the graph at the end.
public struct PassManager: Sendable {
  /// A pass at its place in a sequence.
  public struct Stage: Sendable {
    /// The name of the pass; with a number from the second time on: `dead-code-2`.
    public let name: String
    public let pass: any Pass
  }
  public let stages: [Stage]
  public var passes: [any Pass] { stages.map(\.pass) }

  public init(_ passes: [any Pass]) {
    var times: [String: Int] = [:]
    stages = passes.map { pass in
      let time = times[pass.name, default: 0] + 1
      times[pass.name] = time
      return Stage(name: time == 1 ? pass.name : "\(pass.name)-\(time)", pass: pass)
    }
  }

  /// The sequence up to that stage, and with it. Throws `.usage` for a name that no stage has.
  public func until(_ name: String) throws -> PassManager {
    guard let last = stages.firstIndex(where: { $0.name == name }) else {
      let known = stages.map(\.name).joined(separator: ", ")
      throw LigatureError(.usage, "there is no pass '\(name)'; the passes are: \(known)")
    }
    return PassManager(stages[...last].map(\.pass))
  }

  /// - Parameter observer: sees the graph after each pass.
  @discardableResult
  public func run(_ graph: inout Graph, observer: ((PassReport, Graph) throws -> Void)? = nil) throws -> [PassReport] {
    var reports: [PassReport] = []
    let clock = ContinuousClock()
    for stage in stages {
      let before = graph.nodeCount
      let start = clock.now
      let notes = try stage.pass.run(&graph)
      let time = start.duration(to: clock.now).components
      let report = PassReport(
        stage: stage.name, pass: stage.pass.name, nodesBefore: before, nodesAfter: graph.nodeCount,
        seconds: Double(time.seconds) + Double(time.attoseconds) * 1e-18, notes: notes)
      reports.append(report)
      try observer?(report, graph)
    }
    try graph.compact()
    return reports
  }
}
