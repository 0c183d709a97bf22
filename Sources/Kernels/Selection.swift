import CKernels
import GraphIR
import Operators
import TensorCore

enum SelectionKernels {
  static func register(in table: inout KernelTable) {
    table.register(TopK.self, prepare: computingInFloat32(prepareTopK))
    table.register(LargestMask.self, prepare: prepareLargest)
    table.register(NonZero.self, evaluate: nonZero)
    table.register(NonMaxSuppression.self, evaluate: suppress)
    table.register(Compress.self, evaluate: compress)
    table.register(Unique.self, evaluate: unique)
  }

  private static func prepareTopK(_ op: TopK, _ context: KernelContext) throws -> Step {
    let x = try context.input(0)
    let (values, places) = (context.optionalOutput(0), context.optionalOutput(1))
    guard let shape = (values ?? places)?.shape else { throw LigatureError(.arity, "has no outputs") }
    guard [.float32, .float64, .int8, .uint8, .int32, .int64].contains(x.element) else {
      throw context.unsupportedTypes(op)
    }
    let line = try Line(x.shape, axis: op.axis)
    let k = shape[line.axis]
    let count = try Checked.elementCount(shape)
    let heaps = try Checked.multiply(lig_top_k_workspace(k), context.threads, "a workspace")
    // An output that nobody wants goes to the workspace.
    let spareValues = (heaps + 63) & ~63
    let sparePlaces = try Checked.add(spareValues, Checked.multiply(count, 8)) + 64
    let (type, largest): (Int32, Int32) = (x.element.rawValue, op.selectsLargest ? 1 : 0)
    return Step(workspace: try Checked.add(sparePlaces, Checked.multiply(count, 8))) { memory in
      let base = unsafe memory.workspace
      let to = unsafe values.map { unsafe memory.raw($0) } ?? base + spareValues
      let indices =
        unsafe places.map { unsafe memory.longs($0) } ?? (base + sparePlaces).assumingMemoryBound(to: Int.self)
      unsafe _ = lig_top_k(
        type, largest, memory.raw(x), to, indices, line.outer, line.count, line.inner, k, base, memory.pool)
    }
  }

  private static func prepareLargest(_ op: LargestMask, _ context: KernelContext) throws -> Step {
    let (x, k, y) = (try context.input(0), try context.input(1), try context.output())
    guard x.element == .float32, k.element == .int64 else { throw context.unsupportedTypes(op) }
    return Step(workspace: lig_largest_mask_workspace(x.count)) { memory in
      let wanted = unsafe memory.read(k, as: Int64.self)[0]
      guard let wanted = Int(exactly: wanted), (0...x.count).contains(wanted) else {
        throw LigatureError(.numeric, "the \(wanted) largest of \(x.count) elements are asked for")
      }
      unsafe lig_largest_mask(
        memory.read(x), memory.raw(y).assumingMemoryBound(to: UInt8.self), x.count, wanted, memory.workspace,
        memory.pool)
    }
  }

  private static func input(_ inputs: [Tensor?], _ index: Int) throws -> Tensor {
    guard index < inputs.count, let tensor = inputs[index] else {
      throw LigatureError(.arity, "input \(index) is missing")
    }
    return tensor
  }

  private static func nonZero(_ op: NonZero, _ inputs: [Tensor?], _ context: KernelContext) throws -> [Tensor] {
    let x = try input(inputs, 0)
    guard [1, 2, 4, 8].contains(x.element.byteSize) else { throw context.unsupportedTypes(op) }
    let real: Int32 = x.element.isFloatingPoint ? 1 : 0
    let size = x.element.byteSize
    let rank = x.shape.count
    let found = unsafe lig_count_non_zero(x.address, x.count, size, real)
    return try withExtendedLifetime(x) {
      [
        try unsafe Tensor(.int64, [rank, found]) { bytes in
          guard let base = bytes.baseAddress, found > 0 else { return }
          unsafe lig_non_zero(
            x.address, x.count, size, real, Int32(rank), x.shape, base.assumingMemoryBound(to: Int.self), found)
        }
      ]
    }
  }

