public import GraphIR
import TensorCore

/// How an optimiser turns a gradient into a step, with PyTorch's names and formulas.
///
/// Numbers are meant as the decimals that they are written as: 0.999 is 0.999, not the nearest float32.
public enum OptimizerRule: Sendable, Hashable {
  /// `torch.optim.SGD` with dampening 0. Moments: `momentum_buffer`, unless the momentum is 0.
  case sgd(momentum: Float, weightDecay: Float, nesterov: Bool)
  /// `torch.optim.Adam` or, with decoupled weight decay, `AdamW`. Moments: `exp_avg`, `exp_avg_sq`.
  case adam(beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float, isDecoupled: Bool)
  /// `torch.optim.Adadelta`. Moments: `square_avg`, `acc_delta`.
  case adadelta(rho: Float, epsilon: Float, weightDecay: Float)

  /// PyTorch's names of what is kept beside each parameter, all of its shape and zero at first.
  public var moments: [String] {
    switch self {
    case .sgd(let momentum, _, _): momentum == 0 ? [] : ["momentum_buffer"]
    case .adam: ["exp_avg", "exp_avg_sq"]
    case .adadelta: ["square_avg", "acc_delta"]
    }
  }

  /// Throws `.attribute` for numbers that PyTorch refuses as well.
  package func validate() throws {
    func require(_ holds: Bool, _ what: String) throws {
      guard holds else { throw LigatureError(.attribute, "\(what); choose another number") }
    }
    func requireWeight(_ decay: Float) throws {
      try require(decay >= 0 && decay.isFinite, "the weight decay \(decay) is no number from 0 on")
    }
    switch self {
    case .sgd(let momentum, let decay, let nesterov):
      try requireWeight(decay)
      try require(momentum >= 0 && momentum.isFinite, "the momentum \(momentum) is no number from 0 on")
      try require(!nesterov || momentum > 0, "Nesterov's momentum is asked for, but the momentum is 0")
    case .adam(let beta1, let beta2, let epsilon, let decay, _):
      try requireWeight(decay)
      try require(epsilon >= 0 && epsilon.isFinite, "epsilon \(epsilon) is no number from 0 on")
      for beta in [beta1, beta2] { try require(beta >= 0 && beta < 1, "beta \(beta) does not lie in 0..<1") }
    case .adadelta(let rho, let epsilon, let decay):
      try requireWeight(decay)
      try require(epsilon >= 0 && epsilon.isFinite, "epsilon \(epsilon) is no number from 0 on")
      try require(rho >= 0 && rho <= 1, "rho \(rho) does not lie in 0...1")
    }
  }
}

/// One step of an optimiser for one parameter, fused:
/// `parameter, gradient, rate [], scale []?, step int64 []?, moment… → parameter, moment…`, float32 of one shape.
///
/// The gradient is multiplied by `scale`, then clamped to `clip` on both sides. `step` counts from 1; Adam needs it.
/// Each result may take the place of what it replaces.
public struct OptimizerUpdate: Operator {
  public static let names = ["SGD", "Adam", "AdamW", "Adadelta"].map { OperatorName($0, domain: "ligature") }
  public let rule: OptimizerRule
  /// The largest magnitude of an element of the gradient; `nil` for no limit.
  public let clip: Float?
  /// Inputs before the moments.
  package static let firstMoment = 5

  public init(_ rule: OptimizerRule, clip: Float? = nil) throws {
    try rule.validate()
    if let clip, !(clip > 0) {
      throw LigatureError(.attribute, "gradients cannot be clipped to \(clip); give a number above 0")
    }
    self.rule = rule
    self.clip = clip
  }

