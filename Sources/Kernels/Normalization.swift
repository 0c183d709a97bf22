import CKernels
import GraphIR
import Operators
import TensorCore

enum NormalizationKernels {
  static func register(in table: inout KernelTable) {
    table.register(BatchNormalization.self, prepare: computingInFloat32(prepareBatch))
    table.register(BatchNormalizationGradient.self, prepare: computingInFloat32(prepareBatchGradient))
    table.register(LayerNormalization.self, prepare: computingInFloat32(prepareLayer))
    table.register(InstanceNormalization.self, prepare: computingInFloat32(prepareInstance))
  }

  private static func prepareBatch(_ op: BatchNormalization, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let parameters = try (1...4).map { try context.input($0) }
    guard ([x] + parameters).allSatisfy({ $0.element == .float32 }) else { throw context.unsupportedTypes(op) }
    let planes = try Planes(x.shape)
    if op.isTraining { return trainingStep(op, context, planes, x, parameters, y) }
    let (gamma, beta, mean, variance) = (parameters[0], parameters[1], parameters[2], parameters[3])
    let epsilon = op.epsilon
    let half = try alignedBytes(Checked.byteCount(.float32, [planes.channels]))
    return Step(workspace: 2 * half) { memory in
      let scale = unsafe memory.workspace.assumingMemoryBound(to: Float.self)
      let shift = unsafe (memory.workspace + half).assumingMemoryBound(to: Float.self)
      unsafe lig_batch_norm_fold(
        memory.read(gamma), memory.read(beta), memory.read(mean), memory.read(variance), epsilon, planes.channels,
        scale, shift)
      unsafe lig_scale_shift(
        memory.pool, memory.read(x), planes.outer, planes.channels, planes.inner, scale, shift, memory.write(y))
    }
  }

  private static func trainingStep(
    _ op: BatchNormalization, _ context: KernelContext, _ planes: Planes, _ x: Operand, _ parameters: [Operand],
    _ y: Operand
  ) -> Step {
    let (runningMean, runningVariance) = (context.optionalOutput(1), context.optionalOutput(2))
    return Step { memory in
      unsafe lig_batch_norm_train(
        memory.pool, memory.read(x), planes.outer, planes.channels, planes.inner, memory.read(parameters[0]),
        memory.read(parameters[1]), memory.read(parameters[2]), memory.read(parameters[3]), op.epsilon, op.momentum,
        memory.write(y), memory.write(runningMean), memory.write(runningVariance))
    }
  }

  private static func prepareBatchGradient(_ op: BatchNormalizationGradient, _ context: KernelContext) throws -> Step {
    let (x, gamma, g) = (try context.input(0), try context.input(1), try context.input(2))
    let (dx, dgamma, dbeta) = (context.optionalOutput(0), context.optionalOutput(1), context.optionalOutput(2))
    guard [x, gamma, g].allSatisfy({ $0.element == .float32 }) else { throw context.unsupportedTypes(op) }
    let planes = try Planes(x.shape)
    return Step { memory in
      unsafe lig_batch_norm_gradient(
        memory.pool, memory.read(x), memory.read(g), planes.outer, planes.channels, planes.inner, memory.read(gamma),
        op.epsilon, memory.write(dx), memory.write(dgamma), memory.write(dbeta))
    }
  }

  private static func prepareLayer(_ op: LayerNormalization, _ context: KernelContext) throws -> Step {
    let (x, gamma, beta) = (try context.input(0), try context.input(1), context.optional(2))
    let (y, mean, inverse) = (context.optionalOutput(0), context.optionalOutput(1), context.optionalOutput(2))
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    guard let y else { throw LigatureError(.unsupported, "LayerNormalization must have its first output") }
    let axis = op.axis < 0 ? op.axis + x.shape.count : op.axis
    guard x.shape.indices.contains(axis) else { throw LigatureError(.attribute, "axis \(op.axis) is out of range") }
    let count = try Checked.elementCount(Array(x.shape[axis...]))
    guard gamma.count == count, (beta?.count ?? count) == count else {
      throw LigatureError(.shape, "scale and bias must have the shape \(x.shape[axis...]) that is normalised")
    }
    let rows = count == 0 ? 0 : x.count / count
    let epsilon = op.epsilon
    return Step { memory in
      unsafe lig_layer_norm(
        memory.pool, memory.read(x), rows, count, memory.read(gamma), memory.read(beta), epsilon, memory.write(y),
        memory.write(mean), memory.write(inverse))
    }
  }

  private static func prepareInstance(_ op: InstanceNormalization, _ context: KernelContext) throws -> Step {
    let (x, gamma, beta, y) = (
      try context.input(0), try context.input(1), try context.input(2), try context.output()
    )
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    let planes = try Planes(x.shape)
    let epsilon = op.epsilon
    return Step { memory in
      unsafe lig_instance_norm(
        memory.pool, memory.read(x), planes.outer, planes.channels, planes.inner, memory.read(gamma),
        memory.read(beta), epsilon, memory.write(y))
    }
  }
}

/// `[N, C, …]` as N, C and the elements of a plane.
private struct Planes {
  let outer: Int, channels: Int, inner: Int

  init(_ shape: [Int]) throws {
    guard shape.count >= 2 else { throw LigatureError(.rank, "takes [N, C, …], not \(shape)") }
    (outer, channels) = (shape[0], shape[1])
    inner = try Checked.elementCount(Array(shape[2...]))
  }
}
