import CKernels
import Foundation
import TensorCore
import TestSupport
import Testing

/// The same numbers on every run and machine.
struct Random: RandomNumberGenerator {
  private var generator: SplitMix64
  init(_ seed: UInt64) { generator = SplitMix64(seed) }
  mutating func next() -> UInt64 { generator.next() }
  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
  mutating func chance(_ one: Int) -> Bool { int(1...one) == 1 }
  /// Thousandths between -1 and 1.
  mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float(generator.below(2001) - 1000) / 1000 } }
}

/// Instruction sets by the limit that selects them; those that the processor lacks fall back to a lesser one.
let instructionSets: [UInt32] = [0, UInt32(LIG_CPU_BLAS), UInt32(LIG_CPU_AVX2), ~0]

/// Calls `body` with 1, 2 and 5 threads on every instruction set; for each set, all of them must give the same bits.
/// Returns one result a set.
func onEverySet(_ body: (OpaquePointer?, Int) -> [Float]) -> [[Float]] {
  instructionSets.map { limit in limited(to: limit) { unsafe onEveryThreadCount(body) } }
}

/// With only those features of the processor, while no other test limits them.
func limited<Result>(to features: UInt32, _ body: () -> Result) -> Result {
  exclusively {
    lig_cpu_limit(features)
    defer { lig_cpu_limit(~0) }
    return body()
  }
}

private func onEveryThreadCount(_ body: (OpaquePointer?, Int) -> [Float]) -> [Float] {
  var first: [Float]?
  for threads in [1, 2, 5] {
    let pool = unsafe lig_pool_create(Int32(threads))
    defer { unsafe lig_pool_destroy(pool) }
    let result = unsafe body(pool, threads)
    if let first {
      #expect(sameBits(first, result), "\(threads) threads change bits")
    }
    first = result
  }
  return first ?? []
}

private func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
  unsafe a.count == b.count && memcmp(a, b, a.count * MemoryLayout<Float>.size) == 0
}

/// Scratch memory full of NaN, so that whoever reads what nobody wrote gives NaN.
func withScratch<Result>(_ bytes: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64)
  defer { unsafe memory.deallocate() }
  unsafe memory.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes + 64)
  return unsafe body(memory)
}

func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  var worst: Float = 0
  for index in a.indices where !(abs(a[index] - b[index]) <= worst) {
    worst = abs(a[index] - b[index])
    if worst.isNaN { return .infinity }
  }
  return worst
}
