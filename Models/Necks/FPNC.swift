import GraphIR
import Operators

/// DBNet's neck (`FPNC`): laterals are summed from coarse to fine, each is smoothed, and all are concatenated, fine to
/// coarse, at the size of the finest. `[N, C_i, H / 2^i, W / 2^i] → [N, levels · out, H, W]`.
struct FPNC {
  var lateralChannels = 256
  var outChannels = 64

  func callAsFunction(_ features: [ValueID], _ m: inout ModuleBuilder) throws -> ValueID {
    var laterals = try m.scoped("lateral_convs") { m in
      try features.enumerated().map { try convolution($1, $0, lateralChannels, kernel: 1, &m) }
    }
    for level in stride(from: laterals.count - 1, to: 0, by: -1) {
      let coarse = try m.upsampleNearest(laterals[level], like: laterals[level - 1])
      laterals[level - 1] = try m.builder.add(laterals[level - 1], coarse)
    }
    let smooth = try m.scoped("smooth_convs") { m in
      try laterals.enumerated().map { try convolution($1, $0, outChannels, kernel: 3, &m) }
    }
    let maps = try smooth.enumerated().map { $0 == 0 ? $1 : try m.upsampleNearest($1, like: smooth[0]) }
    return try m.builder.append(Concat(axis: 1), maps)
  }

  /// mmcv's `ConvModule` without norm and activation; it starts with Kaiming's distribution by the outputs.
  private func convolution(
    _ x: ValueID, _ index: Int, _ out: Int, kernel: Size2D, _ m: inout ModuleBuilder
  ) throws -> ValueID {
    try m.conv2d(
      x, "\(index).conv", out: out, kernel: kernel, padding: Size2D(kernel.height / 2), bias: false,
      initializer: .kaimingNormal(fan: out * kernel.count))
  }
}
