import Measuring
import Testing

@Suite struct StatisticsTests {
  @Test func quantiles() {
    let values = [1, 2, 3, 10] as [Double]
    #expect(quantile(values, 0) == 1)
    #expect(quantile(values, 0.5) == 2.5)
    #expect(quantile(values, 1) == 10)
    #expect(abs(quantile(values, 0.95) - 8.95) < 1e-12)
    #expect(quantile([7], 0.3) == 7)
    #expect(quantile([], 0.5).isNaN)
  }

  @Test func summaries() {
    let summary = Summary([5, 1, 3])
    #expect(summary.minimum == 1)
    #expect(summary.median == 3)
    #expect(summary.count == 3)
  }

  @Test func geometricMeans() {
    #expect(abs(geometricMean([2, 8]) - 4) < 1e-12)
    #expect(abs(geometricMean([0.5, 2]) - 1) < 1e-12)
    #expect(geometricMean([]).isNaN)
  }

  /// What slows both sides of a round down alike must not widen the spread of their ratio by much, and the same
  /// rounds give the same spread.
  @Test func ratios() {
    let rounds = (0..<21).map { (round: Int) -> (ours: Double, theirs: Double) in
      let (a, b) = (Double(round % 5), Double(round % 3))
      return (ours: 2 + a / 100, theirs: 4 + b / 100)
    }
    let ratio = Ratio(rounds: rounds)
    #expect(abs(ratio.value - 2.02 / 4.01) < 1e-12)
    #expect(ratio.low <= ratio.value && ratio.value <= ratio.high)
    #expect(ratio.low > 0.49 && ratio.high < 0.52)
    #expect(ratio == Ratio(rounds: rounds))
    let single = Ratio(rounds: [(ours: 3, theirs: 6)])
    #expect(single.value == 0.5 && single.low == 0.5 && single.high == 0.5)
    let noisy = Ratio(rounds: (0..<21).map { (round: Int) in (ours: round % 2 == 0 ? 1.0 : 3.0, theirs: 2.0) })
    #expect(noisy.low == 0.5 && noisy.high == 1.5)
  }
}
