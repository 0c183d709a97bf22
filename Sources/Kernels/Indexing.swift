import CKernels
import GraphIR
import Operators
import TensorCore

enum IndexingKernels {
  static func register(in table: inout KernelTable) {
    table.register(Gather.self, prepare: prepareGather)
    table.register(GatherElements.self, prepare: prepareGatherElements)
    table.register(GatherND.self, prepare: prepareGatherND)
    table.register(Slice.self, prepare: prepareSlice)
    table.register(SliceGradient.self, prepare: prepareSliceGradient)
    table.register(Scatter.self, prepare: computingInFloat32Unless({ $0.reduction == .none }, prepareScatter))
    table.register(OneHot.self, prepare: prepareOneHot)
    table.register(Trilu.self, prepare: prepareTrilu)
  }

  private static func outOfRange(_ sizes: String) -> LigatureError {
    LigatureError(.numeric, "an index lies outside of \(sizes); check the input that the indices come from")
  }

  private static func prepareGather(_ op: Gather, _ context: KernelContext) throws -> Step {
    let (x, indices, y) = (try context.input(0), try context.input(1), try context.output())
    let line = try Line(x.shape, axis: op.axis)
    let wide: Int32 = indices.element == .int64 ? 1 : 0
    let bytes = line.inner * x.element.byteSize
    guard bytes > 0 || y.count == 0, x.element.byteSize > 0 else { throw context.unsupportedTypes(op) }
    return Step { memory in
      let failed = unsafe lig_gather(
        memory.raw(x), memory.raw(indices), wide, memory.raw(y), line.outer, line.count, bytes, indices.count,
        memory.pool)
      guard failed == 0 else { throw outOfRange("the \(line.count) slices of axis \(line.axis)") }
    }
  }

  private static func prepareGatherElements(_ op: GatherElements, _ context: KernelContext) throws -> Step {
    let (x, indices, y) = (try context.input(0), try context.input(1), try context.output())
    let axis = try normalizedAxis(op.axis, rank: x.shape.count)
    let wide: Int32 = indices.element == .int64 ? 1 : 0
    guard [1, 2, 4, 8].contains(x.element.byteSize) else { throw context.unsupportedTypes(op) }
    return Step { memory in
      let failed = unsafe lig_gather_elements(
        memory.raw(x), memory.raw(indices), wide, memory.raw(y), Int32(x.shape.count), Int32(axis), x.shape,
        indices.shape, x.element.byteSize, memory.pool)
      guard failed == 0 else { throw outOfRange("the \(x.shape[axis]) elements of axis \(axis)") }
    }
  }

  private static func prepareGatherND(_ op: GatherND, _ context: KernelContext) throws -> Step {
    let (x, indices, y) = (try context.input(0), try context.input(1), try context.output())
    let batchAxes = op.batchDimensions
    let depth = indices.shape[indices.shape.count - 1]
    let batch = extent(x.shape[..<batchAxes])
    let count = extent(indices.shape[batchAxes..<(indices.shape.count - 1)])
    let walked = Array(x.shape[batchAxes..<(batchAxes + depth)])
    let bytes = extent(x.shape[(batchAxes + depth)...]) * x.element.byteSize
    return Step { memory in
      let failed = unsafe lig_gather_nd(
        memory.raw(x), memory.raw(indices), 1, memory.raw(y), batch, count, Int32(depth), walked, bytes, memory.pool)
      guard failed == 0 else { throw outOfRange("\(walked)") }
    }
  }

  private static func prepareSlice(_ op: Slice, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    func list(_ index: Int) throws -> [Int]? { try context.optional(index)?.constant?.integers() }
    guard let starts = try list(1), let ends = try list(2) else {
      throw LigatureError(.unsupported, "the starts and ends of Slice must be known before it runs")
    }
    let pieces = try Slice.pieces(x.shape, starts: starts, ends: ends, axes: list(3), steps: list(4))
    guard pieces.map(\.count) == y.shape else { throw LigatureError(.shape, "\(x.shape) is not sliced to \(y.shape)") }
    let strides = rowMajorStrides(x.shape)
    let offset = zip(pieces, strides).reduce(0) { $0 + ($1.0.count > 0 ? $1.0.start * $1.1 : 0) }
    let source = zip(pieces, strides).map { $0.step * $1 }
    return try StridedCopy(
      x.element, y.shape, source: source, target: rowMajorStrides(y.shape), sourceOffset: y.count == 0 ? 0 : offset
    ).step(from: x, to: y)
  }

