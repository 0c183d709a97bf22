// What readers of files make tensors with.

extension TensorStorage {
  /// Fresh storage with these bytes.
  package convenience init(copying bytes: [UInt8]) throws {
    try self.init(byteCount: bytes.count)
    unsafe withUnsafeMutableBytes { unsafe $0.copyBytes(from: bytes) }
  }
}

extension Tensor {
  /// A view of a file's bytes where they are aligned, a copy where they are not. Throws when they reach past the end.
  package static func view(
    _ element: ElementType, _ shape: [Int], _ storage: TensorStorage, byteOffset: Int
  ) throws -> Tensor {
    let byteCount = try Checked.byteCount(element, shape)
    guard byteOffset >= 0, try Checked.add(byteOffset, byteCount) <= storage.byteCount else {
      throw LigatureError(
        .format,
        "\(element)\(shape) needs \(byteCount) bytes at offset \(byteOffset), the data has \(storage.byteCount)")
    }
    // Swift's Bool knows only 0 and 1, files may hold other bytes.
    if element != .bool, element.byteSize > 0, byteOffset % element.byteSize == 0 {
      return try Tensor(element, shape, storage: storage, byteOffset: byteOffset)
    }
    return try unsafe Tensor(element, shape) { target in
      unsafe storage.withUnsafeBytes { source in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[byteOffset..<byteOffset + byteCount]))
      }
      if element == .bool {
        for index in 0..<byteCount { unsafe target[index] = target[index] == 0 ? 0 : 1 }
      }
    }
  }
}
