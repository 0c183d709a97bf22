import CKernels
import GraphIR
import Operators
import TensorCore

enum GeneratorKernels {
  static func register(in table: inout KernelTable) {
    table.register(Constant.self) { op, context in
      let y = try context.output()
      let value = op.value
      guard value.element == y.element, value.byteCount == y.byteCount, value.element != .string else {
        throw context.unsupportedTypes(op)
      }
      return Step { memory in unsafe memory.raw(y).copyMemory(from: value.address, byteCount: value.byteCount) }
    }
    table.register(ConstantOfShape.self) { op, context in
      let y = try context.output()
      let value = op.value
      return Step { memory in
        unsafe lig_fill(y.element.byteSize, value.address, memory.raw(y), y.count, memory.pool)
      }
    }
    table.register(NumberRange.self) { op, context in
      let (start, delta, y) = (try context.input(0), try context.input(2), try context.output())
      let type = y.element.rawValue
      guard [.float32, .float64, .int16, .int32, .int64].contains(y.element) else {
        throw context.unsupportedTypes(op)
      }
      return Step { memory in
        unsafe _ = lig_range(type, memory.raw(start), memory.raw(delta), memory.raw(y), y.count)
      }
    }
    table.register(EyeLike.self, prepare: prepareEye)
  }

  private static func prepareEye(_ op: EyeLike, _ context: KernelContext) throws -> Step {
    let y = try context.output()
    let (rows, columns, size) = (y.shape[0], y.shape[1], y.element.byteSize)
    let diagonal = op.diagonal
    return Step { memory in
      let base = unsafe memory.raw(y)
      unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
      guard diagonal > -rows, diagonal < columns else { return }
      var one: Int64 = 1
      for row in max(0, -diagonal)..<max(max(0, -diagonal), min(rows, columns - diagonal)) {
        let at = unsafe base + (row * columns + row + diagonal) * size
        unsafe _ = lig_cast(ElementType.int64.rawValue, y.element.rawValue, &one, at, 1, nil)
      }
    }
  }
}
