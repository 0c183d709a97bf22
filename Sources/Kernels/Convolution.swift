import CKernels
import GraphIR
import Operators
import TensorCore

enum ConvolutionKernels {
  static func register(in table: inout KernelTable) {
    table.register(Conv.self, prepare: computingInFloat32(prepare))
    table.register(ConvTranspose.self, prepare: computingInFloat32(prepareTransposed))
    table.register(ConvInputGradient.self, prepare: computingInFloat32(prepareInputGradient))
    table.register(ConvWeightGradient.self, prepare: computingInFloat32(prepareWeightGradient))
  }

  private static func prepare(_ op: Conv, _ context: KernelContext) throws -> Step {
    let (x, w, y) = (try context.input(0), try context.input(1), try context.output())
    let (bias, residual) = (context.optional(2), context.optional(3))
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    guard y.count > 0 else { return Step { _ in } }
    guard w.count > 0 else { throw LigatureError(.shape, "the weights \(w.shape) are empty") }
    if x.shape.count == 5 { return try volumeStep(op, x, w, bias, residual, y) }
    let geometry = try ConvolutionGeometry(op.window, input: x.shape, weights: w.shape, output: y.shape)
    var plan = geometry.plan(input: x.shape, output: y.shape, groups: op.window.group)
    plan.activation = fused(op.epilogue)
    if context.precision == .accurate {
      let plan = plan
      return Step { memory in
        unsafe withUnsafePointer(to: plan) {
          unsafe lig_conv_accurate(
            $0, memory.pool, memory.read(x), memory.read(w), memory.read(bias), memory.read(residual), memory.write(y))
        }
      }
    }
    plan.allows_winograd = allowsWinograd(w, context)
    plan.allows_bfloat16 = context.precision == .bfloat16 && w.constant != nil ? 1 : 0
    unsafe lig_conv_prepare(&plan)
    let settled = plan
    let weights = try unsafe PackedWeights(
      w, context, form: "conv \(packing(plan)) \(plan.isa) \(plan.groups)",
      count: unsafe lig_conv_packed_count(&plan)
    ) { pool, from, to in
      unsafe withUnsafePointer(to: settled) { unsafe lig_conv_pack($0, pool, from, to) }
    }
    let scratch = unsafe lig_conv_workspace(&plan, Int32(context.threads))
    return Step(workspace: try Checked.add(weights.workspace, scratch)) { memory in
      let packed = unsafe weights.address(memory)
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_conv_run(
          $0, memory.pool, memory.read(x), packed, memory.read(bias), memory.read(residual), memory.write(y),
          memory.workspace + weights.workspace)
      }
    }
  }

  /// The largest tiles of Winograd's algorithm: none where sums must keep to the order of the definition, small ones for
  /// weights that training changes, any for constant ones.
  private static func allowsWinograd(_ weights: Operand, _ context: KernelContext) -> Int32 {
    switch context.precision {
    case .strict, .accurate: 0
    case .float32, .bfloat16: weights.constant == nil ? 2 : 4
    }
  }

  /// Algorithms that read the same packed weights, under one name: sizes choose among them, plans share the weights.
  private static func packing(_ plan: lig_conv) -> String {
    switch plan.algorithm {
    case LIG_CONV_POINTWISE, LIG_CONV_IM2COL, LIG_CONV_SHIFTED: "panels"
    case LIG_CONV_WINOGRAD: "winograd \(plan.winograd.side)"
    default: "\(plan.algorithm.rawValue)"
    }
  }

  private static func prepareTransposed(_ op: ConvTranspose, _ context: KernelContext) throws -> Step {
    let (x, w, y) = (try context.input(0), try context.input(1), try context.output())
    let bias = context.optional(2)
    guard x.element == .float32 else { throw context.unsupportedTypes(op) }
    guard y.count > 0 else { return Step { _ in } }
    if x.shape.count == 5 { return try volumeStep(op, x, w, bias, y) }
    let geometry = try ConvolutionGeometry(op, input: x.shape, weights: w.shape, output: y.shape)
    return try transposed(geometry, groups: op.window.group, x, w, bias, y, op.epilogue, context)
  }

  /// The adjoint of a convolution: the same as a transposed one, whatever sizes the stride rounded off.
  private static func prepareInputGradient(_ op: ConvInputGradient, _ context: KernelContext) throws -> Step {
    let (g, w, dx) = (try context.input(0), try context.input(1), try context.output())
    guard g.element == .float32 else { throw context.unsupportedTypes(op) }
    guard dx.count > 0 else { return Step { _ in } }
    let forward = try ConvolutionGeometry(op.window, input: dx.shape, weights: w.shape, output: g.shape)
    return try transposed(forward.adjoint, groups: op.window.group, g, w, nil, dx, .none, context)
  }

  private static func transposed(
    _ geometry: ConvolutionGeometry, groups: Int, _ x: Operand, _ w: Operand, _ bias: Operand?, _ y: Operand,
    _ epilogue: Epilogue, _ context: KernelContext
  ) throws -> Step {
    guard w.count > 0, x.count > 0 else { throw LigatureError(.shape, "the input or the weights are empty") }
    var plan = lig_conv_transpose()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (x.shape[0], x.shape[1], y.shape[1], groups)
    (plan.height, plan.width) = geometry.input
    (plan.kernel_h, plan.kernel_w) = geometry.kernel
    (plan.out_h, plan.out_w) = geometry.output
    (plan.stride_h, plan.stride_w) = geometry.stride
    (plan.dilation_h, plan.dilation_w) = geometry.dilation
    (plan.pad_top, plan.pad_left) = geometry.padding
    plan.activation = fused(epilogue)
    if context.precision == .accurate {
      let plan = plan
      return Step { memory in
        unsafe withUnsafePointer(to: plan) {
          unsafe lig_conv_transpose_accurate(
            $0, memory.pool, memory.read(x), memory.read(w), memory.read(bias), memory.write(y))
        }
      }
    }
    plan.allows_winograd = allowsWinograd(w, context)
    unsafe lig_conv_transpose_prepare(&plan)
    let settled = plan
    let weights = try unsafe PackedWeights(
      w, context,
      form: "conv transpose \(plan.isa) \(plan.groups) \(plan.is_direct) \(plan.direct.algorithm.rawValue) "
        + "\(plan.direct.winograd.side)",
      count: unsafe lig_conv_transpose_packed_count(&plan)
    ) { pool, from, to in
      unsafe withUnsafePointer(to: settled) { unsafe lig_conv_transpose_pack($0, pool, from, to) }
    }
    let scratch = unsafe lig_conv_transpose_workspace(&plan, Int32(context.threads))
    return Step(workspace: try Checked.add(weights.workspace, scratch)) { memory in
      let packed = unsafe weights.address(memory)
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_conv_transpose_run(
          $0, memory.pool, memory.read(x), packed, memory.read(bias), memory.write(y),
          memory.workspace + weights.workspace)
      }
    }
  }

  private static func prepareWeightGradient(_ op: ConvWeightGradient, _ context: KernelContext) throws -> Step {
    let (x, g, dw) = (try context.input(0), try context.input(1), try context.output())
    guard x.element == .float32, g.element == .float32 else { throw context.unsupportedTypes(op) }
    guard x.count > 0, g.count > 0, dw.count > 0 else {
      return Step { memory in
        unsafe memory.raw(dw).initializeMemory(as: UInt8.self, repeating: 0, count: dw.byteCount)
      }
    }
    let geometry = try ConvolutionGeometry(op.window, input: x.shape, weights: dw.shape, output: g.shape)
    var plan = lig_conv_gradient()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (x.shape[0], x.shape[1], g.shape[1], op.window.group)
    (plan.height, plan.width) = geometry.input
    (plan.kernel_h, plan.kernel_w) = geometry.kernel
    (plan.out_h, plan.out_w) = geometry.output
    (plan.stride_h, plan.stride_w) = geometry.stride
    (plan.dilation_h, plan.dilation_w) = geometry.dilation
    (plan.pad_top, plan.pad_left) = geometry.padding
    unsafe lig_conv_gradient_prepare(&plan)
    let settled = plan
    return Step(workspace: unsafe lig_conv_gradient_workspace(&plan, Int32(context.threads))) { memory in
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_conv_gradient_run(
          $0, memory.pool, memory.read(x), memory.read(g), memory.write(dw), memory.workspace)
      }
    }
  }
}

