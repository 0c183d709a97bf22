import FoundationEssentials
import GraphIR
public import TensorCore

/// What a model file says about the network in it, so that its weights can go back to a checkpoint or into training.
public struct NetworkRecord: Codable, Sendable, Equatable {
  /// Of the file's `metadata_props`.
  public static let metadataKey = "ligature.architecture"

  public var name: String
  public var options: [String: String]
  /// Integers of the state dict that the graph has no use for (`num_batches_tracked`), where they are not zero.
  public var counters: [String: Int]

  public init(_ network: any Architecture, _ parameters: any ParameterSource) throws {
    name = type(of: network).name
    options = network.chosen
    counters = [:]
    for spec in try network.parameters() where spec.element == .int64 {
      let tensor = try parameters.tensor(
        named: spec.name, shape: spec.shape, element: .int64, initializer: .zeros)
      if let count = try tensor.integers().first, count != 0 { counters[spec.name] = count }
    }
  }

  /// Of a file that keeps its counters elsewhere.
  public init(name: String, options: [String: String]) {
    self.name = name
    self.options = options
    counters = [:]
  }

  /// The record in the metadata of a file, `nil` when there is none. Throws `.format` when it is not understood.
  public init?(metadata: [String: String]) throws {
    guard let json = metadata[NetworkRecord.metadataKey] else { return nil }
    guard json.utf8.count <= 4 << 20 else {
      throw LigatureError(.limit, "the file's note on its architecture has \(json.utf8.count) bytes")
    }
    do {
      self = try JSONDecoder().decode(NetworkRecord.self, from: Data(json.utf8))
    } catch {
      throw LigatureError(.format, "the file's note on its architecture is not understood", cause: error)
    }
  }

  /// JSON with sorted keys: the same record always gives the same bytes.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  public func network() throws -> any Architecture { try Architectures.named(name).init(options: options) }
}

/// Weights as float16, for files of half the size: matrices and kernels only, since norms are sensitive and small.
public struct HalfPrecisionParameters: ParameterSource {
  private let source: any ParameterSource

  public init(_ source: any ParameterSource) { self.source = source }

  /// Throws `.numeric` for a weight beyond float16's range.
  public func tensor(
    named name: String, shape: [Int], element: ElementType, initializer: Initializer
  ) throws -> Tensor {
    let tensor = try source.tensor(named: name, shape: shape, element: element, initializer: initializer)
    guard tensor.element == .float32, shape.count >= 2 else { return tensor }
    return try tensor.halved(name)
  }
}

extension Tensor {
  fileprivate func halved(_ name: String) throws -> Tensor {
    let floats = try floats()
    guard floats.allSatisfy({ abs($0) < 65504 }) else {
      throw LigatureError(.numeric, "'\(name)' has numbers that float16 cannot hold; store it in float32")
    }
    return try unsafe Tensor(.float16, shape) { bytes in
      for (index, value) in floats.enumerated() {
        unsafe bytes.storeBytes(of: halfFromFloat(value), toByteOffset: 2 * index, as: UInt16.self)
      }
    }
  }
}
