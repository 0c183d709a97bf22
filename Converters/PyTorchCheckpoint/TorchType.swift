import TensorCore

/// PyTorch's names for element types.
enum TorchType {
  /// The names of `torch.<Name>Storage`.
  private static let storages: [(name: String, element: ElementType)] = [
    ("Float", .float32), ("Double", .float64), ("Half", .float16), ("BFloat16", .bfloat16), ("Long", .int64),
    ("Int", .int32), ("Short", .int16), ("Char", .int8), ("Byte", .uint8), ("Bool", .bool),
    ("ComplexFloat", .complex64), ("ComplexDouble", .complex128),
  ]
  private static let elements: [String: ElementType] = {
    var all = Dictionary(uniqueKeysWithValues: storages.map { ("torch.\($0.name)Storage", $0.element) })
    for (name, element) in storages { all["torch.cuda.\(name)Storage"] = element }
    return all
  }()

  private static let untyped: Set = [
    "torch.UntypedStorage", "torch._UntypedStorage", "torch.storage.UntypedStorage", "torch.storage._UntypedStorage",
  ]

  /// The element type of a storage class; `.some(nil)` for untyped bytes, `nil` for what is not supported.
  static func element(storage type: String) -> ElementType?? {
    if untyped.contains(type) { return .some(nil) }
    guard let element = elements[type] else { return nil }
    return element
  }

  /// `torch.float32` and its like.
  static func element(dtype type: String) -> ElementType? {
    guard type.hasPrefix("torch.") else { return nil }
    let name = type.dropFirst(6)
    return ElementType.allCases.first { $0.byteSize > 0 && $0.description == name }
  }

  /// `FloatStorage`, for writing; `nil` for types that PyTorch 1 does not have.
  static func storageName(_ element: ElementType) -> String? {
    storages.first { $0.element == element }.map { "\($0.name)Storage" }
  }
}

/// Whether a view stays inside its storage.
enum TensorExtent {
  static func check(_ view: PickleHeap.TensorView, storage: PickleHeap.Storage, limits: CheckpointLimits) throws {
    func wrong(_ what: String) -> LigatureError {
      LigatureError(
        .format,
        """
        a tensor of sizes \(view.sizes) and strides \(view.strides) at offset \(view.offset) of the storage \
        '\(storage.key)' \(what); obtain the file again
        """)
    }
    guard view.sizes.count == view.strides.count else { throw wrong("has not as many strides as sizes") }
    guard view.offset >= 0, view.sizes.allSatisfy({ $0 >= 0 }), view.strides.allSatisfy({ $0 >= 0 }) else {
      throw wrong("has a negative number")
    }
    let elements = try Checked.elementCount(view.sizes)
    _ = try Checked.multiply(elements, view.element.byteSize, "the byte size of a tensor")
    guard elements > 0 else { return }
    var last = view.offset
    for (size, stride) in zip(view.sizes, view.strides) {
      last = try Checked.add(last, Checked.multiply(size - 1, stride, "a stride"), "the extent of a tensor")
    }
    let available = storage.element == nil ? storage.count / view.element.byteSize : storage.count
    guard last < available else { throw wrong("reaches past its \(available) elements") }
  }
}
