import CKernels
import GraphIR
import Operators
import Passes
import TensorCore
import TestSupport
import Testing

@Suite("Attention") struct AttentionTests {
  /// Queries, keys and values of `[2, 3, T, D]` from one tensor, as exporters cut it.
  private enum Cut: CaseIterable { case squeezedSlice, gather, squeezedSplit }

  private func pieces(_ sample: inout Sample, _ cut: Cut, _ rows: Int, _ depth: Int) throws -> [ValueID] {
    let x = try sample.input([2, rows, 3, 3, depth], symbolic: [0, 1])
    let turned = try sample.builder.append(Transpose(perm: [2, 0, 3, 1, 4]), [x])
    let axis = try sample.builder.integers([0])
    if cut == .squeezedSplit {
      let split = try sample.builder.append(Split(axis: 0, pieces: 3), [turned], wanted: [true, true, true])
      return try split.map { try sample.builder.append(Squeeze(), [$0, axis]) }
    }
    return try (0..<3).map { index in
      if cut == .gather {
        let place = try sample.builder.constant(Tensor(scalar: Int64(index)))
        return try sample.builder.append(Gather(axis: 0), [turned, place])
      }
      let bounds = try [index, index + 1].map { try sample.builder.integers([$0]) }
      let slice = try sample.builder.append(
        Slice(), [turned, bounds[0], bounds[1], axis, sample.builder.integers([1])])
      return try sample.builder.append(Squeeze(), [slice, axis])
    }
  }

  private func attention(
    _ sample: inout Sample, _ q: ValueID, _ k: ValueID, _ v: ValueID, mask: ValueID? = nil, scalesQuery: Bool = false
  ) throws -> ValueID {
    let factor = try sample.number(0.3, shape: [1])
    let turned = try sample.builder.append(Transpose(perm: [0, 1, 3, 2]), [k])
    let query = try scalesQuery ? sample.binary(.mul, q, factor) : q
    var scores = try sample.builder.append(MatMul(), [query, turned])
    if !scalesQuery { scores = try sample.binary(.div, scores, sample.number(4)) }
    if let mask { scores = try sample.binary(.add, scores, mask) }
    let weights = try sample.builder.append(Softmax(axis: mask == nil ? 3 : -1), [scores])
    return try sample.builder.append(MatMul(), [weights, v])
  }

  @Test("cut out of one tensor, scaled queries, a transposition after it", arguments: [(7, 5), (49, 16), (300, 15)])
  func selfAttention(_ rows: Int, _ depth: Int) throws {
    for cut in Cut.allCases {
      var sample = Sample()
      let parts = try pieces(&sample, cut, rows, depth)
      let y = try attention(&sample, parts[0], parts[1], parts[2], scalesQuery: true)
      try sample.output(sample.builder.append(Transpose(perm: [0, 2, 1, 3]), [y]))
      #expect(try fuse(sample, [AttentionFusion()]).operators == ["FusedAttention"], "\(cut)")
    }
  }

  @Test(
    "queries of another length, masks of every kind",
    arguments: [[1, 1, 1, 21], [9, 21], [2, 1, 9, 21], [2, 3, 9, 1]])
  func crossAttention(_ mask: [Int]) throws {
    var sample = Sample()
    let q = try sample.input([2, 3, 9, 8])
    let (k, v) = (try sample.input([2, 3, 21, 8]), try sample.input([2, 3, 21, 11]))
    let y = try attention(&sample, q, k, v, mask: sample.input(mask))
    try sample.output(y)
    #expect(try fuse(sample, [AttentionFusion()]).operators == ["FusedAttention"])
  }

  @Test("of three axes") func threeAxes() throws {
    var sample = Sample()
    let (q, k, v) = (try sample.input([4, 9, 8]), try sample.input([4, 8, 13]), try sample.input([4, 13, 6]))
    let scores = try sample.binary(.mul, sample.builder.append(MatMul(), [q, k]), sample.number(0.35))
    let weights = try sample.builder.append(Softmax(axis: -1), [scores])
    try sample.output(sample.builder.append(MatMul(), [weights, v]))
    #expect(try fuse(sample, [AttentionFusion()]).operators == ["FusedAttention"])
  }

  /// `x · weights [+ bias]` as `[N, heads, T, depth]`.
  private func projection(_ sample: inout Sample, _ x: ValueID, hasBias: Bool, columns: Int = 24) throws -> ValueID {
    var y = try sample.builder.append(MatMul(), [x, sample.weights([16, columns])])
    if hasBias { y = try sample.binary(.add, y, sample.weights([columns])) }
    let shape = try sample.builder.integers([0, -1, columns / 8, 8])
    return try sample.builder.append(
      Transpose(perm: [0, 2, 1, 3]), [sample.builder.append(Reshape(), [y, shape])])
  }

  @Test("projections of one tensor become one product", arguments: [false, true], [false, true])
  func merging(_ hasBias: Bool, _ isCross: Bool) throws {
    var sample = Sample()
    let x = try sample.input([2, 9, 16], symbolic: [0, 1])
    let memory = try isCross ? sample.input([2, 9, 16], symbolic: [0, 1]) : x
    let q = try projection(&sample, x, hasBias: hasBias)
    let (k, v) = try (
      projection(&sample, memory, hasBias: hasBias), projection(&sample, memory, hasBias: hasBias)
    )
    try sample.output(attention(&sample, q, k, v, scalesQuery: true))
    let (operators, _) = try fuse(sample, [AttentionFusion(), DeadCode(), MatMulFusion(), QKVMerging()])
    #expect(operators.filter { $0.hasSuffix("MatMul") }.count == (isCross ? 2 : 1))
    #expect(operators.last == "FusedAttention")
  }

