import CKernels
import TensorCore

/// How exactly convolutions and matrix products are computed.
public enum Precision: String, Sendable, CaseIterable {
  /// float32, each sum in the order that the operator's definition has.
  case strict
  /// As `strict`, but convolutions sum in double precision and round once. Slow: for checks against recorded numbers.
  case accurate
  /// float32 by whichever algorithm is fastest: Winograd's rearranges sums. Over whole networks its errors are those of
  /// `strict`; in a single convolution they are up to three times as large.
  case float32
  /// As `float32`, but convolutions and products with constant weights may round both operands to bfloat16 (8 bits of
  /// precision) where that is faster; sums and all that lies between nodes stay float32. Results are typically off by
  /// some thousandths of the largest, single ones at steep places by more. For processors with AVX512_BF16.
  case bfloat16

  /// Throws `.unsupported` if the processor has no instructions for it: without them it would be slower and less exact.
  package func checkProcessor() throws {
    guard self == .bfloat16, lig_cpu_found() & UInt32(LIG_CPU_BF16) == 0 else { return }
    throw LigatureError(
      .unsupported, "this processor has no instructions for bfloat16 (AVX512_BF16); use the precision float32")
  }
}
