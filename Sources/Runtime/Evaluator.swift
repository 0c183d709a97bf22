package import GraphIR
package import Kernels
package import TensorCore

/// Runs one operator on tensors: for constant folding, and for the nodes between two plans.
package struct Evaluator: Sendable {
  package let kernels: KernelTable
  package let pool: ThreadPool
  package let budget: RunBudget
  /// The most bytes that the outputs and the workspace may take together.
  package var byteLimit: Int { budget.limits.memory }
  package let precision: Precision

  package init(kernels: KernelTable, pool: ThreadPool, budget: RunBudget, precision: Precision = .strict) {
    self.kernels = kernels
    self.pool = pool
    self.budget = budget
    self.precision = precision
  }

  /// - Parameter inputs: `nil` where an optional input is left out.
  package func evaluate(_ op: any Operator, _ inputs: [Tensor?], outputCount: Int) throws -> [Tensor] {
    for tensor in inputs { try budget.limits.elementCount(tensor?.shape ?? []) }
    let operands = try inputs.enumerated().map { index, tensor in
      try tensor.map { try Operand(element: $0.element, shape: $0.shape, constant: $0, slot: index) }
    }
    if op.traits.contains(.hasDataDependentShape) {
      let context = KernelContext(
        inputs: operands, outputs: [], threads: pool.threads, packed: PackedConstants(), precision: precision)
      return try budget.limiting { try kernels.evaluate(op, inputs, context) }
    }
    let known = InferenceContext(
      inputs: inputs.map { $0.map { TensorType($0.element, sizes: $0.shape) } }, constants: inputs,
      contents: inputs.map { _ in nil }, outputCount: outputCount)
    let outputs = try op.inferTypes(known).prefix(outputCount).enumerated().map { index, type in
      guard let sizes = type.sizes else {
        throw LigatureError(.unsupported, "the size of output \(index) of \(op.name) cannot be determined")
      }
      try budget.limits.elementCount(sizes)
      return try Operand(element: type.element, shape: sizes, constant: nil, slot: inputs.count + index)
    }
    let step = try kernels.prepare(
      op,
      KernelContext(
        inputs: operands, outputs: outputs, threads: pool.threads, packed: PackedConstants(), pool: pool,
        precision: precision))
    return try run(step, inputs: inputs, outputs: outputs)
  }

  private func run(_ step: Step, inputs: [Tensor?], outputs: [Operand]) throws -> [Tensor] {
    var needed = step.workspace
    for output in outputs {
      needed = try Checked.add(needed, Checked.byteCount(output.element, output.shape), "an evaluation")
    }
    guard needed <= byteLimit else {
      throw LigatureError(.limit, "needs \(needed) bytes, more than the limit of \(byteLimit); raise the memory limit")
    }
    let storages = try outputs.map { try TensorStorage(uninitialized: $0.byteCount) }
    let workspace = try TensorStorage(uninitialized: step.workspace)
    var addresses: [UnsafeMutableRawPointer] = unsafe []
    for tensor in inputs {
      if let tensor {
        unsafe addresses.append(UnsafeMutableRawPointer(mutating: tensor.address))
      } else {
        unsafe addresses.append(UnsafeMutableRawPointer(mutating: workspace.address))
      }
    }
    for storage in storages { unsafe addresses.append(UnsafeMutableRawPointer(mutating: storage.address)) }
    try withExtendedLifetime((inputs, storages, workspace)) {
      try unsafe addresses.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        let memory = unsafe StepMemory(
          addresses: base, workspace: UnsafeMutableRawPointer(mutating: workspace.address), pool: pool.handle)
        try budget.limiting { try step.body(memory) }
      }
    }
    return try zip(outputs, storages).map { try Tensor($0.element, $0.shape, storage: $1) }
  }
}
