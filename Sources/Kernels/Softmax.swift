import CKernels
import GraphIR
import Operators
import TensorCore

enum SoftmaxKernels {
  static func register(in table: inout KernelTable) {
    table.register(Softmax.self, prepare: computingInFloat32(prepare))
  }

  private static func prepare(_ op: Softmax, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    guard x.count > 0 else { return Step { _ in } }
    let shape = x.shape.isEmpty ? [1] : x.shape
    let axis = op.axis < 0 ? op.axis + shape.count : op.axis
    guard shape.indices.contains(axis) else { throw LigatureError(.attribute, "axis \(op.axis) is out of range") }
    let outer = try Checked.elementCount(Array(shape[..<axis]))
    let inner = try Checked.elementCount(Array(shape[(axis + 1)...]))
    let (count, logarithm) = (shape[axis], Int32(op.isLogarithm ? 1 : 0))
    return Step { memory in
      unsafe lig_softmax(memory.pool, memory.read(x), outer, count, inner, logarithm, memory.write(y))
    }
  }
}
