/// An immutable dense array, row-major. Copies share their bytes.
public struct Tensor: Sendable {
  public let element: ElementType
  public let shape: [Int]
  /// The scalars of a `.string` tensor; empty for every other type.
  public let strings: [String]
  public let storage: TensorStorage
  /// Where the first scalar lies in `storage`: a multiple of the element's size, but for large floats of a file.
  public let byteOffset: Int

  /// Number of scalars.
  public var count: Int { element == .string ? strings.count : byteCount / max(element.byteSize, 1) }
  public let byteCount: Int

  /// A view of bytes that are already there. Throws when `storage` is too short for the shape,
  /// or `byteOffset` is not a multiple of the element size.
  public init(_ element: ElementType, _ shape: [Int], storage: TensorStorage, byteOffset: Int = 0) throws {
    let byteCount = try Checked.byteCount(element, shape)
    guard element.byteSize > 0 else { throw LigatureError(.type, "\(element) tensors have no flat bytes") }
    guard byteOffset % element.byteSize == 0 else {
      throw LigatureError(.format, "a \(element) tensor cannot start at the unaligned byte \(byteOffset)")
    }
    guard byteOffset >= 0, try Checked.add(byteOffset, byteCount) <= storage.byteCount else {
      throw LigatureError(
        .format,
        "\(element)\(shape) needs \(byteCount) bytes at offset \(byteOffset), the data has \(storage.byteCount)")
    }
    self.init(unchecked: element, shape, storage: storage, byteOffset: byteOffset, byteCount: byteCount)
  }

  /// For whoever has checked that the bytes are there.
  init(
    unchecked element: ElementType, _ shape: [Int], storage: TensorStorage, byteOffset: Int, byteCount: Int,
    strings: [String] = []
  ) {
    self.element = element
    self.shape = shape
    self.storage = storage
    self.byteOffset = byteOffset
    self.byteCount = byteCount
    self.strings = strings
  }

  /// All zeros (`false` for bool).
  public init(zeros element: ElementType, _ shape: [Int]) throws {
    try self.init(element, shape, storage: TensorStorage(byteCount: Checked.byteCount(element, shape)))
  }

  /// Bytes written by `fill`, which gets exactly the tensor's own (zeroed) bytes.
  public init(
    _ element: ElementType, _ shape: [Int], filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    let storage = try TensorStorage(byteCount: Checked.byteCount(element, shape))
    try unsafe storage.withUnsafeMutableBytes(fill)
    try self.init(element, shape, storage: storage)
  }

  /// The same for a `fill` that writes every byte: what they hold before is not settled.
  package init(
    unzeroed element: ElementType, _ shape: [Int], filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    let storage = try TensorStorage(uninitialized: Checked.byteCount(element, shape))
    try unsafe storage.withUnsafeMutableBytes(fill)
    try self.init(element, shape, storage: storage)
  }

  /// Scalars in row-major order. Throws when their number differs from the shape's.
  public init<Scalar: TensorScalar>(_ scalars: [Scalar], _ shape: [Int]) throws {
    guard try Checked.elementCount(shape) == scalars.count else {
      throw LigatureError(.shape, "\(scalars.count) scalars do not fill the shape \(shape)")
    }
    try unsafe self.init(unzeroed: Scalar.elementType, shape) { bytes in
      unsafe scalars.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
    }
  }

  public init(strings: [String], _ shape: [Int]) throws {
    guard try Checked.elementCount(shape) == strings.count else {
      throw LigatureError(.shape, "\(strings.count) strings do not fill the shape \(shape)")
    }
    self.init(
      unchecked: .string, shape, storage: TensorStorage(scalarSize: 0), byteOffset: 0, byteCount: 0, strings: strings)
  }

  public init<Scalar: TensorScalar>(scalar: Scalar) {
    let storage = TensorStorage(scalarSize: MemoryLayout<Scalar>.size)
    unsafe storage.withUnsafeMutableBytes { unsafe $0.storeBytes(of: scalar, as: Scalar.self) }
    self.init(
      unchecked: Scalar.elementType, [], storage: storage, byteOffset: 0, byteCount: MemoryLayout<Scalar>.size)
  }

  /// The same bytes under another shape of as many elements.
  public func reshaped(_ shape: [Int]) throws -> Tensor {
    guard try Checked.elementCount(shape) == count else {
      throw LigatureError(.shape, "\(self.shape) cannot be reshaped to \(shape): the numbers of elements differ")
    }
    return Tensor(
      unchecked: element, shape, storage: storage, byteOffset: byteOffset, byteCount: byteCount, strings: strings)
  }
}

// ── Reading ─────────────────────────────────────────────────────────────────
extension Tensor {
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try unsafe storage.withUnsafeBytes {
      try unsafe body(UnsafeRawBufferPointer(rebasing: $0[byteOffset..<byteOffset + byteCount]))
    }
  }

  /// The scalars as a Swift array. Throws when `Scalar` is not the tensor's element type.
  public func scalars<Scalar: TensorScalar>(as type: Scalar.Type = Scalar.self) throws -> [Scalar] {
    guard Scalar.elementType == element else {
      throw LigatureError(.type, "a \(element) tensor was read as \(Scalar.elementType)")
    }
    return unsafe [Scalar](unsafeUninitializedCapacity: count) { buffer, initialized in
      let bytes = UnsafeMutableRawBufferPointer(buffer)
      unsafe withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
      initialized = count
    }
  }

  /// The scalars of any integer or bool tensor. Throws for other types, and for uint64 values past `Int.max`.
  public func integers() throws -> [Int] {
    switch element {
    case .int64: return try scalars(as: Int64.self).map(Int.init)
    case .int32: return try scalars(as: Int32.self).map(Int.init)
    case .int16: return try scalars(as: Int16.self).map(Int.init)
    case .int8: return try scalars(as: Int8.self).map(Int.init)
    case .uint8: return try scalars(as: UInt8.self).map(Int.init)
    case .uint4, .int4:
      return unsafe withUnsafeBytes { bytes in
        unsafe bytes.map { element == .int4 ? Int(Int8(bitPattern: $0)) : Int($0) }
      }
    case .uint16: return try scalars(as: UInt16.self).map(Int.init)
    case .uint32: return try scalars(as: UInt32.self).map(Int.init)
    case .bool: return try scalars(as: Bool.self).map { $0 ? 1 : 0 }
    case .uint64:
      return try scalars(as: UInt64.self).map {
        guard let value = Int(exactly: $0) else { throw LigatureError(.numeric, "\($0) exceeds the range of int64") }
        return value
      }
    default: throw LigatureError(.type, "integers were expected, not \(element)")
    }
  }

  /// The scalars of any floating-point, integer or bool tensor, as Float.
  public func floats() throws -> [Float] {
    switch element {
    case .float32: return try scalars(as: Float.self)
    case .float64: return try scalars(as: Double.self).map { Float($0) }
    case .float16: return bitPatterns().map(floatFromHalf)
    case .bfloat16: return bitPatterns().map { Float(bitPattern: UInt32($0) << 16) }
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz:
      return unsafe withUnsafeBytes { bytes in unsafe bytes.map { floatFromFloat8($0, element) } }
    default: return try integers().map { Float($0) }
    }
  }

  private func bitPatterns() -> [UInt16] {
    unsafe withUnsafeBytes { bytes in
      (0..<count).map { unsafe bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self) }
    }
  }

  /// Address of the first scalar; see `byteOffset` for its alignment. Valid while `storage` lives.
  @unsafe package var address: UnsafeRawPointer { unsafe storage.address + byteOffset }
}
