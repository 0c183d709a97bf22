import TensorCore

/// Random numbers of one sample: splitmix64, whose n-th number depends only on its start and n, so that a sample is the
/// same whichever thread makes it, and whenever.
struct Dice: RandomNumberGenerator, Sendable {
  private var generator: SplitMix64

  /// `index` is mixed before it is added: samples next to each other share nothing.
  init(seed: UInt64, index: Int, purpose: UInt64 = 0) {
    generator = SplitMix64(
      Dice.mixed(Dice.mixed(Dice.mixed(seed) ^ UInt64(bitPattern: Int64(index))) &+ purpose) &+ SplitMix64.step)
  }

  mutating func next() -> UInt64 { generator.next() }

  private static func mixed(_ value: UInt64) -> UInt64 { SplitMix64.mixed(value &+ SplitMix64.step) }

  /// From 0 up to, but without, 1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  mutating func within(_ low: Double, _ high: Double) -> Double { low + (high - low) * unit() }

  mutating func within(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.upperBound - range.lowerBound + 1)
  }

  /// From 0 up to, but without, `count`; 0 where that is not positive.
  mutating func below(_ count: Int) -> Int { count > 1 ? Int(next().multipliedFullWidth(by: UInt64(count)).high) : 0 }

  mutating func chance(_ probability: Double) -> Bool { unit() < probability }

  /// Nearly Gaussian: within six standard deviations.
  mutating func bell(_ mean: Double = 0, deviation: Double = 1) -> Double {
    var sum = -6.0
    for _ in 0..<12 { sum += unit() }
    return mean + deviation * sum
  }

  /// One of several. The list must not be empty.
  mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }

  /// One of several, the second number being how often it comes compared with the others.
  mutating func pick<Element>(weighted list: [(Element, Double)]) -> Element {
    var left = unit() * list.reduce(0) { $0 + $1.1 }
    for (element, weight) in list {
      left -= weight
      if left < 0 { return element }
    }
    return list[list.count - 1].0
  }
}
