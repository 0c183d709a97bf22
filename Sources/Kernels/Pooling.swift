import CKernels
import GraphIR
import Operators
import TensorCore

enum PoolingKernels {
  static func register(in table: inout KernelTable) {
    table.register(MaxPool.self, prepare: computingInFloat32(prepareMax))
    table.register(AveragePool.self, prepare: computingInFloat32(prepareAverage))
    table.register(MaxPoolGradient.self, prepare: computingInFloat32(prepareMaxGradient))
    table.register(AveragePoolGradient.self, prepare: computingInFloat32(prepareAverageGradient))
    table.register(GlobalPool.self, prepare: computingInFloat32(prepareGlobal))
  }

  /// The window over `[planes, depth, height, width]`; missing axes have size 1.
  private static func specification(_ window: PoolingWindow, _ x: Operand, _ y: Operand) throws -> lig_pooling {
    let axes = window.kernel.count
    guard axes <= 3 else { throw LigatureError(.unsupported, "pooling over \(axes) axes; at most 3 are supported") }
    var spec = lig_pooling()
    spec.planes = extent(x.shape[..<2])
    func triple(_ fallback: Int, _ value: (Int) -> Int) -> (Int, Int, Int) {
      func at(_ slot: Int) -> Int { slot < 3 - axes ? fallback : value(slot - (3 - axes)) }
      return (at(0), at(1), at(2))
    }
    spec.input = triple(1) { x.shape[$0 + 2] }
    spec.output = triple(1) { y.shape[$0 + 2] }
    spec.kernel = triple(1) { window.kernel[$0] }
    spec.stride = triple(1) { window.strides[$0] }
    spec.dilation = triple(1) { window.dilations[$0] }
    spec.pad_begin = triple(0) { window.padding($0, input: x.shape[$0 + 2], output: y.shape[$0 + 2]).begin }
    spec.pad_end = triple(0) { window.padding($0, input: x.shape[$0 + 2], output: y.shape[$0 + 2]).end }
    return spec
  }

  private static func step(_ spec: lig_pooling, _ x: Operand, _ y: Operand, _ threads: Int) throws -> Step {
    let perWorker = unsafe withUnsafePointer(to: spec) { unsafe lig_pooling_workspace($0) }
    let floats = try Checked.multiply(perWorker, threads, "a workspace")
    return Step(workspace: try Checked.multiply(floats, 4, "a workspace")) { memory in
      unsafe withUnsafePointer(to: spec) { spec in
        let workspace = unsafe memory.workspace.assumingMemoryBound(to: Float.self)
        unsafe lig_pooling_run(spec, memory.read(x), memory.write(y), workspace, memory.pool)
      }
    }
  }

  private static func prepareMax(_ op: MaxPool, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    var spec = try specification(op.window, x, y)
    spec.kind = Int32(LIG_POOL_MAX)
    let places = context.optionalOutput(1)
    if x.element == .float32, places == nil { return try step(spec, x, y, context.threads) }
    guard [.float32, .float64, .int8, .uint8].contains(x.element) else { throw context.unsupportedTypes(op) }
    let (type, columnMajor): (Int32, Int32) = (x.element.rawValue, op.isColumnMajor ? 1 : 0)
    return Step { [spec] memory in
      unsafe withUnsafePointer(to: spec) { spec in
        let indices = unsafe places.map { unsafe memory.longs($0) }
        unsafe _ = lig_max_pool_indexed(
          spec, type, columnMajor, memory.raw(x), memory.raw(y), indices, memory.pool)
      }
    }
  }

  private static func prepareAverage(_ op: AveragePool, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    var spec = try specification(op.window, x, y)
    switch op.kind {
    case .average(let countsPadding):
      spec.kind = Int32(LIG_POOL_AVERAGE)
      spec.count_include_pad = countsPadding ? 1 : 0
    case .norm(let p):
      spec.kind = Int32(LIG_POOL_LP)
      spec.p = Float(p)
    }
    return try step(spec, x, y, context.threads)
  }

  // ── Gradients: x is what was pooled, g what has the pooled shape ──────────
  private static func prepareMaxGradient(_ op: MaxPoolGradient, _ context: KernelContext) throws -> Step {
    let (x, g, dx) = (try context.input(0), try context.input(1), try context.output())
    guard x.element == .float32, g.element == .float32 else { throw context.unsupportedTypes(op) }
    let spec = try specification(op.window, x, g)
    return Step { memory in
      unsafe withUnsafePointer(to: spec) { spec in
        unsafe lig_max_pool_gradient(spec, memory.read(x), memory.read(g), memory.write(dx), memory.pool)
      }
    }
  }

  private static func prepareAverageGradient(_ op: AveragePoolGradient, _ context: KernelContext) throws -> Step {
    let (g, dx) = (try context.input(0), try context.output())
    guard g.element == .float32 else { throw context.unsupportedTypes(op) }
    var spec = try specification(op.window, dx, g)
    spec.kind = Int32(LIG_POOL_AVERAGE)
    spec.count_include_pad = op.countsPadding ? 1 : 0
    return Step { [spec] memory in
      unsafe withUnsafePointer(to: spec) { spec in
        unsafe lig_average_pool_gradient(spec, memory.read(g), memory.write(dx), memory.pool)
      }
    }
  }

  private static func prepareGlobal(_ op: GlobalPool, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    let planes = extent(x.shape[..<2])
    let size = extent(x.shape[2...])
    let maximum: Int32 = op.kind == .max ? 1 : 0
    return Step { memory in
      unsafe lig_global_pool(maximum, memory.read(x), memory.write(y), planes, size, memory.pool)
    }
  }
}
