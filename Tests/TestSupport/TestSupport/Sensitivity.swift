import GraphIR
import Operators
public import Runtime
public import TensorCore
public import Testing

/// How far one tensor is from another, as shares of the largest magnitude of the second.
public struct Deviation: Sendable {
  /// Of the element that is furthest off.
  public let largest: Double
  /// Of all elements: the root of the mean square.
  public let typical: Double

  public init(_ produced: Tensor, from expected: Tensor) throws {
    let (a, b) = (try produced.floats(), try expected.floats())
    guard produced.shape == expected.shape else { throw LigatureError(.shape, "\(produced.shape), \(expected.shape)") }
    let scale = max(Double(b.reduce(0) { max($0, abs($1)) }), .leastNormalMagnitude)
    let differences = zip(a, b).map { abs(Double($0) - Double($1)) }
    largest = (differences.contains { !$0.isFinite } ? .infinity : differences.max() ?? 0) / scale
    let square = differences.reduce(0) { $0 + $1 * $1 } / Double(max(differences.count, 1))
    typical = square.squareRoot() / scale
  }
}

/// Checks that preparing a graph changes what it computes by no more than 1e-5 of each output's largest magnitude.
///
/// Some networks amplify: a map behind a steep sigmoid moves by more than that if each number of the *input* goes up or
/// down by the smallest step that float32 has. No float32 engine can agree with another to 1e-5 there. For these, what
/// such a step does to the portable graph is measured, here and for these inputs, and the largest difference may be
/// four times that (preparing rounds every folded weight of every layer anew, not only the input); the typical
/// difference must stay below 1e-5 for all.
public func checkPrepared(
  _ prepared: Session, against portable: Session, _ inputs: [Tensor], _ what: String,
  at location: SourceLocation = #_sourceLocation
) throws {
  let expected = try portable.run(inputs)
  let produced = try prepared.run(inputs)
  var sensitivity: [Double]?
  for index in expected.indices {
    let deviation = try Deviation(produced[index], from: expected[index])
    #expect(deviation.typical <= 1e-5, "\(what), output \(index)", sourceLocation: location)
    guard deviation.largest > 1e-5 else { continue }
    let moved = try sensitivity ?? smallestSteps(portable, inputs, expected)
    sensitivity = moved
    #expect(
      deviation.largest <= 4 * moved[index],
      "\(what), output \(index): off by \(deviation.largest), the smallest step of the input moves it by \(moved[index])",
      sourceLocation: location)
  }
}

/// How far each output moves, at most, when every float32 number of the inputs goes to the next one up or down, drawn at
/// random, three times.
private func smallestSteps(_ session: Session, _ inputs: [Tensor], _ expected: [Tensor]) throws -> [Double] {
  var moved = [Double](repeating: 0, count: expected.count)
  for seed in 1...3 {
    var random = SplitMix64(UInt64(seed))
    let stepped = try inputs.map { input in
      guard input.element == .float32 else { return input }
      return try Tensor(input.floats().map { random.next() & 1 == 0 ? $0.nextUp : $0.nextDown }, input.shape)
    }
    for (index, result) in try session.run(stepped).enumerated() {
      moved[index] = try max(moved[index], Deviation(result, from: expected[index]).largest)
    }
  }
  return moved
}

/// What a scanned page is like, from -1 to 1: bright paper with short dark strokes and a little noise, blurred.
public func pageLike(_ shape: [Int], seed: UInt64 = 3) throws -> Tensor {
  var random = SplitMix64(seed)
  let count = try Checked.elementCount(shape)
  let (height, width) = (shape[shape.count - 2], shape[shape.count - 1])
  var values: [Float] = []
  values.reserveCapacity(count)
  for _ in 0..<count / max(height * width, 1) {
    var page = (0..<height * width).map { _ in 0.7 + 0.05 * Float.random(in: -1...1, using: &random) }
    for _ in 0..<max(4, height * width / 900) {
      let (top, left, length) = (random.below(height), random.below(width), 4 + random.below(12))
      let isUpright = random.below(2) == 0
      for step in 0..<length {
        let (y, x) = isUpright ? (top + step, left) : (top, left + step)
        if y < height, x < width { page[y * width + x] = -0.6 }
      }
    }
    values += page.indices.map { i in (page[max(i - 1, 0)] + 2 * page[i] + page[min(i + 1, page.count - 1)]) / 4 }
  }
  return try Tensor(values, shape)
}
