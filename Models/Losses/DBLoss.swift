public import GraphIR
import Operators
import TensorCore

/// MMOCR's `DBLoss`: `loss_prob` of the probability map, `loss_db` of the binary map (dice), `loss_thr` of the
/// threshold map, each over the whole batch. Maps and targets are float32 `[N, 1, H, W]`.
public struct DBLoss: Sendable {
  /// The weight of `loss_prob`.
  public var alpha = 1.0
  /// The weight of `loss_thr`.
  public var beta = 1.0
  /// How many pixels without text count for one with text.
  public var negativeRatio = 3.0
  public var epsilon = 1e-6
  /// Balanced cross entropy for the probability map; dice otherwise.
  public var bbceLoss = false

  public init(
    alpha: Double = 1, beta: Double = 1, negativeRatio: Double = 3, epsilon: Double = 1e-6, bbceLoss: Bool = false
  ) {
    self.alpha = alpha
    self.beta = beta
    self.negativeRatio = negativeRatio
    self.epsilon = epsilon
    self.bbceLoss = bbceLoss
  }

  /// What the loss compares the maps with.
  public struct Targets: Sendable {
    /// Above 0 within the shrunken texts.
    public var shrink: ValueID
    /// 1 where `shrink` counts, 0 in what is ignored.
    public var shrinkMask: ValueID
    public var threshold: ValueID
    /// 1 where `threshold` counts.
    public var thresholdMask: ValueID

    public init(shrink: ValueID, shrinkMask: ValueID, threshold: ValueID, thresholdMask: ValueID) {
      self.shrink = shrink
      self.shrinkMask = shrinkMask
      self.threshold = threshold
      self.thresholdMask = thresholdMask
    }
  }

  /// The three terms, one number each.
  public func callAsFunction(
    probability: ValueID, threshold: ValueID, binary: ValueID, _ targets: Targets, into builder: inout GraphBuilder
  ) throws -> [TrainingObjective.Term] {
    let text = try builder.cast(builder.compare(targets.shrink, .greater, 0), to: .float32)
    let mask = targets.shrinkMask
    let prob = try builder.scoped("loss_prob") { b in
      let loss =
        bbceLoss
        ? try b.balancedBCELoss(probability, text, mask: mask, negativeRatio: negativeRatio, epsilon: epsilon)
        : try b.diceLoss(probability, text, mask: mask, epsilon: epsilon)
      return try b.scale(loss, by: alpha)
    }
    let db = try builder.scoped("loss_db") { try $0.diceLoss(binary, text, mask: mask, epsilon: epsilon) }
    let thr = try builder.scoped("loss_thr") { b in
      let loss = try b.maskedL1Loss(threshold, targets.threshold, mask: targets.thresholdMask, epsilon: epsilon)
      return try b.scale(loss, by: beta)
    }
    return [.init("loss_prob", prob), .init("loss_db", db), .init("loss_thr", thr)]
  }
}

/// Losses of segmentation maps over the whole batch: predictions and targets of one shape → one number.
extension GraphBuilder {
  fileprivate mutating func total(_ x: ValueID) throws -> ValueID {
    try append(Reduce(.sum, keepsDimensions: false), [x])
  }

  /// `1 - 2 Σ p t / (Σ p + Σ t + ε)` of what the mask leaves (MMOCR's `DiceLoss`).
  public mutating func diceLoss(
    _ prediction: ValueID, _ target: ValueID, mask: ValueID, epsilon: Double
  ) throws -> ValueID {
    let (p, t) = (try multiply(prediction, mask), try multiply(target, mask))
    let shared = try total(multiply(p, t))
    let union = try affine(add(total(p), total(t)), times: 1, plus: epsilon)
    return try affine(divide(shared, union), times: -2, plus: 1)
  }

  /// `Σ |(p - t) m| / (Σ m + ε)` (MMOCR's `MaskL1Loss`).
  public mutating func maskedL1Loss(
    _ prediction: ValueID, _ target: ValueID, mask: ValueID, epsilon: Double
  ) throws -> ValueID {
    let difference = try unary(.abs, multiply(subtract(prediction, target), mask))
    return try divide(total(difference), affine(total(mask), times: 1, plus: epsilon))
  }

  /// Cross entropy of all pixels with text and of the hardest without, at most `negativeRatio` times as many
  /// (MMOCR's `balance_bce_loss`). Which are chosen has no gradient. Without any text it is 0.
  ///
  /// - Parameter target: 0 or 1.
  public mutating func balancedBCELoss(
    _ prediction: ValueID, _ target: ValueID, mask: ValueID, negativeRatio: Double, epsilon: Double
  ) throws -> ValueID {
    let positive = try multiply(target, mask)
    let negative = try multiply(affine(target, times: -1, plus: 1), mask)
    // Counts are exact: float32 holds all integers up to 2^24, float64 what the ratio makes of them.
    let positives = try total(positive)
    let wanted = try scale(cast(positives, to: .float64), by: negativeRatio)
    let negatives = try append(Variadic(.min), [wanted, cast(total(negative), to: .float64)])
    let kept = try cast(negatives, to: .int64)
    let loss = try append(BinaryCrossEntropy(), [prediction, target])
    let hard = try multiply(loss, negative)
    let chosen = try append(LargestMask(), [hard, kept], name: "hard_negatives")
    let sum = try add(total(multiply(loss, positive)), total(keep(hard, where: chosen)))
    let count = try add(positives, cast(kept, to: .float32))
    return try divide(sum, affine(count, times: 1, plus: epsilon))
  }
}
