import FoundationEssentials
import Parity
import Runtime
import TensorCore

/// The part of `verify` that compares an architecture with a parity bundle.
struct BundleVerification {
  let folder: String
  let only: [Check.Section]
  let options: Session.Options
  /// Sections with more rows than this are cut down to their worst ones.
  static let mostRows = 12

  static func isBundle(_ folder: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/model.json") }

  func checks() throws -> [Check] {
    let sections = only.isEmpty ? Set(Check.Section.allCases) : Set(only)
    let checks = try BundleVerifier(folder, options: options).checks(sections)
    guard !checks.isEmpty else {
      throw LigatureError(
        .usage, "the bundle '\(folder)' records nothing of \(only.map(\.rawValue).joined(separator: ", "))")
    }
    return checks
  }

  /// - Parameter all: every row; otherwise long sections show what failed and what came closest to failing.
  static func table(_ checks: [Check], all: Bool) -> String {
    var table = TextTable([
      ("section", .left), ("what", .left), ("error", .right), ("tolerance", .right), ("", .left), ("", .left),
    ])
    for section in Check.Section.allCases {
      let rows = checks.filter { $0.section == section }
      for row in shown(rows, all: all) {
        table.append([
          section.rawValue, row.name, printed(row.error, "%.3g"), printed(row.tolerance, "%.3g"),
          row.measure, row.passed ? "passed" : "FAILED",
        ])
      }
      if !all, rows.count > mostRows {
        let hidden = rows.count - shown(rows, all: false).count
        table.append([
          section.rawValue, "… and \(hidden) with smaller errors (--all prints them)", "", "", "", "passed",
        ])
      }
    }
    let failed = checks.filter { !$0.passed }.count
    return table.text + "\n\(checks.count - failed) of \(checks.count) numbers within their tolerance"
  }

  private static func shown(_ rows: [Check], all: Bool) -> [Check] {
    guard !all, rows.count > mostRows else { return rows }
    func closeness(_ check: Check) -> Double { check.passed ? check.error / max(check.tolerance, 1e-30) : .infinity }
    let failed = rows.filter { !$0.passed }.count
    let worst = rows.indices.sorted { closeness(rows[$0]) > closeness(rows[$1]) }.prefix(max(failed, 5)).sorted()
    return worst.map { rows[$0] }
  }
}