  public var name: OperatorName {
    switch rule {
    case .sgd: OptimizerUpdate.names[0]
    case .adam(_, _, _, _, let isDecoupled): OptimizerUpdate.names[isDecoupled ? 2 : 1]
    case .adadelta: OptimizerUpdate.names[3]
    }
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    let decay = try attributes.float("weight_decay", default: 0)
    let rule: OptimizerRule
    switch name.type {
    case "SGD":
      rule = .sgd(
        momentum: try attributes.float("momentum", default: 0), weightDecay: decay,
        nesterov: try attributes.flag("nesterov", default: false))
    case "Adadelta":
      rule = .adadelta(
        rho: try attributes.float("rho", default: 0.9), epsilon: try attributes.float("epsilon", default: 1e-6),
        weightDecay: decay)
    default:
      rule = .adam(
        beta1: try attributes.float("beta1", default: 0.9), beta2: try attributes.float("beta2", default: 0.999),
        epsilon: try attributes.float("epsilon", default: 1e-8), weightDecay: decay, isDecoupled: name.type == "AdamW")
    }
    try self.init(rule, clip: attributes.optionalFloat("clip"))
  }

  public var attributes: Attributes {
    var result = Attributes()
    switch rule {
    case .sgd(let momentum, let decay, let nesterov):
      result.set("momentum", momentum)
      result.set("weight_decay", decay)
      if nesterov { result.set("nesterov", true) }
    case .adam(let beta1, let beta2, let epsilon, let decay, _):
      result.set("beta1", beta1)
      result.set("beta2", beta2)
      result.set("epsilon", epsilon)
      result.set("weight_decay", decay)
    case .adadelta(let rho, let epsilon, let decay):
      result.set("rho", rho)
      result.set("epsilon", epsilon)
      result.set("weight_decay", decay)
    }
    if let clip { result.set("clip", clip) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    let count = OptimizerUpdate.firstMoment + rule.moments.count
    // Left-out inputs at the end are not written to files.
    try context.expectInputs((rule.moments.isEmpty ? 3 : count)...count)
    let parameter = try context.input(0)
    let tensors = [try context.input(1)] + (try (OptimizerUpdate.firstMoment..<count).map { try context.input($0) })
    for type in [parameter] + tensors {
      try expect(type.element, in: [.float32], "what is trained")
      guard type.isCompatible(with: parameter) else {
        throw LigatureError(.shape, "parameter, gradient and moments must be alike, but are \(parameter) and \(type)")
      }
    }
    try expectNumber(context.input(2), .float32, "the learning rate")
    if let scale = context.optional(3) { try expectNumber(scale, .float32, "the scale") }
    if let step = context.optional(4) { try expectNumber(step, .int64, "the step") }
    if case .adam = rule { _ = try context.input(4) }
    return Array(repeating: parameter, count: 1 + rule.moments.count)
  }

  public func reusableInputs(output: Int) -> [Int] {
    output == 0 ? [0] : [OptimizerUpdate.firstMoment + output - 1]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 2 + 4 * rule.moments.count)
  }
}

/// The Euclidean norm of tensors taken together: `float32 […]… → float32 []`. Sums in float64, in one fixed order.
public struct GlobalNorm: Operator {
  public static let names = [OperatorName("GlobalNorm", domain: "ligature")]
  public var name: OperatorName { GlobalNorm.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    for input in try context.allInputs() { try expect(input.element, in: [.float32], "a gradient") }
    return [TensorType(.float32, [])]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    let counts = context.inputs.map { $0?.sizes.flatMap { try? Checked.elementCount($0) } ?? 0 }
    return .moving(context.inputs, outputs, multiplyAdds: counts.reduce(0, &+))
  }
}

/// Throws unless the type is that of one number of rank 0.
func expectNumber(_ type: TensorType, _ element: ElementType, _ what: String) throws {
  try expect(type.element, in: [element], what)
  guard type.shape.map({ $0.isEmpty }) ?? true else {
    throw LigatureError(.shape, "\(what) must be one number of rank 0, but is \(type)")
  }
}

/// A decimal that a file keeps as float32, in double precision: 0.1, not 0.100000001490116.
package func decimal(_ value: Float) -> Double { Double(value.description) ?? Double(value) }
