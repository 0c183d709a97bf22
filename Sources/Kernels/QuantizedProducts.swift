import CKernels
import GraphIR
import Operators
import TensorCore

/// The exact product in int32 in the workspace, then back to 8 bits.
enum QuantizedProductKernels {
  static func register(in table: inout KernelTable) {
    table.register(QLinearMatMul.self) { op, context in
      let (a, y) = (try context.input(0), try context.output())
      let columns = try context.input(3).shape.count == 1 ? 1 : y.shape.last ?? 1
      let layout = Layout(
        rows: columns == 0 ? 0 : y.count / columns, channels: columns, inner: 1,
        period: a.shape.count > 1 ? a.shape[a.shape.count - 2] : 1)
      return try step(op, context, layout, bias: nil) { try IntegerProductKernels.prepareMatMul(MatMulInteger(), $0) }
    }
    table.register(QLinearConv.self) { op, context in
      let y = try context.output()
      let layout = Layout(rows: y.shape[0], channels: y.shape[1], inner: extent(y.shape[2...]), period: 1)
      return try step(op, context, layout, bias: context.optional(8)) {
        try IntegerProductKernels.prepareConv(ConvInteger(op.window), $0)
      }
    }
  }

  /// The product as `[rows, channels, inner]`: the second operand's scales are those of the channels, the first's those
  /// of the rows, over and over.
  private struct Layout {
    let rows: Int, channels: Int, inner: Int, period: Int
  }

  private static func step(
    _ op: any Operator, _ context: KernelContext, _ layout: Layout, bias: Operand?,
    _ prepare: (KernelContext) throws -> Step
  ) throws -> Step {
    let operands = try (0..<8).map { try context.input($0) }
    let y = try context.output()
    guard y.count > 0 else { return Step { _ in } }
    let (first, second, result) = (operands[1], operands[4], operands[6])
    guard first.count == 1 || first.count == layout.period, second.count == 1 || second.count == layout.channels,
      result.count == 1, operands[7].count == 1
    else {
      throw LigatureError(.shape, "the scales \(first.shape) and \(second.shape) do not fit the result \(y.shape)")
    }
    let sources = [operands[0], operands[3], operands[2], operands[5]]
    let inside = try sources.enumerated().map {
      try Operand(element: $1.element, shape: $1.shape, constant: $1.constant, slot: $0)
    }
    let product = try Operand(element: .int32, shape: y.shape, constant: nil, slot: 4)
    let inner = try prepare(
      KernelContext(
        inputs: inside, outputs: [product], threads: context.threads, packed: context.packed, pool: context.pool,
        precision: context.precision))
    // Addresses, scales, product, the inner step's own.
    let floats = 64
    let scaleCount = try Checked.add(layout.channels, first.count + second.count + 1)
    let table = try Checked.add(floats, alignedBytes(Checked.byteCount(.float32, [scaleCount])))
    let scratch = try Checked.add(table, alignedBytes(Checked.byteCount(.int32, y.shape)))
    return Step(workspace: try Checked.add(scratch, inner.workspace)) { memory in
      let base = unsafe memory.workspace
      let addresses = unsafe base.bindMemory(to: UnsafeMutableRawPointer.self, capacity: 5)
      for (slot, source) in sources.enumerated() { unsafe addresses[slot] = memory.raw(source) }
      unsafe addresses[4] = base + table
      try unsafe inner.body(StepMemory(addresses: addresses, workspace: base + scratch, pool: memory.pool))
      let scales = unsafe (base + floats).assumingMemoryBound(to: Float.self)
      let (a, b) = unsafe (scales + layout.channels, scales + layout.channels + first.count)
      let c = unsafe b + second.count
      func convert(_ operand: Operand, _ target: UnsafeMutablePointer<Float>) {
        unsafe _ = lig_cast(
          operand.element.rawValue, ElementType.float32.rawValue, memory.raw(operand), target, operand.count, nil)
      }
      unsafe convert(first, a)
      unsafe convert(second, b)
      unsafe convert(result, c)
      let isSigned = y.element == .int8
      let zero =
        unsafe isSigned
        ? Int32(memory.read(operands[7], as: Int8.self)[0]) : Int32(memory.read(operands[7], as: UInt8.self)[0])
      let x = unsafe UnsafePointer((base + table).assumingMemoryBound(to: Int32.self))
      // All rows at once, unless each has a scale of its own.
      let step = first.count == 1 ? layout.rows : 1
      let size = layout.channels * layout.inner
      for row in stride(from: 0, to: layout.rows, by: max(step, 1)) {
        let scale = unsafe a[row % first.count]
        for channel in 0..<layout.channels {
          unsafe scales[channel] = scale * b[second.count == 1 ? 0 : channel] / c[0]
        }
        unsafe lig_requantize(
          memory.pool, x + row * size, bias.map { unsafe memory.read($0) }, scales, zero, isSigned ? 1 : 0, step,
          layout.channels, layout.inner, memory.raw(y) + row * size)
      }
    }
  }
}
