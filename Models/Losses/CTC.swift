public import GraphIR
import Operators
import TensorCore

extension GraphBuilder {
  /// MMOCR's `CTCLoss` with `flatten` and `reduction='mean'`: the loss of each text over its length, averaged over the
  /// batch. Every text may use all steps, whatever part of the picture is padding.
  ///
  /// An empty text counts as one of length 1 in the division, as in PyTorch. A text that needs more steps than there
  /// are has an infinite loss unless `zeroInfinity` leaves it out.
  ///
  /// - Parameters:
  ///   - logits: `[N, T, C]` before the softmax, class 0 the blank.
  ///   - targets: int64 `[N, S]`; what follows a text's length is not read.
  ///   - lengths: int64 `[N]`.
  /// - Returns: one number.
  public mutating func meanCTCLoss(
    _ logits: ValueID, targets: ValueID, lengths: ValueID, blank: Int = 0, zeroInfinity: Bool = false
  ) throws -> ValueID {
    try scoped("loss_ctc") { b in
      let logProbabilities = try b.transpose(b.append(Softmax(axis: 2, logarithm: true), [logits]), [1, 0, 2])
      let steps = try b.append(Expand(), [b.append(Shape(start: 1, end: 2), [logits]), b.append(Shape(), [lengths])])
      let op = CTCLoss(blank: blank, zeroInfinity: zeroInfinity)
      let losses = try b.append(op, [logProbabilities, targets, steps, lengths])
      let divisors = try b.append(Variadic(.max), [b.cast(lengths, to: .float32), b.number(1, like: losses)])
      return try b.append(Reduce(.mean, keepsDimensions: false), [b.divide(losses, divisors)])
    }
  }
}
