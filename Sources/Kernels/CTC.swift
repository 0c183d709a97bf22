import CKernels
import GraphIR
import Operators
import TensorCore

enum CTCKernels {
  static func register(in table: inout KernelTable) {
    table.register(CTCLoss.self, prepare: computingInFloat32(prepare))
    table.register(CTCLossGradient.self, prepare: computingInFloat32(prepareGradient))
  }

  private static func prepare(_ op: CTCLoss, _ context: KernelContext) throws -> Step {
    let losses = try context.output()
    return try unsafe step(op, context) { plan, data, memory in
      unsafe lig_ctc_loss(plan, memory.pool, data, memory.write(losses), memory.workspace)
    }
  }

  private static func prepareGradient(_ op: CTCLossGradient, _ context: KernelContext) throws -> Step {
    let (g, result) = (try context.input(4), try context.output())
    return try unsafe step(op.forward, context) { plan, data, memory in
      unsafe lig_ctc_gradient(plan, memory.pool, data, memory.read(g), memory.write(result), memory.workspace)
    }
  }

  private static func step(
    _ op: CTCLoss, _ context: KernelContext,
    run: @escaping @Sendable (UnsafePointer<lig_ctc>, UnsafePointer<lig_ctc_data>, StepMemory) -> Void
  ) throws -> Step {
    let x = try context.input(0)
    let (targets, inputs, labels) = (try context.input(1), try context.input(2), try context.input(3))
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    var plan = lig_ctc()
    (plan.steps, plan.batch, plan.classes) = (x.shape[0], x.shape[1], x.shape[2])
    (plan.labels, plan.blank) = (targets.shape[1], op.blank)
    guard op.blank < plan.classes || x.count == 0 else {
      throw LigatureError(.attribute, "the blank is class \(op.blank), but there are \(plan.classes) classes")
    }
    plan.zero_infinity = op.zeroInfinity ? 1 : 0
    plan.wide_targets = targets.element == .int64 ? 1 : 0
    plan.wide_input_lengths = inputs.element == .int64 ? 1 : 0
    plan.wide_target_lengths = labels.element == .int64 ? 1 : 0
    let states = try Checked.add(Checked.multiply(plan.labels, 2, "targets"), 1, "targets")
    _ = try Checked.multiply(
      Checked.multiply(Checked.add(plan.steps, 2), states, "a workspace"), 8 * context.threads, "a workspace")
    let settled = plan
    return Step(workspace: unsafe lig_ctc_workspace(&plan, Int32(context.threads))) { memory in
      var data = unsafe lig_ctc_data()
      unsafe data.log_probabilities = UnsafePointer(memory.read(x))
      unsafe data.targets = UnsafeRawPointer(memory.raw(targets))
      unsafe data.input_lengths = UnsafeRawPointer(memory.raw(inputs))
      unsafe data.target_lengths = UnsafeRawPointer(memory.raw(labels))
      try unsafe withUnsafePointer(to: settled) { plan in
        var place = 0
        try check(unsafe lig_ctc_check(plan, &data, &place), at: place, settled)
        unsafe run(plan, &data, memory)
      }
    }
  }

  private static func check(_ problem: Int32, at place: Int, _ plan: lig_ctc) throws {
    let what: String
    switch Int(problem) {
    case LIG_CTC_FINE: return
    case LIG_CTC_INPUT_LENGTH: what = "the input length is not within 0...\(plan.steps)"
    case LIG_CTC_TARGET_LENGTH: what = "the target length is not within 0...\(plan.labels)"
    default: what = "the target has a label outside of the \(plan.classes) classes"
    }
    throw LigatureError(.numeric, "sequence \(place) of a CTC loss: \(what); check the convertor and the lengths")
  }
}
