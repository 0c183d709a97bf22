import CKernels
import GraphIR
import Operators
import TensorCore

enum JoiningKernels {
  static func register(in table: inout KernelTable) {
    table.register(Concat.self, prepare: prepareConcat)
    table.register(Split.self, prepare: prepareSplit)
    table.register(Tile.self, prepare: prepareTile)
    table.register(Pad.self, prepare: preparePad)
    table.register(BlockShuffle.self, prepare: prepareShuffle)
  }

  private static func prepareConcat(_ op: Concat, _ context: KernelContext) throws -> Step {
    let y = try context.output()
    let axis = try normalizedAxis(op.axis, rank: y.shape.count)
    let target = rowMajorStrides(y.shape)
    var offset = 0
    var copies: [(x: Operand, copy: StridedCopy)] = []
    for index in context.inputs.indices {
      let x = try context.input(index)
      let copy = try StridedCopy(
        x.element, x.shape, source: rowMajorStrides(x.shape), target: target, targetOffset: offset * target[axis])
      copies.append((x, copy))
      offset += x.shape[axis]
    }
    guard offset == y.shape[axis] else {
      throw LigatureError(.shape, "inputs of \(offset) together cannot be concatenated to \(y.shape)")
    }
    let isOneStretch = y.shape[..<axis].allSatisfy { $0 == 1 }
    return Step { [copies] memory in
      var place = unsafe memory.raw(y)
      for (x, copy) in copies {
        // The plan may have had an input made where it belongs.
        let isThere = unsafe isOneStretch && memory.raw(x) == place
        if !isThere { unsafe copy.run(from: memory.raw(x), to: memory.raw(y), memory.pool) }
        unsafe place += x.byteCount
      }
    }
  }

  private static func prepareSplit(_ op: Split, _ context: KernelContext) throws -> Step {
    let x = try context.input(0)
    let axis = try normalizedAxis(op.axis, rank: x.shape.count)
    let source = rowMajorStrides(x.shape)
    // Pieces that nobody wants have no operand: their sizes are taken from the inference.
    let sizes = try pieceSizes(op, context, x, axis)
    var offset = 0
    var copies: [(y: Operand, copy: StridedCopy)] = []
    for (index, size) in sizes.enumerated() {
      if let y = context.optionalOutput(index) {
        let copy = try StridedCopy(
          x.element, y.shape, source: source, target: rowMajorStrides(y.shape), sourceOffset: offset * source[axis])
        copies.append((y, copy))
      }
      offset += size
    }
    guard offset <= x.shape[axis] else { throw LigatureError(.shape, "\(sizes) do not split \(x.shape)") }
    return Step { [copies] memory in
      for (y, copy) in copies { unsafe copy.run(from: memory.raw(x), to: memory.raw(y), memory.pool) }
    }
  }

  private static func pieceSizes(_ op: Split, _ context: KernelContext, _ x: Operand, _ axis: Int) throws -> [Int] {
    let inference = InferenceContext(
      inputs: context.inputs.map { $0.map { TensorType($0.element, sizes: $0.shape) } },
      constants: context.inputs.map { $0?.constant }, contents: context.inputs.map { _ in nil },
      outputCount: context.outputs.count)
    return try op.inferTypes(inference).prefix(context.outputs.count).map { type in
      guard let sizes = type.sizes else { throw LigatureError(.shape, "the sizes of the pieces are not known") }
      return sizes[axis]
    }
  }

  private static func prepareTile(_ op: Tile, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    // Each axis becomes two: the repeats, whose source stands still, and the original.
    let (from, to) = (rowMajorStrides(x.shape), rowMajorStrides(y.shape))
    var (shape, source, target): ([Int], [Int], [Int]) = ([], [], [])
    for axis in x.shape.indices where y.shape[axis] != 1 {
      let repeats = x.shape[axis] == 0 ? 0 : y.shape[axis] / x.shape[axis]
      if repeats != 1 {
        shape.append(repeats)
        source.append(0)
        target.append(to[axis] * x.shape[axis])
      }
      shape.append(x.shape[axis])
      source.append(from[axis])
      target.append(to[axis])
    }
    return try StridedCopy(x.element, shape, source: source, target: target).step(from: x, to: y)
  }

  private static func preparePad(_ op: Pad, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard let pads = try context.input(1).constant?.integers(), Set<ElementType>.movable.contains(x.element),
      x.shape.count <= LIG_MAX_RANK
    else { throw context.unsupportedTypes(op) }
    let (begin, end) = try Pad.ends(
      pads: pads, axes: try context.optional(3)?.constant?.integers(), rank: x.shape.count)
    let mode: Int32
    switch op.mode {
    case .constant: mode = Int32(LIG_PAD_CONSTANT)
    case .reflect: mode = Int32(LIG_PAD_REFLECT)
    case .edge: mode = Int32(LIG_PAD_EDGE)
    case .wrap: mode = Int32(LIG_PAD_WRAP)
    }
    let value = context.optional(2)
    return Step { memory in
      let zero: Int64 = 0
      let failed = unsafe withUnsafePointer(to: zero) { zero in
        let filler = unsafe value.map { unsafe UnsafeRawPointer(memory.raw($0)) } ?? UnsafeRawPointer(zero)
        return unsafe lig_pad(
          mode, memory.raw(x), memory.raw(y), Int32(x.shape.count), x.shape, begin, end, filler, x.element.byteSize,
          memory.pool)
      }
      guard failed == 0 else { throw LigatureError(.shape, "an axis without elements cannot be padded") }
    }
  }

  private static func prepareShuffle(_ op: BlockShuffle, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let block = op.blockSize
    // In axes [N, blockY, blockX, C, H, W] of the deeper side, and of the wider one, [N, C, H, blockY, W, blockX].
    let (deep, wide) = op.kind == .depthToSpace ? (x.shape, y.shape) : (y.shape, x.shape)
    let channels = wide[1]
    let deepStrides = rowMajorStrides(deep)
    let wideStrides = rowMajorStrides(wide)
    let plane = deepStrides[1]
    let inner = op.mode == .columnRowDepth
    let deepView = [
      deepStrides[0], (inner ? 1 : channels) * block * plane, (inner ? 1 : channels) * plane,
      (inner ? block * block : 1) * plane, deepStrides[2], deepStrides[3],
    ]
    let wideView = [
      wideStrides[0], wideStrides[2], wideStrides[3], wideStrides[1], wideStrides[2] * block, wideStrides[3] * block,
    ]
    let shape = [deep[0], block, block, channels, deep[2], deep[3]]
    let (source, target) = op.kind == .depthToSpace ? (deepView, wideView) : (wideView, deepView)
    return try StridedCopy(x.element, shape, source: source, target: target).step(from: x, to: y)
  }
}
