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

/// A plan of any shape: every algorithm is reached by some.
func randomConvolution(_ random: inout Random, _ seed: Int) -> lig_conv {
  var plan = lig_conv()
  let kind = seed % 6
  plan.batch = random.int(1...3)
  plan.groups = kind == 1 ? random.int(2...20) : kind == 2 ? random.int(1...4) : 1
  plan.channels = kind == 1 ? plan.groups : plan.groups * random.int(1...(kind == 3 || kind == 4 ? 60 : 9))
  plan.filters = plan.groups * random.int(1...(kind == 1 ? 2 : kind == 3 || kind == 4 ? 40 : 15))
  plan.kernel_h = kind == 4 ? 1 : kind == 1 && seed % 4 != 1 ? [3, 5][random.int(0...1)] : random.int(1...5)
  plan.kernel_w = kind == 4 ? 1 : kind == 1 || random.chance(2) ? plan.kernel_h : random.int(1...5)
  plan.stride_h = random.int(1...(kind == 4 && random.chance(2) ? 1 : 3))
  plan.stride_w = random.chance(2) ? plan.stride_h : random.int(1...2)
  if kind == 4, seed % 4 == 0 {  // pointwise, and large enough for OpenBLAS
    (plan.stride_h, plan.stride_w, plan.channels, plan.filters) = (1, 1, random.int(16...60), random.int(16...40))
  }
  plan.dilation_h = random.chance(4) ? random.int(1...3) : 1
  plan.dilation_w = random.chance(4) ? random.int(1...3) : 1
  let tall = (plan.kernel_h - 1) * plan.dilation_h + 1
  let wide = (plan.kernel_w - 1) * plan.dilation_w + 1
  plan.pad_top = kind >= 4 ? 0 : random.int(0...(tall - 1))
  plan.pad_left = kind >= 4 ? 0 : random.int(0...(wide - 1))
  plan.height = kind == 5 ? tall : tall + random.int(0...20)
  // Narrow outputs are gathered, wide ones read the padded input shifted.
  plan.width = kind == 5 ? wide : wide + random.int(0...(random.chance(2) ? 60 : 4))
  if kind == 5 { (plan.dilation_h, plan.dilation_w, plan.height, plan.width) = (1, 1, plan.kernel_h, plan.kernel_w) }
  plan.out_h = (plan.height + plan.pad_top - (kind == 5 ? plan.height : tall)) / plan.stride_h + 1
  plan.out_w = (plan.width + plan.pad_left - (kind == 5 ? plan.width : wide)) / plan.stride_w + 1
  plan.activation = lig_activation(kind: activations[seed % activations.count], alpha: 0.2, beta: 0.6)
  return plan
}

let activations = [
  LIG_IDENTITY, LIG_RELU, LIG_CLIP, LIG_LEAKY_RELU, LIG_HARD_SIGMOID, LIG_HARD_SWISH, LIG_SIGMOID, LIG_SILU, LIG_TANH,
]
