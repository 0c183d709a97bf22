import Foundation
import GraphIR
import ONNXFormat
import Operators
import Testing

/// What is written is what was read: `onnx.checker` accepts it, and ONNX Runtime computes the same from both files.
/// The Python side is `Tests/Parity/roundtrip.py` in the environment that `Tests/Parity/venv.sh` makes.
@Suite struct RoundTripParityTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private func python(_ arguments: [String]) throws {
    let interpreter = RoundTripParityTests.root.appending(path: ".build/parity-venv/bin/python")
    try #require(
      FileManager.default.isExecutableFile(atPath: interpreter.path),
      "\(interpreter.path) is missing: run Tests/Parity/venv.sh")
    let process = Process()
    process.executableURL = interpreter
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let problems = text.split(separator: "\n").filter { !$0.hasSuffix(": same") }.joined(separator: "\n")
    #expect(process.terminationStatus == 0, "\(problems)")
  }

  /// Rewrites the models of a folder, with all weights inside and with weights outside, and compares.
  private func compare(_ folder: URL, operators: OperatorSet) throws {
    let written = FileManager.default.temporaryDirectory.appending(path: "roundtrip-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: written, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: written) }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".onnx") }
    try #require(!names.isEmpty, "no models in \(folder.path)")
    for name in names.sorted() {
      let model = try Model(contentsOf: folder.appending(path: name).path, operators: operators)
      try model.write(to: written.appending(path: name).path)
      let options = WriteOptions(externalDataThreshold: 1024)
      try model.write(to: written.appending(path: "external-" + name).path, options: options)
    }
    let script = RoundTripParityTests.root.appending(path: "Tests/Parity/roundtrip.py")
    try python([script.path, folder.path, written.path])
  }

  /// One small model for each rule of the opset upgrade, and models with functions and sub-graphs; once with the
  /// operators that are known, once without any.
  @Test func oldOperatorSets() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "upgrades-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try python([RoundTripParityTests.root.appending(path: "Tests/Parity/upgrade_models.py").path, folder.path])
    try compare(folder, operators: OperatorSet([]))
    try compare(folder, operators: .standard)
  }

  static let published = root.appending(path: ".build/models/raw")

  /// The models that `Models/fetch` obtains.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: published.path), "run Models/fetch --raw --ddddocr"))
  func realModels() throws {
    try compare(RoundTripParityTests.published, operators: .standard)
  }
}
