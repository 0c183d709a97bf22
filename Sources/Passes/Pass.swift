public import GraphIR

/// A change of a graph that keeps what it computes.
public protocol Pass: Sendable {
  /// As `--until` takes it: `constant-folding`.
  var name: String { get }
  /// One line for people.
  var summary: String { get }
  /// Returns what it did; an empty list means that the graph is as before.
  func run(_ graph: inout Graph) throws -> [PassNote]
}

/// One thing that a pass did, or looked at and left, with the reason.
public struct PassNote: Sendable, Equatable {
  public enum Kind: String, Sendable { case changed, rejected }
  public let kind: Kind
  /// The node that the pattern starts at.
  public let node: String
  public let text: String

  public init(_ kind: Kind, node: String, _ text: String) {
    self.kind = kind
    self.node = node
    self.text = text
  }
}

/// What a pass did to a graph.
public struct PassReport: Sendable {
  public let pass: String
  public let nodesBefore: Int
  public let nodesAfter: Int
  public let notes: [PassNote]

  public var changed: Bool { notes.contains { $0.kind == .changed } }
}

/// Runs passes in order, and compacts the graph at the end.
public struct PassManager: Sendable {
  public let passes: [any Pass]

  public init(_ passes: [any Pass]) { self.passes = passes }

  @discardableResult
  public func run(_ graph: inout Graph) throws -> [PassReport] {
    var reports: [PassReport] = []
    for pass in passes {
      let before = graph.nodeCount
      let notes = try pass.run(&graph)
      reports.append(
        PassReport(pass: pass.name, nodesBefore: before, nodesAfter: graph.nodeCount, notes: notes))
    }
    try graph.compact()
    return reports
  }
}
