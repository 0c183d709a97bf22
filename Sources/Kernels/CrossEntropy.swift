import CKernels
import GraphIR
import Operators
import TensorCore

enum CrossEntropyKernels {
  static func register(in table: inout KernelTable) {
    table.register(BinaryCrossEntropy.self, prepare: computingInFloat32(prepare))
  }

  private static func prepare(_ op: BinaryCrossEntropy, _ context: KernelContext) throws -> Step {
    let (p, t, y) = (try context.input(0), try context.input(1), try context.output())
    guard p.element == .float32, t.element == .float32 else { throw context.unsupportedTypes(op) }
    guard p.shape == t.shape else {
      throw LigatureError(.shape, "probabilities have the shape \(p.shape), but targets \(t.shape)")
    }
    return Step { memory in
      unsafe lig_binary_cross_entropy(memory.read(p), memory.read(t), memory.write(y), p.count, memory.pool)
    }
  }
}
