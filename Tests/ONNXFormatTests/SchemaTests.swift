import Foundation
import Testing

/// `Sources/CONNX` is exactly what `Schemas/onnx.proto` gives.
@Suite struct SchemaTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  @Test func generatedCodeIsCurrent() throws {
    let scratch = FileManager.default.temporaryDirectory.appending(path: "connx-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: scratch) }
    let process = Process()
    process.executableURL = SchemaTests.root.appending(path: "Schemas/generate")
    process.arguments = [scratch.path]
    let problems = Pipe()
    process.standardError = problems
    try process.run()
    let text = String(decoding: problems.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "Schemas/generate failed: \(text)")

    for file in ["onnx.pb-c.c", "include/onnx.pb-c.h"] {
      let made = try Data(contentsOf: scratch.appending(path: file))
      let kept = try Data(contentsOf: SchemaTests.root.appending(path: "Sources/CONNX").appending(path: file))
      #expect(made == kept, "Sources/CONNX/\(file) is stale: run Schemas/generate and commit the result")
    }
  }
}
