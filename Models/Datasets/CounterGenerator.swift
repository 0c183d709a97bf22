internal import Glibc

/// Random numbers that depend on nothing but a key and on how many were drawn before: who draws for sample 7 of epoch
/// 3 gets the same numbers in whatever order, on whatever thread, and after whatever restart.
///
/// The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood, 2014), applied to key + counter.
public struct CounterGenerator: RandomNumberGenerator, Sendable {
  private let key: UInt64
  private var counter: UInt64 = 0

  /// - Parameter parts: what names the stream: a seed, an epoch, the index of a sample …
  public init(_ parts: UInt64...) {
    key = parts.reduce(0x6C69_6761_7475_7265) { CounterGenerator.mix($0 ^ CounterGenerator.mix($1 &+ golden)) }
  }

  public mutating func next() -> UInt64 {
    counter &+= 1
    return CounterGenerator.mix(key &+ counter &* golden)
  }

  static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

private let golden: UInt64 = 0x9E37_79B9_7F4A_7C15

// The standard library may change how it turns bits into numbers; a run must repeat with any version of it.
extension CounterGenerator {
  /// From 0 up to, but without, 1.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  public mutating func uniform(_ range: ClosedRange<Double>) -> Double {
    range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
  }

  /// From 0 up to, but without, `bound`; 0 for a bound that is not positive.
  public mutating func integer(below bound: Int) -> Int {
    bound > 0 ? Int(next().multipliedFullWidth(by: UInt64(bound)).high) : 0
  }

  public mutating func chance(_ probability: Double) -> Bool { uniform() < probability }

  /// Mean 0, standard deviation 1 (Box and Muller).
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }
}

/// A permutation of 0 ..< count that is never written down: any position is found at once, whatever came before.
///
/// A Feistel network over the next even power of two (Luby and Rackoff, 1988), walked until it lands inside.
package struct SeededPermutation: Sendable {
  let count: Int
  private let keys: [UInt64]
  private let halfBits: UInt64

  package init(count: Int, seed: UInt64, epoch: UInt64, stream: UInt64 = 0) {
    self.count = count
    var generator = CounterGenerator(seed, epoch, stream, 0x7065_726D)
    keys = (0..<6).map { _ in generator.next() }
    var bits: UInt64 = 1
    while bits < 31, (1 << (2 * bits)) < count { bits += 1 }
    halfBits = bits
  }

  /// - Parameter position: 0 ..< count.
  package subscript(position: Int) -> Int {
    guard count > 1, (0..<count).contains(position) else { return 0 }
    let mask: UInt64 = (1 << halfBits) - 1
    var value = UInt64(position)
    repeat {
      var (left, right) = (value >> halfBits, value & mask)
      for key in keys { (left, right) = (right, left ^ (CounterGenerator.mix(right ^ key) & mask)) }
      value = left << halfBits | right
    } while value >= UInt64(count)
    return Int(value)
  }
}
