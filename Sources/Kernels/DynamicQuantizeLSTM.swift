import CKernels
import Operators
import TensorCore

enum DynamicQuantizeLSTMKernels {
  static func register(in table: inout KernelTable) {
    table.register(DynamicQuantizeLSTM.self, prepare: prepare)
  }

  private static func prepare(_ op: DynamicQuantizeLSTM, _ context: KernelContext) throws -> Step {
    let x = try context.input(0)
    let w = try context.input(1)
    let r = try context.input(2)
    let wScale = try context.input(8)
    let wZero = try context.input(9)
    let rScale = try context.input(10)
    let rZero = try context.input(11)
    for (weights, scale, zero) in [(w, wScale, wZero), (r, rScale, rZero)] {
      guard [.int8, .uint8].contains(weights.element), zero.element == weights.element, scale.element == .float32,
        x.element == .float32
      else { throw context.unsupportedTypes(op) }
      guard scale.shape == zero.shape else {
        throw LigatureError(.shape, "the scale \(scale.shape) and the zero point \(zero.shape) differ in shape")
      }
    }
    var plan = try RecurrentKernels.plan(op.layer, x: x.shape, hidden: r.shape[1])
    plan.quantized = 1
    plan.w_is_signed = w.element == .int8 ? 1 : 0
    plan.r_is_signed = r.element == .int8 ? 1 : 0
    plan.w_scales = wScale.count / op.layer.direction.count
    plan.r_scales = rScale.count / op.layer.direction.count
    let weights = try RecurrentWeights(&plan, w, r, context, "\(op.name)")
    return unsafe RecurrentKernels.step(plan, weights, x, peepholes: context.optional(7), context) { data, memory in
      unsafe data.w_scale = memory.read(wScale)
      unsafe data.r_scale = memory.read(rScale)
      unsafe data.w_zero = UnsafeRawPointer(memory.raw(wZero))
      unsafe data.r_zero = UnsafeRawPointer(memory.raw(rZero))
    }
  }
}
