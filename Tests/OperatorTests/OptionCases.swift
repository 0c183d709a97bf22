import TestSupport
import Testing

/// What ONNX Runtime makes of options in combination.
@Suite("Options in combination") struct OptionCases {
  @Test("laws", arguments: try OperatorCase.load("Options")) func law(_ sample: OperatorCase) throws {
    try check(sample)
  }
}
