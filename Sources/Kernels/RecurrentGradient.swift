import CKernels
import Operators
import TensorCore

extension RecurrentKernels {
  static func prepareGradient(_ op: RecurrentGradient, _ context: KernelContext) throws -> Step {
    let (x, w, r, y) = (try context.input(0), try context.input(1), try context.input(2), try context.input(7))
    for index in [0, 1, 2, 3] + (5...10) {
      if let operand = context.optional(index), operand.element != .float32 { throw context.unsupportedTypes(op) }
    }
    let layer = op.forward
    // The forward layer's plan has checked that sizes can be multiplied; here there is twice as much of each.
    let sizes = try plan(layer, x: x.shape, hidden: layer.hiddenSize ?? r.shape[2])
    var plan = lig_recurrent_gradient()
    plan.is_gru = layer.cell == .gru ? 1 : 0
    plan.resets_before = layer.cell == .gru && !layer.linearBeforeReset ? 1 : 0
    (plan.steps, plan.batch, plan.input, plan.hidden) = (sizes.steps, sizes.batch, sizes.input, sizes.hidden)
    (plan.directions, plan.reverse, plan.batch_first) = (sizes.directions, sizes.reverse, sizes.batch_first)
    unsafe lig_recurrent_gradient_prepare(&plan)
    let settled = plan
    return Step(workspace: unsafe lig_recurrent_gradient_workspace(&plan, Int32(context.threads))) { memory in
      var plan = settled
      var data = unsafe lig_recurrent_gradient_data()
      func read(_ index: Int) -> UnsafePointer<Float>? { unsafe memory.read(context.optional(index)) }
      func write(_ index: Int) -> UnsafeMutablePointer<Float>? { unsafe memory.write(context.optionalOutput(index)) }
      unsafe data.x = memory.read(x)
      unsafe data.w = memory.read(w)
      unsafe data.r = memory.read(r)
      unsafe data.y = memory.read(y)
      unsafe data.bias = read(3)
      unsafe data.lengths = context.optional(4).map { unsafe memory.read($0, as: Int32.self) }
      unsafe (data.initial_h, data.initial_c) = (read(5), read(6))
      unsafe (data.dy, data.dlast_h, data.dlast_c) = (read(8), read(9), read(10))
      unsafe (data.dx, data.dw, data.dr) = (write(0), write(1), write(2))
      unsafe (data.dbias, data.dinitial_h, data.dinitial_c) = (write(3), write(4), write(5))
      try check(unsafe lig_recurrent_gradient_run(&plan, memory.pool, &data, memory.workspace), steps: settled.steps)
    }
  }
}
