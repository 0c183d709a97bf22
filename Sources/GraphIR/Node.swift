public import TensorCore

/// Where a value stands in its graph. Valid only for the graph that gave it, until `compact()`.
public struct ValueID: Hashable, Sendable {
  package let index: Int32
  package init(_ index: Int) { self.index = Int32(index) }
}

/// Where a node stands in its graph. Valid only for the graph that gave it, until `compact()`.
public struct NodeID: Hashable, Sendable, Comparable {
  package let index: Int32
  package init(_ index: Int) { self.index = Int32(index) }
  public static func < (a: NodeID, b: NodeID) -> Bool { a.index < b.index }
}

/// One application of an operator.
public struct Node: Sendable {
  /// Unique among nodes that have a name; often a path of scopes (`/backbone/layer1/0/conv1`).
  public var name: String
  public internal(set) var op: any Operator
  /// `nil` where an optional input is left out.
  public internal(set) var inputs: [ValueID?]
  /// What the sub-graphs among the attributes take from this graph: the last inputs of each of them, in this order.
  public internal(set) var captures: [ValueID]
  /// `nil` where an optional output is not wanted.
  public let outputs: [ValueID?]

  /// Everything that the node reads.
  public var operands: [ValueID] { inputs.compactMap { $0 } + captures }
}

/// A tensor in a graph.
public struct Value: Sendable {
  public enum Role: Sendable {
    case input
    case constant(Tensor)
    /// A constant that training changes: never folded.
    case parameter(Tensor)
    case result(of: NodeID, slot: Int)
  }

  /// Unique in the graph, never empty.
  public internal(set) var name: String
  public internal(set) var type: TensorType
  public internal(set) var role: Role
  /// The integers that it holds, where they are known (see `Operator.inferContents`).
  public internal(set) var contents: [Dimension]?

  /// The tensor of a constant or parameter.
  public var tensor: Tensor? {
    switch role {
    case .constant(let tensor), .parameter(let tensor): tensor
    case .input, .result: nil
    }
  }
}
