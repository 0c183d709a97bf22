import CKernels
import Operators
import TensorCore

enum RecurrentKernels {
  static func register(in table: inout KernelTable) {
    table.register(Recurrent.self, prepare: prepare)
  }

  private static func prepare(_ op: Recurrent, _ context: KernelContext) throws -> Step {
    let x = try context.input(0), w = try context.input(1), r = try context.input(2)
    for operand in [x, w, r, context.optional(3), context.optional(5), context.optional(6), context.optional(7)] {
      if let operand, operand.element != .float32 { throw context.unsupportedTypes(op) }
    }
    var plan = try RecurrentKernels.plan(op, x: x.shape, hidden: op.hiddenSize ?? r.shape[2])
    plan.w_is_packed = w.constant == nil ? 0 : 1
    plan.r_is_packed = r.constant == nil ? 0 : 1
    unsafe lig_recurrent_prepare(&plan)
    let form = "\(op.name)\(op.linearBeforeReset) isa \(plan.isa)"
    let packedW = try unsafe pack(w, context, "W of \(form)", lig_recurrent_packed_w_count(&plan)) {
      unsafe lig_recurrent_pack_w($0, $1, $2)
    }
    let packedR = try unsafe pack(r, context, "R of \(form)", lig_recurrent_packed_r_count(&plan)) {
      unsafe lig_recurrent_pack_r($0, $1, $2)
    }
    func pack(
      _ source: Operand, _ context: KernelContext, _ form: String, _ count: Int,
      _ fill: (UnsafePointer<lig_recurrent>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) throws -> Tensor? {
      guard let constant = source.constant else { return nil }
      return try context.packed.tensor(constant, form: form) {
        try unsafe Tensor(.float32, [count]) { bytes in
          guard let target = unsafe bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
          unsafe fill(&plan, constant.address.assumingMemoryBound(to: Float.self), target)
        }
      }
    }
    let settled = plan
    return Step(workspace: unsafe lig_recurrent_workspace(&plan, Int32(context.threads))) { memory in
      var plan = settled
      var data = unsafe lig_recurrent_data()
      unsafe data.x = memory.read(x)
      unsafe data.w = packedW.map { unsafe $0.address.assumingMemoryBound(to: Float.self) } ?? memory.read(w)
      unsafe data.r = packedR.map { unsafe $0.address.assumingMemoryBound(to: Float.self) } ?? memory.read(r)
      unsafe data.bias = optional(3)
      unsafe data.initial_h = optional(5)
      unsafe data.initial_c = optional(6)
      unsafe data.peepholes = optional(7)
      unsafe data.lengths = context.optional(4).map { unsafe memory.read($0, as: Int32.self) }
      unsafe data.y = context.optionalOutput(0).map { unsafe memory.write($0) }
      unsafe data.y_h = context.optionalOutput(1).map { unsafe memory.write($0) }
      unsafe data.y_c = context.optionalOutput(2).map { unsafe memory.write($0) }
      func optional(_ index: Int) -> UnsafePointer<Float>? {
        unsafe context.optional(index).map { unsafe memory.read($0) }
      }
      try check(unsafe lig_recurrent_run(&plan, memory.pool, &data, memory.workspace), steps: settled.steps)
    }
  }

  /// The error for what a run returns: 0, or 1 + the position of a length out of range.
  static func check(_ result: Int, steps: Int) throws {
    guard result != 0 else { return }
    throw LigatureError(
      .numeric, "sequence_lens[\(result - 1)] is not within 0...\(steps); it counts steps of X")
  }

  /// The plan of a layer for an input of those sizes, but for where its weights are.
  static func plan(_ op: Recurrent, x: [Int], hidden: Int) throws -> lig_recurrent {
    guard hidden > 0 else { throw LigatureError(.shape, "the hidden size must be positive, but is \(hidden)") }
    var plan = lig_recurrent()
    plan.cell = op.cell == .lstm ? LIG_CELL_LSTM : op.cell == .gru ? LIG_CELL_GRU : LIG_CELL_RNN
    plan.steps = op.batchFirst ? x[1] : x[0]
    plan.batch = op.batchFirst ? x[0] : x[1]
    plan.input = x[2]
    plan.hidden = hidden
    plan.directions = Int32(op.direction.count)
    plan.reverse = op.direction == .reverse ? 1 : 0
    plan.batch_first = op.batchFirst ? 1 : 0
    plan.clip = op.clip ?? .infinity
    plan.input_forget = op.inputForget ? 1 : 0
    plan.linear_before_reset = op.linearBeforeReset ? 1 : 0
    let each = op.activations.count / op.direction.count
    let gates = (0..<6).map { index -> lig_gate in
      let (direction, place) = (index / 3, index % 3)
      guard direction < op.direction.count, place < each else { return gate(.init(.tanh)) }
      return gate(op.activations[direction * each + place])
    }
    plan.activations = ((gates[0], gates[1], gates[2]), (gates[3], gates[4], gates[5]))
    // What the plan's arithmetic multiplies fits an integer with room to spare.
    let cells = try Checked.multiply(Checked.multiply(x[0], x[1], "steps"), Checked.multiply(hidden, 16), "gates")
    let weights = try Checked.multiply(Checked.add(hidden, x[2]), Checked.multiply(hidden, 16), "weights")
    _ = try Checked.multiply(Checked.add(cells, weights), 64, "the memory of a recurrent layer")
    return plan
  }

  private static func gate(_ activation: Recurrent.Activation) -> lig_gate {
    let kind =
      switch activation.kind {
      case .sigmoid: LIG_GATE_SIGMOID
      case .tanh: LIG_GATE_TANH
      case .relu: LIG_GATE_RELU
      case .affine: LIG_GATE_AFFINE
      case .leakyRelu: LIG_GATE_LEAKY_RELU
      case .thresholdedRelu: LIG_GATE_THRESHOLDED_RELU
      case .scaledTanh: LIG_GATE_SCALED_TANH
      case .hardSigmoid: LIG_GATE_HARD_SIGMOID
      case .elu: LIG_GATE_ELU
      case .softsign: LIG_GATE_SOFTSIGN
      case .softplus: LIG_GATE_SOFTPLUS
      }
    return lig_gate(kind: kind, alpha: activation.alpha, beta: activation.beta)
  }
}
