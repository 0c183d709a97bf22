/// How exactly convolutions and matrix products are computed.
public enum Precision: String, Sendable, CaseIterable {
  /// float32, each sum in the order that the operator's definition has.
  case strict
  /// As `strict`, but convolutions sum in double precision and round once. Slow: for checks against recorded numbers.
  case accurate
  /// float32 by whichever algorithm is fastest: Winograd's rearranges sums, with errors of about twice those of
  /// `strict`.
  case float32
}
