import ArgumentParser
import FoundationEssentials
import ONNXFormat
import Operators
import Parity
import Runtime
import TensorCore

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Runs a model on recorded inputs and compares its outputs with the recorded ones.",
    discussion: """
      The folder is one of two things.

      A parity bundle (it has a model.json): numbers that the reference implementation of an architecture gave, for \
      one deterministic set of weights. Compared are outputs, loss terms, gradients of every parameter, batch-norm \
      statistics, optimiser steps, targets and post-processing, each with its own tolerance.

      A model with test data: the folder has the layout of ONNX's own test data: model.onnx beside folders test_data_set_0, test_data_set_1, \
      … with input_0.pb, input_1.pb, … and output_0.pb, … (TensorProto). The error of an output is its largest \
      absolute difference; it is compared relative to the output's scale, its largest magnitude. \
      Integers and truth values must be equal. Exit code 1 when an output differs by more than the tolerance.
      """)

  @Argument(help: "A parity bundle, or the folder with model.onnx and its test data.", completion: .directory)
  var folder: String

  @Option(help: "The largest error relative to an output's scale that passes (not for bundles: they have their own).")
  var tolerance = 1e-4

  @Option(
    help: "Of a bundle, compare this only: \(VerifyCommand.sections). Repeatable.",
    transform: { text in
      guard let section = Check.Section(rawValue: text) else {
        throw ValidationError("there is no section '\(text)'; there are: \(VerifyCommand.sections)")
      }
      return section
    })
  var only: [Check.Section] = []
  private static let sections = Check.Section.allCases.map(\.rawValue).joined(separator: ", ")

  @Flag(help: "Of a bundle, print every number, not only those that are closest to their tolerance.")
  var all = false

  @OptionGroup var options: RunOptions

  @Flag(help: "Print JSON.")
  var json = false

  struct Row: Codable {
    var dataSet: String
    var output: String
    var type: String
    var maximalAbsoluteError: Double
    /// Relative to the largest magnitude of the expected output.
    var maximalRelativeError: Double
    var passed: Bool
    var problem: String?
  }

  func validate() throws {
    if !(tolerance >= 0) { throw ValidationError("--tolerance must be a number, 0 or more") }
  }

  func run() throws {
    if BundleVerification.isBundle(folder) { return try verifyBundle() }
    let loaded = try LoadedModel(folder + "/model.onnx", options: options.session())
    let sets = try dataSets()
    guard !sets.isEmpty else {
      throw LigatureError(.file, "'\(folder)' has no folder test_data_set_0 with input_0.pb and output_0.pb")
    }
    var rows: [Row] = []
    for set in sets { rows += try verify(set, loaded) }
    print(json ? try encodeJSON(rows) : table(rows))
    if rows.contains(where: { !$0.passed }) { throw ExitCode.checkFailed }
  }

  private func verifyBundle() throws {
    let checks = try BundleVerification(folder: folder, only: only, options: options.session()).checks()
    print(json ? try encodeJSON(checks) : BundleVerification.table(checks, all: all))
    if checks.contains(where: { !$0.passed }) { throw ExitCode.checkFailed }
  }

  private func dataSets() throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder)
        .filter { $0.hasPrefix("test_data_set_") }
        .sorted(by: precedesByNumbers)
    } catch {
      throw LigatureError(.file, "cannot list '\(folder)'", cause: error)
    }
  }

  private func data(_ prefix: String, _ set: String, _ names: [String], _ model: Model) throws -> [Datum] {
    try names.enumerated().map { index, name in
      try TensorFile.readDatum("\(folder)/\(set)/\(prefix)_\(index).pb", kind: model.kind(of: name))
    }
  }

  private func verify(_ set: String, _ loaded: LoadedModel) throws -> [Row] {
    let session = loaded.session
    let inputs = try data("input", set, session.inputs.map(\.name), loaded.model)
    let expected = try data("output", set, session.outputNames, loaded.model)
    let produced = try session.run(data: inputs)
    return try zip(session.outputNames, zip(produced, expected)).map { name, pair in
      try compare(
        pair.0, pair.1,
        row: Row(
          dataSet: set, output: name, type: pair.1.summary, maximalAbsoluteError: 0, maximalRelativeError: 0,
          passed: true))
    }
  }

  /// Sequences and optionals: the worst of their elements decides.
  private func compare(_ produced: Datum, _ expected: Datum, row: Row) throws -> Row {
    switch (produced, expected) {
    case (.tensor(let a), .tensor(let b)): return try compare(a, b, row: row)
    case (.sequence(let a), .sequence(let b)) where a.count == b.count:
      return try zip(a, b).reduce(row) { worst, pair in
        let next = try compare(pair.0, pair.1, row: row)
        return (worst.passed && !next.passed) || next.maximalRelativeError > worst.maximalRelativeError ? next : worst
      }
    case (.optional(let a?), .optional(let b?)): return try compare(a, b, row: row)
    case (.optional(nil), .optional(nil)): return row
    default:
      var row = row
      row.passed = false
      row.problem = "made \(produced.summary)"
      return row
    }
  }

  private func compare(_ produced: Tensor, _ expected: Tensor, row: Row) throws -> Row {
    var row = row
    guard produced.element == expected.element, produced.shape == expected.shape else {
      row.passed = false
      row.problem = "made \(produced.element)\(produced.shape)"
      return row
    }
    if expected.element == .string {
      row.passed = produced.strings.map { Array($0.utf8) } == expected.strings.map { Array($0.utf8) }
      if !row.passed { row.problem = "made other texts" }
      return row
    }
    guard expected.element.isFloatingPoint || produced.hasSameBytes(as: expected) else {
      return try compareIntegers(produced, expected, row: row)
    }
    let (a, b) = (try produced.floats(), try expected.floats())
    var (error, scale) = (0.0, 0.0)
    for (x, y) in zip(a, b) where x != y && !(x.isNaN && y.isNaN) {
      let difference = abs(Double(x) - Double(y))
      error = difference.isNaN ? .infinity : max(error, difference)
    }
    for y in b where y.isFinite { scale = max(scale, Double(abs(y))) }
    row.maximalAbsoluteError = error
    row.maximalRelativeError = error == 0 ? 0 : error / max(scale, .leastNormalMagnitude)
    row.passed = expected.element.isFloatingPoint ? row.maximalRelativeError <= tolerance : error == 0
    return row
  }

  /// Of numbers that differ somewhere: single precision would not tell large ones apart.
  private func compareIntegers(_ produced: Tensor, _ expected: Tensor, row: Row) throws -> Row {
    var row = row
    row.passed = false
    var (error, scale) = (0.0, 0.0)
    for (x, y) in zip(try produced.doubles(), try expected.doubles()) {
      error = max(error, abs(x - y))
      scale = max(scale, abs(y))
    }
    row.maximalAbsoluteError = max(error, 1)
    row.maximalRelativeError = row.maximalAbsoluteError / max(scale, 1)
    return row
  }

  private func table(_ rows: [Row]) -> String {
    var table = TextTable([
      ("data set", .left), ("output", .left), ("type", .left), ("abs. error", .right), ("rel. error", .right),
      ("", .left),
    ])
    for row in rows {
      table.append([
        row.dataSet, row.output, row.type, printed(row.maximalAbsoluteError, "%.3g"),
        printed(row.maximalRelativeError, "%.3g"),
        row.passed ? "passed" : "FAILED" + (row.problem.map { ": \($0)" } ?? ""),
      ])
    }
    let failed = rows.filter { !$0.passed }.count
    return table.text + "\n\(rows.count - failed) of \(rows.count) outputs within \(tolerance) of their scale"
  }
}

extension Tensor {
  fileprivate func hasSameBytes(as other: Tensor) -> Bool {
    unsafe withUnsafeBytes { mine in unsafe other.withUnsafeBytes { unsafe mine.elementsEqual($0) } }
  }

  /// Integers, rounded to double precision where they are that large.
  fileprivate func doubles() throws -> [Double] {
    if element == .uint64 { return try scalars(as: UInt64.self).map(Double.init) }
    return try integers().map(Double.init)
  }
}
