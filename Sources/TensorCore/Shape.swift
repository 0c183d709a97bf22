/// Overflow-checked arithmetic on sizes that come from files.
public enum Checked {
  /// a · b, or a `.shape` error that names `what`.
  public static func multiply(_ a: Int, _ b: Int, _ what: @autoclosure () -> String = "a size") throws -> Int {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    guard !overflow else { throw LigatureError(.shape, "\(what()) overflows: \(a) x \(b)") }
    return product
  }

  /// a + b, or a `.shape` error that names `what`.
  public static func add(_ a: Int, _ b: Int, _ what: @autoclosure () -> String = "a size") throws -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    guard !overflow else { throw LigatureError(.shape, "\(what()) overflows: \(a) + \(b)") }
    return sum
  }

  /// The product of dimensions; throws on a negative one and on overflow. The empty shape has one element.
  public static func elementCount(_ shape: [Int]) throws -> Int {
    guard let negative = shape.first(where: { $0 < 0 }) else {
      if shape.contains(0) { return 0 }
      var count = 1
      for dimension in shape {
        let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
        guard !overflow else { throw LigatureError(.shape, "the shape \(shape) has more elements than can be counted") }
        count = product
      }
      return count
    }
    throw LigatureError(.shape, "the shape \(shape) has the negative dimension \(negative)")
  }

  /// Bytes of a dense tensor of that shape.
  public static func byteCount(_ element: ElementType, _ shape: [Int]) throws -> Int {
    try multiply(elementCount(shape), element.byteSize, "the byte size of \(element)\(shape)")
  }
}

/// Row-major strides in elements: `[2, 3, 4]` gives `[12, 4, 1]`.
public func rowMajorStrides(_ shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for axis in stride(from: shape.count - 2, through: 0, by: -1) {
    strides[axis] = strides[axis + 1] &* max(shape[axis + 1], 1)
  }
  return strides
}
