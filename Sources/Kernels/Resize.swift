import CKernels
import GraphIR
import Operators
import TensorCore

enum ResizeKernels {
  static func register(in table: inout KernelTable) {
    table.register(Resize.self) { op, context in
      // Nearest neighbours are moved, whatever their type.
      if op.mode == .nearest, op.coordinates != .cropAndResize { return try prepareNearest(op, context) }
      return try computingInFloat32(prepareWeighted)(op, context)
    }
    table.register(GridSample.self, prepare: computingInFloat32(prepareGrid))
    table.register(ResizeGradient.self, prepare: computingInFloat32(prepareGradient))
    table.register(GridSampleGradient.self, prepare: computingInFloat32(prepareGridGradient))
  }

  private static func axes(_ op: Resize, _ context: KernelContext) throws -> [Resize.Axis] {
    try axes(op, context.inference, from: context.input(0).shape, to: context.output().shape)
  }

  private static func axes(
    _ op: Resize, _ inference: InferenceContext, from x: [Int], to y: [Int]
  ) throws -> [Resize.Axis] {
    guard let axes = try op.geometry(inference, x.map(Dimension.fixed)) else {
      throw LigatureError(.unsupported, "the scales and sizes of Resize must be known before it runs")
    }
    for axis in axes {
      guard axis.output == y[axis.axis], axis.output < Int(Int32.max), axis.input < Int(Int32.max),
        axis.input > 0 || axis.output == 0
      else { throw LigatureError(.shape, "\(x) cannot be resized to \(y)") }
    }
    return axes
  }

  // ── Nearest ───────────────────────────────────────────────────────────────
  private static func prepareNearest(_ op: Resize, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard Set<ElementType>.movable.contains(x.element), (1...Int(LIG_MAX_RANK)).contains(x.shape.count) else {
      throw context.unsupportedTypes(op)
    }
    let indices = try neighbours(op, context.inference, from: x.shape, to: y.shape).flatMap { $0 }
    let rank = Int32(x.shape.count)
    return Step { memory in
      unsafe lig_resample_nearest(
        memory.raw(x), memory.raw(y), rank, x.shape, y.shape, indices, x.element.byteSize, memory.pool)
    }
  }

  /// For each axis, the place in the input that each place of the result takes its element from.
  static func neighbours(
    _ op: Resize, _ inference: InferenceContext, from x: [Int], to y: [Int]
  ) throws -> [[Int32]] {
    var lists = x.map { (0..<$0).map { Int32($0) } }
    for axis in try axes(op, inference, from: x, to: y) {
      lists[axis.axis] = (0..<axis.output).map { Int32(neighbour(axis, $0, op)) }
    }
    return lists
  }

  private static func neighbour(_ axis: Resize.Axis, _ index: Int, _ op: Resize) -> Int {
    // At scale 1 every mode is the identity, but for cropping.
    if axis.scale == 1, op.coordinates != .cropAndResize, axis.input == axis.output { return index }
    return ResizeTaps.nearest(axis, index, op)
  }

  // ── Linear, cubic, and nearest with a region ──────────────────────────────
  /// One axis of a separable resize, with the buffers that it reads and writes.
  private struct Pass: Sendable {
    let outer: Int
    let count: Int
    let inner: Int
    let output: Int
    let taps: ResizeTaps
  }

  private static func prepareWeighted(_ op: Resize, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    let axes = try axes(op, context)
    // Axes that shrink go first: less is left to do.
    let order = axes.filter { $0.input != $0.output || $0.scale != 1 || op.coordinates == .cropAndResize }
      .sorted { Float($0.output) / Float(max($0.input, 1)) < Float($1.output) / Float(max($1.input, 1)) }
    var shape = x.shape
    var passes: [Pass] = []
    var largest = 0
    for (index, axis) in order.enumerated() {
      let line = try Line(shape, axis: axis.axis)
      let taps = try ResizeTaps(axis, op)
      passes.append(
        Pass(outer: line.outer, count: line.count, inner: line.inner, output: axis.output, taps: taps))
      shape[axis.axis] = axis.output
      if index < order.count - 1 { largest = max(largest, try Checked.byteCount(.float32, shape)) }
    }
    let outside = try order.flatMap { try fills(op, $0, y) }
    let resampling = try step(passes, largest: largest, from: x, to: y)
    guard !outside.isEmpty else { return resampling }
    return Step(workspace: resampling.workspace) { memory in
      try resampling.body(memory)
      var value = op.extrapolation
      for fill in outside { unsafe fill.run(from: &value, to: memory.raw(y), memory.pool) }
    }
  }

