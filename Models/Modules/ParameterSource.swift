public import TensorCore

/// Where an architecture takes the values of its parameters and buffers from.
public protocol ParameterSource {
  /// The tensor of that name. Its shape and element type must be those asked for.
  ///
  /// - Parameter initializer: how it starts where nothing is known of it.
  func tensor(named name: String, shape: [Int], element: ElementType, initializer: Initializer) throws -> Tensor
}

/// Fresh parameters, as PyTorch, mmcv and MMOCR draw them; each depends on the seed and its own name alone.
public struct InitialParameters: ParameterSource, Sendable {
  public let seed: UInt64

  public init(seed: UInt64) { self.seed = seed }

  public func tensor(
    named name: String, shape: [Int], element: ElementType, initializer: Initializer
  ) throws -> Tensor {
    try initializer.tensor(named: name, shape: shape, element: element, seed: seed)
  }
}

/// Parameters from a file, by name.
///
/// A counter (`num_batches_tracked`) that old files do not have starts at zero. Half-precision weights become float32.
public struct StoredParameters: ParameterSource, Sendable {
  public let tensors: [String: Tensor]

  public init(_ tensors: [String: Tensor]) { self.tensors = tensors }

  /// - Throws: `.format` for a tensor that is missing, or whose shape is another one; the message names both shapes.
  public func tensor(
    named name: String, shape: [Int], element: ElementType, initializer: Initializer
  ) throws -> Tensor {
    guard let found = tensors[name] else {
      if element == .int64 { return try Tensor(zeros: .int64, shape) }
      throw LigatureError(
        .format, "the tensor '\(name)' \(shape) is missing; convert a checkpoint of this architecture")
    }
    guard found.shape == shape else {
      throw LigatureError(
        .format, "the tensor '\(name)' is \(found.shape) in the checkpoint, but \(shape) in the architecture")
    }
    if found.element == element { return found }
    if element == .float32, found.element.isFloatingPoint { return try Tensor(found.floats(), shape) }
    if element == .int64, found.element.isInteger { return try Tensor(found.integers().map(Int64.init), shape) }
    throw LigatureError(.type, "the tensor '\(name)' is \(found.element), but must be \(element)")
  }
}

/// Parameters that a function computes.
public struct ComputedParameters: ParameterSource {
  private let compute: (String, [Int], ElementType, Initializer) throws -> Tensor

  public init(_ compute: @escaping (String, [Int], ElementType, Initializer) throws -> Tensor) {
    self.compute = compute
  }

  public func tensor(
    named name: String, shape: [Int], element: ElementType, initializer: Initializer
  ) throws -> Tensor {
    try compute(name, shape, element, initializer)
  }
}

/// What the state dict of an architecture has under one name.
public struct ParameterSpec: Sendable, Hashable {
  public var name: String
  public var shape: [Int]
  public var element: ElementType
  /// Whether back-propagation changes it; buffers and frozen parameters are not trained.
  public var isTrained: Bool
  /// Whether it is state beside the weights: running statistics, counters.
  public var isBuffer: Bool
}

/// Zeros that share their memory: for asking what an architecture's parameters are, without making them.
struct BlankParameters: ParameterSource {
  private final class Store {
    var zeros: Tensor?
  }
  private let store = Store()

  func tensor(named name: String, shape: [Int], element: ElementType, initializer: Initializer) throws -> Tensor {
    let byteCount = try Checked.byteCount(element, shape)
    if let zeros = store.zeros, zeros.byteCount >= byteCount {
      return try Tensor(element, shape, storage: zeros.storage, byteOffset: 0)
    }
    let zeros = try Tensor(zeros: element, shape)
    store.zeros = zeros
    return zeros
  }
}
