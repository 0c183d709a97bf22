import ArgumentParser
import FoundationEssentials
import Measuring
import ONNXFormat
import Operators
import TensorCore

extension BenchCommand {
  struct ComparisonReport: Codable {
    struct Turns: Codable {
      var threads: Int
      var results: [Comparison.Result]
    }
    var model: String
    var shapes: [String: [Int]]
    /// ISO 8601.
    var date: String
    var processor: String
    var comparisons: [Turns]
  }

  /// Measures against other engines; exit code 1 when one of them could not run the model.
  func compare(_ names: [String]) throws {
    let python = try ForeignPython.find(python)
    let engines =
      [Comparison.Engine("ligature", command: [try ownPath(), "bench-engine"])]
      + names.map { Comparison.Engine($0, command: ForeignPython.command(python)) }
    let inputs = try comparisonInputs()
    var report = ComparisonReport(
      model: model, shapes: Dictionary(uniqueKeysWithValues: inputs.map { ($0.name, $0.tensor.shape) }),
      date: Date.now.formatted(.iso8601), processor: Processors.modelName, comparisons: [])
    if !json { print("\(model)  \(describe(shapes: report.shapes))  on \(report.processor)") }
    for count in threads?.counts ?? [1] {
      var comparison = Comparison(model: model, threads: count, inputs: inputs)
      comparison.rounds = runs
      comparison.seconds = seconds ?? 5
      comparison.starts = starts
      comparison.cache = cache
      let results = try comparison.run(engines)
      report.comparisons.append(.init(threads: count, results: results))
      if !json { print("\nthreads: \(count)\n\(table(results))") }
    }
    if json { print(try encodeJSON(report)) }
    if report.comparisons.contains(where: { $0.results.contains { $0.error != nil } }) { throw ExitCode.checkFailed }
  }

  private func comparisonInputs() throws -> [(name: String, tensor: Tensor)] {
    let limits = try limit.limits()
    let file = try Model(contentsOf: model, operators: .standard, limits: limits)
    let sizes = try shapes.sizes(for: file.graph, recipe: recipeSizes(file))
    return try zip(file.graph.inputs, sizes).map {
      let value = file.graph[$0]
      return (value.name, try syntheticTensor(value.name, value.type.element, $1, limit: limits.memory))
    }
  }

  private func ownPath() throws -> String {
    do {
      return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    } catch {
      throw LigatureError(.file, "cannot find the program itself to start it again; is /proc there?", cause: error)
    }
  }

  private func table(_ results: [Comparison.Result]) -> String {
    func time(_ value: Double?) -> String { value.map { $0.fixed($0 < 10 ? 3 : 1) } ?? "-" }
    func memory(_ value: Int?) -> String { value.map { ByteCount(bytes: $0).description } ?? "-" }
    var table = TextTable([
      ("engine", .left), ("version", .left), ("min ms", .right), ("median ms", .right), ("ours / its", .right),
      ("95 %", .left), ("load ms", .right), ("first ms", .right), ("ours / its", .right), ("peak", .right),
      ("before", .right), ("difference", .right),
    ])
    for result in results {
      table.append([
        result.engine, result.version ?? "-", time(result.latency?.minimum), time(result.latency?.median),
        result.ratio?.value.fixed(3) ?? "", result.ratio.map { "\($0.low.fixed(3))–\($0.high.fixed(3))" } ?? "",
        time(result.load), time(result.firstRun), result.startRatio?.fixed(3) ?? "", memory(result.peakResident),
        memory(result.residentBefore), result.difference.map { "\(Float($0))" } ?? "",
      ])
    }
    let problems = results.compactMap { result in
      result.error.map { "\(result.engine): \($0)".printable }
    }
    return ([table.text] + problems).joined(separator: "\n")
  }
}
