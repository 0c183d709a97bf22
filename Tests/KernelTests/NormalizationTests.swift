import CKernels
import Foundation
import Testing

@Suite("Normalisation kernels") struct NormalizationTests {
  @Test(
    "softmax agrees with double precision along any axis",
    arguments: [
      (3, 40, 1), (2, 7, 19), (1, 5000, 1), (4, 3, 100), (1, 1, 5), (2, 17, 16), (5, 16, 3),
    ]) func softmax(_ outer: Int, _ count: Int, _ inner: Int)
  {
    var random = Random(9)
    let x = random.floats(outer * count * inner).map { $0 * 20 }
    for logarithm in [false, true] {
      var expected = [Float](repeating: 0, count: x.count)
      for o in 0..<outer {
        for i in 0..<inner {
          let indices = (0..<count).map { (o * count + $0) * inner + i }
          let most = Double(indices.map { x[$0] }.max() ?? 0)
          let sum = indices.reduce(0) { $0 + exp(Double(x[$1]) - most) }
          for index in indices {
            let shifted = Double(x[index]) - most
            expected[index] = Float(logarithm ? shifted - log(sum) : exp(shifted) / sum)
          }
        }
      }
      let results = unsafe onEverySet { pool, _ in
        var y = [Float](repeating: .nan, count: x.count)
        unsafe lig_softmax(pool, x, outer, count, inner, logarithm ? 1 : 0, &y)
        return y
      }
      for result in results { #expect(largestDifference(result, expected) <= (logarithm ? 1e-5 : 1e-6)) }
    }
  }

  @Test("layer normalisation keeps its precision far from zero") func layer() {
    var random = Random(4)
    let x = random.floats(3 * 333).map { $0 + 1000 }
    let ones = [Float](repeating: 1, count: 333)
    let results = unsafe onEverySet { pool, _ in
      var y = [Float](repeating: .nan, count: x.count)
      unsafe lig_layer_norm(pool, x, 3, 333, ones, nil, 1e-5, &y, nil, nil)
      return y
    }
    for row in 0..<3 {
      let values = x[row * 333..<(row + 1) * 333].map(Double.init)
      let mean = values.reduce(0, +) / 333
      let spread = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 333 + 1e-5).squareRoot()
      let expected = values.map { Float(($0 - mean) / spread) }
      for result in results { #expect(largestDifference(Array(result[row * 333..<(row + 1) * 333]), expected) < 5e-4) }
    }
  }
}
