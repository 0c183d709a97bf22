import CKernels
import Operators
import TensorCore

enum RoiAlignKernels {
  static func register(in table: inout KernelTable) {
    table.register(RoiAlign.self, prepare: computingInFloat32(prepare))
    table.register(RoiAlignGradient.self, prepare: computingInFloat32(prepareGradient))
  }

  private static func prepare(_ op: RoiAlign, _ context: KernelContext) throws -> Step {
    let (x, boxes, images) = (try context.input(0), try context.input(1), try context.input(2))
    let y = try context.output()
    guard x.element == .float32, boxes.element == .float32 else { throw context.unsupportedTypes(op) }
    let plan = try plan(op, x: x.shape, boxes: boxes, images: images, y: y.shape)
    return Step(workspace: workspace(plan, context)) { memory in
      let problem = unsafe withUnsafePointer(to: plan) { plan in
        unsafe lig_roi_align_run(
          plan, memory.pool, memory.read(x), memory.read(boxes), memory.read(images, as: Int64.self), memory.write(y),
          memory.workspace)
      }
      try check(problem, memory, boxes, images, x.shape)
    }
  }

  private static func prepareGradient(_ op: RoiAlignGradient, _ context: KernelContext) throws -> Step {
    let (g, boxes, images) = (try context.input(0), try context.input(2), try context.input(3))
    let (x, dx) = (context.optional(4), try context.output())
    guard g.element == .float32, boxes.element == .float32 else { throw context.unsupportedTypes(op) }
    guard x?.shape ?? dx.shape == dx.shape, x != nil || op.forward.mode == .average else {
      throw LigatureError(.shape, "x must be \(dx.shape), and be given for the mode max")
    }
    let plan = try plan(op.forward, x: dx.shape, boxes: boxes, images: images, y: g.shape)
    return Step(workspace: workspace(plan, context)) { memory in
      let problem = unsafe withUnsafePointer(to: plan) { plan in
        unsafe lig_roi_align_gradient_run(
          plan, memory.pool, memory.read(g), memory.read(boxes), memory.read(images, as: Int64.self), memory.read(x),
          memory.write(dx), memory.workspace)
      }
      try check(problem, memory, boxes, images, dx.shape)
    }
  }

  /// The sizes, once they are checked against each other.
  private static func plan(
    _ op: RoiAlign, x: [Int], boxes: Operand, images: Operand, y: [Int]
  ) throws -> lig_roi_align {
    guard x.count == 4, boxes.shape.count == 2, boxes.shape[1] == 4, images.shape == [boxes.shape[0]],
      y == [boxes.shape[0], x[1], op.outputHeight, op.outputWidth]
    else {
      throw LigatureError(
        .shape, "x \(x), boxes \(boxes.shape) and batch_indices \(images.shape) do not give \(y)")
    }
    guard x.allSatisfy({ $0 > 0 }) else { throw LigatureError(.shape, "boxes cannot be cut out of x \(x)") }
    guard max(x[2], x[3]) < Int(LIG_ROI_MOST_PIXELS) else {
      throw LigatureError(.unsupported, "RoiAlign takes axes of less than \(LIG_ROI_MOST_PIXELS) pixels, x is \(x)")
    }
    var plan = lig_roi_align()
    (plan.images, plan.channels, plan.height, plan.width) = (x[0], x[1], x[2], x[3])
    (plan.boxes, plan.out_height, plan.out_width) = (y[0], y[2], y[3])
    (plan.sampling_ratio, plan.spatial_scale) = (op.samplingRatio, op.spatialScale)
    plan.half_pixel = op.coordinates == .halfPixel ? 1 : 0
    plan.is_max = op.mode == .max ? 1 : 0
    return plan
  }

  private static func workspace(_ plan: lig_roi_align, _ context: KernelContext) -> Int {
    unsafe withUnsafePointer(to: plan) { unsafe lig_roi_align_workspace($0, Int32(context.threads)) }
  }

  /// Throws for a box that cannot be taken, and names it.
  private static func check(
    _ problem: lig_roi_problem, _ memory: StepMemory, _ boxes: Operand, _ images: Operand, _ x: [Int]
  ) throws {
    guard problem.kind != LIG_ROI_FITS else { return }
    let corners = (0..<4).map { unsafe memory.read(boxes, as: Float.self)[4 * problem.box + $0] }
    let box = "box \(problem.box) of RoiAlign"
    switch problem.kind {
    case Int32(LIG_ROI_NO_IMAGE):
      let image = unsafe memory.read(images, as: Int64.self)[problem.box]
      throw LigatureError(
        .numeric, "\(box) is of image \(image) (batch_indices), but there are \(x[0]); images are counted from 0")
    case Int32(LIG_ROI_TOO_LARGE):
      throw LigatureError(
        .limit,
        "\(box) is \(corners), which takes more than \(RoiAlign.mostSamples) samples along an axis; "
          + "clip boxes to the image, or set sampling_ratio")
    default:
      throw LigatureError(.numeric, "\(box) is \(corners), which is not finite; filter such boxes out before")
    }
  }
}
