import Foundation
import TensorCore

/// What became of comparing results with recorded ones.
struct Comparison {
  /// The first thing that is wrong.
  private(set) var problem: String?
  private(set) var isClose = true

  /// Only what does not depend on chance: element types and shapes.
  mutating func add(random made: Datum, _ wanted: Datum, named name: String) {
    guard case (.tensor(let a), .tensor(let b)) = (made, wanted) else { return fail("'\(name)' is no tensor") }
    isClose = false
    if a.element != b.element || a.shape != b.shape {
      fail("'\(name)' is \(a.element)\(a.shape), not \(b.element)\(b.shape)")
    }
  }

  mutating func add(_ made: Datum, _ wanted: Datum, named name: String, _ item: ConformanceCase) throws {
    switch (made, wanted) {
    case (.tensor(let a), .tensor(let b)): try add(a, b, named: name, item)
    case (.sequence(let a), .sequence(let b)):
      guard a.count == b.count else { return fail("'\(name)' has \(a.count) elements, not \(b.count)") }
      for (x, y) in zip(a, b) { try add(x, y, named: name, item) }
    case (.optional(nil), .optional(nil)): return
    case (.optional(let a?), .optional(let b?)): try add(a, b, named: name, item)
    default: fail("'\(name)' is \(made.summary), not \(wanted.summary)")
    }
  }

  /// Element by element, as the suite does: NaN equals NaN, integers and truth values must be equal to its bounds.
  mutating func add(_ made: Tensor, _ wanted: Tensor, named name: String, _ item: ConformanceCase) throws {
    guard made.element == wanted.element, made.shape == wanted.shape else {
      return fail("'\(name)' is \(made.element)\(made.shape), not \(wanted.element)\(wanted.shape)")
    }
    if made.element == .string {
      if made.strings != wanted.strings { fail("'\(name)' has other strings") }
      return
    }
    if unsafe made.withUnsafeBytes({ a in unsafe wanted.withUnsafeBytes { unsafe a.elementsEqual($0) } }) { return }
    let (a, b) = (try made.doubles(), try wanted.doubles())
    var (differing, worst) = (0, 0)
    var largest = -1.0
    for (index, (x, y)) in zip(a, b).enumerated() where x != y && !(x.isNaN && y.isNaN) {
      let difference = abs(x - y)
      if !(difference <= max(1e-6, 1e-5 * abs(y))) { isClose = false }
      if y.isFinite, difference <= item.absolute + item.relative * abs(y) { continue }
      differing += 1
      let weight = difference.isNaN ? .infinity : difference
      if weight > largest { (largest, worst) = (weight, index) }
    }
    guard differing > 0 else { return }
    fail("'\(name)' differs at \(differing) of \(a.count) places, at \(worst): \(a[worst]), not \(b[worst])")
  }

  private mutating func fail(_ text: String) {
    problem = problem ?? text
    isClose = false
  }
}

extension Tensor {
  fileprivate func doubles() throws -> [Double] {
    switch element {
    case .float64: try scalars(as: Double.self)
    case .uint64: try scalars(as: UInt64.self).map(Double.init)
    case .float32, .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz:
      try floats().map(Double.init)
    default: try integers().map(Double.init)
    }
  }
}
