import CKernels
import GraphIR
import TensorCore

// float16 and bfloat16 are for storage: kernels compute in float32.

/// A preparer for float32 that takes half precision as well: converts such inputs, computes, converts back.
func computingInFloat32<O: Operator>(_ prepare: @escaping KernelTable.Prepare<O>) -> KernelTable.Prepare<O> {
  { op, context in
    let operands = context.inputs + context.outputs
    guard operands.contains(where: { $0.map { isHalf($0.element) } ?? false }) else { return try prepare(op, context) }
    return try HalfPrecisionStep(context).wrap { try prepare(op, $0) }
  }
}

private func isHalf(_ element: ElementType) -> Bool { element == .float16 || element == .bfloat16 }

/// Lays a float32 step's own address table and buffers out in the workspace of the step around it.
private struct HalfPrecisionStep {
  struct Conversion {
    let outside: Operand
    let inside: Operand
    let offset: Int
  }
  let inner: KernelContext
  var inputs: [Conversion] = []
  var outputs: [Conversion] = []
  /// Operands that the inner step sees as they are.
  var passed: [(outside: Operand, slot: Int)] = []
  /// Constants, converted once: the tensor keeps its bytes alive.
  var constants: [(tensor: Tensor, slot: Int)] = []
  let slotCount: Int
  let byteCount: Int

  init(_ context: KernelContext) throws {
    slotCount = context.inputs.count + context.outputs.count
    var bytes = HalfPrecisionStep.aligned(slotCount * MemoryLayout<Int>.stride)
    var slot = 0
    var insideInputs: [Operand?] = []
    var insideOutputs: [Operand?] = []
    for operand in context.inputs {
      defer { slot += 1 }
      guard let operand else {
        insideInputs.append(nil)
        continue
      }
      var constant = operand.constant
      if isHalf(operand.element), let half = constant {
        let converted = try unsafe context.packed.tensor(half, form: "float32", .float32, half.shape) { bytes in
          guard let to = bytes.baseAddress else { return }
          unsafe _ = lig_cast(
            half.element.rawValue, ElementType.float32.rawValue, half.address, to, half.count, context.pool?.handle)
        }
        constants.append((converted, slot))
        constant = converted
      }
      let inside = try Operand(
        element: isHalf(operand.element) ? .float32 : operand.element, shape: operand.shape, constant: constant,
        slot: slot)
      insideInputs.append(inside)
      guard isHalf(operand.element) else {
        passed.append((operand, slot))
        continue
      }
      if constant == nil { inputs.append(try HalfPrecisionStep.reserve(&bytes, operand, inside)) }
    }
    for operand in context.outputs {
      defer { slot += 1 }
      guard let operand else {
        insideOutputs.append(nil)
        continue
      }
      let inside = try Operand(
        element: isHalf(operand.element) ? .float32 : operand.element, shape: operand.shape, constant: nil, slot: slot)
      insideOutputs.append(inside)
      if isHalf(operand.element) {
        outputs.append(try HalfPrecisionStep.reserve(&bytes, operand, inside))
      } else {
        passed.append((operand, slot))
      }
    }
    byteCount = bytes
    inner = KernelContext(
      inputs: insideInputs, outputs: insideOutputs, threads: context.threads, packed: context.packed,
      pool: context.pool, precision: context.precision)
  }

  private static func aligned(_ bytes: Int) -> Int { (bytes + 63) & ~63 }

  private static func reserve(_ used: inout Int, _ outside: Operand, _ inside: Operand) throws -> Conversion {
    let conversion = Conversion(outside: outside, inside: inside, offset: used)
    let bytes = try Checked.byteCount(.float32, outside.shape)
    used = aligned(try Checked.add(used, Checked.add(bytes, 64)))
    return conversion
  }

  func wrap(_ prepare: (KernelContext) throws -> Step) throws -> Step {
    let step = try prepare(inner)
    let workspace = try Checked.add(byteCount, step.workspace, "a workspace")
    let conversions = inputs + outputs
    return Step(workspace: workspace) { [self] memory in
      let base = unsafe memory.workspace
      let table = unsafe base.bindMemory(to: UnsafeMutableRawPointer.self, capacity: slotCount)
      for slot in 0..<slotCount { unsafe table[slot] = base }
      for operand in passed where operand.outside.deferred == nil {
        unsafe table[operand.slot] = memory.raw(operand.outside)
      }
      for constant in constants {
        unsafe table[constant.slot] = UnsafeMutableRawPointer(mutating: constant.tensor.address)
      }
      for conversion in conversions { unsafe table[conversion.inside.slot] = base + conversion.offset }
      for input in inputs {
        unsafe _ = lig_cast(
          input.outside.element.rawValue, ElementType.float32.rawValue, memory.raw(input.outside), base + input.offset,
          input.outside.count, memory.pool)
      }
      try unsafe step.body(StepMemory(addresses: table, workspace: base + byteCount, pool: memory.pool))
      for output in outputs {
        unsafe _ = lig_cast(
          ElementType.float32.rawValue, output.outside.element.rawValue, base + output.offset,
          memory.raw(output.outside), output.outside.count, memory.pool)
      }
    }
  }
}

/// The same, but for operators that merely move their elements about.
func computingInFloat32Unless<O: Operator>(
  _ isMove: @escaping @Sendable (O) -> Bool, _ prepare: @escaping KernelTable.Prepare<O>
) -> KernelTable.Prepare<O> {
  let computing = computingInFloat32(prepare)
  return { op, context in try isMove(op) ? prepare(op, context) : computing(op, context) }
}
