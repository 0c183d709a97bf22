import Architectures
import Testing

@Suite struct GeneratorTests {
  @Test func streamsAreFixedForEver() {
    // Recorded once: a run must repeat with any later version.
    var generator = CounterGenerator(1, 2, 3)
    let first = [generator.next(), generator.next()]
    var again = CounterGenerator(1, 2, 3)
    #expect([again.next(), again.next()] == first)
    var other = CounterGenerator(1, 3, 2)
    #expect(other.next() != first[0])
    var longer = CounterGenerator(1, 2)
    #expect(longer.next() != first[0])
  }

  @Test func uniformNumbersAreUniform() {
    var generator = CounterGenerator(7)
    let values = (0..<20_000).map { _ in generator.uniform() }
    #expect(values.allSatisfy { (0..<1).contains($0) })
    #expect(abs(values.reduce(0, +) / 20_000 - 0.5) < 0.01)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<14_000 { counts[generator.integer(below: 7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 2000) < 250 })
    #expect(generator.integer(below: 0) == 0)
    let normals = (0..<20_000).map { _ in generator.normal() }
    #expect(abs(normals.reduce(0, +) / 20_000) < 0.03)
    #expect(abs(normals.reduce(0) { $0 + $1 * $1 } / 20_000 - 1) < 0.05)
  }

  @Test(arguments: [1, 2, 3, 7, 64, 65, 1000, 4097])
  func permutationsAreComplete(_ count: Int) {
    let permutation = SeededPermutation(count: count, seed: 5, epoch: 1)
    #expect(Set((0..<count).map { permutation[$0] }) == Set(0..<count))
    guard count >= 64 else { return }
    let next = SeededPermutation(count: count, seed: 5, epoch: 2)
    #expect((0..<count).map { next[$0] } != (0..<count).map { permutation[$0] })
    // A shuffle leaves about one in its place.
    #expect((0..<count).count { permutation[$0] == $0 } < 12)
  }
}
