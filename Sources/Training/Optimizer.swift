public import Operators

public typealias LearningRateSchedule = Operators.LearningRateSchedule
public typealias OptimizerRule = Operators.OptimizerRule

/// How parameters follow their gradients: PyTorch's optimisers, with PyTorch's defaults.
public struct Optimizer: Sendable, Hashable {
  public var rule: OptimizerRule
  /// What the schedule starts from.
  public var learningRate: Float

  public init(_ rule: OptimizerRule, learningRate: Float) {
    self.rule = rule
    self.learningRate = learningRate
  }

  /// `torch.optim.SGD`; weight decay is added to the gradient.
  public static func sgd(
    learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, nesterov: Bool = false
  ) -> Optimizer {
    Optimizer(.sgd(momentum: momentum, weightDecay: weightDecay, nesterov: nesterov), learningRate: learningRate)
  }

  /// `torch.optim.Adam`; weight decay is added to the gradient.
  public static func adam(
    learningRate: Float = 1e-3, betas: (Float, Float) = (0.9, 0.999), epsilon: Float = 1e-8, weightDecay: Float = 0
  ) -> Optimizer {
    Optimizer(
      .adam(beta1: betas.0, beta2: betas.1, epsilon: epsilon, weightDecay: weightDecay, isDecoupled: false),
      learningRate: learningRate)
  }

  /// `torch.optim.AdamW`; weights shrink by the learning rate times the decay.
  public static func adamW(
    learningRate: Float = 1e-3, betas: (Float, Float) = (0.9, 0.999), epsilon: Float = 1e-8, weightDecay: Float = 1e-2
  ) -> Optimizer {
    Optimizer(
      .adam(beta1: betas.0, beta2: betas.1, epsilon: epsilon, weightDecay: weightDecay, isDecoupled: true),
      learningRate: learningRate)
  }

  /// `torch.optim.Adadelta`; weight decay is added to the gradient.
  public static func adadelta(
    learningRate: Float = 1, rho: Float = 0.9, epsilon: Float = 1e-6, weightDecay: Float = 0
  ) -> Optimizer {
    Optimizer(.adadelta(rho: rho, epsilon: epsilon, weightDecay: weightDecay), learningRate: learningRate)
  }
}

/// What is done against gradients that are too large, before the optimiser sees them.
public enum GradientClipping: Sendable, Hashable {
  case none
  /// `clip_grad_norm_`: all gradients are multiplied by `min(1, maximum / (norm of all together + 1e-6))`.
  case norm(Float)
  /// `clip_grad_value_`: each element is clamped to `-maximum...maximum`.
  case value(Float)
}
