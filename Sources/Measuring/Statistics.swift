import Glibc
import TensorCore

/// What repeated measurements of one thing say.
public struct Summary: Codable, Sendable, Equatable {
  public var minimum: Double
  public var median: Double
  public var p95: Double
  public var count: Int

  /// - Parameter values: at least one.
  public init(_ values: [Double]) {
    let sorted = values.sorted()
    minimum = sorted.first ?? .nan
    median = quantile(sorted, 0.5)
    p95 = quantile(sorted, 0.95)
    count = sorted.count
  }
}

/// The value below which a share of the sorted values lies, interpolated between neighbours; NaN of nothing.
public func quantile(_ sorted: [Double], _ share: Double) -> Double {
  guard let last = sorted.last else { return .nan }
  let place = share * Double(sorted.count - 1)
  let index = Int(place)
  guard index + 1 < sorted.count else { return last }
  return sorted[index] + (sorted[index + 1] - sorted[index]) * (place - Double(index))
}

/// The n-th root of the product of n positive numbers; NaN of none.
public func geometricMean(_ values: [Double]) -> Double {
  guard !values.isEmpty else { return .nan }
  return exp(values.reduce(0) { $0 + log($1) } / Double(values.count))
}

/// The ratio of two medians of measurements that took turns, and between what bounds it would lie in 95 of 100
/// repetitions: percentiles over resampled rounds (Efron's bootstrap), drawn with a fixed seed.
public struct Ratio: Codable, Sendable, Equatable {
  public var value: Double
  public var low: Double
  public var high: Double

  /// - Parameter rounds: what each round measured of both; at least one.
  public init(rounds: [(ours: Double, theirs: Double)], resamples: Int = 1000) {
    func ratio(_ picked: [Int]) -> Double {
      quantile(picked.map { rounds[$0].ours }.sorted(), 0.5) / quantile(picked.map { rounds[$0].theirs }.sorted(), 0.5)
    }
    value = ratio(Array(rounds.indices))
    guard rounds.count > 1 else {
      (low, high) = (value, value)
      return
    }
    var generator = SplitMix64(0x5EED)
    let drawn = (0..<resamples).map { _ in
      ratio(rounds.indices.map { _ in Int.random(in: rounds.indices, using: &generator) })
    }.sorted()
    low = quantile(drawn, 0.025)
    high = quantile(drawn, 0.975)
  }
}