  /// Runs one pass after the other, through two buffers of at most `largest` bytes.
  private static func step(_ passes: [Pass], largest: Int, from x: Operand, to y: Operand) throws -> Step {
    let half = try Checked.add(largest, 63) & ~63
    return Step(workspace: try Checked.multiply(half, 2, "a workspace")) { memory in
      if passes.isEmpty { unsafe memory.raw(y).copyMemory(from: memory.raw(x), byteCount: x.byteCount) }
      var from = unsafe UnsafePointer(memory.read(x, as: Float.self))
      for (index, pass) in passes.enumerated() {
        let buffer = unsafe (memory.workspace + (index % 2) * half).assumingMemoryBound(to: Float.self)
        let to = unsafe index == passes.count - 1 ? memory.write(y, as: Float.self) : buffer
        unsafe lig_resample_axis(
          from, to, pass.outer, pass.count, pass.inner, pass.output, pass.taps.count, pass.taps.indices,
          pass.taps.weights, memory.pool)
        unsafe from = UnsafePointer(to)
      }
    }
  }

  /// Where `tf_crop_and_resize` looks outside of the input.
  private static func fills(_ op: Resize, _ axis: Resize.Axis, _ y: Operand) throws -> [StridedCopy] {
    guard op.coordinates == .cropAndResize else { return [] }
    let strides = rowMajorStrides(y.shape)
    var slice = y.shape
    slice[axis.axis] = 1
    return try (0..<axis.output).compactMap { index in
      guard isOutside(op, axis, index) else { return nil }
      return try StridedCopy(
        .float32, slice, source: slice.map { _ in 0 }, target: strides, targetOffset: index * strides[axis.axis])
    }
  }

  /// Whether a place of the result is filled with `extrapolation_value`.
  fileprivate static func isOutside(_ op: Resize, _ axis: Resize.Axis, _ index: Int) -> Bool {
    guard op.coordinates == .cropAndResize else { return false }
    let place = axis.source(index, op.coordinates)
    return place < 0 || place > Float(axis.input - 1)
  }

  // ── Gradient ──────────────────────────────────────────────────────────────
  /// The same passes, each with its taps turned round: what an output element took from an input, it gives back.
  private static func prepareGradient(_ op: ResizeGradient, _ context: KernelContext) throws -> Step {
    let (g, dx) = (try context.input(0), try context.output())
    guard g.element == .float32 else { throw context.unsupportedTypes(op) }
    let forward = op.forwardContext(context.inference, of: TensorType(dx.element, sizes: dx.shape))
    let axes = try axes(op.forward, forward, from: dx.shape, to: g.shape)
    let order = axes.filter { $0.input != $0.output || $0.scale != 1 || op.forward.coordinates == .cropAndResize }
      .sorted { Float($0.output) / Float(max($0.input, 1)) > Float($1.output) / Float(max($1.input, 1)) }
    var shape = g.shape
    var passes: [Pass] = []
    var largest = 0
    for (index, axis) in order.enumerated() {
      let line = try Line(shape, axis: axis.axis)
      let taps = try ResizeTaps(axis, op.forward).transposed(axis, op.forward)
      passes.append(Pass(outer: line.outer, count: line.count, inner: line.inner, output: axis.input, taps: taps))
      shape[axis.axis] = axis.input
      if index < order.count - 1 { largest = max(largest, try Checked.byteCount(.float32, shape)) }
    }
    return try step(passes, largest: largest, from: g, to: dx)
  }

  // ── GridSample ────────────────────────────────────────────────────────────
  private static func prepareGrid(_ op: GridSample, _ context: KernelContext) throws -> Step {
    let (x, grid, y) = (try context.input(0), try context.input(1), try context.output())
    guard x.element == .float32, grid.element == .float32 else { throw context.unsupportedTypes(op) }
    let (mode, padding) = gridCodes(op)
    if x.shape.count == 5 { return try volumeStep(op, mode: mode, padding: padding, x, grid, y) }
    guard (x.shape[2] > 0 && x.shape[3] > 0) || y.count == 0 else {
      throw LigatureError(.shape, "an image without pixels cannot be sampled")
    }
    let align: Int32 = op.alignsCorners ? 1 : 0
    return Step { memory in
      unsafe lig_grid_sample(
        mode, padding, align, memory.read(x), memory.read(grid), memory.write(y), x.shape[0], x.shape[1],
        x.shape[2], x.shape[3], y.shape[2], y.shape[3], memory.pool)
    }
  }

  private static func gridCodes(_ op: GridSample) -> (mode: Int32, padding: Int32) {
    let mode =
      switch op.mode {
      case .linear: LIG_GRID_LINEAR
      case .nearest: LIG_GRID_NEAREST
      case .cubic: LIG_GRID_CUBIC
      }
    let padding =
      switch op.padding {
      case .zeros: LIG_GRID_ZEROS
      case .border: LIG_GRID_BORDER
      case .reflection: LIG_GRID_REFLECTION
      }
    return (Int32(mode), Int32(padding))
  }

