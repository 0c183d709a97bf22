public import GraphIR

extension OperatorSet {
  /// Every operator that Ligature knows, one family a line.
  public static let standard = OperatorSet([
    Recurrent.self,
  ])
}
