import TensorCore

/// One dimension of a shape: a number, or the name of a size that is known only when the graph is prepared.
/// Arithmetic on symbols gives symbols that spell the expression, so that equal expressions stay equal:
/// a 3x3 convolution of stride 2 turns `H` into `(H+1)/2`.
public enum Dimension: Hashable, Sendable {
  case fixed(Int)
  case symbol(String)

  public var value: Int? {
    if case .fixed(let value) = self { value } else { nil }
  }

  /// A size that follows from values, or of which nothing is known. The text is for people: two sizes that are spelt
  /// alike need not be equal.
  package static func unknown(_ what: String) -> Dimension { spelled("?\(what)") }

  /// Whether an equal dimension is an equal size: what is spelt is a function of the sizes of the graph's inputs.
  public var isDeterminate: Bool {
    if case .symbol(let name) = self { !name.utf8.contains(UInt8(ascii: "?")) } else { true }
  }
}

extension Dimension: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, CustomStringConvertible {
  public init(integerLiteral value: Int) { self = .fixed(value) }
  public init(stringLiteral name: String) { self = .symbol(name) }

  public var description: String {
    switch self {
    case .fixed(let value): String(value)
    case .symbol(let name): name
    }
  }
}

// ── Arithmetic ──────────────────────────────────────────────────────────────
extension Dimension {
  /// Expressions longer than this are named by a digest instead, so that deep networks stay cheap to infer.
  private static let longestExpression = 48

  /// The symbol of that text, or of its digest.
  package static func spelled(_ text: String) -> Dimension {
    guard text.utf8.count > longestExpression else { return .symbol(text) }
    var digest: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
    for byte in text.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
    // What is made of an unknown size is unknown.
    return .symbol((Dimension.symbol(text).isDeterminate ? "d" : "?d") + String(digest, radix: 36))
  }

  /// In parentheses if one of these stands in it: to the right of another factor, a*(b/c) is not (a*b)/c.
  private func enclosed(ifWith marks: String) -> String {
    description.utf8.contains(where: marks.utf8.contains) ? "(\(self))" : description
  }

  public static func + (a: Dimension, b: Dimension) throws -> Dimension {
    switch (a, b) {
    case (.fixed(let a), .fixed(let b)): return .fixed(try Checked.add(a, b, "a dimension"))
    case (_, .fixed(0)): return a
    case (.fixed(0), _): return b
    case (_, .fixed(let b)) where b < 0: return spelled("(\(a)\(b))")
    default: return spelled("(\(a)+\(b))")
    }
  }

  public static func - (a: Dimension, b: Dimension) throws -> Dimension {
    if a == b, a.isDeterminate { return 0 }
    if case .fixed(let b) = b, b > .min { return try a + .fixed(-b) }
    return spelled("(\(a)-\(b))")
  }

  public static func * (a: Dimension, b: Dimension) throws -> Dimension {
    switch (a, b) {
    case (.fixed(let a), .fixed(let b)): return .fixed(try Checked.multiply(a, b, "a dimension"))
    case (_, .fixed(1)): return a
    case (.fixed(1), _): return b
    case (.fixed(0), _), (_, .fixed(0)): return 0
    default: return spelled("\(a)*\(b.enclosed(ifWith: "/"))")
    }
  }

  /// Rounded towards minus infinity.
  public func dividedRoundingDown(by divisor: Dimension) throws -> Dimension {
    switch (self, divisor) {
    case (_, .fixed(0)): throw LigatureError(.shape, "a dimension is divided by zero")
    case (.fixed(.min), .fixed(-1)): throw LigatureError(.shape, "a dimension overflows")
    case (.fixed(let a), .fixed(let b)):
      let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
      return .fixed(remainder != 0 && (remainder < 0) != (b < 0) ? quotient - 1 : quotient)
    case (_, .fixed(1)): return self
    case _ where self == divisor && isDeterminate: return 1
    default: return Dimension.spelled("\(self)/\(divisor.enclosed(ifWith: "*/"))")
    }
  }

  /// How many places a window of that size takes along this dimension: the output size of convolution and pooling.
  ///
  /// - Parameters:
  ///   - padding: zeros at both ends together.
  ///   - roundingUp: ONNX's `ceil_mode`, without its rule on windows that start in the padding.
  public func windows(
    kernel: Int, stride: Int, dilation: Int = 1, padding: Int = 0, roundingUp: Bool = false
  ) throws -> Dimension {
    guard kernel > 0, stride > 0, dilation > 0 else {
      throw LigatureError(
        .attribute, "kernel \(kernel), stride \(stride) and dilation \(dilation) must all be positive")
    }
    let extent = try Checked.add(Checked.multiply(dilation, kernel - 1, "a dilated kernel"), 1, "a dilated kernel")
    let slack = try Checked.add(padding, -extent, "padding")
    let rest = try Dimension.fixed(slack) + .fixed(roundingUp ? stride - 1 : 0)
    let count = try (self + (rest + .fixed(stride))).dividedRoundingDown(by: .fixed(stride))
    if case .fixed(let count) = count, count < 1, self != 0 {
      throw LigatureError(
        .shape,
        "a window of \(extent) (kernel \(kernel), dilation \(dilation)) does not fit into \(self) + \(padding) padding")
    }
    return count
  }
}
