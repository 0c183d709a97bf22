public import GraphIR

/// A change of a graph that keeps what it computes.
public protocol Pass: Sendable {
  /// As `--until` takes it: `constant-folding`.
  var name: String { get }
  /// One line for people.
  var summary: String { get }
  /// Returns what it did; a list without changes means that the graph is as before.
  func run(_ graph: inout Graph) throws -> [PassNote]
}

/// One thing that a pass did, or looked at and left, with the reason.
public struct PassNote: Sendable, Equatable {
  public enum Kind: String, Sendable, Codable { case changed, rejected }
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

/// What came of a pattern at one node.
public enum Rewriting: Sendable, Equatable {
  /// It is not there.
  case none
  /// It is there, or nearly, but was left for this reason.
  case rejected(String)
  /// It was replaced; the text says by what.
  case changed(String)
}

/// A pass that looks at one node after the other, in topological order, and may change the graph around each.
public protocol NodePass: Pass {
  func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting
}

extension NodePass {
  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      let name = graph[id].name
      switch try rewrite(id, &graph) {
      case .none: break
      case .rejected(let reason): notes.append(PassNote(.rejected, node: name, reason))
      case .changed(let what): notes.append(PassNote(.changed, node: name, what))
      }
    }
    return notes
  }
}
