import GraphIR
import Imaging
import Kernels
import ONNXFormat
import Operators
import PyTorchCheckpoint
import Runtime
public import TensorCore
import TensorFiles

/// What a fuzzer throws bytes at. Whatever they are, each ends with a value or a `LigatureError`: another error, a trap
/// or a signal is a finding.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// Reading a model file, and writing what was read.
  case model
  /// Reading a checkpoint, `.safetensors` and `.npy`.
  case checkpoint
  /// Reading a picture.
  case image
  /// Reading a model file, preparing it, and running it on numbers of our own.
  case graph
  /// The same of nodes that no file can say so quickly: any operator with any operands.
  case operators

  public static let limits: Limits = {
    var limits = Limits()
    limits.bytes = 16 << 20
    limits.nodes = 2000
    limits.elements = 1 << 20
    limits.pixels = 1 << 20
    limits.memory = 32 << 20
    limits.iterations = 1000
    limits.seconds = 5
    return limits
  }()
  private static let pool = ThreadPool(threads: 1)

  /// - Returns: whether the bytes were good to the end.
  /// - Throws: errors that are no `LigatureError`.
  @discardableResult public func run(_ bytes: [UInt8]) throws -> Bool {
    do {
      switch self {
      case .model:
        let model = try Model(bytes: bytes, operators: .standard, limits: FuzzTarget.limits)
        _ = try model.encoded()
        _ = try model.training(operators: .standard, limits: FuzzTarget.limits)
      case .checkpoint: try FuzzTarget.readWeights(bytes)
      case .image:
        _ = try Image.metadata(of: bytes, limits: FuzzTarget.limits)
        _ = try Image.decode(bytes, limits: FuzzTarget.limits)
        _ = try Image.decodeGrey(bytes, limits: FuzzTarget.limits)
      case .graph:
        let model = try Model(bytes: bytes, operators: .standard, limits: FuzzTarget.limits)
        try FuzzTarget.execute(model.graph, model.graph.inputs.map { try FuzzTarget.input(model.graph[$0].type) })
      case .operators:
        let wild = try WildGraph(bytes)
        try FuzzTarget.execute(wild.graph, wild.inputs)
      }
      return true
    } catch is LigatureError {
      return false
    }
  }

  private static func readWeights(_ bytes: [UInt8]) throws {
    if bytes.starts(with: [0x93, 0x4E]) {
      _ = try NPY.decode(bytes)
      return
    }
    if bytes.count > 8, bytes[8] == UInt8(ascii: "{") {
      _ = try SafeTensors(bytes: bytes)
      return
    }
    _ = try Checkpoint(bytes: bytes, limits: CheckpointLimits(limits))
  }

  /// As it is, and as the passes leave it. One of them failing does not keep the other from being tried.
  private static func execute(_ graph: Graph, _ inputs: [Tensor]) throws {
    var options = Session.Options(threads: 1)
    options.pool = pool
    options.limits = limits
    var failure: LigatureError?
    for isPrepared in [false, true] {
      do {
        let session =
          try isPrepared ? Session(preparing: graph, options: options) : Session(graph, options: options)
        _ = try session.run(inputs)
      } catch let error as LigatureError {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// Numbers between 0 and 2 for an input; open sizes are 2.
  private static func input(_ type: TensorType) throws -> Tensor {
    let sizes = (type.shape ?? []).map { $0.value ?? 2 }
    try limits.elementCount(sizes)
    let count = try Checked.elementCount(sizes)
    switch type.element {
    case .float32: return try Tensor((0..<count).map { Float($0 % 9) / 4 }, sizes)
    case .int64: return try Tensor((0..<count).map { Int64($0 % 3) }, sizes)
    default: return try Tensor(zeros: type.element, sizes)
    }
  }
}
