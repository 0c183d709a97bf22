import TensorCore

/// Where the bytes of storages are: in a zip archive's entries or behind the pickles of a legacy file.
protocol StorageSource {
  /// The bytes of a whole storage; called once for each key and size.
  ///
  /// - Parameter byteCount: what the pickle says; at least that much is there, and less than one scalar more.
  /// - Throws: when there is no such storage, or it has another size.
  func bytes(key: String, byteCount: Int, scalar: Int) throws -> (storage: TensorStorage, start: Int, isCopy: Bool)
  var isBigEndian: Bool { get }
}

/// Makes tensors of what a pickle says about them. Contiguous views of aligned bytes copy nothing.
struct TensorBuilder {
  private struct StorageKey: Hashable {
    var key: String
    var byteCount: Int
    var element: ElementType
  }
  private struct ViewKey: Hashable {
    var storage: StorageKey
    var offset: Int
    var sizes: [Int]
    var strides: [Int]
  }
  private struct Place {
    var storage: TensorStorage
    var start: Int
  }

  private let source: any StorageSource
  private let mayCopy: Int
  private var copied = 0
  private var places: [StorageKey: Place] = [:]
  /// Views that are described alike become one tensor, so that tied weights stay tied even when they are copied.
  private var views: [ViewKey: Tensor] = [:]

  init(_ source: any StorageSource, fileByteCount: Int, limits: CheckpointLimits) throws {
    self.source = source
    mayCopy = try Checked.add(
      limits.copiedByteCount, Checked.multiply(fileByteCount, limits.copiesOfFile, "the limit on copies"))
  }

  mutating func tensor(_ view: PickleHeap.TensorView, in heap: PickleHeap) throws -> CheckpointTensor {
    switch view.source {
    case .bytes(let bytes, let isBigEndian):
      try charge(bytes.count)
      let place = try prepared(
        Place(storage: TensorStorage(copying: bytes), start: 0), bytes.count, view.element, isBigEndian: isBigEndian)
      return checkpointTensor(view, try extract(view, place, offset: 0), key: "")
    case .storage(let index):
      let storage = heap.storages[index]
      let offset = try Checked.add(storage.offset, view.offset)
      let byteCount = try Checked.multiply(storage.total, storage.element?.byteSize ?? 1)
      let key = StorageKey(key: storage.key, byteCount: byteCount, element: view.element)
      let viewKey = ViewKey(storage: key, offset: offset, sizes: view.sizes, strides: view.strides)
      if let known = views[viewKey] { return checkpointTensor(view, known, key: storage.key) }
      let tensor = try extract(view, try place(key), offset: offset)
      views[viewKey] = tensor
      return checkpointTensor(view, tensor, key: storage.key)
    }
  }

  private func checkpointTensor(_ view: PickleHeap.TensorView, _ tensor: Tensor, key: String) -> CheckpointTensor {
    CheckpointTensor(
      tensor: tensor, strides: view.strides, storageOffset: view.offset, storageKey: key,
      requiresGradient: view.requiresGradient, isParameter: view.isParameter)
  }

  /// Charges bytes that are going to be copied.
  private mutating func charge(_ count: Int) throws {
    copied = try Checked.add(copied, count)
    guard copied <= mayCopy else {
      throw LigatureError(
        .limit,
        """
        the tensors would take \(copied) bytes of copies, the limit for this file is \(mayCopy); \
        raise the limit 'bytes' if it is trusted
        """)
    }
  }

  private mutating func place(_ key: StorageKey) throws -> Place {
    if let known = places[key] { return known }
    let found = try source.bytes(key: key.key, byteCount: key.byteCount, scalar: key.element.byteSize)
    // The source has made sure that a copy has the size of the storage.
    if found.isCopy { try charge(key.byteCount) }
    let place = try prepared(
      Place(storage: found.storage, start: found.start), key.byteCount, key.element, isBigEndian: source.isBigEndian)
    places[key] = place
    return place
  }

