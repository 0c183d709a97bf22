// What readers of files make tensors with.

extension TensorStorage {
  /// Fresh storage with these bytes.
  package convenience init(copying bytes: [UInt8]) throws {
    try self.init(uninitialized: bytes.count)
    unsafe withUnsafeMutableBytes { unsafe $0.copyBytes(from: bytes) }
  }
}

extension Tensor {
  /// For whoever has made something else of a file's tensor: its pages need not stay in memory beside that. They come
  /// back when they are read.
  package func releaseFilePages() { storage.release(byteOffset..<byteOffset + byteCount) }

  /// The same for some rows of a matrix.
  package func releaseFilePages(rows: Range<Int>) {
    guard let count = shape.first, count > 0 else { return }
    let row = byteCount / count
    storage.release(byteOffset + rows.lowerBound * row..<byteOffset + rows.upperBound * row)
  }

  /// Bytes that are made whenever they are read (see `TensorStorage`). Few are made at once and kept.
  /// - Parameter fill: writes all of them, the same each time.
  package static func deferred(
    _ element: ElementType, _ shape: [Int], filledBy fill: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void
  ) throws -> Tensor {
    let byteCount = try Checked.byteCount(element, shape)
    guard byteCount >= smallestDeferred else { return try unsafe Tensor(unzeroed: element, shape, filledBy: fill) }
    return try unsafe Tensor(element, shape, storage: TensorStorage(deferred: byteCount, filledBy: fill))
  }

  private static var smallestDeferred: Int { 16 << 10 }

  /// Floats of at least this many bytes stay in a file wherever they lie. Formats of protobuf align nothing: three of
  /// four weights would have to be copied. The processors that we have kernels for read floats at any address.
  private static var smallestUnaligned: Int { 4096 }

  /// A view of a file's bytes, or a copy where they are neither aligned nor many. Throws when they reach past the end.
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
    #if arch(x86_64) || arch(arm64)
      if element.isFloatingPoint, byteCount >= smallestUnaligned {
        return Tensor(unchecked: element, shape, storage: storage, byteOffset: byteOffset, byteCount: byteCount)
      }
    #endif
    return try unsafe Tensor(unzeroed: element, shape) { target in
      unsafe storage.withUnsafeBytes { source in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[byteOffset..<byteOffset + byteCount]))
      }
      if element == .bool {
        for index in 0..<byteCount { unsafe target[index] = target[index] == 0 ? 0 : 1 }
      }
    }
  }
}
