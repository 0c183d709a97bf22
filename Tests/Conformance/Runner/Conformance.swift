import ArgumentParser
import Foundation
import TensorCore

/// Runs ONNX's own backend test data and writes what passes into a table. See Tests/Conformance/README.md.
@main
struct Conformance: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance",
    abstract: "Runs the official ONNX backend test data and says by operator what passes.",
    discussion: """
      Cases run in another process with a limit on memory, one after the other, each with a limit on time: one that \
      crashes is counted and the rest goes on. Exit code 1 when a case crashed, ran too long, or gave a wrong result.
      """)

  @Argument(help: "The folder that holds node, simple, light, …: onnx/backend/test/data.", completion: .directory)
  var folder: String

  @Option(help: "Only cases whose name contains this.")
  var only: String?

  @Option(help: "Write the table as Markdown to this file.", completion: .file())
  var table: String?

  @Option(help: "Seconds that one case may take.")
  var seconds = 60

  @Option(help: "MiB that the process of the cases may map.")
  var memory = 8192

  @Flag(help: "Print every case that does not pass.")
  var verbose = false

  /// Runs the cases from this one on, here, and prints one line of JSON for each.
  @Option(help: .hidden) var from: Int?

  func validate() throws {
    guard (1...86_400).contains(seconds), (1...1 << 20).contains(memory) else {
      throw ValidationError("--seconds and --memory must be positive numbers of a sane size")
    }
  }

  func run() throws {
    let cases = try ConformanceCase.all(in: folder).filter { only.map($0.name.contains) ?? true }
    guard !cases.isEmpty else {
      throw LigatureError(.file, "'\(folder)' has no test cases; fetch them with Tests/Conformance/fetch")
    }
    if let from {
      try CaseRunner.serve(cases[min(max(from, 0), cases.count)...], seconds: seconds)
      return
    }
    let start = ContinuousClock.now
    let worker = Worker(arguments: workerArguments, memory: memory, seconds: seconds)
    let results = try worker.results(of: cases) { result in
      if verbose, result.outcome != .passed { print("\(result.outcome.rawValue): \(result.name): \(result.detail)") }
    }
    let report = ConformanceReport(results)
    print(report.summary)
    print("\(start.duration(to: .now).components.seconds) s")
    if let table { try write(report.markdown, to: table) }
    if results.contains(where: { $0.outcome.isWrong }) { throw ExitCode(1) }
  }

  private var workerArguments: [String] {
    [folder, "--seconds", "\(seconds)"] + (only.map { ["--only", $0] } ?? [])
  }

  private func write(_ text: String, to path: String) throws {
    do {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
    } catch {
      throw LigatureError(.file, "cannot write '\(path)'", cause: error)
    }
  }
}
