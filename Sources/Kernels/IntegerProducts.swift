import CKernels
import GraphIR
import Operators
import TensorCore

/// Matrix products and convolution of 8-bit numbers.
enum IntegerProductKernels {
  static func register(in table: inout KernelTable) {
    table.register(MatMulInteger.self, prepare: prepareMatMul)
    table.register(ConvInteger.self, prepare: prepareConv)
  }

  static func prepareMatMul(_ op: MatMulInteger, _ context: KernelContext) throws -> Step {
    let (a, b, y) = (try context.input(0), try context.input(1), try context.output())
    let (aZero, bZero) = (context.optional(2), context.optional(3))
    try expectBytes(op, a, b, aZero, bZero, context)
    guard y.count > 0 else { return Step { _ in } }
    let layout = try ProductLayout(a.shape, b.shape)
    var plan = lig_matmul_integer()
    (plan.m, plan.n, plan.k) = (layout.m, layout.n, layout.k)
    (plan.a_is_signed, plan.b_is_signed) = (a.element == .int8 ? 1 : 0, b.element == .int8 ? 1 : 0)
    plan.batch_rank = Int32(layout.batch.count)
    let (aSize, bSize) = (max(layout.m * layout.k, 1), max(layout.k * layout.n, 1))
    for axis in layout.batch.indices {
      unsafe lig_matmul_integer_set_batch(
        &plan, Int32(axis), layout.batch[axis], layout.aSteps[axis] / aSize, layout.bSteps[axis] / bSize)
    }
    plan.a_matrices = layout.batch.isEmpty ? 1 : try Checked.elementCount(Array(a.shape.dropLast(2)))
    plan.b_matrices = try Checked.elementCount(Array(b.shape.dropLast(2)))
    let aRows = a.shape.count == 1 ? 1 : a.shape[a.shape.count - 2]
    if let aZero, aZero.count != 1 {
      // Rows of a batch that became one matrix repeat the zero points.
      guard aZero.count == aRows, layout.m == aRows else {
        throw LigatureError(.unsupported, "\(aZero.count) zero points for the rows of \(a.shape) are not supported")
      }
      plan.a_zero_step = 1
    }
    if let bZero, bZero.count != 1 {
      guard bZero.count == layout.n else {
        throw LigatureError(.shape, "\(bZero.count) zero points do not fit the columns of \(b.shape)")
      }
      plan.b_zero_step = 1
    }
    plan.b_is_packed = b.constant == nil ? 0 : 1
    unsafe lig_matmul_integer_prepare(&plan)
    let settled = plan
    let packed = try unsafe context.packedBytes(
      b, form: "matmul integer \(plan.isa)", size: unsafe lig_matmul_integer_packed_size(&plan)
    ) { unsafe lig_matmul_integer_pack(&plan, $0, $1) }
    return Step(workspace: unsafe lig_matmul_integer_workspace(&plan)) { memory in
      let weights = unsafe packed?.address ?? UnsafeRawPointer(memory.raw(b))
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_matmul_integer_run(
          $0, memory.pool, memory.raw(a), weights, memory.raw(aZero), memory.raw(bZero), memory.write(y),
          memory.workspace)
      }
    }
  }

  static func prepareConv(_ op: ConvInteger, _ context: KernelContext) throws -> Step {
    let (x, w, y) = (try context.input(0), try context.input(1), try context.output())
    let (xZero, wZero) = (context.optional(2), context.optional(3))
    try expectBytes(op, x, w, xZero, wZero, context)
    guard y.count > 0 else { return Step { _ in } }
    guard w.count > 0, x.count > 0 else { throw LigatureError(.shape, "the input or the weights are empty") }
    if let xZero, xZero.count != 1 { throw LigatureError(.shape, "x has \(xZero.count) zero points, not one") }
    if let wZero, wZero.count != 1, wZero.count != y.shape[1] {
      throw LigatureError(.shape, "there are \(wZero.count) zero points for \(y.shape[1]) filters")
    }
    let geometry = try ConvolutionGeometry(op.window, input: x.shape, weights: w.shape, output: y.shape)
    var plan = lig_conv_integer()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (x.shape[0], x.shape[1], y.shape[1], op.window.group)
    (plan.height, plan.width) = geometry.input
    (plan.kernel_h, plan.kernel_w) = geometry.kernel
    (plan.out_h, plan.out_w) = geometry.output
    (plan.stride_h, plan.stride_w) = geometry.stride
    (plan.dilation_h, plan.dilation_w) = geometry.dilation
    (plan.pad_top, plan.pad_left) = geometry.padding
    (plan.x_is_signed, plan.w_is_signed) = (x.element == .int8 ? 1 : 0, w.element == .int8 ? 1 : 0)
    plan.w_zero_per_filter = (wZero?.count ?? 1) > 1 ? 1 : 0
    plan.w_is_packed = w.constant == nil ? 0 : 1
    unsafe lig_conv_integer_prepare(&plan)
    let settled = plan
    let packed = try unsafe context.packedBytes(
      w, form: "conv integer \(plan.isa) \(plan.groups)", size: unsafe lig_conv_integer_packed_size(&plan)
    ) { unsafe lig_conv_integer_pack(&plan, $0, $1) }
    return Step(workspace: unsafe lig_conv_integer_workspace(&plan, Int32(context.threads))) { memory in
      let weights = unsafe packed?.address ?? UnsafeRawPointer(memory.raw(w))
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_conv_integer_run(
          $0, memory.pool, memory.raw(x), weights, memory.raw(xZero), memory.raw(wZero), memory.write(y),
          memory.workspace)
      }
    }
  }

  private static func expectBytes(
    _ op: any Operator, _ a: Operand, _ b: Operand, _ aZero: Operand?, _ bZero: Operand?, _ context: KernelContext
  ) throws {
    guard [.int8, .uint8].contains(a.element), [.int8, .uint8].contains(b.element),
      (aZero?.element ?? a.element) == a.element, (bZero?.element ?? b.element) == b.element
    else { throw context.unsupportedTypes(op) }
  }
}

extension StepMemory {
  /// The address of an input that may be left out.
  @unsafe func raw(_ operand: Operand?) -> UnsafeMutableRawPointer? { unsafe operand.map { unsafe raw($0) } }
}
