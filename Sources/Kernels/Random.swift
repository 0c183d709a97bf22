import CKernels
import Glibc
import GraphIR
import Operators
import Synchronization
import TensorCore

enum RandomKernels {
  static func register(in table: inout KernelTable) {
    table.register(RandomGenerator.self, prepare: prepare)
  }

  /// Counts the runs of a step, so that each draws other numbers.
  private final class Draws: Sendable {
    private let next = Atomic<UInt64>(0)
    func draw() -> UInt64 { next.wrappingAdd(1, ordering: .relaxed).oldValue }
  }

  private static func prepare(_ op: RandomGenerator, _ context: KernelContext) throws -> Step {
    let key = op.seed.map { UInt64($0.bitPattern) } ?? SystemRandomNumberGenerator.draw()
    let draws = Draws()
    let classes = try op.kind == .multinomial ? context.input(0).shape[1] : 0
    guard op.kind != .multinomial || classes > 0 else { throw LigatureError(.shape, "there are no classes to draw") }
    return try .portable(context) { operands in
      let source = Uniforms(key: key, draw: draws.draw())
      let (y, x) = (try operands.output(), operands.optional(0))
      let (a, b) = (Double(op.parameters.0), Double(op.parameters.1))
      switch op.kind {
      case .uniform, .uniformLike: for index in 0..<y.count { y[index] = a + (b - a) * source.value(index) }
      case .normal, .normalLike: for index in 0..<y.count { y[index] = a + b * source.normal(index) }
      case .bernoulli:
        for index in 0..<y.count { y[index] = source.value(index) < x?[index] ?? 0 ? 1 : 0 }
      case .multinomial: try choose(try operands.input(0), classes, source, y, op.sampleCount)
      }
    }
  }

  /// ONNX's `Dropout` whose third input may switch it on.
  static func dropout(seed: Int?, _ context: KernelContext) throws -> Step {
    let key = seed.map { UInt64(bitPattern: Int64($0)) } ?? SystemRandomNumberGenerator.draw()
    let draws = Draws()
    return try .portable(context) { operands in
      let (x, y, mask) = (try operands.input(0), try operands.output(), operands.optionalOutput(1))
      let isTraining = try operands.scalar(2) != 0
      let ratio = isTraining ? try operands.optional(1) == nil ? 0.5 : operands.scalar(1) : 0
      guard ratio >= 0, ratio < 1 else {
        throw LigatureError(.numeric, "the dropout ratio \(ratio) does not lie in 0..<1")
      }
      let source = Uniforms(key: key, draw: draws.draw())
      for index in 0..<x.count {
        let isKept = ratio == 0 || source.value(index) >= ratio
        y[index] = isKept ? x[index] / (1 - ratio) : 0
        mask?[index] = isKept ? 1 : 0
      }
    }
  }

  private static func choose(_ x: Numbers, _ classes: Int, _ source: Uniforms, _ y: Numbers, _ count: Int) throws {
    for row in 0..<y.count / count {
      var (largest, total) = (-Double.infinity, 0.0)
      for index in 0..<classes { largest = max(largest, x[row * classes + index]) }
      for index in 0..<classes { total += exp(x[row * classes + index] - largest) }
      guard total.isFinite, total > 0 else {
        throw LigatureError(.numeric, "row \(row) has no finite probabilities to draw from")
      }
      for sample in 0..<count {
        var rest = source.value(row * count + sample) * total
        var chosen = 0
        while chosen < classes - 1 {
          rest -= exp(x[row * classes + chosen] - largest)
          if rest < 0 { break }
          chosen += 1
        }
        y[row * count + sample] = Double(chosen)
      }
    }
  }
}

extension SystemRandomNumberGenerator {
  fileprivate static func draw() -> UInt64 {
    var generator = SystemRandomNumberGenerator()
    return generator.next()
  }
}

/// Numbers that follow from key, draw and place alone.
private struct Uniforms {
  let key: UInt64
  let draw: UInt64

  private func words(_ place: Int, _ site: UInt32) -> (UInt32, UInt32) {
    let counter = [UInt32(truncatingIfNeeded: place), UInt32(truncatingIfNeeded: place >> 32)]
    let run = [UInt32(truncatingIfNeeded: draw), site]
    var words = [UInt32](repeating: 0, count: 4)
    unsafe lig_philox(counter + run, [UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32)], &words)
    return (words[0], words[1])
  }

  /// In 0..<1, of 53 bits.
  func value(_ place: Int, site: UInt32 = 0) -> Double {
    let (high, low) = words(place, site)
    return Double((UInt64(high) << 32 | UInt64(low)) >> 11) * 0x1p-53
  }

  /// Of the normal distribution, by Box and Muller.
  func normal(_ place: Int) -> Double {
    (-2 * log(1 - value(place))).squareRoot() * cos(2 * Double.pi * value(place, site: 1))
  }
}
