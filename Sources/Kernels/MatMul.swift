import CKernels
import GraphIR
import Operators
import TensorCore

enum MatMulKernels {
  static func register(in table: inout KernelTable) {
    table.register(MatMul.self, prepare: computingInFloat32(prepare))
    table.register(Gemm.self, prepare: computingInFloat32(prepareGemm))
    table.register(FusedMatMul.self, prepare: computingInFloat32(prepareFused))
  }

  private static func prepare(_ op: MatMul, _ context: KernelContext) throws -> Step {
    let (a, b, y) = (try context.input(0), try context.input(1), try context.output())
    guard a.element == .float32 else { throw context.unsupportedTypes(op) }
    let layout = try ProductLayout(a.shape, b.shape)
    var plan = layout.plan()
    plan.alpha = 1
    return try multiply(&plan, a, b, y, bias: nil, context)
  }

  private static func prepareFused(_ op: FusedMatMul, _ context: KernelContext) throws -> Step {
    let (a, b, y) = (try context.input(0), try context.input(1), try context.output())
    let (bias, residual) = (context.optional(2), context.optional(3))
    guard a.element == .float32 else { throw context.unsupportedTypes(op) }
    guard bias == nil || bias?.count == y.shape.last, residual?.shape ?? y.shape == y.shape else {
      throw LigatureError(.shape, "the bias or the residual does not fit \(y.shape)")
    }
    var plan = lig_matmul()
    if op.transposesA || op.transposesB {
      try plan.set(a.shape, transposed: op.transposesA, b.shape, transposed: op.transposesB, y.shape)
    } else {
      plan = try ProductLayout(a.shape, b.shape).plan()
    }
    plan.alpha = op.alpha
    plan.activation = fused(op.epilogue)
    return try multiply(&plan, a, b, y, bias: bias, residual: residual, context)
  }

  private static func prepareGemm(_ op: Gemm, _ context: KernelContext) throws -> Step {
    let (a, b, y) = (try context.input(0), try context.input(1), try context.output())
    guard a.element == .float32 else { throw context.unsupportedTypes(op) }
    var plan = lig_matmul()
    try plan.set(a.shape, transposed: op.transposesA, b.shape, transposed: op.transposesB, y.shape)
    plan.alpha = op.alpha
    guard let c = context.optional(2), op.beta != 0 else { return try multiply(&plan, a, b, y, bias: nil, context) }
    let isRow = c.shape.last == y.shape[1] && c.count == y.shape[1]
    if op.beta == 1, isRow { return try multiply(&plan, a, b, y, bias: c, context) }
    // Any other term is laid out in the result first.
    plan.accumulates = 1
    let sizes = Array(repeating: 1, count: 2 - c.shape.count) + c.shape
    let (row, column) = (sizes[0] == 1 ? 0 : sizes[1], sizes[1] == 1 ? 0 : 1)
    let (m, n, beta) = (plan.m, plan.n, op.beta)
    let product = try multiply(&plan, a, b, y, bias: nil, context)
    return Step(workspace: product.workspace) { memory in
      unsafe lig_matmul_fill(m, n, memory.read(c), row, column, beta, memory.write(y))
      try product.body(memory)
    }
  }

  private static func multiply(
    _ plan: inout lig_matmul, _ a: Operand, _ b: Operand, _ y: Operand, bias: Operand?, residual: Operand? = nil,
    _ context: KernelContext
  ) throws -> Step {
    guard y.count > 0 else { return Step { _ in } }
    let isOneMatrix = b.count == (try Checked.multiply(plan.n, plan.k))
    plan.b_is_packed = b.constant != nil && isOneMatrix ? 1 : 0
    plan.allows_bfloat16 = context.precision == .bfloat16 ? 1 : 0
    unsafe lig_matmul_prepare(&plan)
    let settled = plan
    let scratch = unsafe lig_matmul_workspace(&plan, Int32(context.threads))
    guard plan.b_is_packed != 0 else {
      return Step(workspace: scratch) { memory in
        unsafe withUnsafePointer(to: settled) {
          unsafe lig_matmul_run_adding(
            $0, memory.pool, memory.read(a), memory.read(b), memory.read(bias), memory.read(residual),
            memory.write(y), memory.workspace)
        }
      }
    }
    let weights = try unsafe PackedWeights(
      b, context, form: "matmul \(plan.isa) \(plan.b_row) \(plan.b_column)",
      count: unsafe lig_matmul_packed_count(&plan)
    ) { pool, from, to in
      unsafe withUnsafePointer(to: settled) { plan in
        for columns in settled.packedAtOnce {
          unsafe lig_matmul_pack_columns(plan, pool, from, to, columns.lowerBound, columns.upperBound)
          if settled.b_row == 1 { b.constant?.releaseFilePages(rows: columns) }
        }
      }
    }
    return Step(workspace: scratch) { memory in
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_matmul_run_adding(
          $0, memory.pool, memory.read(a), weights.address(memory), memory.read(bias), memory.read(residual),
          memory.write(y), memory.workspace)
      }
    }
  }
}

