/// The sequences of passes that have names.
public enum Pipelines {
  /// From a portable graph to what this machine runs best.
  public static func prepared(evaluate: @escaping ConstantFolding.Evaluate) -> PassManager {
    PassManager([
      IdentityRemoval(),
      ConstantFolding(evaluate: evaluate),
      AffineFolding(),
      ActivationRecognition(),
      GeluRecognition(),
      LayerNormalizationRecognition(),
      AttentionFusion(),
      SqueezeExcitation(),
      DeadCode(),
      ConvolutionFusion(),
      MatMulFusion(),
      ElementwiseFusion(),
      DeadCode(),
    ])
  }
}
