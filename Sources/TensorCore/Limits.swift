/// What a file from a stranger, and the graph in it, may cost at most. What would pass a limit ends in a `.limit` error.
///
/// The defaults let every model, checkpoint and picture through that people use, and keep a small file from taking a
/// machine. Raise one for a file that is trusted. `Sources/ONNXFormat/ONNXFormat.docc/ThreatModel.md` says what each is good for.
public struct Limits: Sendable, Equatable {
  /// Bytes that a file may take in memory beside the weights, which stay in it: the structure of a model, the object
  /// tree of a checkpoint, the file of a picture.
  public var bytes = 256 << 20
  /// Nodes of a model, of all its graphs together, after functions are expanded; objects of a checkpoint.
  public var nodes = 2_000_000
  /// Messages inside messages of a model (a sub-graph costs three). Values inside values of a checkpoint: four times
  /// as many.
  public var nesting = 64
  /// Elements of one tensor that is computed, or written out for a sparse one.
  public var elements = 1 << 31
  /// Pixels of a picture. 100 million is an A3 page at 600 dpi, and about 1 GiB while a JPEG of it is decoded.
  public var pixels = 100_000_000
  /// Bytes of all intermediate tensors of a run together, known and checked before it starts, and of what one node
  /// makes whose size only running tells.
  public var memory = 2 << 30
  /// Iterations of all loops of one run together.
  public var iterations = 1_000_000
  /// Seconds that one run may take. Looked at between steps, between the iterations of loops, and between the pieces
  /// that a step's work is shared out in. What writes state at the end of a training step is not broken off.
  public var seconds = 3600.0

  public init() {}
}

extension Limits {
  /// The names that `set` knows, in the order of the properties.
  public static let names = ["bytes", "nodes", "nesting", "elements", "pixels", "memory", "iterations", "seconds"]

  /// Sets a limit by its name.
  ///
  /// - Parameter value: at least 1, or any positive number of seconds.
  /// - Throws: `.usage` for an unknown name, or a number out of range.
  public mutating func set(_ name: String, _ value: Double) throws {
    guard value > 0, value < 0x1p60, value >= 1 || name == "seconds" else {
      throw LigatureError(.usage, "the limit '\(name)' must be a positive number, not \(value)")
    }
    switch name {
    case "bytes": bytes = Int(value)
    case "nodes": nodes = Int(value)
    // Readers recurse; their stacks are made for this much.
    case "nesting": nesting = min(Int(value), Limits.deepest)
    case "elements": elements = Int(value)
    case "pixels": pixels = Int(value)
    case "memory": memory = Int(value)
    case "iterations": iterations = Int(value)
    case "seconds": seconds = value
    default:
      throw LigatureError(
        .usage, "there is no limit '\(name)'; the limits are: \(Limits.names.joined(separator: ", "))")
    }
  }

  /// Nesting that readers bear on the stack of any thread.
  private static let deepest = 96

  /// The number of elements of a tensor that a graph asks for. Throws `.limit`, and what `Checked.elementCount` throws.
  ///
  /// Sizes beside a 0 count as well: there is nothing in such a tensor, but kernels walk along its other axes.
  @discardableResult public func elementCount(_ shape: [Int]) throws -> Int {
    let count = try Checked.elementCount(shape)
    var walk = 1
    for size in shape where size > 0 { walk = walk.multipliedReportingOverflow(by: size).overflow ? .max : walk * size }
    guard walk <= elements else {
      throw LigatureError(
        .limit,
        "a tensor of shape \(shape) has more than \(elements) elements; raise the limit 'elements' if that is meant")
    }
    return count
  }
}
