import GraphIR

/// DBNet's head: probability and threshold at four times the size of the features, and the binary map that is a steep
/// sigmoid of their difference. `[N, C, h, w] →` three maps `[N, 1, 4h, 4w]`.
struct DBHead {
  struct Maps {
    var probability: ValueID
    var threshold: ValueID
    var binary: ValueID
  }
  /// The `k` of differentiable binarisation.
  static let steepness = 50.0

  func callAsFunction(_ features: ValueID, _ m: inout ModuleBuilder) throws -> Maps {
    let probability = try branch(features, "binarize", &m)
    let threshold = try branch(features, "threshold", &m)
    let binary = try m.scoped("diff_binarize") { m in
      let difference = try m.builder.subtract(probability, threshold)
      return try m.sigmoid(m.builder.scale(difference, by: DBHead.steepness))
    }
    return Maps(probability: probability, threshold: threshold, binary: binary)
  }

  /// Initialised as MMOCR's `init_cfg` asks: Kaiming by the inputs, norms from 1 and 1e-4.
  private func branch(_ features: ValueID, _ name: String, _ m: inout ModuleBuilder) throws -> ValueID {
    try m.scoped(name) { m in
      let channels = try m.channels(of: features)
      let inner = channels / 4
      let start = Initializer.kaimingNormal(fan: inner * 4)
      var x = try m.conv2d(
        features, "0", out: inner, kernel: 3, padding: 1, bias: false,
        initializer: .kaimingNormal(fan: channels * 9))
      x = try m.relu(m.batchNorm(x, "1", bias: .constant(1e-4)))
      x = try m.convTranspose2d(x, "3", out: inner, kernel: 2, stride: 2, initializer: start)
      x = try m.relu(m.batchNorm(x, "4", bias: .constant(1e-4)))
      x = try m.convTranspose2d(x, "6", out: 1, kernel: 2, stride: 2, initializer: .kaimingNormal(fan: 4))
      return try m.sigmoid(x)
    }
  }
}
