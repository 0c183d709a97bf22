import Foundation
import GraphIR
import ONNXFormat
import Testing

/// Reads the models of a folder and writes them again, for `Tests/Parity/roundtrip.py`, which compares the two in
/// ONNX Runtime. Runs only where that script sets the variables.
@Suite struct RoundTripFiles {
  static let input = ProcessInfo.processInfo.environment["LIGATURE_ROUNDTRIP_INPUT"]
  static let output = ProcessInfo.processInfo.environment["LIGATURE_ROUNDTRIP_OUTPUT"]

  @Test(.enabled(if: input != nil && output != nil))
  func rewriteFolder() throws {
    let input = try #require(RoundTripFiles.input)
    let output = try #require(RoundTripFiles.output)
    let names = try FileManager.default.contentsOfDirectory(atPath: input).filter { $0.hasSuffix(".onnx") }
    try #require(!names.isEmpty, "no models in \(input)")
    for name in names.sorted() {
      let model = try Model(contentsOf: "\(input)/\(name)", operators: OperatorSet([]))
      try model.write(to: "\(output)/\(name)")
      var options = WriteOptions()
      options.externalDataThreshold = 1024
      try model.write(to: "\(output)/external-\(name)", options: options)
    }
  }
}
