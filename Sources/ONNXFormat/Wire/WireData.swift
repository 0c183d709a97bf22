internal import CONNX
internal import TensorCore

// Sequences and optionals, as test data stores them beside a model.
extension WireDecoder {
  /// The datum of that kind in the bytes of a file.
  static func datum(_ file: TensorStorage, kind: DatumKind, limits: WireLimits) throws -> Datum {
    let decoder = WireDecoder(file: file, external: nil)
    switch kind {
    case .tensor: return .tensor(try tensor(file, external: nil, limits: limits).tensor)
    case .sequence:
      // A sequence of nothing has no fields at all.
      guard file.byteCount > 0 else { return .sequence([]) }
      let unpacked = try unsafe Unpacked<Onnx__SequenceProto>(file, as: Descriptors.sequence, limits: limits)
      return try unsafe unpacked.withMessage { try unsafe decoder.sequence($0) }
    case .optional:
      guard file.byteCount > 0 else { return .optional(nil) }
      let unpacked = try unsafe Unpacked<Onnx__OptionalProto>(file, as: Descriptors.optional, limits: limits)
      return try unsafe unpacked.withMessage { try unsafe decoder.optional($0) }
    }
  }

  private func sequence(_ message: UnsafePointer<Onnx__SequenceProto>) throws -> Datum {
    let source = unsafe message.pointee
    switch unsafe source.elem_type {
    case 0, 1:
      return .sequence(
        try unsafe each(source.tensor_values, source.n_tensor_values) { .tensor(try unsafe tensor($0).tensor) })
    case 3:
      return .sequence(try unsafe each(source.sequence_values, source.n_sequence_values) { try unsafe sequence($0) })
    case 5:
      return .sequence(try unsafe each(source.optional_values, source.n_optional_values) { try unsafe optional($0) })
    case let kind: throw unreadable("a sequence", kind)
    }
  }

  private func optional(_ message: UnsafePointer<Onnx__OptionalProto>) throws -> Datum {
    let source = unsafe message.pointee
    switch unsafe source.elem_type {
    case 0: return .optional(nil)
    case 1: return .optional(.tensor(try unsafe tensor(content(source.tensor_value)).tensor))
    case 3: return .optional(try unsafe sequence(content(source.sequence_value)))
    case 5: return .optional(try unsafe optional(content(source.optional_value)))
    case let kind: throw unreadable("an optional", kind)
    }
  }

  private func content<Message>(_ pointer: UnsafeMutablePointer<Message>?) throws -> UnsafePointer<Message> {
    guard let pointer = unsafe pointer else {
      throw LigatureError(.format, "an optional says that it has content, but there is none; the file is damaged")
    }
    return unsafe UnsafePointer(pointer)
  }

  private func unreadable(_ what: String, _ kind: Int32) -> LigatureError {
    LigatureError(.unsupported, "\(what) of kind \(kind) is not read; tensors, sequences and optionals are")
  }
}

extension WireType {
  /// `nil` for what has no place in a run: maps, sparse tensors, opaque values.
  var kind: DatumKind? {
    switch self {
    case .tensor: .tensor
    case .sequence(let inner): inner.kind.map { .sequence($0) }
    case .optional(let inner): inner.kind.map { .optional($0) }
    case .sparse, .map, .opaque, .unknown: nil
    }
  }
}
