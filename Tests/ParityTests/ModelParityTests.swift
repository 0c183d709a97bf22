import Foundation
import Testing

/// What needs the built program, the fetched models or Python with ONNX Runtime: `make test` sees to all three.
/// Nothing here is skipped when one is missing; the commands say what to run.
enum Command {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The program that was built together with these tests.
  static let ligature = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appending(path: "ligature")

  struct Outcome {
    var status: Int32
    var output: String
    var errors: String
  }

  static func run(_ program: URL, _ arguments: [String]) throws -> Outcome {
    let errors = FileManager.default.temporaryDirectory.appending(path: "errors-\(UUID().uuidString).txt")
    defer { try? FileManager.default.removeItem(at: errors) }
    try Data().write(to: errors)
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = root
    process.environment = ProcessInfo.processInfo.environment.merging(["LIGATURE": ligature.path]) { $1 }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus, output: text,
      errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
  }
}

@Suite(.serialized) struct ModelParityTests {
  /// One test for each model, so that a failure names it.
  @Test(arguments: [
    "ppocrv4-det", "ppocrv4-rec", "ppocrv4-cls", "ddddocr-common", "ddddocr-det", "ddddocr-old",
  ])
  func agreesWithONNXRuntime(_ model: String) throws {
    let outcome = try Command.run(Command.root.appending(path: "Tests/Parity/model_parity"), [model])
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    #expect(outcome.output.contains(", 0 failures"))
  }

  @Test func theSamplePageReadsAsWithRapidOCR() throws {
    let outcome = try Command.run(
      Command.root.appending(path: "Tests/Parity/read_parity"), ["Tests/Fixtures/sample/page.jpg"])
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
  }
}
