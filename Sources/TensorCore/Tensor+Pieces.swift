extension Tensor {
  /// `count` indices of an axis from `start` on. Shares the bytes where they lie in one stretch.
  ///
  /// Throws `.shape` for an axis or a stretch that is not there.
  package func piece(axis: Int, from start: Int, count: Int) throws -> Tensor {
    guard shape.indices.contains(axis), start >= 0, count >= 0, start <= shape[axis] - count else {
      throw LigatureError(.shape, "the tensor \(element)\(shape) has no \(count) indices from \(start) of axis \(axis)")
    }
    var result = shape
    result[axis] = count
    let outer = try Checked.elementCount(Array(shape[..<axis]))
    let inner = try Checked.elementCount(Array(shape[(axis + 1)...]))
    let (line, first, length) = (shape[axis] * inner, start * inner, count * inner)
    if element == .string {
      let chosen = (0..<outer).flatMap { strings[($0 * line + first)..<($0 * line + first + length)] }
      return try Tensor(strings: Array(chosen), result)
    }
    let size = element.byteSize
    if outer == 1 || self.count == 0 {
      return Tensor(
        unchecked: element, result, storage: storage,
        byteOffset: self.count == 0 ? byteOffset : byteOffset + first * size,
        byteCount: try Checked.byteCount(element, result))
    }
    return try unsafe Tensor(unzeroed: element, result) { target in
      unsafe withUnsafeBytes { source in
        for index in 0..<outer where length > 0 {
          let from = (index * line + first) * size
          let to = index * length * size
          unsafe UnsafeMutableRawBufferPointer(rebasing: target[to..<to + length * size])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[from..<from + length * size]))
        }
      }
    }
  }

  /// Tensors of one element type, one after the other along an axis; their other dimensions must agree.
  ///
  /// - Throws: `.shape` where they do not, `.limit` for a result of more than `byteLimit` bytes.
  package static func joined(_ tensors: [Tensor], axis: Int, byteLimit: Int) throws -> Tensor {
    guard let first = tensors.first else {
      throw LigatureError(.shape, "there is nothing to join: the sequence is empty")
    }
    guard first.shape.indices.contains(axis) else {
      throw LigatureError(.rank, "tensors of shape \(first.shape) cannot be joined along axis \(axis)")
    }
    var shape = first.shape
    shape[axis] = 0
    for tensor in tensors {
      guard tensor.element == first.element, tensor.shape.count == shape.count,
        shape.indices.allSatisfy({ $0 == axis || tensor.shape[$0] == shape[$0] })
      else {
        throw LigatureError(
          .shape,
          "\(first.element)\(first.shape) and \(tensor.element)\(tensor.shape) cannot be joined along axis \(axis)")
      }
      shape[axis] = try Checked.add(shape[axis], tensor.shape[axis], "a joined dimension")
    }
    let outer = try Checked.elementCount(Array(shape[..<axis]))
    let inner = try Checked.elementCount(Array(shape[(axis + 1)...]))
    let lengths = try tensors.map { try Checked.multiply($0.shape[axis], inner) }
    if first.element == .string {
      var all: [String] = []
      for index in 0..<outer {
        for (tensor, length) in zip(tensors, lengths) {
          all += tensor.strings[(index * length)..<((index + 1) * length)]
        }
      }
      return try Tensor(strings: all, shape)
    }
    let byteCount = try Checked.byteCount(first.element, shape)
    guard byteCount <= byteLimit else {
      throw LigatureError(
        .limit,
        "joining \(tensors.count) tensors takes \(byteCount) bytes, more than the limit of \(byteLimit); "
          + "raise the memory limit")
    }
    let size = first.element.byteSize
    return try unsafe Tensor(unzeroed: first.element, shape) { target in
      var offsets = [Int](repeating: 0, count: tensors.count)
      var position = 0
      for _ in 0..<outer {
        for index in tensors.indices where lengths[index] > 0 {
          let bytes = lengths[index] * size
          unsafe tensors[index].withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(rebasing: target[position..<position + bytes])
              .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offsets[index]..<offsets[index] + bytes]))
          }
          offsets[index] += bytes
          position += bytes
        }
      }
    }
  }

  /// Tensors of one type side by side along a new axis of the result.
  package static func stacked(_ tensors: [Tensor], axis: Int, byteLimit: Int) throws -> Tensor {
    try joined(tensors.map { try $0.insertingAxis(axis) }, axis: axis, byteLimit: byteLimit)
  }

  /// The same bytes with an axis of size 1 more.
  package func insertingAxis(_ axis: Int) throws -> Tensor {
    guard (0...shape.count).contains(axis) else {
      throw LigatureError(.rank, "a tensor of shape \(shape) has no place for an axis \(axis)")
    }
    var result = shape
    result.insert(1, at: axis)
    return try reshaped(result)
  }

  /// The same bytes without an axis of size 1.
  package func removingAxis(_ axis: Int) throws -> Tensor {
    guard shape.indices.contains(axis), shape[axis] == 1 else {
      throw LigatureError(.shape, "a tensor of shape \(shape) has no axis \(axis) of size 1")
    }
    var result = shape
    result.remove(at: axis)
    return try reshaped(result)
  }
}
