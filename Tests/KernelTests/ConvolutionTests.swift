import CKernels
import Testing

@Suite("Convolution kernels") struct ConvolutionTests {
  @Test("every algorithm gives what the plain loops give, whatever shape, set and threads", arguments: 0..<60)
  func convolution(_ seed: Int) {
    var random = Random(UInt64(seed) + 1)
    var plan = randomConvolution(&random, seed)
    let outputs = plan.batch * plan.filters * plan.out_h * plan.out_w
    let x = random.floats(plan.batch * plan.channels * plan.height * plan.width)
    let weights = random.floats(plan.filters * plan.channels / plan.groups * plan.kernel_h * plan.kernel_w)
    let bias = random.floats(plan.filters)
    let residual: [Float]? = random.chance(3) ? random.floats(outputs) : nil
    var expected = [Float](repeating: .nan, count: outputs)
    unsafe lig_conv_reference(&plan, x, weights, bias, residual, &expected)
    let results = unsafe onEverySet { pool, threads in
      var plan = plan
      unsafe lig_conv_prepare(&plan)
      var packed = [Float](repeating: .nan, count: unsafe lig_conv_packed_count(&plan))
      unsafe lig_conv_pack(&plan, pool, weights, &packed)
      var y = [Float](repeating: .nan, count: outputs)
      return unsafe withScratch(lig_conv_workspace(&plan, Int32(threads))) { workspace in
        unsafe lig_conv_run(&plan, pool, x, packed, bias, residual, &y, workspace)
        return y
      }
    }
    let taps = plan.channels / plan.groups * plan.kernel_h * plan.kernel_w
    for result in results {
      #expect(largestDifference(result, expected) <= 3e-6 * (1 + 0.3 * Float(taps)), "\(plan)")
    }
  }

