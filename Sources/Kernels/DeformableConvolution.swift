import CKernels
import GraphIR
import Operators
import TensorCore

enum DeformableConvolutionKernels {
  static func register(in table: inout KernelTable) {
    table.register(DeformConv.self, prepare: computingInFloat32(prepare))
  }

  private static func prepare(_ op: DeformConv, _ context: KernelContext) throws -> Step {
    let (x, w, offsets, y) = (
      try context.input(0), try context.input(1), try context.input(2), try context.output()
    )
    let (bias, mask) = (context.optional(3), context.optional(4))
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    guard y.count > 0 else { return Step { _ in } }
    guard w.count > 0 else { throw LigatureError(.shape, "the weights \(w.shape) are empty") }
    let geometry = try ConvolutionGeometry(op.window, input: x.shape, weights: w.shape, output: y.shape)
    guard geometry.input.0.multipliedReportingOverflow(by: geometry.input.1).partialValue <= Int(Int32.max) else {
      throw LigatureError(.unsupported, "DeformConv takes planes of at most \(Int32.max) pixels; make the image smaller")
    }
    let taps = try Checked.multiply(op.offsetGroup, geometry.kernel.0 * geometry.kernel.1)
    guard offsets.shape == [x.shape[0], 2 * taps, y.shape[2], y.shape[3]],
      (mask?.shape ?? [x.shape[0], taps, y.shape[2], y.shape[3]]) == [x.shape[0], taps, y.shape[2], y.shape[3]],
      x.shape[1] % op.offsetGroup == 0
    else { throw LigatureError(.shape, "the offsets \(offsets.shape) or the mask do not fit the output \(y.shape)") }
    var plan = lig_deform_conv()
    plan.conv = geometry.plan(input: x.shape, output: y.shape, groups: op.window.group)
    plan.offset_groups = op.offsetGroup
    unsafe lig_deform_conv_prepare(&plan)
    let settled = plan
    let weights = try unsafe PackedWeights(
      w, context, form: "conv \(plan.conv.algorithm.rawValue) \(plan.conv.isa) \(plan.conv.groups)",
      count: unsafe lig_conv_packed_count(&plan.conv)
    ) { from, to in
      unsafe withUnsafePointer(to: settled.conv) { unsafe lig_conv_pack($0, from, to) }
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
}
