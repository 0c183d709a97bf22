/// The sequences of passes that have names.
public enum Pipelines {
  /// From a portable graph to what this machine runs best.
  public static func prepared(evaluate: @escaping ConstantFolding.Evaluate) -> PassManager {
    PassManager(
      simplifying(evaluate) + [
        ActivationRecognition(),
        GeluRecognition(),
        LayerNormalizationRecognition(),
        AttentionFusion(),
        SqueezeExcitation(),
        ResizeAddFusion(),
        DeadCode(),
        ConvolutionFusion(),
        MatMulFusion(),
        QKVMerging(),
        ElementwiseFusion(),
        DeadCode(),
      ])
  }

  /// What leaves a graph portable: the result has ONNX's own operators, if what came in had.
  public static func portable(evaluate: @escaping ConstantFolding.Evaluate) -> PassManager {
    PassManager(simplifying(evaluate) + [DeadCode()])
  }

  /// Less to compute, by operators that are there already.
  private static func simplifying(_ evaluate: @escaping ConstantFolding.Evaluate) -> [any Pass] {
    [
      GradientExpansion(),
      IdentityRemoval(),
      ShapeFolding(),
      ConstantFolding(evaluate: evaluate),
      BranchFolding(),
      WeightSharing(),
      CommonSubexpressions(),
      ViewMerging(),
      TransposeElimination(),
      TransposeSinking(),
      TransposeAbsorption(),
      IdentityRemoval(),
      ConstantFolding(evaluate: evaluate),
      AffineFolding(),
    ]
  }
}
