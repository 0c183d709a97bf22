import CKernels
import GraphIR
import Operators
import TensorCore

enum ShapeKernels {
  static func register(in table: inout KernelTable) {
    table.register(Reshape.self) { _, context in try view(context) }
    table.register(Squeeze.self) { _, context in try view(context) }
    table.register(Unsqueeze.self) { _, context in try view(context) }
    table.register(Flatten.self) { _, context in try view(context) }
    table.register(Shape.self) { op, context in
      let shape = try context.input(0).shape
      return try constant(shape[op.range(rank: shape.count)].map(Int64.init), context)
    }
    table.register(Size.self) { _, context in try constant([Int64(context.input(0).count)], context) }
    table.register(Expand.self) { _, context in
      let (x, y) = (try context.input(0), try context.output())
      return try StridedCopy(broadcasting: x, to: y).step(from: x, to: y)
    }
    table.register(Transpose.self) { op, context in
      let (x, y) = (try context.input(0), try context.output())
      let strides = rowMajorStrides(x.shape)
      let source = try op.order(rank: x.shape.count).map { strides[$0] }
      return try StridedCopy(y.element, y.shape, source: source, target: rowMajorStrides(y.shape)).step(from: x, to: y)
    }
  }

  /// The copy that stands in where the runtime cannot alias.
  private static func view(_ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard x.byteCount == y.byteCount else {
      throw LigatureError(.shape, "\(x.shape) cannot be viewed as \(y.shape): the numbers of elements differ")
    }
    return Step { memory in unsafe memory.raw(y).copyMemory(from: memory.raw(x), byteCount: x.byteCount) }
  }

  private static func constant(_ values: [Int64], _ context: KernelContext) throws -> Step {
    let y = try context.output()
    return Step { memory in
      let target = unsafe memory.write(y, as: Int64.self)
      for (index, value) in values.enumerated() { unsafe target[index] = value }
    }
  }
}
