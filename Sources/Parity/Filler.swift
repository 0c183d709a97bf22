public import TensorCore

/// Deterministic tensors from a name, so that a parity bundle needs no weight file: element `i` is
/// `scale · (2uᵢ − 1) + offset` in single precision, `uᵢ` being 24 bits of the `i`th output of splitmix64 that starts
/// at the FNV-1a hash of `"<seed>/<name>"`.
public struct Filler: Sendable {
  public var seed: Int
  /// The variance of a convolution's weights times their fan-in.
  public var convolutionGain: Double
  /// The same of all other matrices.
  public var linearGain: Double

  public init(seed: Int, convolutionGain: Double = 1, linearGain: Double = 1) {
    self.seed = seed
    self.convolutionGain = convolutionGain
    self.linearGain = linearGain
  }

  /// A float32 tensor. `scale` and `offset` follow from name and shape where they are not given.
  public func tensor(_ name: String, _ shape: [Int], scale: Double? = nil, offset: Double? = nil) throws -> Tensor {
    let rule = rule(name, shape)
    let (scale, offset) = (Float(scale ?? rule.scale), Float(offset ?? rule.offset))
    let start = Filler.hash("\(seed)/\(name)")
    return try Tensor(
      (0..<Checked.elementCount(shape)).map { index in
        let bits = SplitMix64.mixed(start &+ (UInt64(index) &+ 1) &* SplitMix64.step)
        return (Float(bits >> 40) * 0x1p-23 - 1) * scale + offset
      }, shape)
  }

  /// What a parameter is filled with, from the last part of its name and its shape.
  func rule(_ name: String, _ shape: [Int]) -> (scale: Double, offset: Double) {
    switch name.split(separator: ".").last {
    case "running_var": return (0.5, 1)
    case "running_mean": return (0.1, 0)
    case let leaf where shape.count < 2: return leaf == "weight" ? (0.5, 1) : (0.1, 0)
    default:
      let fanIn = shape.dropFirst().reduce(1.0) { $0 * Double($1) }
      return ((3 * (shape.count == 4 ? convolutionGain : linearGain) / fanIn).squareRoot(), 0)
    }
  }

  /// FNV-1a of the UTF-8 bytes, 64 bits.
  static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
