import CKernels
import Operators
import TensorCore

enum QuantizationKernels {
  static func register(in table: inout KernelTable) {
    table.register(DynamicQuantizeLinear.self, prepare: prepareDynamic)
    table.register(QuantizeLinear.self, prepare: prepareQuantize)
    table.register(DequantizeLinear.self, prepare: prepareDequantize)
  }

  private static func prepareDynamic(_ op: DynamicQuantizeLinear, _ context: KernelContext) throws -> Step {
    let x = try context.input(0)
    let (y, scale, zero) = (context.optionalOutput(0), context.optionalOutput(1), context.optionalOutput(2))
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    return Step { memory in
      let found = unsafe lig_dynamic_range(memory.read(x), x.count, memory.pool)
      if let y { unsafe lig_dynamic_quantize(memory.read(x), x.count, found, memory.write(y), memory.pool) }
      if let scale { unsafe memory.write(scale)[0] = found.scale }
      if let zero { unsafe memory.write(zero)[0] = found.zero }
    }
  }

  private static func prepareQuantize(_ op: QuantizeLinear, _ context: KernelContext) throws -> Step {
    let (x, scale, zero, y) = (
      try context.input(0), try context.input(1), context.optional(2), try context.output()
    )
    guard Set.quantized.contains(y.element), (zero?.element ?? y.element) == y.element else {
      throw context.unsupportedTypes(op)
    }
    let plan = try plan(op.grid, x, scale, zero, y.element)
    guard x.element == .float32, scale.element == .float32, !y.element.isNarrow else {
      return try quantizeSlowly(op, plan, y.element, context)
    }
    return Step { memory in
      _ = unsafe withUnsafePointer(to: plan) {
        unsafe lig_quantize(
          $0, memory.pool, memory.read(x), memory.read(scale), memory.raw(zero), memory.raw(y))
      }
    }
  }

  private static func prepareDequantize(_ op: DequantizeLinear, _ context: KernelContext) throws -> Step {
    let (q, scale, zero, x) = (
      try context.input(0), try context.input(1), context.optional(2), try context.output()
    )
    guard Set.quantized.contains(q.element) || q.element == .int32, (zero?.element ?? q.element) == q.element else {
      throw context.unsupportedTypes(op)
    }
    let plan = try plan(op.grid, q, scale, zero, q.element)
    guard scale.element == .float32, !q.element.isNarrow else {
      let count = scale.count
      return try .portable(context) { operands in
        let (q, scale, zero) = (try operands.input(0), try operands.input(1), operands.optional(2))
        let x = try operands.output()
        for index in 0..<q.count {
          let place = plan.scale(of: index, count)
          x[index] = (q[index] - (zero?[place] ?? 0)) * scale[place]
        }
      }
    }
    return Step { memory in
      _ = unsafe withUnsafePointer(to: plan) {
        unsafe lig_dequantize(
          $0, memory.pool, memory.raw(q), memory.read(scale), memory.raw(zero), memory.write(x))
      }
    }
  }

  /// Of any types, in double precision.
  private static func quantizeSlowly(
    _ op: QuantizeLinear, _ plan: lig_quantization, _ element: ElementType, _ context: KernelContext
  ) throws -> Step {
    let count = try context.input(1).count
    // Floats round when they are converted, past the addition.
    let rounds = !element.isNarrow || element.isPackedInFiles
    return try .portable(context, saturates: op.saturates) { operands in
      let (x, scale, zero) = (try operands.input(0), try operands.input(1), operands.optional(2))
      let y = try operands.output()
      for index in 0..<x.count {
        let place = plan.scale(of: index, count)
        let value = x[index] / scale[place]
        y[index] = (rounds ? value.rounded(.toNearestOrEven) : value) + (zero?[place] ?? 0)
      }
    }
  }

  private static func plan(
    _ grid: QuantizationGrid, _ x: Operand, _ scale: Operand, _ zero: Operand?, _ element: ElementType
  ) throws -> lig_quantization {
    if let zero, zero.count != scale.count {
      throw LigatureError(.shape, "there are \(scale.count) scales, but \(zero.count) zero points")
    }
    var plan = lig_quantization()
    plan.type = element.rawValue
    (plan.outer, plan.axis, plan.inner) = (1, 1, x.count)
    if grid.blockSize == 0, scale.count == 1 { return plan }
    let axis = try normalizedAxis(grid.axis, rank: x.shape.count)
    plan.outer = x.shape[..<axis].reduce(1, *)
    plan.axis = x.shape[axis]
    plan.inner = x.shape[(axis + 1)...].reduce(1, *)
    plan.per_axis = grid.blockSize == 0 ? 1 : 0
    plan.block = max(grid.blockSize, 1)
    let blocks = grid.blockSize == 0 ? 1 : plan.axis / plan.block + (plan.axis % plan.block == 0 ? 0 : 1)
    let wanted = grid.blockSize == 0 ? plan.axis : try Checked.elementCount([plan.outer, blocks, plan.inner])
    guard scale.count == wanted else {
      throw LigatureError(.shape, "there are \(scale.count) scales for \(x.shape), where \(wanted) are needed")
    }
    return plan
  }
}

extension lig_quantization {
  /// Which of the scales an element has.
  fileprivate func scale(of index: Int, _ count: Int) -> Int {
    guard count > 1, inner > 0, axis > 0 else { return 0 }
    let position = index / inner % axis
    if per_axis != 0 { return position }
    let blocks = axis / block + (axis % block == 0 ? 0 : 1)
    return (index / inner / axis * blocks + position / block) * inner + index % inner
  }
}