  @Test("transformed tiles and adjoints give what the plain loops give", arguments: 0..<40)
  func transformedTiles(_ seed: Int) {
    var random = Random(UInt64(seed) + 4000)
    var plan = randomConvolution(&random, seed)
    plan.is_adjoint = Int32(seed / 6 % 2)
    if seed % 3 != 2 { makeTransformable(&plan, side: seed % 3 == 0 ? 2 : 4, &random) }
    let outputs = plan.batch * plan.filters * plan.out_h * plan.out_w
    let x = random.floats(plan.batch * plan.channels * plan.height * plan.width)
    let weights = random.floats(plan.filters * plan.channels / plan.groups * plan.kernel_h * plan.kernel_w)
    let bias = random.floats(plan.filters)
    let residual: [Float]? = random.chance(3) ? random.floats(outputs) : nil
    var expected = [Float](repeating: .nan, count: outputs)
    unsafe lig_conv_reference(&plan, x, weights, bias, residual, &expected)
    let results = unsafe onEverySet { pool, threads in
      var plan = plan
      unsafe lig_conv_prepare(&plan)
      let suits = plan.isa & Int32(LIG_ISA_BLAS.rawValue) == 0 && plan.out_h > 1
      // With the larger tiles there is a choice: see `transformedTilesAreChosen`.
      if seed % 3 != 1 { #expect((plan.algorithm == LIG_CONV_WINOGRAD) == (seed % 3 == 0 && suits)) }
      var packed = [Float](repeating: .nan, count: unsafe lig_conv_packed_count(&plan))
      unsafe lig_conv_pack(&plan, pool, weights, &packed)
      var y = [Float](repeating: .nan, count: outputs)
      return unsafe withScratch(lig_conv_workspace(&plan, Int32(threads))) { workspace in
        unsafe lig_conv_run(&plan, pool, x, packed, bias, residual, &y, workspace)
        return y
      }
    }
    let taps = plan.channels / plan.groups * plan.kernel_h * plan.kernel_w
    for result in results {
      #expect(largestDifference(result, expected) <= 3e-6 * (1 + 0.3 * Float(taps)), "\(plan)")
    }
  }

  private func makeTransformable(_ plan: inout lig_conv, side: Int32, _ random: inout Random) {
    plan.allows_winograd = side
    (plan.channels, plan.filters, plan.groups) = (random.int(16...40), random.int(16...60), 1)
    (plan.kernel_h, plan.kernel_w, plan.stride_h, plan.stride_w) = (3, 3, 1, 1)
    (plan.dilation_h, plan.dilation_w) = (1, 1)
    (plan.pad_top, plan.pad_left) = (random.int(0...2), random.int(0...2))
    (plan.height, plan.width) = (random.int(2...40), random.int(5...90))
    plan.out_h = plan.height + plan.pad_top - random.int(0...1)
    plan.out_w = plan.width + plan.pad_left - random.int(0...1)
  }

  @Test("the test's shapes reach tiles of both sides, in tasks and in stages; what is not worth it stays direct")
  func transformedTilesAreChosen() {
    var seen = Set<[Int]>()
    for seed in 0..<40 where seed % 3 != 2 {
      var random = Random(UInt64(seed) + 4000)
      var plan = randomConvolution(&random, seed)
      makeTransformable(&plan, side: seed % 3 == 0 ? 2 : 4, &random)
      unsafe lig_conv_prepare(&plan)
      guard plan.algorithm == LIG_CONV_WINOGRAD else { continue }
      seen.insert([plan.winograd.side, Int(plan.winograd.is_staged)])
    }
    #expect(seen == [[2, 0], [2, 1], [4, 0], [4, 1]])
    // A few pixels, whose products would read far more weights than the definition does.
    var plan = lig_conv()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (1, 512, 512, 1)
    (plan.kernel_h, plan.kernel_w, plan.stride_h, plan.stride_w) = (3, 3, 1, 1)
    (plan.dilation_h, plan.dilation_w, plan.pad_top, plan.pad_left) = (1, 1, 1, 1)
    (plan.height, plan.width, plan.out_h, plan.out_w) = (2, 5, 2, 5)
    plan.allows_winograd = 4
    unsafe lig_conv_prepare(&plan)
    #expect(plan.algorithm != LIG_CONV_WINOGRAD)
  }

  @Test("sums in double precision are those of the plain loops", arguments: 0..<40)
  func accurate(_ seed: Int) {
    var random = Random(UInt64(seed) + 6000)
    let plan = randomConvolution(&random, seed)
    let outputs = plan.batch * plan.filters * plan.out_h * plan.out_w
    let x = random.floats(plan.batch * plan.channels * plan.height * plan.width)
    let weights = random.floats(plan.filters * plan.channels / plan.groups * plan.kernel_h * plan.kernel_w)
    let bias = random.floats(plan.filters)
    let residual: [Float]? = random.chance(3) ? random.floats(outputs) : nil
    var expected = [Float](repeating: .nan, count: outputs)
    unsafe withUnsafePointer(to: plan) { unsafe lig_conv_reference($0, x, weights, bias, residual, &expected) }
    for threads in [1, 3] {
      let pool = unsafe lig_pool_create(Int32(threads))
      defer { unsafe lig_pool_destroy(pool) }
      var y = [Float](repeating: .nan, count: outputs)
      unsafe withUnsafePointer(to: plan) { unsafe lig_conv_accurate($0, pool, x, weights, bias, residual, &y) }
      let taps = plan.channels / plan.groups * plan.kernel_h * plan.kernel_w
      #expect(largestDifference(y, expected) <= 1e-6 * (1 + 0.3 * Float(taps)), "\(plan)")
    }
  }

  @Test("sums in double precision keep what float32 loses") func accurateSums() {
    var plan = lig_conv()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (1, 3, 1, 1)
    (plan.height, plan.width, plan.out_h, plan.out_w) = (1, 1, 1, 1)
    (plan.kernel_h, plan.kernel_w, plan.stride_h, plan.stride_w, plan.dilation_h, plan.dilation_w) = (1, 1, 1, 1, 1, 1)
    var y: [Float] = [.nan]
    unsafe lig_conv_accurate(&plan, nil, [1e8, 1, -1e8], [1, 1, 1], nil, nil, &y)
    #expect(y == [1])
    var adjoint = lig_conv_transpose()
    (adjoint.batch, adjoint.channels, adjoint.filters, adjoint.groups) = (1, 3, 1, 1)
    (adjoint.height, adjoint.width, adjoint.out_h, adjoint.out_w) = (1, 1, 1, 1)
    (adjoint.kernel_h, adjoint.kernel_w, adjoint.stride_h, adjoint.stride_w) = (1, 1, 1, 1)
    (adjoint.dilation_h, adjoint.dilation_w) = (1, 1)
    unsafe lig_conv_transpose_accurate(&adjoint, nil, [1e8, 1, -1e8], [1, 1, 1], nil, &y)
    #expect(y == [1])
  }

  @Test("weight gradients are what the plain loops give, by transformed tiles as well", arguments: 0..<40)
  func weightGradient(_ seed: Int) {
    var random = Random(UInt64(seed) + 5000)
    let shape = randomConvolution(&random, seed)
    var plan = lig_conv_gradient()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (shape.batch, shape.channels, shape.filters, shape.groups)
    (plan.height, plan.width, plan.out_h, plan.out_w) = (shape.height, shape.width, shape.out_h, shape.out_w)
    (plan.kernel_h, plan.kernel_w) = (shape.kernel_h, shape.kernel_w)
    (plan.stride_h, plan.stride_w) = (shape.stride_h, shape.stride_w)
    (plan.dilation_h, plan.dilation_w) = (shape.dilation_h, shape.dilation_w)
    (plan.pad_top, plan.pad_left) = (shape.pad_top, shape.pad_left)
    if seed % 2 == 0 {
      (plan.channels, plan.filters, plan.groups) = (random.int(16...50), random.int(16...40), 1)
      (plan.kernel_h, plan.kernel_w, plan.stride_h, plan.stride_w) = (3, 3, 1, 1)
      (plan.dilation_h, plan.dilation_w) = (1, 1)
      (plan.pad_top, plan.pad_left) = (random.int(0...2), random.int(0...2))
      (plan.height, plan.width) = (random.int(3...23), random.int(5...60))
      plan.out_h = plan.height + plan.pad_top - random.int(0...1)
      plan.out_w = plan.width + plan.pad_left - random.int(0...1)
    }
    let x = random.floats(plan.batch * plan.channels * plan.height * plan.width)
    let g = random.floats(plan.batch * plan.filters * plan.out_h * plan.out_w)
    let count = plan.filters * plan.channels / plan.groups * plan.kernel_h * plan.kernel_w
    var expected = [Float](repeating: .nan, count: count)
    unsafe lig_conv_gradient_reference(&plan, x, g, &expected)
    let results = unsafe onEverySet { pool, threads in
      var plan = plan
      unsafe lig_conv_gradient_prepare(&plan)
      #expect(seed % 2 != 0 || plan.is_winograd == 1)
      var w = [Float](repeating: .nan, count: count)
      return unsafe withScratch(lig_conv_gradient_workspace(&plan, Int32(threads))) { workspace in
        unsafe lig_conv_gradient_run(&plan, pool, x, g, &w, workspace)
        return w
      }
    }
    let sums = Float(plan.batch * plan.out_h * plan.out_w)
    for result in results {
      #expect(largestDifference(result, expected) <= 1e-5 * (1 + 0.1 * sums), "\(plan)")
    }
  }

  @Test("the test's shapes reach every algorithm") func coverage() {
    limited(to: UInt32(LIG_CPU_BLAS)) {
      // By OpenBLAS and by the plain kernels, which multiply what is small.
      var seen = Set<UInt32>()
      var blas = Set<UInt32>()
      for seed in 0..<60 {
        var random = Random(UInt64(seed) + 1)
        var plan = randomConvolution(&random, seed)
        unsafe lig_conv_prepare(&plan)
        if plan.isa & Int32(LIG_ISA_BLAS.rawValue) != 0 { blas.insert(plan.algorithm.rawValue) }
        seen.insert(plan.algorithm.rawValue)
      }
      #expect(seen.count == 5, "all but transformed tiles")
      #expect(blas.count >= 2, "pointwise and gathered")
    }
  }

  @Test("transposed convolution gives what the plain loops give", arguments: 0..<40)
  func transposed(_ seed: Int) {
    var random = Random(UInt64(seed) + 1000)
    var plan = lig_conv_transpose()
    let exact = seed % 2 == 0
    plan.batch = random.int(1...2)
    plan.groups = random.chance(3) ? random.int(2...4) : 1
    plan.channels = plan.groups * random.int(1...20)
    plan.filters = plan.groups * random.int(1...30)
    (plan.kernel_h, plan.kernel_w) = (random.int(1...4), random.int(1...4))
    (plan.stride_h, plan.stride_w) = exact ? (plan.kernel_h, plan.kernel_w) : (random.int(1...3), random.int(1...3))
    (plan.dilation_h, plan.dilation_w) = exact ? (1, 1) : (random.int(1...2), random.int(1...2))
    (plan.pad_top, plan.pad_left) = exact ? (0, 0) : (random.int(0...1), random.int(0...1))
    (plan.height, plan.width) = (random.int(2...20), random.int(2...40))
    plan.out_h = (plan.height - 1) * plan.stride_h + (plan.kernel_h - 1) * plan.dilation_h + 1 - plan.pad_top
    plan.out_w = (plan.width - 1) * plan.stride_w + (plan.kernel_w - 1) * plan.dilation_w + 1 - plan.pad_left
    plan.activation = lig_activation(kind: activations[seed % activations.count], alpha: 0.2, beta: 0.6)
    let outputs = plan.batch * plan.filters * plan.out_h * plan.out_w
    let x = random.floats(plan.batch * plan.channels * plan.height * plan.width)
    let weights = random.floats(plan.channels * plan.filters / plan.groups * plan.kernel_h * plan.kernel_w)
    let bias = random.floats(plan.filters)
    var expected = [Float](repeating: .nan, count: outputs)
    unsafe lig_conv_transpose_reference(&plan, x, weights, bias, &expected)
    var accurate = expected
    unsafe lig_conv_transpose_accurate(&plan, nil, x, weights, bias, &accurate)
    #expect(largestDifference(accurate, expected) <= 1e-5 * (1 + Float(plan.channels) / 10), "\(plan)")
    let results = unsafe onEverySet { pool, threads in
      var plan = plan
      unsafe lig_conv_transpose_prepare(&plan)
      var packed = [Float](repeating: .nan, count: unsafe lig_conv_transpose_packed_count(&plan))
      unsafe lig_conv_transpose_pack(&plan, pool, weights, &packed)
      var y = [Float](repeating: .nan, count: outputs)
      return unsafe withScratch(lig_conv_transpose_workspace(&plan, Int32(threads))) { workspace in
        unsafe lig_conv_transpose_run(&plan, pool, x, packed, bias, &y, workspace)
        return y
      }
    }
    for result in results { #expect(largestDifference(result, expected) <= 2e-5, "\(plan)") }
  }
}
