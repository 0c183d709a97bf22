import CKernels
import GraphIR
import Operators
import TensorCore

enum FusedElementwiseKernels {
  static func register(in table: inout KernelTable) {
    table.register(FusedElementwise.self, prepare: computingInFloat32(prepare))
  }

  private static func prepare(_ op: FusedElementwise, _ context: KernelContext) throws -> Step {
    let inputs = try context.inputs.indices.map(context.input)
    let y = try context.output()
    guard y.element == .float32, inputs.allSatisfy({ $0.element == .float32 }) else {
      throw context.unsupportedTypes(op)
    }
    let chain = try Chain(op, inputs, y)
    return Step { memory in
      unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: inputs.count) { addresses in
        for (index, input) in inputs.enumerated() { unsafe addresses[index] = memory.read(input) }
        unsafe chain.run(memory.pool, addresses, memory.write(y))
      }
    }
  }
}

/// The program as C runs it.
private struct Chain: Sendable {
  private let plan: lig_chain

  init(_ op: FusedElementwise, _ inputs: [Operand], _ y: Operand) throws {
    var plan = lig_chain()
    plan.walk = try BroadcastWalk(inputs, y).plan
    plan.steps = Int32(op.steps.count)
    let steps = op.steps.map(Chain.step)
    unsafe withUnsafeMutableBytes(of: &plan.step) { bytes in
      let target = unsafe bytes.assumingMemoryBound(to: lig_chain_step.self)
      for (index, step) in steps.prefix(target.count).enumerated() { unsafe target[index] = step }
    }
    guard unsafe lig_chain_prepare(&plan) == 0 else {
      throw LigatureError(
        .unsupported, "the steps of FusedElementwise need too much room; run the graph without elementwise-fusion")
    }
    self.plan = plan
  }

  private static func step(_ step: FusedElementwise.Step) -> lig_chain_step {
    var result = lig_chain_step()
    result.left = Int32(step.operands[0])
    switch step.function {
    case .unary(let op):
      result.operation = Int32(UnaryKernels.code(op))
      (result.a, result.b) = (op.alpha, op.beta)
    case .clip(let low, let high):
      result.operation = Int32(LIG_UNARY_CLIP)
      (result.a, result.b) = (low, high)
    case .binary(let function):
      result.is_binary = 1
      result.operation = Int32(BinaryKernels.code(Binary(function)))
      result.right = Int32(step.operands[1])
    }
    return result
  }

  @unsafe func run(
    _ pool: OpaquePointer?, _ inputs: UnsafeMutableBufferPointer<UnsafePointer<Float>?>,
    _ y: UnsafeMutablePointer<Float>
  ) {
    unsafe withUnsafePointer(to: plan) { unsafe lig_chain_run($0, pool, inputs.baseAddress, y) }
  }
}
