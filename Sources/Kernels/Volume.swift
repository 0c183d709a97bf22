import CKernels
import GraphIR
import Operators
import TensorCore

// Convolution and sampling of `[N, C, D, H, W]`.

extension ConvolutionKernels {
  static func volumeStep(
    _ op: Conv, _ x: Operand, _ w: Operand, _ bias: Operand?, _ residual: Operand?, _ y: Operand
  ) throws -> Step {
    var plan = try volumePlan(op.window, x.shape, w.shape, y.shape) { axis in
      try op.window.padding(axis, rank: 3, input: x.shape[axis + 2], kernel: w.shape[axis + 2]).begin
    }
    plan.activation = fused(op.epilogue)
    return Step { [plan] memory in
      unsafe withUnsafePointer(to: plan) {
        unsafe lig_volume_conv(
          $0, memory.pool, memory.read(x), memory.read(w), memory.read(bias), memory.read(residual), memory.write(y))
      }
    }
  }

  static func volumeStep(_ op: ConvTranspose, _ x: Operand, _ w: Operand, _ bias: Operand?, _ y: Operand) throws -> Step
  {
    guard w.count > 0, x.count > 0 else { throw LigatureError(.shape, "the input or the weights are empty") }
    var plan = try volumePlan(op.window, x.shape, w.shape, y.shape) { axis in
      try op.padding(
        axis, rank: 3, input: x.shape[axis + 2], kernel: w.shape[axis + 2], output: y.shape[axis + 2])
    }
    plan.activation = fused(op.epilogue)
    return Step { [plan] memory in
      unsafe withUnsafePointer(to: plan) {
        unsafe lig_volume_conv_transpose(
          $0, memory.pool, memory.read(x), memory.read(w), memory.read(bias), memory.write(y))
      }
    }
  }

  private static func volumePlan(
    _ window: ConvolutionWindow, _ x: [Int], _ w: [Int], _ y: [Int], padding: (Int) throws -> Int
  ) throws -> lig_volume {
    guard x.count == 5, w.count == 5, y.count == 5 else {
      throw LigatureError(.rank, "\(x), weights \(w) and the result \(y) must have three spatial axes")
    }
    var plan = lig_volume()
    (plan.batch, plan.channels, plan.filters, plan.groups) = (x[0], x[1], y[1], window.group)
    plan.input = (x[2], x[3], x[4])
    plan.output = (y[2], y[3], y[4])
    plan.kernel = (w[2], w[3], w[4])
    plan.stride = (window.stride(0), window.stride(1), window.stride(2))
    plan.dilation = (window.dilation(0), window.dilation(1), window.dilation(2))
    plan.pad_begin = (try padding(0), try padding(1), try padding(2))
    return plan
  }
}

extension ResizeKernels {
  static func volumeStep(
    _ op: GridSample, mode: Int32, padding: Int32, _ x: Operand, _ grid: Operand, _ y: Operand
  ) throws -> Step {
    guard !x.shape[2...].contains(0) || y.count == 0 else {
      throw LigatureError(.shape, "a volume without points cannot be sampled")
    }
    var plan = lig_volume()
    (plan.batch, plan.channels) = (x.shape[0], x.shape[1])
    plan.input = (x.shape[2], x.shape[3], x.shape[4])
    plan.output = (y.shape[2], y.shape[3], y.shape[4])
    let align: Int32 = op.alignsCorners ? 1 : 0
    return Step { [plan] memory in
      unsafe withUnsafePointer(to: plan) {
        unsafe lig_volume_sample(
          $0, memory.pool, mode, padding, align, memory.read(x), memory.read(grid), memory.write(y))
      }
    }
  }
}
