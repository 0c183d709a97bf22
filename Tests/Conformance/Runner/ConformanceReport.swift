/// What the cases gave, by suite and by operator.
struct ConformanceReport {
  private let results: [CaseResult]

  init(_ results: [CaseResult]) { self.results = results }

  private struct Counts {
    var passed = 0
    var close = 0
    var failed = 0
    var disputed = 0
    var unsupported = 0
    var crashed = 0
    var total: Int { passed + failed + disputed + unsupported + crashed }

    init(_ results: [CaseResult]) {
      for result in results {
        switch result.outcome {
        case .passed:
          passed += 1
          if result.isClose { close += 1 }
        case .failed: failed += 1
        case .disputed: disputed += 1
        case .unsupported: unsupported += 1
        case .crashed, .late: crashed += 1
        }
      }
    }

    var cells: String { "\(total) | \(passed) | \(close) | \(failed) | \(disputed) | \(unsupported) | \(crashed)" }
  }

  private static let columns = "cases | passed | to 1e-5 | failed | disputed | not supported | crashed or late"

  var summary: String {
    var lines = ["suite: \(Self.columns)"]
    for suite in ConformanceCase.suites {
      let part = results.filter { $0.suite == suite }
      if !part.isEmpty { lines.append("\(suite): \(Counts(part).cells)") }
    }
    lines.append("all: \(Counts(results).cells)")
    return lines.joined(separator: "\n")
  }

  var markdown: String {
    var lines = [
      "# Conformance", "",
      "Results on the official ONNX backend test data of the package `onnx` 1.16.2; `make conformance` fetches the data",
      "and writes this page. A case passes when every element of every result is within the suite's own bounds (1e-3 of",
      "the element, or 1e-7), and type and shape are right; *to 1e-5* counts those that agree to 1e-5 of each element,",
      "or 1e-6. *Disputed* are results that differ from recorded ones that contradict the standard, with the reason below.",
      "*Not supported* is what is refused by name before anything is computed: any other error counts as failed. Of",
      "random generators only types and shapes can agree, and they do not count for *to 1e-5*. Cases whose graph is the",
      "body of a function (`_expanded`) are filed under the function.", "",
      "| suite | \(Self.columns) |", "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for suite in ConformanceCase.suites {
      lines.append("| \(suite) | \(Counts(results.filter { $0.suite == suite }).cells) |")
    }
    lines.append("| **all** | \(Counts(results).cells) |")
    lines += ["", "## Operators", "", "Cases of the suite `node`.", ""]
    lines += ["| operator | \(Self.columns) |", "|---|---:|---:|---:|---:|---:|---:|---:|"]
    let bySubject = Dictionary(grouping: results.filter { $0.suite == "node" }, by: \.subject)
    for subject in bySubject.keys.sorted() {
      lines.append("| \(subject) | \(Counts(bySubject[subject] ?? []).cells) |")
    }
    lines += ["", "## What does not pass", ""]
    lines += ["| outcome | reason | cases |", "|---|---|---|"]
    lines += problems
    return lines.joined(separator: "\n") + "\n"
  }

  /// A line for each reason, those of wrong results first.
  private var problems: [String] {
    func key(_ result: CaseResult) -> String {
      // What a reason has after the semicolon is its remedy.
      let reason = result.outcome == .unsupported ? String(result.detail.prefix { $0 != ";" }) : result.detail
      return "\(result.outcome.rawValue) | \(reason.replacing("|", with: "\\|"))"
    }
    let bad = results.filter { $0.outcome != .passed }
    let byReason = Dictionary(grouping: bad, by: key)
    let order = byReason.keys.sorted {
      let (a, b) = (byReason[$0]?.first?.outcome.isWrong ?? false, byReason[$1]?.first?.outcome.isWrong ?? false)
      return a == b ? $0 < $1 : a
    }
    return order.map { key in "| \(key) | \((byReason[key] ?? []).map(\.name).joined(separator: ", ")) |" }
  }
}
