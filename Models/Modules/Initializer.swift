import Glibc
public import TensorCore

/// How a parameter starts when nothing is loaded into it: the distributions of PyTorch, mmcv and MMOCR.
public enum Initializer: Sendable, Hashable {
  case constant(Double)
  /// Evenly between `-bound` and `bound`.
  case uniform(bound: Double)
  /// Evenly between two numbers.
  case range(Double, Double)
  case normal(deviation: Double)

  public static let zeros = Initializer.constant(0)
  public static let ones = Initializer.constant(1)

  /// What PyTorch gives the weights and biases of convolutions and linear layers.
  public static func torchDefault(fanIn: Int) -> Initializer { .uniform(bound: 1 / Double(max(fanIn, 1)).squareRoot()) }

  /// He's normal distribution for layers before a ReLU; mmcv counts the outputs (`fan_out`), PyTorch the inputs.
  public static func kaimingNormal(fan: Int) -> Initializer {
    .normal(deviation: (2 / Double(max(fan, 1))).squareRoot())
  }

  public static func xavierNormal(fanIn: Int, fanOut: Int) -> Initializer {
    .normal(deviation: (2 / Double(max(fanIn + fanOut, 1))).squareRoot())
  }

  public static func xavierUniform(fanIn: Int, fanOut: Int) -> Initializer {
    .uniform(bound: (6 / Double(max(fanIn + fanOut, 1))).squareRoot())
  }

  /// A tensor of that distribution: the same for the same seed and name, whatever else is drawn.
  ///
  /// - Throws: `.type` for element types other than float32 and int64, `.numeric` for random integers.
  public func tensor(named name: String, shape: [Int], element: ElementType, seed: UInt64) throws -> Tensor {
    let count = try Checked.elementCount(shape)
    if element == .int64 {
      guard case .constant(let value) = self, let whole = Int64(exactly: value) else {
        throw LigatureError(.numeric, "'\(name)' holds integers, which cannot start as \(self)")
      }
      return try Tensor([Int64](repeating: whole, count: count), shape)
    }
    guard element == .float32 else { throw LigatureError(.type, "'\(name)' cannot start as \(element)") }
    let stream = RandomStream(seed: seed, name: name)
    let scalars: [Float] = (0..<count).map { index in
      switch self {
      case .constant(let value): Float(value)
      case .uniform(let bound): Float((2 * stream.unit(index) - 1) * bound)
      case .range(let low, let high): Float(low + stream.unit(index) * (high - low))
      case .normal(let deviation): Float(stream.normal(index) * deviation)
      }
    }
    return try Tensor(scalars, shape)
  }
}

/// Random numbers addressed by a seed, a name and an index: splitmix64 over a counter.
private struct RandomStream {
  private let state: UInt64

  init(seed: UInt64, name: String) {
    state = "\(seed)/\(name)".utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }  // FNV-1a
  }

  private func bits(_ index: Int) -> UInt64 {
    var z = state &+ (UInt64(truncatingIfNeeded: index) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Above 0 and below 1.
  func unit(_ index: Int) -> Double { (Double(bits(index) >> 11) + 0.5) * 0x1p-53 }

  /// Mean 0, deviation 1 (Box and Muller).
  func normal(_ index: Int) -> Double {
    (-2 * log(unit(2 * index))).squareRoot() * cos(2 * .pi * unit(2 * index + 1))
  }
}
