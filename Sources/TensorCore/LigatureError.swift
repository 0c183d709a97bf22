internal import FoundationEssentials
internal import Glibc

/// The one error type of the package. The message says what is wrong *and* the remedy; `node` and `operands` say where.
public struct LigatureError: Error, Sendable {
  public enum Code: String, Sendable {
    /// A node has too many or too few inputs or outputs.
    case arity
    /// A tensor has the wrong number of dimensions.
    case rank
    /// Dimensions do not fit each other, or their product overflows.
    case shape
    /// An element type that the operation does not take.
    case type
    /// An attribute is missing, of the wrong kind or out of its range.
    case attribute
    /// Valid, but not something that Ligature runs.
    case unsupported
    /// The graph is not acyclic, or uses a value before it is defined.
    case cycle
    /// Bytes that do not follow their format.
    case format
    /// A value (an index, a scale, a count) out of its range.
    case numeric
    /// A limit on bytes, nodes, time … that the caller set would be passed.
    case limit
    /// The operating system refused: a file is missing, unreadable, unwritable.
    case file
    /// The caller's own arguments are wrong.
    case usage
  }

  public var code: Code
  public var message: String
  /// Name of the graph node that the error is about, if it is about one.
  public var node: String?
  /// The types of that node's inputs, as text.
  public var operands: [String]
  public var cause: (any Error)?

  public init(
    _ code: Code, _ message: String, node: String? = nil, operands: [String] = [], cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.node = node
    self.operands = operands
    self.cause = cause
  }

  /// The same error, placed at a node unless an inner one is already named.
  public func at(node name: String, operands types: [String] = []) -> LigatureError {
    guard node == nil else { return self }
    var copy = self
    copy.node = name
    copy.operands = types
    return copy
  }
}

extension LigatureError: CustomStringConvertible {
  public var description: String {
    var text = message
    if let node { text = "node \(node): " + text }
    if !operands.isEmpty { text += " [operands: \(operands.joined(separator: ", "))]" }
    if let cause { text += " (cause: \(LigatureError.words(cause)))" }
    return text
  }

  /// What an error of another library says to a person, without the names of its types.
  private static func words(_ error: any Error) -> String {
    if let error = error as? LigatureError { return error.description }
    switch error as? DecodingError {
    case .dataCorrupted(let context), .keyNotFound(_, let context), .typeMismatch(_, let context),
      .valueNotFound(_, let context):
      return context.debugDescription
    default: break
    }
    let underlying = (error as? CocoaError)?.underlying
    for error in [error, underlying] {
      if let error = error as? POSIXError { return unsafe String(cString: strerror(error.code.rawValue)) }
    }
    return "\(error)"
  }
}
