import CKernels
import COpenBLAS
import Testing

@Suite("Matrix product kernels") struct MatMulTests {
  /// One call of OpenBLAS for each whole matrix is the oracle.
  @Test("products agree with OpenBLAS, whatever shape, steps, set and threads", arguments: 0..<60)
  func product(_ seed: Int) {
    var random = Random(UInt64(seed) + 5)
    var plan = lig_matmul()
    plan.m = random.chance(4) ? 1 : random.int(1...(random.chance(3) ? 300 : 40))
    plan.n = random.int(1...(random.chance(3) ? 600 : 70))
    plan.k = random.int(1...(random.chance(4) ? 700 : 40))
    let (a_turned, b_turned) = (random.chance(2), random.chance(2))
    (plan.a_row, plan.a_column) = a_turned ? (1, plan.m) : (plan.k, 1)
    (plan.b_row, plan.b_column) = b_turned ? (1, plan.k) : (plan.n, 1)
    plan.alpha = random.chance(2) ? 1 : 0.5
    plan.accumulates = random.chance(3) ? 1 : 0
    plan.b_is_packed = random.chance(2) ? 1 : 0
    let batch = random.chance(2) ? random.int(2...5) : 1
    let repeatsB = plan.b_is_packed != 0 || random.chance(2)
    plan.batch_rank = 1
    unsafe lig_matmul_set_batch(&plan, 0, batch, plan.m * plan.k, repeatsB ? 0 : plan.k * plan.n)
    let a = random.floats(batch * plan.m * plan.k)
    let b = random.floats((repeatsB ? 1 : batch) * plan.k * plan.n)
    let bias = random.floats(plan.n)
    let before = random.floats(batch * plan.m * plan.n)
    var expected = (0..<before.count).map { bias[$0 % plan.n] + (plan.accumulates != 0 ? before[$0] : 0) }
    for index in 0..<batch {
      let (m, n, k) = (Int32(plan.m), Int32(plan.n), Int32(plan.k))
      unsafe a.withUnsafeBufferPointer { a in
        unsafe b.withUnsafeBufferPointer { b in
          unsafe expected.withUnsafeMutableBufferPointer { c in
            unsafe cblas_sgemm(
              CblasRowMajor, a_turned ? CblasTrans : CblasNoTrans, b_turned ? CblasTrans : CblasNoTrans, m, n, k,
              plan.alpha, a.baseAddress! + index * plan.m * plan.k, a_turned ? m : k,
              b.baseAddress! + (repeatsB ? 0 : index * plan.k * plan.n), b_turned ? k : n, 1,
              c.baseAddress! + index * plan.m * plan.n, n)
          }
        }
      }
    }
    let results = unsafe onEverySet { pool, threads in
      var plan = plan
      unsafe lig_matmul_prepare(&plan)
      var right = b
      if plan.b_is_packed != 0 {
        right = [Float](repeating: .nan, count: unsafe lig_matmul_packed_count(&plan))
        unsafe lig_matmul_pack(&plan, b, &right)
      }
      var y = plan.accumulates != 0 ? before : [Float](repeating: .nan, count: before.count)
      return unsafe withScratch(lig_matmul_workspace(&plan, Int32(threads))) { workspace in
        unsafe lig_matmul_run(&plan, pool, a, right, bias, &y, workspace)
        return y
      }
    }
    for result in results {
      #expect(largestDifference(result, expected) <= 1e-5 * (1 + Float(plan.k) / 50), "\(plan)")
    }
  }

  @Test("the pool runs every index once, from several callers, however many threads") func pool() {
    for threads in [1, 2, 5] {
      let pool = unsafe lig_pool_create(Int32(threads))
      defer { unsafe lig_pool_destroy(pool) }
      for count in [0, 1, 7, 1000] {
        var hits = [Int32](repeating: 0, count: count + 1)
        unsafe hits.withUnsafeMutableBufferPointer { buffer in
          unsafe lig_parallel(
            pool, count,
            { context, index, _ in
              let hits = unsafe context!.assumingMemoryBound(to: Int32.self)
              unsafe hits[index] += 1
            }, UnsafeMutableRawPointer(buffer.baseAddress!))
        }
        #expect(hits.dropLast().allSatisfy { $0 == 1 })
      }
    }
  }
}
