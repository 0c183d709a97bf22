public import TensorCore

// What the two sides of a comparison say to each other, one line at a time:
//
//   we: an `EngineTask` as JSON            engine: version, load time, memory before loading
//   we: run N                              engine: N times
//   we: outputs FOLDER                     engine: what the last run left, as files in that folder
//   we: memory                             engine: the most memory that it has held
//   we: quit, or the end of the input
//
// The engine answers with one `EngineReply` as JSON each; after one with an error it ends.

/// What an engine is to run.
public struct EngineTask: Codable, Sendable {
  /// A tensor as a file of its elements, row-major and little-endian.
  public struct RawTensor: Codable, Sendable {
    public var name: String
    /// As numpy and we call it: `float32`.
    public var element: String
    public var shape: [Int]
    public var file: String

    public init(name: String, element: String, shape: [Int], file: String) {
      self.name = name
      self.element = element
      self.shape = shape
      self.file = file
    }

    /// Its content.
    public func tensor() throws -> Tensor {
      guard let element = ElementType.allCases.first(where: { $0.description == element }), element != .string else {
        throw LigatureError(.type, "'\(name)' is \(element), which engines do not exchange; use numbers")
      }
      return try Tensor.view(element, shape, TensorStorage(mapping: file), byteOffset: 0)
    }
  }

  public var engine: String
  public var model: String
  public var threads: Int
  /// The processors that it may run on.
  public var processors: [Int]
  /// Where ours keeps prepared models, if anywhere.
  public var cache: String?
  public var inputs: [RawTensor]
}

/// What an engine answers: only what the question asked for is there.
public struct EngineReply: Codable, Sendable {
  public var error: String?
  /// The error is that the engine is not installed.
  public var isMissing: Bool?
  public var version: String?
  /// Milliseconds from opening the file to being ready to run.
  public var load: Double?
  /// Bytes held before loading.
  public var resident: Int?
  /// Milliseconds of each run.
  public var times: [Double]?
  /// Bytes held at most since the process started.
  public var peak: Int?
  public var outputs: [EngineTask.RawTensor]?

  public init() {}
}