  private static func suppress(
    _ op: NonMaxSuppression, _ inputs: [Tensor?], _ context: KernelContext
  ) throws -> [Tensor] {
    let (boxes, scores) = (try input(inputs, 0), try input(inputs, 1))
    guard boxes.element == .float32, scores.element == .float32 else { throw context.unsupportedTypes(op) }
    guard boxes.shape.count == 3, scores.shape.count == 3, boxes.shape[2] == 4, boxes.shape[0] == scores.shape[0],
      boxes.shape[1] == scores.shape[2]
    else {
      throw LigatureError(
        .shape, "boxes must be [N, B, 4] and scores [N, C, B], but are \(boxes.shape) and \(scores.shape)")
    }
    func scalar(_ index: Int) -> Tensor? { index < inputs.count ? inputs[index] : nil }
    let limit = try scalar(2)?.integers().first ?? 0
    let iou = try scalar(3)?.floats().first ?? 0
    let threshold = try scalar(4)?.floats().first
    guard (0...1).contains(iou) else { throw LigatureError(.numeric, "the overlap threshold \(iou) is not in 0...1") }
    let (images, classes, count) = (scores.shape[0], scores.shape[1], boxes.shape[1])
    var rows: [Int64] = []
    var kept = [Int](repeating: 0, count: min(max(limit, 0), count))
    var workspace = [UInt8](repeating: 0, count: lig_nms_workspace(count) + 64)
    let (allBoxes, allScores) = (try boxes.scalars(as: Float.self), try scores.scalars(as: Float.self))
    // Without boxes there may be any number of images and classes.
    for image in 0..<(kept.isEmpty ? 0 : images) {
      for kind in 0..<classes {
        try checkTime()
        let found = unsafe allBoxes.withUnsafeBufferPointer { boxes in
          unsafe allScores.withUnsafeBufferPointer { scores in
            unsafe workspace.withUnsafeMutableBytes { space in
              guard let b = boxes.baseAddress, let s = scores.baseAddress, let w = space.baseAddress else { return 0 }
              return unsafe lig_non_max_suppression(
                b + image * count * 4, s + (image * classes + kind) * count, count, op.boxesAreCentred ? 1 : 0, iou,
                threshold == nil ? 0 : 1, threshold ?? 0, kept.count, &kept, w)
            }
          }
        }
        for box in kept.prefix(found) { rows += [Int64(image), Int64(kind), Int64(box)] }
      }
    }
    return [try Tensor(rows, [rows.count / 3, 3])]
  }

  private static func compress(_ op: Compress, _ inputs: [Tensor?], _ context: KernelContext) throws -> [Tensor] {
    let (x, condition) = (try input(inputs, 0), try input(inputs, 1).integers())
    guard x.element.byteSize > 0 else { throw context.unsupportedTypes(op) }
    let shape = op.axis == nil ? [x.count] : x.shape
    let line = try Line(shape, axis: op.axis ?? 0)
    guard condition.count <= line.count else {
      throw LigatureError(.shape, "\(condition.count) conditions for \(line.count) slices")
    }
    return [try take(condition.indices.filter { condition[$0] != 0 }, of: x, shape, line)]
  }

  /// Some slices of an axis, in any order.
  private static func take(_ chosen: [Int], of x: Tensor, _ shape: [Int], _ line: Line) throws -> Tensor {
    var result = shape
    result[line.axis] = chosen.count
    let places = chosen.map(Int64.init)
    let bytes = line.inner * x.element.byteSize
    return try withExtendedLifetime(x) {
      try unsafe Tensor(x.element, result) { target in
        guard let base = target.baseAddress, !places.isEmpty, bytes > 0 else { return }
        unsafe _ = lig_gather(x.address, places, 1, base, line.outer, line.count, bytes, places.count, nil)
      }
    }
  }

  private static func unique(_ op: Unique, _ inputs: [Tensor?], _ context: KernelContext) throws -> [Tensor] {
    let x = try input(inputs, 0)
    let shape = op.axis == nil ? [x.count] : x.shape
    let line = try Line(shape, axis: op.axis ?? 0)
    switch x.element {
    case .float32, .float16, .bfloat16: return try unique(x.floats(), x, shape, line, op.isSorted)
    case .float64: return try unique(x.scalars(as: Double.self), x, shape, line, op.isSorted)
    case .string: throw context.unsupportedTypes(op)
    default: return try unique(x.integers(), x, shape, line, op.isSorted)
    }
  }

  private static func unique<Scalar: Comparable>(
    _ values: [Scalar], _ x: Tensor, _ shape: [Int], _ line: Line, _ isSorted: Bool
  ) throws -> [Tensor] {
    let width = line.outer * line.inner
    func element(_ slice: Int, _ place: Int) -> Scalar {
      values[(place / line.inner * line.count + slice) * line.inner + place % line.inner]
    }
    // What is no number comes last, and is equal to itself.
    func isLess(_ a: Scalar, _ b: Scalar) -> Bool { a < b || (a == a && b != b) }
    func precedes(_ a: Int, _ b: Int) -> Bool {
      for place in 0..<width {
        let (x, y) = (element(a, place), element(b, place))
        if isLess(x, y) { return true }
        if isLess(y, x) { return false }
      }
      return false
    }
    // Of equal slices the first comes first.
    let sorted = try (0..<line.count).sorted {
      if $0 % 1024 == 0 { try checkTime() }
      return precedes($0, $1) || (!precedes($1, $0) && $0 < $1)
    }
    var groups: [[Int]] = []
    for slice in sorted {
      if let last = groups.last?[0], !precedes(last, slice) {
        groups[groups.count - 1].append(slice)
      } else {
        groups.append([slice])
      }
    }
    if !isSorted { groups.sort { $0[0] < $1[0] } }
    var inverse = [Int64](repeating: 0, count: line.count)
    for (number, group) in groups.enumerated() { for slice in group { inverse[slice] = Int64(number) } }
    let first = groups.map { $0[0] }
    return [
      try take(first, of: x, shape, line), try Tensor(first.map(Int64.init), [first.count]),
      try Tensor(inverse, [inverse.count]), try Tensor(groups.map { Int64($0.count) }, [groups.count]),
    ]
  }
}
