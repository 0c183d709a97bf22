import CKernels
public import Kernels

/// What this machine reaches at best, measured: the yardstick of a profile.
public struct MachinePeak: Codable, Sendable {
  public var processor: String
  public var threads: Int
  /// 10^9 float32 operations a second of our packed matrix product with all its panels in the caches.
  public var gigaflops: Double
  /// 10^9 bytes a second, read and written together, of copying what no cache holds.
  public var gigabytes: Double
  /// Operations, as above, by instruction set.
  public var byInstructionSet: [String: Double]

  public init(
    processor: String, threads: Int, gigaflops: Double, gigabytes: Double, byInstructionSet: [String: Double]
  ) {
    self.processor = processor
    self.threads = threads
    self.gigaflops = gigaflops
    self.gigabytes = gigabytes
    self.byInstructionSet = byInstructionSet
  }

  /// Takes some 0.3 s.
  public static func measure(_ pool: ThreadPool) -> MachinePeak {
    func peak(_ isa: Int32) -> Double { unsafe lig_peak_multiply_adds(isa, pool.handle) * 2e-9 }
    var found: [String: Double] = [:]
    let sets = [("plain", LIG_ISA_PLAIN), ("avx2", LIG_ISA_AVX2), ("avx512", LIG_ISA_AVX512)]
    for (name, isa) in sets {
      let value = peak(Int32(isa.rawValue))
      if value > 0 { found[name] = value }
    }
    let chosen = peak(-1)
    return MachinePeak(
      processor: Processors.modelName, threads: pool.threads, gigaflops: max(chosen, found.values.max() ?? 0),
      gigabytes: unsafe lig_peak_bandwidth(pool.handle) * 1e-9, byInstructionSet: found)
  }
}
