import GraphIR
import TensorCore

/// mmdet's `ResNet`: `[N, 3, H, W] →` the four stages at 1/4, 1/8, 1/16 and 1/32 of the size.
struct ResNet {
  /// Where a bottleneck has its stride: `caffe` at the first 1x1 convolution, `pytorch` at the 3x3.
  enum Style: String, CaseIterable, Sendable {
    case pytorch, caffe
  }

  static let depths = [18, 34, 50, 101, 152]

  var depth: Int
  var baseChannels = 64
  var style = Style.pytorch
  /// Stages (1...4) whose 3x3 convolutions are deformable. Bottlenecks only.
  var deformableStages: Set<Int> = []
  /// -1: none; 0: the stem; n: the stem and the first n stages.
  var frozenStages = -1
  var normEval = false

  var isBottleneck: Bool { depth >= 50 }
  private var blocks: [Int] {
    switch depth {
    case 18: [2, 2, 2, 2]
    case 34, 50: [3, 4, 6, 3]
    case 101: [3, 4, 23, 3]
    default: [3, 8, 36, 3]
    }
  }

  func callAsFunction(_ image: ValueID, _ m: inout ModuleBuilder) throws -> [ValueID] {
    try m.scoped("", normEval: normEval) { m in
      var x = try m.scoped("", frozen: frozenStages >= 0) { m in try stem(image, &m) }
      return try blocks.enumerated().map { stage, count in
        x = try m.scoped("layer\(stage + 1)", frozen: frozenStages > stage) { m in
          try (0..<count).reduce(x) { x, index in
            try m.scoped("\(index)") { try block(x, stage, stride: stage > 0 && index == 0 ? 2 : 1, &$0) }
          }
        }
        return x
      }
    }
  }

  private func stem(_ image: ValueID, _ m: inout ModuleBuilder) throws -> ValueID {
    var x = try convolution(image, "conv1", baseChannels, kernel: 7, stride: 2, &m)
    x = try m.relu(m.batchNorm(x, "bn1"))
    return try m.scoped("maxpool") { try $0.maxPool2d(x, kernel: 3, stride: 2, padding: 1) }
  }

  /// mmcv's Kaiming initialisation counts the outputs.
  private func convolution(
    _ x: ValueID, _ name: String, _ out: Int, kernel: Size2D, stride: Int = 1, _ m: inout ModuleBuilder
  ) throws -> ValueID {
    try m.conv2d(
      x, name, out: out, kernel: kernel, stride: Size2D(stride), padding: Size2D(kernel.height / 2), bias: false,
      initializer: .kaimingNormal(fan: out * kernel.count))
  }

  private func block(_ x: ValueID, _ stage: Int, stride: Int, _ m: inout ModuleBuilder) throws -> ValueID {
    let planes = baseChannels << stage
    let out = isBottleneck ? 4 * planes : planes
    var y = x
    if isBottleneck {
      let isCaffe = style == .caffe
      y = try convolution(y, "conv1", planes, kernel: 1, stride: isCaffe ? stride : 1, &m)
      y = try m.relu(m.batchNorm(y, "bn1"))
      let inner = isCaffe ? 1 : stride
      y =
        deformableStages.contains(stage + 1)
        ? try m.modulatedDeformConv2d(y, "conv2", out: planes, kernel: 3, stride: Size2D(inner), padding: 1)
        : try convolution(y, "conv2", planes, kernel: 3, stride: inner, &m)
      y = try m.relu(m.batchNorm(y, "bn2"))
      y = try convolution(y, "conv3", out, kernel: 1, &m)
      // A block starts as the identity (`zero_init_residual`).
      y = try m.batchNorm(y, "bn3", weight: .zeros)
    } else {
      y = try convolution(y, "conv1", planes, kernel: 3, stride: stride, &m)
      y = try m.relu(m.batchNorm(y, "bn1"))
      y = try convolution(y, "conv2", planes, kernel: 3, &m)
      y = try m.batchNorm(y, "bn2", weight: .zeros)
    }
    var identity = x
    if try stride != 1 || m.channels(of: x) != out {
      identity = try m.scoped("downsample") { m in
        let reduced = try convolution(x, "0", out, kernel: 1, stride: stride, &m)
        return try m.batchNorm(reduced, "1")
      }
    }
    return try m.relu(m.builder.add(y, identity))
  }
}
