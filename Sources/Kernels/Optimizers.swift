import CKernels
import Glibc
import GraphIR
import Operators
import TensorCore

enum OptimizerKernels {
  static func register(in table: inout KernelTable) {
    table.register(OptimizerUpdate.self, prepare: prepareUpdate)
    table.register(GlobalNorm.self, prepare: prepareNorm)
    table.register(LearningRate.self, prepare: prepareRate)
    table.register(Dropout.self, prepare: prepareDropout)
  }

  /// What every rule takes beside its own numbers.
  private struct Operands: Sendable {
    let parameter: Operand, gradient: Operand, rate: Operand, scale: Operand?, step: Operand?
    let moments: [Operand], next: Operand, nextMoments: [Operand]
    let clip: Float

    init(_ op: OptimizerUpdate, _ context: KernelContext) throws {
      parameter = try context.input(0)
      gradient = try context.input(1)
      rate = try context.input(2)
      scale = context.optional(3)
      step = context.optional(4)
      moments = try op.rule.moments.indices.map { try context.input(OptimizerUpdate.firstMoment + $0) }
      next = try context.output()
      nextMoments = try op.rule.moments.indices.map { try context.output(1 + $0) }
      clip = op.clip ?? .infinity
      for tensor in [gradient] + moments where tensor.shape != parameter.shape {
        throw LigatureError(.shape, "parameter, gradient and moments must have one shape")
      }
    }

    func gradientRule(_ memory: StepMemory, decay: Float) -> lig_gradient_rule {
      let factor: Float = scale.map { unsafe memory.read($0).pointee } ?? 1
      return lig_gradient_rule(scale: factor, clip: clip, decay: decay)
    }
  }

  private static func prepareUpdate(_ op: OptimizerUpdate, _ context: KernelContext) throws -> Step {
    let operands = try Operands(op, context)
    guard operands.parameter.element == .float32 else { throw context.unsupportedTypes(op) }
    switch op.rule {
    case .sgd(let momentum, let decay, let nesterov): return sgd(operands, momentum, decay, nesterov)
    case .adam(let beta1, let beta2, let epsilon, let decay, let isDecoupled):
      return try adam(operands, (decimal(beta1), decimal(beta2)), epsilon, decay, isDecoupled)
    case .adadelta(let rho, let epsilon, let decay): return adadelta(operands, decimal(rho), epsilon, decay)
    }
  }

  private static func sgd(_ o: Operands, _ momentum: Float, _ decay: Float, _ nesterov: Bool) -> Step {
    let (buffer, nextBuffer) = (o.moments.first, o.nextMoments.first)
    return Step { memory in
      var rule = unsafe lig_sgd_rule(
        gradient: o.gradientRule(memory, decay: decay), rate: memory.read(o.rate).pointee, momentum: momentum,
        nesterov: nesterov ? 1 : 0)
      unsafe lig_sgd(
        memory.pool, &rule, o.parameter.count, memory.read(o.parameter), memory.read(o.gradient), memory.read(buffer),
        memory.write(o.next), memory.write(nextBuffer))
    }
  }

  private static func adam(
    _ o: Operands, _ betas: (Double, Double), _ epsilon: Float, _ decay: Float, _ isDecoupled: Bool
  ) throws -> Step {
    guard let step = o.step else { throw LigatureError(.arity, "input 4 (the step) is missing") }
    let weightDecay = decimal(decay)
    return Step { memory in
      let done = unsafe memory.read(step, as: Int64.self).pointee
      let t = Double(max(done, 1))
      let learningRate: Float = unsafe memory.read(o.rate).pointee
      let rate = Double(learningRate)
      var rule = lig_adam_rule(
        gradient: o.gradientRule(memory, decay: isDecoupled ? 0 : decay),
        shrink: isDecoupled ? Float(1 - rate * weightDecay) : 1, first: Float(1 - betas.0), second: Float(betas.1),
        one_less_second: Float(1 - betas.1), size: Float(rate / (1 - pow(betas.0, t))),
        root: Float((1 - pow(betas.1, t)).squareRoot()), epsilon: epsilon)
      unsafe lig_adam(
        memory.pool, &rule, o.parameter.count, memory.read(o.parameter), memory.read(o.gradient),
        memory.read(o.moments[0]), memory.read(o.moments[1]), memory.write(o.next), memory.write(o.nextMoments[0]),
        memory.write(o.nextMoments[1]))
    }
  }

  private static func adadelta(_ o: Operands, _ rho: Double, _ epsilon: Float, _ decay: Float) -> Step {
    Step { memory in
      var rule = unsafe lig_adadelta_rule(
        gradient: o.gradientRule(memory, decay: decay), rate: memory.read(o.rate).pointee, rho: Float(rho),
        one_less_rho: Float(1 - rho), epsilon: epsilon)
      unsafe lig_adadelta(
        memory.pool, &rule, o.parameter.count, memory.read(o.parameter), memory.read(o.gradient),
        memory.read(o.moments[0]), memory.read(o.moments[1]), memory.write(o.next), memory.write(o.nextMoments[0]),
        memory.write(o.nextMoments[1]))
    }
  }

  private static func prepareNorm(_ op: GlobalNorm, _ context: KernelContext) throws -> Step {
    let inputs = try context.inputs.indices.map { try context.input($0) }
    let output = try context.output()
    guard inputs.allSatisfy({ $0.element == .float32 }) else { throw context.unsupportedTypes(op) }
    let parts = inputs.map { lig_square_sum_count($0.count) }
    let all = parts.reduce(0, +)
    return Step(workspace: try Checked.multiply(all, 8, "partial sums")) { memory in
      let partial = unsafe memory.workspace.assumingMemoryBound(to: Double.self)
      var start = 0
      for index in inputs.indices {
        unsafe lig_square_sums(memory.pool, memory.read(inputs[index]), inputs[index].count, partial + start)
        start += parts[index]
      }
      var sum = 0.0
      for index in 0..<all { unsafe sum += partial[index] }
      unsafe memory.write(output).pointee = Float(sum.squareRoot())
    }
  }

  private static func prepareRate(_ op: LearningRate, _ context: KernelContext) throws -> Step {
    let (step, output) = (try context.input(0), try context.output())
    return Step { memory in
      let done = unsafe memory.read(step, as: Int64.self).pointee
      unsafe memory.write(output).pointee = op.rate(step: Int(done))
    }
  }

  private static func prepareDropout(_ op: Dropout, _ context: KernelContext) throws -> Step {
    let (x, generator, y) = (try context.input(0), try context.input(1), try context.output())
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    let ratio = decimal(op.ratio)
    let threshold = UInt32((ratio * 0x1p32).rounded())
    let (site, scale) = (UInt32(op.site), Float(1 / (1 - ratio)))
    return Step { memory in
      let state = unsafe memory.read(generator, as: Int64.self)
      unsafe lig_dropout(
        memory.pool, memory.read(x), x.count, state[0], state[1], site, threshold, scale, memory.write(y))
    }
  }
}
