import CKernels
import GraphIR
import Operators
import TensorCore

enum DeformableConvolutionKernels {
  static func register(in table: inout KernelTable) {
    table.register(DeformConv.self, prepare: computingInFloat32(prepare))
    table.register(DeformConvGradient.self, prepare: computingInFloat32(prepareGradient))
  }

  private static func prepare(_ op: DeformConv, _ context: KernelContext) throws -> Step {
    let (x, w, offsets, y) = (
      try context.input(0), try context.input(1), try context.input(2), try context.output()
    )
    let (bias, mask) = (context.optional(3), context.optional(4))
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    guard y.count > 0 else { return Step { _ in } }
    guard w.count > 0 else { throw LigatureError(.shape, "the weights \(w.shape) are empty") }
    let geometry = try geometry(op, x: x, w: w, offsets: offsets, mask: mask, y: y)
    var plan = lig_deform_conv()
    plan.conv = geometry.plan(input: x.shape, output: y.shape, groups: op.window.group)
    plan.offset_groups = op.offsetGroup
    unsafe lig_deform_conv_prepare(&plan)
    let settled = plan
    let weights = try unsafe PackedWeights(
      w, context, form: "deform conv \(plan.conv.isa) \(plan.conv.groups)",
      count: unsafe lig_conv_packed_count(&plan.conv)
    ) { pool, from, to in
      unsafe withUnsafePointer(to: settled.conv) { unsafe lig_conv_pack($0, pool, from, to) }
    }
    let scratch = unsafe lig_deform_conv_workspace(&plan, Int32(context.threads))
    return Step(workspace: try Checked.add(weights.workspace, scratch)) { memory in
      let packed = unsafe weights.address(memory)
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_deform_conv_run(
          $0, memory.pool, memory.read(x), packed, memory.read(offsets), memory.read(bias), memory.read(mask),
          memory.write(y), memory.workspace + weights.workspace)
      }
    }
  }

  /// The sizes, once they are checked against each other.
  private static func geometry(
    _ op: DeformConv, x: Operand, w: Operand, offsets: Operand, mask: Operand?, y: Operand
  ) throws -> ConvolutionGeometry {
    let geometry = try ConvolutionGeometry(op.window, input: x.shape, weights: w.shape, output: y.shape)
    guard geometry.input.0.multipliedReportingOverflow(by: geometry.input.1).partialValue <= Int(Int32.max) else {
      throw LigatureError(
        .unsupported, "DeformConv takes planes of at most \(Int32.max) pixels; make the image smaller")
    }
    let taps = try Checked.multiply(op.offsetGroup, geometry.kernel.0 * geometry.kernel.1)
    guard offsets.shape == [x.shape[0], 2 * taps, y.shape[2], y.shape[3]],
      (mask?.shape ?? [x.shape[0], taps, y.shape[2], y.shape[3]]) == [x.shape[0], taps, y.shape[2], y.shape[3]],
      x.shape[1] % op.offsetGroup == 0
    else { throw LigatureError(.shape, "the offsets \(offsets.shape) or the mask do not fit the output \(y.shape)") }
    return geometry
  }

  private static func prepareGradient(_ op: DeformConvGradient, _ context: KernelContext) throws -> Step {
    let (x, w, offsets) = (try context.input(0), try context.input(1), try context.input(2))
    let (mask, g) = (context.optional(3), try context.input(4))
    let (dx, dw) = (context.optionalOutput(0), context.optionalOutput(1))
    let (doffsets, dmask) = (context.optionalOutput(2), context.optionalOutput(3))
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    guard x.count > 0, w.count > 0, g.count > 0 else {
      throw LigatureError(.shape, "x \(x.shape), the weights \(w.shape) or the gradient \(g.shape) are empty")
    }
    let geometry = try geometry(op.forward, x: x, w: w, offsets: offsets, mask: mask, y: g)
    var plan = lig_deform_conv_gradient()
    (plan.batch, plan.channels, plan.filters) = (x.shape[0], x.shape[1], g.shape[1])
    (plan.groups, plan.offset_groups) = (op.forward.window.group, op.forward.offsetGroup)
    (plan.height, plan.width) = geometry.input
    (plan.kernel_h, plan.kernel_w) = geometry.kernel
    (plan.out_h, plan.out_w) = geometry.output
    (plan.stride_h, plan.stride_w) = geometry.stride
    (plan.dilation_h, plan.dilation_w) = geometry.dilation
    (plan.pad_top, plan.pad_left) = geometry.padding
    unsafe lig_deform_conv_gradient_prepare(&plan)
    let settled = plan
    return Step(workspace: unsafe lig_deform_conv_gradient_workspace(&plan, Int32(context.threads))) { memory in
      var data = unsafe lig_deform_conv_gradient_data()
      unsafe data.x = UnsafePointer(memory.read(x))
      unsafe data.weights = UnsafePointer(memory.read(w))
      unsafe data.offsets = UnsafePointer(memory.read(offsets))
      unsafe data.mask = memory.read(mask)
      unsafe data.g = UnsafePointer(memory.read(g))
      unsafe (data.dx, data.dweights) = (memory.write(dx), memory.write(dw))
      unsafe (data.doffsets, data.dmask) = (memory.write(doffsets), memory.write(dmask))
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_deform_conv_gradient_run($0, memory.pool, &data, memory.workspace)
      }
    }
  }
}
