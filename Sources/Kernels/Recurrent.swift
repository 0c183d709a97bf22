import CKernels
import Operators
import TensorCore

enum RecurrentKernels {
  static func register(in table: inout KernelTable) {
    table.register(Recurrent.self, prepare: computingInFloat32(prepare))
    table.register(RecurrentGradient.self, prepare: prepareGradient)
  }

  private static func prepare(_ op: Recurrent, _ context: KernelContext) throws -> Step {
    let x = try context.input(0)
    let w = try context.input(1)
    let r = try context.input(2)
    for operand in [x, w, r, context.optional(3), context.optional(5), context.optional(6), context.optional(7)] {
      if let operand, operand.element != .float32 { throw context.unsupportedTypes(op) }
    }
    var plan = try RecurrentKernels.plan(op, x: x.shape, hidden: op.hiddenSize ?? r.shape[2])
    let weights = try RecurrentWeights(&plan, w, r, context, "\(op.name)\(op.linearBeforeReset)")
    return unsafe step(plan, weights, x, peepholes: context.optional(7), context) { _, _ in }
  }

  /// - Parameter complete: sets what only layers with 8-bit weights have.
  static func step(
    _ settled: lig_recurrent, _ weights: RecurrentWeights, _ x: Operand, peepholes: Operand?, _ context: KernelContext,
    complete: @escaping @Sendable (inout lig_recurrent_data, StepMemory) -> Void
  ) -> Step {
    let (bias, lengths) = (context.optional(3), context.optional(4))
    let (initialH, initialC) = (context.optional(5), context.optional(6))
    let (y, lastH, lastC) = (context.optionalOutput(0), context.optionalOutput(1), context.optionalOutput(2))
    var plan = settled
    return Step(workspace: unsafe lig_recurrent_workspace(&plan, Int32(context.threads))) { memory in
      var data = unsafe lig_recurrent_data()
      unsafe data.x = memory.read(x)
      unsafe data.w = weights.input(memory)
      unsafe data.r = weights.recurrent(memory)
      unsafe data.bias = memory.read(bias)
      unsafe data.lengths = lengths.map { unsafe memory.read($0, as: Int32.self) }
      unsafe data.initial_h = memory.read(initialH)
      unsafe data.initial_c = memory.read(initialC)
      unsafe data.peepholes = memory.read(peepholes)
      unsafe data.y = memory.write(y)
      unsafe data.y_h = memory.write(lastH)
      unsafe data.y_c = memory.write(lastC)
      unsafe complete(&data, memory)
      let result = unsafe withUnsafePointer(to: settled) {
        unsafe lig_recurrent_run($0, memory.pool, &data, memory.workspace)
      }
      try check(result, steps: settled.steps)
    }
  }

  /// The error for what a run returns: 0, or 1 + the position of a length out of range.
  static func check(_ result: Int, steps: Int) throws {
    guard result != 0 else { return }
    throw LigatureError(.numeric, "sequence_lens[\(result - 1)] is not within 0...\(steps); it counts steps of X")
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

/// W and R of a layer: packed once if they are constants, else by each run.
struct RecurrentWeights: Sendable {
  private let w: Operand, r: Operand
  private let packedW: Tensor?, packedR: Tensor?

  /// Prepares the plan as well.
  init(
    _ plan: inout lig_recurrent, _ w: Operand, _ r: Operand, _ context: KernelContext, _ form: String
  ) throws {
    (self.w, self.r) = (w, r)
    plan.w_is_packed = w.constant == nil ? 0 : 1
    plan.r_is_packed = r.constant == nil ? 0 : 1
    unsafe lig_recurrent_prepare(&plan)
    var settled = plan
    let form = "\(form) \(plan.isa) \(plan.projection.isa) \(plan.integer_projection.isa)"
    packedW = try unsafe context.packedBytes(
      w, form: "W of \(form)", size: unsafe lig_recurrent_packed_w_size(&settled)
    ) { unsafe lig_recurrent_pack_w(&settled, $0, $1) }
    packedR = try unsafe context.packedBytes(
      r, form: "R of \(form)", size: unsafe lig_recurrent_packed_r_size(&settled)
    ) { unsafe lig_recurrent_pack_r(&settled, $0, $1) }
  }

  @unsafe func input(_ memory: StepMemory) -> UnsafeRawPointer {
    unsafe packedW?.address ?? UnsafeRawPointer(memory.raw(w))
  }
  @unsafe func recurrent(_ memory: StepMemory) -> UnsafeRawPointer {
    unsafe packedR?.address ?? UnsafeRawPointer(memory.raw(r))
  }
}
