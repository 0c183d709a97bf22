import Operators
import TestSupport
import Testing

@Suite("Gradients beside those of PyTorch") struct RecordedGradients {
  /// Recorded by Tests/Fixtures/gradients/recorder.py. CTC is compared through the softmax before it: what PyTorch calls
  /// its gradient is defined only up to that.
  @Test("recorded cases", arguments: try RecordedGradient.load("PyTorch")) func recorded(_ sample: RecordedGradient)
    throws
  {
    try compareWithRecord(sample, transform: sample.op == CTCLoss.names[0] ? Softmax(axis: 2, logarithm: true) : nil)
  }
}
