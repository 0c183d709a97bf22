public import TensorCore

/// What is known of a tensor before running: its scalar type and its shape.
public struct TensorType: Hashable, Sendable {
  public var element: ElementType
  /// `nil` when not even the rank is known.
  public var shape: [Dimension]?

  public init(_ element: ElementType, _ shape: [Dimension]?) {
    self.element = element
    self.shape = shape
  }

  public init(_ element: ElementType, sizes: [Int]) {
    self.init(element, sizes.map(Dimension.fixed))
  }

  public var rank: Int? { shape?.count }

  /// All dimensions as numbers, or `nil` while one is symbolic or the rank is unknown.
  public var sizes: [Int]? {
    guard let shape else { return nil }
    var sizes: [Int] = []
    sizes.reserveCapacity(shape.count)
    for dimension in shape {
      guard let value = dimension.value else { return nil }
      sizes.append(value)
    }
    return sizes
  }

  /// Whether a tensor of this type can stand where `other` is declared: nothing that both know differs.
  public func isCompatible(with other: TensorType) -> Bool {
    if element != .undefined, other.element != .undefined, element != other.element { return false }
    guard let a = shape, let b = other.shape else { return true }
    guard a.count == b.count else { return false }
    return zip(a, b).allSatisfy { x, y in
      guard let x = x.value, let y = y.value else { return true }
      return x == y
    }
  }
}

extension TensorType: CustomStringConvertible {
  /// `float32[N, 3, H, W]`; `float32[...]` when the rank is unknown.
  public var description: String {
    guard let shape else { return "\(element)[...]" }
    return "\(element)[\(shape.map(\.description).joined(separator: ", "))]"
  }
}
