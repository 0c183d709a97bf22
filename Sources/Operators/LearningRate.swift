import Glibc
public import GraphIR
import TensorCore

/// How the learning rate changes while training, with mmcv's names and formulas (`LrUpdaterHook` and its heirs).
///
/// With `t` the steps done so far and `p` what the policy counts (`t`, or whole epochs: `t / stepsPerEpoch`):
/// - `fixed`: `base`
/// - `step`: `max(base · gamma^n, min)`, where n is how many milestones are at most p, or `p / interval`
/// - `poly`: `(base - min) · (1 - p / length)^power + min`
/// - `cosine`: `min + (base - min) · (1 + cos(π p / length)) / 2`
///
/// While `t` is below the warm-up's length w, with its ratio r, that rate is multiplied by
/// - `constant`: r
/// - `linear`: `1 - (1 - t / w) · (1 - r)`
/// - `exp`: `r^(1 - t / w)`
public struct LearningRateSchedule: Sendable, Hashable {
  public enum Policy: Sendable, Hashable {
    case fixed
    case step(milestones: [Int], gamma: Float = 0.1)
    case every(interval: Int, gamma: Float = 0.1)
    case poly(power: Float, length: Int)
    case cosine(length: Int)
  }
  public enum Warmup: String, Sendable, Hashable, CaseIterable { case constant, linear, exp }

  public var policy: Policy
  /// What the rate does not go below (`step`), or ends at.
  public var minimum: Float
  /// Counts epochs of that many steps; `nil` counts steps.
  public var stepsPerEpoch: Int?
  public var warmup: Warmup?
  /// In steps, whatever the policy counts.
  public var warmupLength: Int
  public var warmupRatio: Float

  public init(
    _ policy: Policy = .fixed, minimum: Float = 0, stepsPerEpoch: Int? = nil, warmup: Warmup? = nil,
    warmupLength: Int = 0, warmupRatio: Float = 0.1
  ) {
    self.policy = policy
    self.minimum = minimum
    self.stepsPerEpoch = stepsPerEpoch
    self.warmup = warmup
    self.warmupLength = warmupLength
    self.warmupRatio = warmupRatio
  }

  public static let fixed = LearningRateSchedule()

  /// The rate of the step after `step` steps.
  public func rate(base: Double, step: Int) -> Double {
    let regular = regularRate(base, stepsPerEpoch.map { step / max($0, 1) } ?? step)
    guard let warmup, step < warmupLength else { return regular }
    let (ratio, rest) = (decimal(warmupRatio), 1 - Double(step) / Double(warmupLength))
    switch warmup {
    case .constant: return regular * ratio
    case .linear: return regular * (1 - rest * (1 - ratio))
    case .exp: return regular * pow(ratio, rest)
    }
  }

  private func regularRate(_ base: Double, _ progress: Int) -> Double {
    let minimum = decimal(self.minimum)
    func share(_ length: Int) -> Double { min(Double(progress) / Double(max(length, 1)), 1) }
    switch policy {
    case .fixed: return base
    case .step(let milestones, let gamma):
      var passed = 0
      for milestone in milestones where progress >= milestone { passed += 1 }
      return max(base * pow(decimal(gamma), Double(passed)), minimum)
    case .every(let interval, let gamma):
      return max(base * pow(decimal(gamma), Double(progress / max(interval, 1))), minimum)
    case .poly(let power, let length): return (base - minimum) * pow(1 - share(length), decimal(power)) + minimum
    case .cosine(let length): return minimum + 0.5 * (base - minimum) * (cos(.pi * share(length)) + 1)
    }
  }