  @Test("projections that differ stay apart") func mergingRejected() throws {
    var sample = Sample()
    let x = try sample.input([2, 9, 16])
    let (q, k) = try (projection(&sample, x, hasBias: true), projection(&sample, x, hasBias: false))
    try sample.output(attention(&sample, q, k, projection(&sample, x, hasBias: true)))
    let passes: [any Pass] = [AttentionFusion(), DeadCode(), MatMulFusion(), QKVMerging()]
    #expect(rejects(try fuse(sample, passes).notes, "others none"))
  }

  @Test("what cannot be fused is said") func rejected() throws {
    var broadcast = Sample()
    let q = try broadcast.input([2, 3, 9, 8])
    let (k, v) = (try broadcast.input([1, 3, 9, 8]), try broadcast.input([1, 3, 9, 8]))
    try broadcast.output(attention(&broadcast, q, k, v))
    #expect(rejects(try fuse(broadcast, [AttentionFusion()]).notes, "same batches and heads"))

    var columns = Sample()
    let x = try columns.input([2, 3, 9, 9])
    let scores = try columns.builder.append(MatMul(), [x, x])
    let weights = try columns.builder.append(Softmax(axis: 2), [scores])
    try columns.output(columns.builder.append(MatMul(), [weights, x]))
    #expect(rejects(try fuse(columns, [AttentionFusion()]).notes, "last axis"))

    var shown = Sample()
    let parts = try pieces(&shown, .gather, 6, 4)
    let y = try attention(&shown, parts[0], parts[1], parts[2])
    try shown.output(y)
    let product = try #require(shown.builder.graph.producer(of: y))
    try shown.output(#require(shown.builder.graph[product].inputs[0]))
    #expect(try !fuse(shown, [AttentionFusion()]).operators.contains("FusedAttention"))
  }

  @Test("the kernel agrees with its twin on every instruction set", arguments: 0..<12) func twin(_ seed: UInt64) throws
  {
    var random = SplitMix64(seed + 3)
    func size(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    var plan = lig_attention()
    (plan.batch, plan.heads, plan.rows, plan.keys) = (size(1...2), size(1...3), size(1...120), size(1...600))
    (plan.depth, plan.values, plan.scale) = (size(1...40), size(1...40), 0.2)
    func steps(_ rows: Int, _ columns: Int) -> lig_attention_steps {
      lig_attention_steps(batch: plan.heads * rows * columns, head: rows * columns, row: columns, column: 1)
    }
    plan.q = steps(plan.rows, plan.depth)
    plan.k = steps(plan.keys, plan.depth)
    plan.v = steps(plan.keys, plan.values)
    plan.y = steps(plan.rows, plan.values)
    plan.mask = lig_attention_steps(batch: 0, head: 0, row: plan.keys, column: 1)
    let counts = [plan.rows * plan.depth, plan.keys * plan.depth, plan.keys * plan.values].map {
      $0 * plan.batch * plan.heads
    }
    let operands = counts.map { count in (0..<count).map { _ in Float.random(in: -2...2, using: &random) } }
    let mask = (0..<plan.rows * plan.keys).map { _ -> Float in
      Int.random(in: 0..<5, using: &random) == 0 ? -.infinity : Float.random(in: -1...1, using: &random)
    }
    var expected = [Float](repeating: .nan, count: plan.batch * plan.heads * plan.rows * plan.values)
    #expect(unsafe lig_attention_plain(&plan, operands[0], operands[1], operands[2], mask, &expected) == 0)
    exclusively {
      for limit in [0, UInt32(LIG_CPU_AVX2), ~0] {
        lig_cpu_limit(limit)
        defer { lig_cpu_limit(~0) }
        unsafe lig_attention_prepare(&plan)
        var y = [Float](repeating: .nan, count: expected.count)
        var workspace = [Float](repeating: .nan, count: unsafe lig_attention_workspace(&plan, 1) / 4)
        unsafe lig_attention_run(&plan, nil, operands[0], operands[1], operands[2], mask, &y, &workspace)
        for (a, b) in zip(y, expected) where !(a.isNaN && b.isNaN) { #expect(abs(a - b) <= 1e-5, "\(plan)") }
      }
    }
  }

  @Test("fused attention survives export and import; hostile layouts are refused") func attributes() throws {
    let layout = FusedAttention.Layout(axes: [0, 3, 1, 4], fixed: [2, 1])
    let op = try FusedAttention(scale: 0.5, query: layout, key: layout, value: layout, result: [0, 2, 1, 3])
    let again = try FusedAttention(name: op.name, attributes: op.attributes)
    #expect(again.query == layout && again.result == op.result && again.scale == 0.5)
    let type = TensorType(.float32, sizes: [2, 9, 3, 4, 8])
    #expect(try op.inferTypes(InferenceContext([type, type, type]))[0].sizes == [2, 9, 4, 8])
    for bad in [[0, 3, 1], [0, 3, 1, 9], [0, 0, 1, 4], [0, 3, -1, 4]] {
      let layout = FusedAttention.Layout(axes: bad, fixed: [2, 1])
      #expect(throws: LigatureError.self) {
        try FusedAttention(scale: 1, query: layout, key: layout, value: layout, result: [0, 2, 1, 3])
          .inferTypes(InferenceContext([type, type, type]))
      }
    }
    let outside = FusedAttention.Layout(axes: [0, 3, 1, 4], fixed: [2, 3])
    #expect(throws: LigatureError.self) {
      try FusedAttention(scale: 1, query: outside, key: layout, value: layout, result: [0, 2, 1, 3])
        .inferTypes(InferenceContext([type, type, type]))
    }
    #expect(throws: LigatureError.self) {
      try FusedAttention(scale: 1, query: layout, key: layout, value: layout, result: [0, 1, 3, 2])
    }
  }
}