  private static func prepareGridGradient(_ op: GridSampleGradient, _ context: KernelContext) throws -> Step {
    let (x, grid, g) = (try context.input(0), try context.input(1), try context.input(2))
    let (dx, dgrid) = (context.optionalOutput(0), context.optionalOutput(1))
    guard [x, grid, g].allSatisfy({ $0.element == .float32 }) else { throw context.unsupportedTypes(op) }
    guard x.shape.count == 4 else { throw LigatureError(.unsupported, "GridSample of volumes has no gradient") }
    guard (x.shape[2] > 0 && x.shape[3] > 0) || g.count == 0 else {
      throw LigatureError(.shape, "an image without pixels cannot be sampled")
    }
    let (mode, padding) = gridCodes(op.forward)
    let align: Int32 = op.forward.alignsCorners ? 1 : 0
    return Step { memory in
      unsafe lig_grid_sample_gradient(
        mode, padding, align, memory.read(x), memory.read(grid), memory.read(g), memory.write(dx), memory.write(dgrid),
        x.shape[0], x.shape[1], x.shape[2], x.shape[3], g.shape[2], g.shape[3], memory.pool)
    }
  }
}

/// Which input elements each output element along one axis is made of, and how much of each.
private struct ResizeTaps: Sendable {
  private(set) var count: Int
  private(set) var indices: [Int32]
  private(set) var weights: [Float]

  init(_ axis: Resize.Axis, _ op: Resize) throws {
    let shrinks = op.antialiases && axis.scale < 1 && op.mode != .nearest
    let stretch = shrinks ? 1 / axis.scale : 1
    let reach: Float = op.mode == .cubic ? 2 * stretch : stretch
    guard reach < 0x1p24, axis.output <= (1 << 28) / (2 * Int(reach) + 2) else {
      throw LigatureError(.limit, "resizing \(axis.input) to \(axis.output) needs too large a table")
    }
    count = op.mode == .nearest ? 1 : 2 * max(1, Int(reach.rounded(.up)))
    indices = []
    weights = []
    indices.reserveCapacity(count * axis.output)
    weights.reserveCapacity(count * axis.output)
    for index in 0..<axis.output {
      if op.mode == .nearest {
        indices.append(Int32(ResizeTaps.nearest(axis, index, op)))
        weights.append(1)
      } else {
        appendWeighted(axis.source(index, op.coordinates), stretch, axis, op)
      }
    }
  }

  /// What each input element gives to which output elements. Filled up with weights of 0.
  func transposed(_ axis: Resize.Axis, _ op: Resize) -> ResizeTaps {
    var lists = [[(output: Int32, weight: Float)]](repeating: [], count: axis.input)
    let isOutside = (0..<axis.output).map { ResizeKernels.isOutside(op, axis, $0) }
    for (place, index) in indices.enumerated() where weights[place] != 0 && !isOutside[place / count] {
      lists[Int(index)].append((Int32(place / count), weights[place]))
    }
    var result = self
    result.count = max(lists.map(\.count).max() ?? 0, 1)
    (result.indices, result.weights) = ([], [])
    for list in lists {
      let filler = (output: list.last?.output ?? 0, weight: Float(0))
      for tap in list + Array(repeating: filler, count: result.count - list.count) {
        result.indices.append(tap.output)
        result.weights.append(tap.weight)
      }
    }
    return result
  }

  private mutating func appendWeighted(_ place: Float, _ stretch: Float, _ axis: Resize.Axis, _ op: Resize) {
    let low = place.rounded(.down) - Float(count / 2 - 1)
    let first = weights.count
    for tap in 0..<count {
      let at = low + Float(tap)
      let distance = abs(at - place) / stretch
      var weight = op.mode == .linear ? max(0, 1 - distance) : ResizeTaps.cubic(distance, op.cubicCoefficient)
      if op.excludesOutside, at < 0 || at > Float(axis.input - 1) { weight = 0 }
      indices.append(Int32(ResizeTaps.clamp(at, axis.input)))
      weights.append(weight)
    }
    guard op.excludesOutside || stretch != 1 else { return }
    let sum = weights[first...].reduce(0, +)
    if sum != 0 { for tap in first..<weights.count { weights[tap] /= sum } }
  }

  private static func clamp(_ place: Float, _ count: Int) -> Int { Int(min(max(place, 0), Float(count - 1))) }

  static func nearest(_ axis: Resize.Axis, _ index: Int, _ op: Resize) -> Int {
    let place = axis.source(index, op.coordinates)
    switch op.nearest {
    case .roundPreferFloor: return clamp((place - 0.5).rounded(.up), axis.input)
    case .roundPreferCeil: return clamp((place + 0.5).rounded(.down), axis.input)
    case .floor: return clamp(place.rounded(.down), axis.input)
    case .ceil: return clamp(place.rounded(.up), axis.input)
    }
  }

  /// Keys' cubic convolution kernel.
  private static func cubic(_ distance: Float, _ a: Float) -> Float {
    let x = distance
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    return 0
  }
}
