/// Random numbers that depend on nothing but the seed: the same in every run, and on every machine.
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
  /// What one number adds to the state: the golden ratio, in 64 bits.
  package static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

  private var state: UInt64

  package init(_ seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= SplitMix64.step
    return SplitMix64.mixed(state)
  }

  /// From 0 up to, but without, `count`, which is positive.
  package mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

  /// Scatters the bits of a number. Different numbers stay different.
  package static func mixed(_ value: UInt64) -> UInt64 {
    var z = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