  /// Throws `.attribute` for lengths and ratios without meaning.
  package func validate() throws {
    func require(_ holds: Bool, _ what: String) throws {
      guard holds else { throw LigatureError(.attribute, "the learning rate schedule has \(what); choose another") }
    }
    switch policy {
    case .fixed: break
    case .step(let milestones, let gamma):
      try require(milestones == milestones.sorted(), "milestones that do not ascend")
      try require(milestones.count <= 4096, "more than 4096 milestones")
      try require(gamma >= 0 && gamma.isFinite, "the factor \(gamma)")
    case .every(let interval, let gamma):
      try require(interval > 0, "the interval \(interval)")
      try require(gamma >= 0 && gamma.isFinite, "the factor \(gamma)")
    case .poly(let power, let length):
      try require(length > 0, "the length \(length)")
      try require(power >= 0 && power.isFinite, "the power \(power)")
    case .cosine(let length): try require(length > 0, "the length \(length)")
    }
    try require(minimum >= 0 && minimum.isFinite, "the minimum \(minimum)")
    if let stepsPerEpoch { try require(stepsPerEpoch > 0, "\(stepsPerEpoch) steps an epoch") }
    guard warmup != nil else { return }
    try require(warmupLength > 0, "a warm-up of \(warmupLength) steps")
    try require(warmupRatio > 0 && warmupRatio <= 1, "the warm-up ratio \(warmupRatio)")
  }
}

/// `steps done int64 [] → learning rate float32 []`. Computed in float64.
public struct LearningRate: Operator {
  public static let names = [OperatorName("LearningRate", domain: "ligature")]
  public var name: OperatorName { LearningRate.names[0] }
  public let base: Float
  public let schedule: LearningRateSchedule

  public init(base: Float, schedule: LearningRateSchedule) throws {
    guard base >= 0, base.isFinite else {
      throw LigatureError(.attribute, "the learning rate \(base) is no number from 0 on; choose another")
    }
    try schedule.validate()
    self.base = base
    self.schedule = schedule
  }

  package func rate(step: Int) -> Float { Float(schedule.rate(base: decimal(base), step: max(step, 0))) }

  private enum PolicyName: String, CaseIterable { case fixed, step, poly, cosine }
  private enum WarmupName: String, CaseIterable { case none, constant, linear, exp }

  public init(name: OperatorName, attributes: Attributes) throws {
    let policy: LearningRateSchedule.Policy
    let gamma = try attributes.float("gamma", default: 0.1)
    let length = try attributes.int("length", default: 0)
    switch try attributes.choice("policy", default: PolicyName.fixed) {
    case .fixed: policy = .fixed
    case .step:
      if let interval = try attributes.optionalInt("interval") {
        policy = .every(interval: interval, gamma: gamma)
      } else {
        policy = .step(milestones: try attributes.ints("milestones", default: []), gamma: gamma)
      }
    case .poly: policy = .poly(power: try attributes.float("power", default: 1), length: length)
    case .cosine: policy = .cosine(length: length)
    }
    let warmup = try attributes.choice("warmup", default: WarmupName.none)
    let schedule = LearningRateSchedule(
      policy, minimum: try attributes.float("minimum", default: 0),
      stepsPerEpoch: try attributes.optionalInt("steps_per_epoch"), warmup: .init(rawValue: warmup.rawValue),
      warmupLength: try attributes.int("warmup_length", default: 0),
      warmupRatio: try attributes.float("warmup_ratio", default: 0.1))
    guard let base = try attributes.optionalFloat("base") else {
      throw LigatureError(.attribute, "attribute 'base' is missing")
    }
    try self.init(base: base, schedule: schedule)
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("base", base)
    func set(_ name: PolicyName) { result.set("policy", name.rawValue) }
    switch schedule.policy {
    case .fixed: set(.fixed)
    case .step(let milestones, let gamma):
      set(.step)
      result.set("milestones", milestones)
      result.set("gamma", gamma)
    case .every(let interval, let gamma):
      set(.step)
      result.set("interval", interval)
      result.set("gamma", gamma)
    case .poly(let power, let length):
      set(.poly)
      result.set("power", power)
      result.set("length", length)
    case .cosine(let length):
      set(.cosine)
      result.set("length", length)
    }
    result.set("minimum", schedule.minimum)
    if let steps = schedule.stepsPerEpoch { result.set("steps_per_epoch", steps) }
    if let warmup = schedule.warmup {
      result.set("warmup", warmup.rawValue)
      result.set("warmup_length", schedule.warmupLength)
      result.set("warmup_ratio", schedule.warmupRatio)
    }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    try expectNumber(context.input(0), .int64, "the number of steps")
    return [TensorType(.float32, [])]
  }
}