  /// The same bytes, copied where they are unaligned, big-endian or booleans other than 0 and 1.
  private mutating func prepared(
    _ place: Place, _ byteCount: Int, _ element: ElementType, isBigEndian: Bool
  ) throws -> Place {
    let width = element.byteSize
    // Complex numbers are two scalars, each in its own order.
    let swapped = element == .complex64 || element == .complex128 ? width / 2 : width
    let mustSwap = isBigEndian && swapped > 1
    let isBoolean = element == .bool
    let mustNormalise = unsafe place.storage.withUnsafeBytes { bytes in
      unsafe isBoolean && bytes[place.start..<place.start + byteCount].contains { $0 > 1 }
    }
    guard mustSwap || mustNormalise || place.start % width != 0 else { return place }
    try charge(byteCount)
    let copy = try TensorStorage(byteCount: byteCount)
    unsafe copy.withUnsafeMutableBytes { target in
      unsafe place.storage.withUnsafeBytes { source in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[place.start..<place.start + byteCount]))
      }
      if mustNormalise { for index in 0..<byteCount { unsafe target[index] = target[index] == 0 ? 0 : 1 } }
      guard mustSwap else { return }
      for start in stride(from: 0, to: byteCount / swapped * swapped, by: swapped) {
        for index in 0..<swapped / 2 { unsafe target.swapAt(start + index, start + swapped - 1 - index) }
      }
    }
    return Place(storage: copy, start: 0)
  }

  private mutating func extract(_ view: PickleHeap.TensorView, _ place: Place, offset: Int) throws -> Tensor {
    let width = view.element.byteSize
    let count = try Checked.elementCount(view.sizes)
    if count == 0 { return try Tensor(zeros: view.element, view.sizes) }
    let start = try Checked.add(place.start, Checked.multiply(offset, width))
    if view.isContiguous {
      return try Tensor(view.element, view.sizes, storage: place.storage, byteOffset: start)
    }
    try charge(try Checked.multiply(count, width))
    return try unsafe Tensor(view.element, view.sizes) { target in
      unsafe gather(
        from: place.storage.address + start, to: target, width: width, sizes: view.sizes, strides: view.strides)
    }
  }
}

extension PickleHeap.TensorView {
  /// Row-major without gaps; sizes of 1 may have any stride.
  fileprivate var isContiguous: Bool {
    zip(sizes, zip(strides, rowMajorStrides(sizes))).allSatisfy { $0 == 1 || $1.0 == $1.1 }
  }
}

/// Copies a strided view to row-major order; its extent has been checked.
private func gather(
  from source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer, width: Int, sizes: [Int], strides: [Int]
) {
  switch width {
  case 1: unsafe gather(UInt8.self, from: source, to: target, sizes, strides)
  case 2: unsafe gather(UInt16.self, from: source, to: target, sizes, strides)
  case 4: unsafe gather(UInt32.self, from: source, to: target, sizes, strides)
  case 8: unsafe gather(UInt64.self, from: source, to: target, sizes, strides)
  default: unsafe gather(SIMD2<UInt64>.self, from: source, to: target, sizes, strides)
  }
}

private func gather<Bits: BitwiseCopyable>(
  _ type: Bits.Type, from source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer, _ sizes: [Int],
  _ strides: [Int]
) {
  let width = MemoryLayout<Bits>.size
  let rank = sizes.count
  let (inner, step) = rank > 0 ? (sizes[rank - 1], strides[rank - 1] * width) : (1, 0)
  var index = [Int](repeating: 0, count: rank)
  var from = 0
  var to = 0
  while true {
    for item in 0..<inner {
      unsafe target.storeBytes(
        of: source.loadUnaligned(fromByteOffset: from + item * step, as: Bits.self), toByteOffset: to, as: Bits.self)
      to += width
    }
    var axis = rank - 2
    while axis >= 0 {
      index[axis] += 1
      from += strides[axis] * width
      if index[axis] < sizes[axis] { break }
      from -= strides[axis] * width * sizes[axis]
      index[axis] = 0
      axis -= 1
    }
    if axis < 0 { return }
  }
}
