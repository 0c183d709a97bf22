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
    let resizing = op.resizing(context.inference)
    guard let resized = try op.resize.inferTypes(resizing)[0].sizes, resized.count == 4, other.shape.count == 4,
      [x.shape, resized, other.shape].allSatisfy({ $0[..<2] == y.shape[..<2] })
    else { throw LigatureError(.shape, "\(x.shape) cannot be resized and added to \(other.shape)") }
    let lists = try ResizeKernels.neighbours(op.resize, resizing, from: x.shape, to: resized)
    // One row or column stands for all.
    let (rows, columns) = (spread(lists[2], y.shape[2]), spread(lists[3], y.shape[3]))
    let planes = x.shape[0] * x.shape[1]
    return Step { memory in
      unsafe lig_resize_add(
        memory.read(x), memory.read(other), memory.write(y), planes, x.shape[2], x.shape[3], y.shape[2], y.shape[3],
        other.shape[2], other.shape[3], rows, columns, memory.pool)
    }
  }

  private static func spread(_ list: [Int32], _ count: Int) -> [Int32] {
    list.count == count ? list : Array(repeating: list.first ?? 0, count: count)
  }
}
