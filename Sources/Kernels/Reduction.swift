import CKernels
import GraphIR
import Operators
import TensorCore

enum ReductionKernels {
  static func register(in table: inout KernelTable) {
    table.register(Reduce.self, prepare: computingInFloat32(prepare))
    table.register(SumTo.self, prepare: computingInFloat32(prepareSumTo))
    table.register(ArgExtreme.self, prepare: computingInFloat32(prepareArg))
    table.register(CumSum.self, prepare: computingInFloat32(prepareCumSum))
  }

  private static func prepare(_ op: Reduce, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let axes = try context.optional(1)?.constant?.integers()
    // Truth values are bytes of 0 and 1.
    let type = x.element == .bool ? ElementType.uint8.rawValue : x.element.rawValue
    guard axes != nil || context.optional(1) == nil, lig_reduce_knows(type) != 0 else {
      throw context.unsupportedTypes(op)
    }
    let reduced = try op.reducedAxes(axes, rank: x.shape.count)
    return try step(op.function, x, y, reduced)
  }

  private static func prepareSumTo(_ op: SumTo, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard lig_reduce_knows(x.element.rawValue) != 0 else { throw context.unsupportedTypes(op) }
    return try step(.sum, x, y, op.summedAxes(x.shape, to: y.shape))
  }

  private static func step(_ function: Reduce.Function, _ x: Operand, _ y: Operand, _ axes: [Bool]) throws -> Step {
    let reduced = axes.map { $0 ? UInt8(1) : 0 }
    if !reduced.contains(1) && !function.changesSingleElements {
      return Step { memory in unsafe memory.raw(y).copyMemory(from: memory.raw(x), byteCount: x.byteCount) }
    }
    var plan = lig_reduce()
    guard unsafe lig_reduce_prepare(&plan, Int32(x.shape.count), x.shape, reduced) == 0 else {
      throw LigatureError(.unsupported, "\(function.rawValue) takes at most \(LIG_MAX_RANK) dimensions")
    }
    // Truth values are bytes of 0 and 1.
    let type = x.element == .bool ? ElementType.uint8.rawValue : x.element.rawValue
    let code = Int32(function.code)
    return Step { [plan] memory in
      unsafe withUnsafePointer(to: plan) { plan in
        unsafe _ = lig_reduce_run(code, type, plan, memory.raw(x), memory.raw(y), memory.pool)
      }
    }
  }

  private static func prepareArg(_ op: ArgExtreme, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let type = x.element.rawValue
    guard [.float32, .float64, .int8, .uint8, .int32, .int64].contains(x.element) else {
      throw context.unsupportedTypes(op)
    }
    let line = try Line(x.shape, axis: op.axis)
    let (smallest, last): (Int32, Int32) = (op.kind == .min ? 1 : 0, op.selectsLast ? 1 : 0)
    return Step { memory in
      unsafe _ = lig_arg_extreme(
        type, smallest, last, memory.raw(x), memory.longs(y), line.outer, line.count, line.inner,
        memory.pool)
    }
  }

  private static func prepareCumSum(_ op: CumSum, _ context: KernelContext) throws -> Step {
    let (x, axis, y) = (try context.input(0), try context.input(1), try context.output())
    guard [.float32, .float64, .int32, .int64, .uint32, .uint64].contains(x.element) else {
      throw context.unsupportedTypes(op)
    }
    guard axis.count == 1, Set<ElementType>.indices.contains(axis.element) else {
      throw LigatureError(.shape, "the axis of CumSum must be one integer")
    }
    // The axis is seldom a constant in files, and the result's size does not depend on it.
    let known = try axis.constant.map { try Line(x.shape, axis: $0.integers()[0]) }
    let type = x.element.rawValue
    let (exclusive, reverse): (Int32, Int32) = (op.isExclusive ? 1 : 0, op.isReversed ? 1 : 0)
    return Step { memory in
      let line = try known ?? Line(x.shape, axis: unsafe memory.index(axis))
      unsafe _ = lig_cumsum(
        type, exclusive, reverse, memory.raw(x), memory.raw(y), line.outer, line.count, line.inner, memory.pool)
    }
  }
}

/// A shape seen from one axis: `[outer, count, inner]`.
struct Line: Sendable {
  let axis: Int
  let outer: Int
  let count: Int
  let inner: Int

  init(_ shape: [Int], axis: Int) throws {
    let axis = try normalizedAxis(axis, rank: shape.count)
    self.axis = axis
    outer = extent(shape[..<axis])
    count = shape[axis]
    inner = extent(shape[(axis + 1)...])
  }
}

extension Reduce.Function {
  fileprivate var code: Int {
    switch self {
    case .sum: LIG_REDUCE_SUM
    case .mean: LIG_REDUCE_MEAN
    case .max: LIG_REDUCE_MAX
    case .min: LIG_REDUCE_MIN
    case .prod: LIG_REDUCE_PROD
    case .l1: LIG_REDUCE_L1
    case .l2: LIG_REDUCE_L2
    case .sumSquare: LIG_REDUCE_SUM_SQUARE
    case .logSum: LIG_REDUCE_LOG_SUM
    case .logSumExp: LIG_REDUCE_LOG_SUM_EXP
    }
  }

  /// Whether the reduction of one element differs from it.
  fileprivate var changesSingleElements: Bool {
    switch self {
    case .sum, .mean, .max, .min, .prod, .logSumExp: false
    case .l1, .l2, .sumSquare, .logSum: true
    }
  }
}
