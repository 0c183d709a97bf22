import GraphIR

/// CRNN's backbone (`VeryDeepVgg`): seven convolutions, the last two poolings halve the height alone.
/// `[N, C, 32, W] → [N, 512, 1, W / 4 + 1]`.
struct VeryDeepVgg {
  /// Leaky ReLU of slope 0.2; CRNN's configuration turns it off.
  var leakyRelu = false

  private static let channels = [64, 128, 256, 256, 512, 512, 512]

  func callAsFunction(_ image: ValueID, _ m: inout ModuleBuilder) throws -> ValueID {
    try m.scoped("cnn") { m in
      var x = image
      for (index, out) in VeryDeepVgg.channels.enumerated() {
        let isLast = index == VeryDeepVgg.channels.count - 1
        let kernel: Size2D = isLast ? 2 : 3
        let fan = kernel.count
        x = try m.conv2d(
          x, "conv\(index)", out: out, kernel: kernel, padding: isLast ? 0 : 1,
          initializer: .xavierNormal(fanIn: m.channels(of: x) * fan, fanOut: out * fan), biasInitializer: .zeros)
        if [2, 4, 6].contains(index) {
          x = try m.batchNorm(x, "batchnorm\(index)", weight: .range(0, 1))
        }
        x = try m.scoped("relu\(index)") { m in leakyRelu ? try m.leakyRelu(x, slope: 0.2) : try m.relu(x) }
        switch index {
        case 0, 1: x = try m.scoped("pooling\(index)") { try $0.maxPool2d(x, kernel: 2, stride: 2) }
        case 3, 5:
          x = try m.scoped("pooling\(index == 3 ? 2 : 3)") { m in
            try m.maxPool2d(x, kernel: 2, stride: Size2D(2, 1), padding: Size2D(0, 1))
          }
        default: break
        }
      }
      return x
    }
  }
}
