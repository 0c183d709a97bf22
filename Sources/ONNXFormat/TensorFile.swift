public import TensorCore

/// Files that hold one `TensorProto`: the `input_0.pb` and `output_0.pb` of ONNX's test data.
public enum TensorFile {
  /// Reads a file; large tensors stay in it, mapped.
  ///
  /// - Throws: `.file` when it cannot be read, `.format` when its bytes are no tensor, `.unsupported` for types that
  ///   Ligature does not know.
  public static func read(_ path: String, limits: Limits = Limits()) throws -> (name: String, tensor: Tensor) {
    do {
      return try read(TensorStorage(mapping: path), limits)
    } catch let error as LigatureError where error.code != .file {
      throw LigatureError(error.code, "'\(path)': \(error.message)", cause: error.cause)
    }
  }

  /// Reads a file that holds a datum of that kind: a `TensorProto`, `SequenceProto` or `OptionalProto`.
  ///
  /// - Throws: as `read` does.
  public static func readDatum(_ path: String, kind: DatumKind, limits: Limits = Limits()) throws -> Datum {
    do {
      return try WireDecoder.datum(TensorStorage(mapping: path), kind: kind, limits: limits.wire)
    } catch let error as LigatureError where error.code != .file {
      throw LigatureError(error.code, "'\(path)': \(error.message)", cause: error.cause)
    }
  }

  public static func write(_ tensor: Tensor, name: String = "", to path: String) throws {
    let file = try AtomicFile(path)
    let sink = ByteSink(file: file)
    try WireEncoder.write(WireTensor(name: name, tensor: tensor), to: sink)
    _ = try sink.finish()
    try file.commit()
  }

  private static func read(_ storage: TensorStorage, _ limits: Limits) throws -> (name: String, tensor: Tensor) {
    let wire = try WireDecoder.tensor(storage, external: nil, limits: limits.wire)
    return (wire.name, wire.tensor)
  }
}

/// The tensor in the bytes of a `TensorProto`.
public func decodeTensor(_ bytes: [UInt8]) throws -> (name: String, tensor: Tensor) {
  let wire = try WireDecoder.tensor(TensorStorage(copying: bytes), external: nil, limits: Limits().wire)
  return (wire.name, wire.tensor)
}

/// A tensor as the bytes of a `TensorProto`.
public func encodeTensor(_ tensor: Tensor, name: String = "") throws -> [UInt8] {
  let sink = ByteSink()
  try WireEncoder.write(WireTensor(name: name, tensor: tensor), to: sink)
  return try sink.finish()
}