  private static func prepareSliceGradient(_ op: SliceGradient, _ context: KernelContext) throws -> Step {
    let (g, y) = (try context.input(0), try context.output())
    func list(_ index: Int) throws -> [Int]? { try context.optional(index)?.constant?.integers() }
    guard let starts = try list(2), let ends = try list(3) else {
      throw LigatureError(.unsupported, "the starts and ends of SliceGradient must be known before it runs")
    }
    let pieces = try Slice.pieces(y.shape, starts: starts, ends: ends, axes: list(4), steps: list(5))
    guard pieces.map(\.count) == g.shape else { throw LigatureError(.shape, "\(y.shape) is not sliced to \(g.shape)") }
    let strides = rowMajorStrides(y.shape)
    let offset = zip(pieces, strides).reduce(0) { $0 + ($1.0.count > 0 ? $1.0.start * $1.1 : 0) }
    let copy = try StridedCopy(
      y.element, g.shape, source: rowMajorStrides(g.shape), target: zip(pieces, strides).map { $0.step * $1 },
      targetOffset: g.count == 0 ? 0 : offset)
    return Step { memory in
      unsafe memory.raw(y).initializeMemory(as: UInt8.self, repeating: 0, count: y.byteCount)
      unsafe copy.run(from: memory.raw(g), to: memory.raw(y), memory.pool)
    }
  }

  private static func prepareScatter(_ op: Scatter, _ context: KernelContext) throws -> Step {
    let (x, indices, updates) = (try context.input(0), try context.input(1), try context.input(2))
    let y = try context.output()
    let type = y.element.rawValue
    let size = y.element.byteSize
    let wide: Int32 = indices.element == .int64 ? 1 : 0
    let operation: Int
    switch op.reduction {
    case .none: operation = LIG_SCATTER_SET
    case .add: operation = LIG_SCATTER_ADD
    case .mul: operation = LIG_SCATTER_MUL
    case .max: operation = LIG_SCATTER_MAX
    case .min: operation = LIG_SCATTER_MIN
    }
    let code = Int32(operation)
    let combined: Set<ElementType> = [.float32, .float64, .int8, .uint8, .int32, .int64]
    guard op.reduction == .none ? size > 0 : combined.contains(y.element) else { throw context.unsupportedTypes(op) }
    switch op.kind {
    case .elements(let axis):
      let axis = try normalizedAxis(axis, rank: x.shape.count)
      return Step { memory in
        unsafe memory.raw(y).copyMemory(from: memory.raw(x), byteCount: x.byteCount)
        let failed = unsafe lig_scatter_elements(
          memory.raw(y), memory.raw(indices), wide, memory.raw(updates), Int32(x.shape.count), Int32(axis), x.shape,
          indices.shape, type, size, code)
        guard failed == 0 else { throw outOfRange("the \(x.shape[axis]) elements of axis \(axis)") }
      }
    case .slices:
      let depth = indices.shape[indices.shape.count - 1]
      let count = extent(indices.shape.dropLast())
      let slice = extent(x.shape[depth...])
      return Step { memory in
        unsafe memory.raw(y).copyMemory(from: memory.raw(x), byteCount: x.byteCount)
        let failed = unsafe lig_scatter_nd(
          memory.raw(y), memory.raw(indices), wide, memory.raw(updates), count, Int32(depth), x.shape, slice, type,
          size, code)
        guard failed == 0 else { throw outOfRange("\(x.shape[..<depth])") }
      }
    }
  }

  private static func prepareOneHot(_ op: OneHot, _ context: KernelContext) throws -> Step {
    let (indices, values, y) = (try context.input(0), try context.input(2), try context.output())
    let line = try Line(y.shape, axis: op.axis)
    let type = indices.element.rawValue
    let known: Set<ElementType> = Set.integers.union([.float32, .float64])
    guard known.contains(indices.element), Set<ElementType>.movable.contains(y.element) else {
      throw context.unsupportedTypes(op)
    }
    return Step { memory in
      unsafe _ = lig_one_hot(
        type, memory.raw(indices), memory.raw(values), memory.raw(y), line.outer, line.count, line.inner,
        y.element.byteSize)
    }
  }

  private static func prepareTrilu(_ op: Trilu, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let k = context.optional(1)
    let rank = x.shape.count
    let (rows, columns) = (x.shape[rank - 2], x.shape[rank - 1])
    let batch = extent(x.shape[..<(rank - 2)])
    let upper: Int32 = op.keepsUpper ? 1 : 0
    return Step { memory in
      let diagonal = k.map { unsafe memory.longs($0).pointee } ?? 0
      unsafe lig_trilu(
        upper, diagonal, memory.raw(x), memory.raw(y), batch, rows, columns, x.element.byteSize, memory.pool)
    }
  }
}
