import CKernels
import Testing

/// What the `_pack` functions write is kept in caches on disk: a change must raise `LIG_PACKING_VERSION`.
@Suite("Packed layouts") struct PackingTests {
  private static let version = 1
  /// Of every layout on every instruction set of x86-64, by the limit that selects the set. After a change that is meant,
  /// raise the version here and in packing.h, and put in what the test prints.
  private static let digests: [UInt32: UInt64] = [
    0: 1_172_953_816_125_180_296,
    UInt32(LIG_CPU_BLAS): 5_249_826_119_371_523_726,
    UInt32(LIG_CPU_AVX2): 4_809_440_973_098_192_962,
    ~0: 14_919_131_360_918_268_384,
  ]

  #if arch(x86_64)
    @Test("layouts are those that the version stands for", arguments: instructionSets)
    func layouts(_ set: UInt32) throws {
      #expect(Int(LIG_PACKING_VERSION) == PackingTests.version)
      // Where the processor lacks the set, another is tested twice.
      let lacks = set == ~0 ? LIG_CPU_AVX512 : set == UInt32(LIG_CPU_AVX2) ? LIG_CPU_AVX2 : 0
      guard lig_cpu_found() & UInt32(lacks) == UInt32(lacks) else { return }
      let digest = limited(to: set) { PackingTests.digest() }
      #expect(digest == PackingTests.digests[set], "LIG_PACKING_VERSION, or: \(set): \(digest),")
    }
  #endif

  /// Parts of a matrix are packed to where all of it would be.
  @Test("columns are packed to the same place whether alone or with all others", arguments: 0..<24)
  func columns(_ seed: Int) {
    var random = Random(UInt64(seed) + 900)
    var plan = lig_matmul()
    (plan.m, plan.n, plan.k, plan.alpha) = (random.int(1...30), random.int(1...300), random.int(1...700), 1)
    (plan.a_row, plan.a_column) = (plan.k, 1)
    (plan.b_row, plan.b_column) = seed % 2 == 0 ? (1, plan.k) : (plan.n, 1)
    plan.b_is_packed = 1
    let b = random.floats(plan.n * plan.k)
    let step = random.int(1...4)
    let results = unsafe onEverySet { pool, _ in
      var plan = plan
      unsafe lig_matmul_prepare(&plan)
      var whole = [Float](repeating: 0, count: unsafe lig_matmul_packed_count(&plan))
      var parts = whole
      unsafe lig_matmul_pack(&plan, b, &whole)
      let width = step * Int(plan.width)
      for first in stride(from: 0, to: plan.n, by: width) {
        unsafe lig_matmul_pack_columns(&plan, pool, b, &parts, first, min(first + width, plan.n))
      }
      #expect(whole == parts)
      return whole
    }
    #expect(results.allSatisfy { $0.reduce(0, +).isFinite })
  }

  /// Of what is packed, rounded so that the last bits of a compiler's arithmetic do not count.
  private static func digest() -> UInt64 {
    var random = Random(4711)
    var digest: UInt64 = 14_695_981_039_346_656_037
    func take(_ floats: [Float]) {
      for value in floats {
        digest = (digest ^ UInt64(bitPattern: Int64((value * 4096).rounded()))) &* 1_099_511_628_211
      }
    }
    // Channels, filters, groups, kernel, size, tiles: panels, taps, depthwise, both transforms, a matrix.
    let shapes = [
      [40, 50, 1, 1, 20, 0], [24, 30, 2, 3, 20, 0], [32, 32, 32, 3, 20, 0], [600, 50, 1, 3, 20, 2],
      [40, 50, 1, 3, 40, 4],
      [40, 50, 1, 4, 4, 0],
    ]
    for shape in shapes {
      for isAdjoint in 0...1 {
        var plan = lig_conv()
        (plan.batch, plan.channels, plan.filters, plan.groups) = (2, shape[0], shape[1], shape[2])
        (plan.kernel_h, plan.kernel_w, plan.height, plan.width) = (shape[3], shape[3], shape[4], shape[4])
        (plan.stride_h, plan.stride_w, plan.dilation_h, plan.dilation_w) = (1, 1, 1, 1)
        (plan.out_h, plan.out_w) = (shape[4] - shape[3] + 1, shape[4] - shape[3] + 1)
        plan.allows_winograd = Int32(shape[5])
        plan.is_adjoint = Int32(isAdjoint)
        unsafe lig_conv_prepare(&plan)
        var packed = [Float](repeating: 0, count: unsafe lig_conv_packed_count(&plan))
        let weights = random.floats(plan.filters * plan.channels / plan.groups * plan.kernel_h * plan.kernel_w)
        unsafe lig_conv_pack(&plan, nil, weights, &packed)
        take(packed)
      }
    }
    for isTurned in [false, true] {
      var plan = lig_matmul()
      (plan.m, plan.n, plan.k, plan.alpha) = (20, 100, 600, 1)
      (plan.a_row, plan.a_column, plan.b_is_packed) = (600, 1, 1)
      (plan.b_row, plan.b_column) = isTurned ? (1, 600) : (100, 1)
      unsafe lig_matmul_prepare(&plan)
      var packed = [Float](repeating: 0, count: unsafe lig_matmul_packed_count(&plan))
      unsafe lig_matmul_pack(&plan, random.floats(60000), &packed)
      take(packed)
    }
    for cell in [LIG_CELL_LSTM, LIG_CELL_GRU, LIG_CELL_RNN] {
      var plan = lig_recurrent()
      plan.cell = cell
      (plan.steps, plan.batch, plan.input, plan.hidden, plan.directions) = (5, 2, 30, 37, 2)
      (plan.w_is_packed, plan.r_is_packed) = (1, 1)
      unsafe lig_recurrent_prepare(&plan)
      let weights = random.floats(2 * 4 * 37 * 37)
      var packed = [Float](repeating: 0, count: unsafe lig_recurrent_packed_w_size(&plan) / 4)
      unsafe lig_recurrent_pack_w(&plan, weights, &packed)
      take(packed)
      packed = [Float](repeating: 0, count: unsafe lig_recurrent_packed_r_size(&plan) / 4)
      unsafe lig_recurrent_pack_r(&plan, weights, &packed)
      take(packed)
    }
    return digest
  }
}
