import CKernels
import GraphIR
import Operators
import TensorCore

enum ResizeAddKernels {
  static func register(in table: inout KernelTable) {
    table.register(ResizeAdd.self, prepare: computingInFloat32(prepare))
  }

  private static func prepare(_ op: ResizeAdd, _ context: KernelContext) throws -> Step {
    let (x, other, y) = (try context.input(0), try context.input(1), try context.output())
    guard x.element == .float32, other.element == .float32 else { throw context.unsupportedTypes(op) }
    let lists = try ResizeKernels.neighbours(op.resize, op.resizing(context.inference), from: x.shape, to: y.shape)
    guard lists.count == 4, other.shape == y.shape, Array(x.shape[..<2]) == Array(y.shape[..<2]) else {
      throw LigatureError(.shape, "\(x.shape) cannot be resized and added to \(other.shape)")
    }
    let (rows, columns) = (lists[2], lists[3])
    let planes = x.shape[0] * x.shape[1]
    return Step { memory in
      unsafe lig_resize_add(
        memory.read(x), memory.read(other), memory.write(y), planes, x.shape[2], x.shape[3], y.shape[2], y.shape[3],
        rows, columns, memory.pool)
    }
  }
}
