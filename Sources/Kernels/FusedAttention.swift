import CKernels
import GraphIR
import Operators
import TensorCore

enum FusedAttentionKernels {
  static func register(in table: inout KernelTable) {
    table.register(FusedAttention.self, prepare: computingInFloat32(prepare))
  }

  private static func prepare(_ op: FusedAttention, _ context: KernelContext) throws -> Step {
    let (q, k, v) = (try context.input(0), try context.input(1), try context.input(2))
    let (mask, y) = (context.optional(3), try context.output())
    guard q.element == .float32 else { throw context.unsupportedTypes(op) }
    let (sizes, keys) = (op.query.sizes(q.shape), op.key.sizes(k.shape))
    let values = op.value.sizes(v.shape)
    guard keys[2] > 0 else {  // a softmax of nothing adds nothing up
      return Step { memory in
        unsafe memory.raw(y).initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
      }
    }
    var plan = lig_attention()
    (plan.batch, plan.heads, plan.rows, plan.keys) = (sizes[0], sizes[1], sizes[2], keys[2])
    (plan.depth, plan.values, plan.scale) = (sizes[3], values[3], op.scale)
    let starts = [(op.query, q), (op.key, k), (op.value, v)].map { start($0, $1.shape) }
    plan.q = steps(op.query.axes, q.shape)
    plan.k = steps(op.key.axes, k.shape)
    plan.v = steps(op.value.axes, v.shape)
    plan.y = steps(op.result, y.shape)
    if let mask { plan.mask = try steps(mask: mask.shape, scores: [sizes[0], sizes[1], sizes[2], keys[2]]) }
    unsafe lig_attention_prepare(&plan)
    let settled = plan
    return Step(workspace: unsafe lig_attention_workspace(&plan, Int32(context.threads))) { memory in
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_attention_run(
          $0, memory.pool, memory.read(q) + starts[0], memory.read(k) + starts[1], memory.read(v) + starts[2],
          memory.read(mask), memory.write(y), memory.workspace)
      }
    }
  }

  private static func steps(_ axes: [Int], _ shape: [Int]) -> lig_attention_steps {
    let strides = rowMajorStrides(shape)
    let steps = axes.map { $0 < 0 ? 0 : strides[$0] }
    return lig_attention_steps(batch: steps[0], head: steps[1], row: steps[2], column: steps[3])
  }

  private static func steps(mask: [Int], scores: [Int]) throws -> lig_attention_steps {
    let missing = scores.count - mask.count
    guard missing >= 0, zip(mask, scores.dropFirst(missing)).allSatisfy({ $0 == 1 || $0 == $1 }) else {
      throw LigatureError(.shape, "the mask \(mask) does not broadcast to the scores \(scores)")
    }
    let strides = rowMajorStrides(mask)
    let steps = scores.indices.map { $0 < missing || mask[$0 - missing] == 1 ? 0 : strides[$0 - missing] }
    return lig_attention_steps(batch: steps[0], head: steps[1], row: steps[2], column: steps[3])
  }

  /// Elements before the first of an operand.
  private static func start(_ layout: FusedAttention.Layout, _ shape: [Int]) -> Int {
    let strides = rowMajorStrides(shape)
    return layout.places.reduce(0) { $0 + $1.index * strides[$1.axis] }
  }
}
