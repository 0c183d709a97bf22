package import GraphIR
package import TensorCore

// What the families share when they infer shapes.

/// The shape that ONNX's (numpy's) broadcasting gives; `nil` when the rank of one is unknown.
/// A symbol against a number above 1 is taken to be that number: running checks it.
package func broadcastShape(_ shapes: [[Dimension]?]) throws -> [Dimension]? {
  var result: [Dimension] = []
  for shape in shapes {
    guard let shape else { return nil }
    let rank = max(result.count, shape.count)
    let a = Array(repeating: Dimension.fixed(1), count: rank - result.count) + result
    let b = Array(repeating: Dimension.fixed(1), count: rank - shape.count) + shape
    result = try zip(a, b).map { x, y in
      switch (x, y) {
      case _ where x == y: return x
      case (.fixed(1), _): return y
      case (_, .fixed(1)): return x
      case (.fixed, .fixed):
        throw LigatureError(
          .shape, "the shapes \(describe(shapes)) do not broadcast: \(x) and \(y) differ and neither is 1")
      case (.fixed, .symbol): return x
      case (.symbol, .fixed): return y
      case (.symbol(let x), .symbol(let y)): return .spelled("max(\(x),\(y))")
      }
    }
  }
  return result
}

private func describe(_ shapes: [[Dimension]?]) -> String {
  shapes.map { $0.map { "[\($0.map(\.description).joined(separator: ", "))]" } ?? "[...]" }.joined(separator: ", ")
}

/// How long lists become that broadcast to each other; `nil` when they do not.
package func broadcastCount(_ counts: [Int]) -> Int? {
  let count = counts.first { $0 != 1 } ?? 1
  return counts.allSatisfy { $0 == count || $0 == 1 } ? count : nil
}

/// An axis counted from the front. `rank` positions are allowed, and as many negative ones.
package func normalizedAxis(_ axis: Int, rank: Int) throws -> Int {
  guard axis >= -rank, axis < rank else {
    throw LigatureError(.attribute, "axis \(axis) lies outside of -\(rank)..<\(rank)")
  }
  return axis < 0 ? axis + rank : axis
}

/// Axes counted from the front, each at most once.
package func normalizedAxes(_ axes: [Int], rank: Int) throws -> [Int] {
  let result = try axes.map { try normalizedAxis($0, rank: rank) }
  guard Set(result).count == result.count else {
    throw LigatureError(.attribute, "the axes \(axes) name one axis twice")
  }
  return result
}

/// The product of dimensions, as a number or a symbol.
package func product(_ dimensions: some Sequence<Dimension>) throws -> Dimension {
  try dimensions.reduce(1) { try $0 * $1 }
}

/// Throws unless `element` is one of those listed; `.undefined` passes, since nothing is known of it.
package func expect(_ element: ElementType, in allowed: Set<ElementType>, _ what: String) throws {
  guard element == .undefined || allowed.contains(element) else {
    let names = allowed.map(\.description).sorted().joined(separator: ", ")
    throw LigatureError(.type, "\(what) is \(element), but must be one of: \(names)")
  }
}

/// The element type that two inputs share; what one does not know, the other tells.
package func sharedElement(_ types: [TensorType]) throws -> ElementType {
  var element = ElementType.undefined
  for type in types where type.element != .undefined {
    guard element == .undefined || element == type.element else {
      throw LigatureError(.type, "the inputs must have one element type, but are \(element) and \(type.element)")
    }
    element = type.element
  }
  return element
}

extension Set<ElementType> {
  package static let floats: Set = [.float32, .float64, .float16, .bfloat16]
  package static let signedIntegers: Set = [.int8, .int16, .int32, .int64]
  package static let unsignedIntegers: Set = [.uint8, .uint16, .uint32, .uint64]
  package static let integers = signedIntegers.union(unsignedIntegers)
  package static let signedNumbers = floats.union(signedIntegers)
  package static let numbers = Set.floats.union(Set.integers)
  package static let indices: Set = [.int32, .int64]
  /// What kernels can move about: everything but strings and complex numbers.
  package static let movable = numbers.union([.bool])
  /// What tensors hold: texts are moved about by their numbers.
  package static let held = movable.union([.string])
  package static let narrow: Set = [.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .uint4, .int4]
}

extension InferenceContext {
  /// Throws `.arity` unless the node has that many outputs.
  package func expectOutputs(_ range: ClosedRange<Int>) throws {
    guard range.contains(outputCount) else {
      throw LigatureError(.arity, "has \(range.lowerBound) to \(range.upperBound) outputs, not \(outputCount)")
    }
  }

  /// All inputs; throws if one is left out.
  package func allInputs() throws -> [TensorType] {
    try inputs.enumerated().map { index, type in
      guard let type else { throw LigatureError(.arity, "input \(index) is missing") }
      return type
    }
  }

  /// Floating-point operations of an element-wise function of that output.
  package func elementwiseCost(_ outputs: [TensorType], perElement: Int = 1) -> Cost {
    let count = outputs.first?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0
    return .moving(inputs, outputs, multiplyAdds: count.multipliedReportingOverflow(by: perElement).partialValue)
  }
}
