// What readers of files make tensors with.

extension TensorStorage {
  /// Fresh storage with these bytes.
  package convenience init(copying bytes: [UInt8]) {
    self.init(byteCount: bytes.count)
    unsafe withUnsafeMutableBytes { unsafe $0.copyBytes(from: bytes) }
  }
}

extension Tensor {
  /// A view of a file's bytes where they are aligned, a copy where they are not. Throws when they reach past the end.
  package static func view(
    _ element: ElementType, _ shape: [Int], _ storage: TensorStorage, byteOffset: Int
  ) throws -> Tensor {
    let view = try Tensor(element, shape, storage: storage, byteOffset: byteOffset)
    if element == .bool {
      // Swift's Bool knows only 0 and 1.
      return try unsafe view.withUnsafeBytes { bytes in
        try unsafe Tensor(bytes.map { $0 != 0 }, shape)
      }
    }
    let alignment = min(element.byteSize, 8)
    if byteOffset % alignment == 0 { return view }
    return try unsafe Tensor(element, shape) { target in
      unsafe view.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
    }
  }
}
