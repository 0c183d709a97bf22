import Foundation
import TensorCore

/// Runs cases in processes of their own: a new one whenever one ended before its time.
struct Worker {
  /// What a process ends with when its case takes too long.
  static let lateCode: Int32 = 124

  let arguments: [String]
  /// MiB of address space.
  let memory: Int
  let seconds: Int

  func results(of cases: [ConformanceCase], report: (CaseResult) -> Void) throws -> [CaseResult] {
    var results: [CaseResult] = []
    while results.count < cases.count {
      let ending = try serve(from: results.count) { result in
        report(result)
        results.append(result)
      }
      guard results.count < cases.count else { break }
      let item = cases[results.count]
      var lost = CaseResult(suite: item.suite, name: item.name, subject: item.subject, outcome: .crashed)
      if ending.reason == .exit, ending.status == Worker.lateCode {
        lost.outcome = .late
        lost.detail = "no result after \(seconds) s"
      } else {
        lost.detail = "the process ended with \(ending.reason == .exit ? "code" : "signal") \(ending.status)"
      }
      report(lost)
      results.append(lost)
    }
    return results
  }

  private func serve(
    from index: Int, _ receive: (CaseResult) throws -> Void
  ) throws -> (reason: Process.TerminationReason, status: Int32) {
    let process = Process()
    let answers = Pipe()
    process.executableURL = URL(filePath: "/bin/sh")
    let program = CommandLine.arguments[0]
    process.arguments =
      ["-c", "ulimit -v \(memory * 1024); exec \"$0\" \"$@\"", program] + arguments + ["--from", "\(index)"]
    process.standardOutput = answers
    do {
      try process.run()
    } catch {
      throw LigatureError(.file, "cannot start '\(program)' again", cause: error)
    }
    var buffer = Data()
    while true {
      let chunk = answers.fileHandleForReading.availableData
      if chunk.isEmpty { break }
      buffer += chunk
      while let end = buffer.firstIndex(of: 10) {
        try receive(JSONDecoder().decode(CaseResult.self, from: buffer[..<end]))
        buffer = Data(buffer[(end + 1)...])
      }
    }
    process.waitUntilExit()
    return (process.terminationReason, process.terminationStatus)
  }
}