extension lig_matmul {
  /// All columns, some at a time: those of a large transposed matrix are rows of a file, whose pages need not all be in
  /// memory beside what they are packed to.
  fileprivate var packedAtOnce: [Range<Int>] {
    let step = b_row == 1 ? max((4 << 20) / max(4 * k, 1), 1) : n
    let width = Int(width)
    let aligned = max((step + width - 1) / width * width, width)
    return stride(from: 0, to: n, by: aligned).map { $0..<min($0 + aligned, n) }
  }

  /// Two matrices, each perhaps transposed.
  fileprivate mutating func set(
    _ a: [Int], transposed aIsTurned: Bool, _ b: [Int], transposed bIsTurned: Bool, _ y: [Int]
  ) throws {
    guard a.count == 2, b.count == 2 else {
      throw LigatureError(.rank, "takes matrices, but has \(a) and \(b); use MatMul for other ranks")
    }
    (m, n, k) = (y[0], y[1], a[aIsTurned ? 0 : 1])
    (a_row, a_column) = aIsTurned ? (1, a[1]) : (a[1], 1)
    (b_row, b_column) = bIsTurned ? (1, b[1]) : (b[1], 1)
  }
}

/// The matrices of numpy's `matmul`, and how they repeat over the batch.
struct ProductLayout {
  let m: Int, n: Int, k: Int
  /// Sizes of the batch, and elements between the matrices of a and b (0 repeats one).
  private(set) var batch: [Int] = []
  private(set) var aSteps: [Int] = []
  private(set) var bSteps: [Int] = []

  init(_ a: [Int], _ b: [Int]) throws {
    guard let k = a.last, let lastOfB = b.last else { throw LigatureError(.rank, "cannot multiply scalars") }
    let (aBatch, bBatch) = (Array(a.dropLast(2)), Array(b.dropLast(2)))
    let rows = a.count == 1 ? 1 : a[a.count - 2]
    n = b.count == 1 ? 1 : lastOfB
    self.k = k
    // One matrix b for all: the batch of a is but more rows.
    if bBatch.allSatisfy({ $0 == 1 }), aBatch.count >= bBatch.count {
      m = try Checked.multiply(try Checked.elementCount(aBatch), rows, "rows")
      return
    }
    m = rows
    let rank = max(aBatch.count, bBatch.count)
    guard rank <= Int(LIG_MATMUL_BATCH_RANK) else {
      throw LigatureError(.unsupported, "MatMul takes at most \(LIG_MATMUL_BATCH_RANK) batch axes, not \(rank)")
    }
    let (x, y) = (ProductLayout.padded(aBatch, rank), ProductLayout.padded(bBatch, rank))
    batch = zip(x, y).map { $0 == 1 ? $1 : $0 }
    aSteps = ProductLayout.steps(x, matrix: rows * k)
    bSteps = ProductLayout.steps(y, matrix: k * n)
  }

  private static func padded(_ shape: [Int], _ rank: Int) -> [Int] {
    Array(repeating: 1, count: rank - shape.count) + shape
  }

  private static func steps(_ shape: [Int], matrix: Int) -> [Int] {
    zip(shape, rowMajorStrides(shape)).map { $0 == 1 ? 0 : $1 &* matrix }
  }

  func plan() -> lig_matmul {
    var plan = lig_matmul()
    (plan.m, plan.n, plan.k) = (m, n, k)
    (plan.a_row, plan.a_column, plan.b_row, plan.b_column) = (k, 1, n, 1)
    plan.batch_rank = Int32(batch.count)
    for axis in batch.indices {
      unsafe lig_matmul_set_batch(&plan, Int32(axis), batch[axis], aSteps[axis], bSteps[axis])
    }
    return plan
  }
}