/// The numbers of a 2-D convolution; with one spatial axis, that is the width and the height is 1.
struct ConvolutionGeometry {
  typealias Pair = (Int, Int)
  let input: Pair, kernel: Pair, output: Pair
  let stride: Pair, dilation: Pair, padding: Pair

  /// With input and output exchanged.
  var adjoint: ConvolutionGeometry {
    ConvolutionGeometry(
      input: output, kernel: kernel, output: input, stride: stride, dilation: dilation, padding: padding)
  }

  private init(input: Pair, kernel: Pair, output: Pair, stride: Pair, dilation: Pair, padding: Pair) {
    (self.input, self.kernel, self.output) = (input, kernel, output)
    (self.stride, self.dilation, self.padding) = (stride, dilation, padding)
  }

  init(_ window: ConvolutionWindow, input x: [Int], weights w: [Int], output y: [Int]) throws {
    try self.init(window, x, w, y) { axis, rank in
      try window.padding(axis, rank: rank, input: x[axis + 2], kernel: w[axis + 2]).begin
    }
  }

  init(_ op: ConvTranspose, input x: [Int], weights w: [Int], output y: [Int]) throws {
    try self.init(op.window, x, w, y) { axis, rank in
      try op.padding(axis, rank: rank, input: x[axis + 2], kernel: w[axis + 2], output: y[axis + 2])
    }
  }

  private init(
    _ window: ConvolutionWindow, _ x: [Int], _ w: [Int], _ y: [Int], padding: (Int, Int) throws -> Int
  ) throws {
    let rank = x.count - 2
    guard rank == 1 || rank == 2, w.count == x.count, y.count == x.count else {
      throw LigatureError(
        .unsupported,
        "this convolution of \(rank) spatial axes is not supported; 1 and 2 are, so reshape the input if possible")
    }
    func pair(_ missing: Int, _ value: (Int) throws -> Int) rethrows -> Pair {
      rank == 1 ? (missing, try value(0)) : (try value(0), try value(1))
    }
    input = pair(1) { x[$0 + 2] }
    kernel = pair(1) { w[$0 + 2] }
    output = pair(1) { y[$0 + 2] }
    stride = pair(1) { window.stride($0) }
    dilation = pair(1) { window.dilation($0) }
    self.padding = try pair(0) { try padding($0, rank) }
  }

  /// The part of a C plan that geometry settles; the activation is still the identity.
  func plan(input x: [Int], output y: [Int], groups: Int) -> lig_conv {
    var plan = lig_conv()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (x[0], x[1], y[1], groups)
    (plan.height, plan.width) = input
    (plan.kernel_h, plan.kernel_w) = kernel
    (plan.out_h, plan.out_w) = output
    (plan.stride_h, plan.stride_w) = stride
    (plan.dilation_h, plan.dilation_w) = dilation
    (plan.pad_top, plan.pad_left) = padding
    return plan
  }
}
