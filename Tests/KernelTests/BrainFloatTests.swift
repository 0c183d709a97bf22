import CKernels
import Testing

/// Products of pairs of bfloat16, and what computes them without such instructions.
@Suite("bfloat16 kernels") struct BrainFloatTests {
  /// To nearest, ties to even: 8 bits of precision.
  private func rounded(_ values: [Float]) -> [Float] {
    values.map {
      let bits = $0.bitPattern
      return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
    }
  }

  private func isPaired(_ isa: Int32) -> Bool { isa & Int32(LIG_ISA_PAIRS.rawValue) != 0 }

  @Test("convolutions give what the plain loops give of rounded operands", arguments: 0..<40)
  func convolution(_ seed: Int) {
    var random = Random(UInt64(seed) + 8000)
    var plan = widePlan(&random, seed)
    let outputs = plan.batch * plan.filters * plan.out_h * plan.out_w
    let taps = plan.channels / plan.groups * plan.kernel_h * plan.kernel_w
    let x = random.floats(plan.batch * plan.channels * plan.height * plan.width)
    let weights = random.floats(plan.filters * taps)
    let bias = random.floats(plan.filters)
    let residual: [Float]? = random.chance(3) ? random.floats(outputs) : nil
    // Where few filters read what lies in place, floats stay floats, on every set.
    unsafe lig_conv_prepare(&plan)
    let isRounded = isPaired(plan.isa)
    var expected = [Float](repeating: .nan, count: outputs)
    unsafe lig_conv_reference(
      &plan, isRounded ? rounded(x) : x, isRounded ? rounded(weights) : weights, bias, residual, &expected)
    let results = unsafe onEverySet { pool, threads in
      var plan = plan
      unsafe lig_conv_prepare(&plan)
      #expect(isPaired(plan.isa) == isRounded, "\(plan)")
      var packed = [Float](repeating: .nan, count: unsafe lig_conv_packed_count(&plan))
      unsafe lig_conv_pack(&plan, pool, weights, &packed)
      var y = [Float](repeating: .nan, count: outputs)
      return unsafe withScratch(lig_conv_workspace(&plan, Int32(threads))) { workspace in
        unsafe lig_conv_run(&plan, pool, x, packed, bias, residual, &y, workspace)
        return y
      }
    }
    for result in results {
      #expect(largestDifference(result, expected) <= 3e-6 * (1 + 0.3 * Float(taps)), "\(plan)")
    }
  }

  @Test("products give what plain sums give of rounded operands", arguments: 0..<40)
  func product(_ seed: Int) {
    var random = Random(UInt64(seed) + 9000)
    var plan = lig_matmul()
    plan.m = random.chance(4) ? 1 : random.int(1...(random.chance(3) ? 300 : 40))
    plan.n = random.int(16...(random.chance(3) ? 600 : 70))
    plan.k = random.int(16...(random.chance(3) ? 700 : 70))
    let (aTurned, bTurned) = (random.chance(2), random.chance(2))
    (plan.a_row, plan.a_column) = aTurned ? (1, plan.m) : (plan.k, 1)
    (plan.b_row, plan.b_column) = bTurned ? (1, plan.k) : (plan.n, 1)
    (plan.alpha, plan.b_is_packed, plan.allows_bfloat16, plan.batch_rank) = (1, 1, 1, 1)
    unsafe lig_matmul_set_batch(&plan, 0, 1, plan.m * plan.k, 0)
    let (a, b, bias) = (random.floats(plan.m * plan.k), random.floats(plan.k * plan.n), random.floats(plan.n))
    let (left, right) = (rounded(a), rounded(b))
    let expected: [Float] = (0..<plan.m * plan.n).map { index in
      let (row, column) = (index / plan.n, index % plan.n)
      let sum = (0..<plan.k).reduce(Double(bias[column])) { sum, k in
        let x = left[row * plan.a_row + k * plan.a_column]
        let y = right[k * plan.b_row + column * plan.b_column]
        return sum + Double(x) * Double(y)
      }
      return Float(sum)
    }
    let results = unsafe onEverySet { pool, threads in
      var plan = plan
      unsafe lig_matmul_prepare(&plan)
      #expect(isPaired(plan.isa), "\(plan)")
      var packed = [Float](repeating: .nan, count: unsafe lig_matmul_packed_count(&plan))
      unsafe lig_matmul_pack(&plan, b, &packed)
      var y = [Float](repeating: .nan, count: expected.count)
      return unsafe withScratch(lig_matmul_workspace(&plan, Int32(threads))) { workspace in
        unsafe lig_matmul_run(&plan, pool, a, packed, bias, &y, workspace)
        return y
      }
    }
    for result in results {
      #expect(largestDifference(result, expected) <= 1e-5 * (1 + Float(plan.k) / 50), "\(plan)")
    }
  }

  @Test("the shapes above reach gathered, pointwise and whole pictures in pairs") func shapesAreReached() {
    var seen = Set<UInt32>()
    for seed in 0..<40 {
      var random = Random(UInt64(seed) + 8000)
      var plan = widePlan(&random, seed)
      unsafe lig_conv_prepare(&plan)
      if isPaired(plan.isa) { seen.insert(plan.algorithm.rawValue) }
    }
    #expect(seen == [LIG_CONV_POINTWISE.rawValue, LIG_CONV_IM2COL.rawValue, LIG_CONV_MATMUL.rawValue])
  }

  /// A convolution that has enough filters.
  private func widePlan(_ random: inout Random, _ seed: Int) -> lig_conv {
    var plan = randomConvolution(&random, seed)
    let groups = random.chance(4) && seed % 6 != 5 ? 2 : 1
    let filters = random.chance(3) ? random.int(128...150) : random.int(24...70)
    (plan.groups, plan.channels, plan.filters) = (groups, groups * random.int(24...70), groups * filters)
    plan.allows_bfloat16 = 1
    return plan
  }

  @Test("too few filters or taps do not pay for rounding") func smallOnesStayFloats() {
    var plan = lig_matmul()
    (plan.m, plan.n, plan.k, plan.a_row, plan.a_column, plan.b_row, plan.b_column) = (64, 8, 64, 64, 1, 8, 1)
    (plan.alpha, plan.b_is_packed, plan.allows_bfloat16) = (1, 1, 1)
    unsafe lig_matmul_prepare(&plan)
    #expect(!isPaired(plan.isa))
    plan.n = 64
    plan.b_is_packed = 0
    unsafe lig_matmul_prepare(&plan)
    #expect(!isPaired(plan.isa))
  }
}
