import ArgumentParser
import Foundation
import Runtime
import TensorCore

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Times a model: latency, throughput, memory, load and first run.")

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String

  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var options: RunOptions

  @Option(help: "Timed runs; at least one second is measured in any case.")
  var runs = 20

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if !(1...1_000_000).contains(runs) { throw ValidationError("--runs must lie between 1 and 1000000") }
  }

  struct Report: Codable {
    var model: String
    var shapes: [String: [Int]]
    var threads: Int
    var runs: Int
    /// Milliseconds.
    var loadTime: Double
    var firstRun: Double
    var minimum: Double
    var median: Double
    var p95: Double
    /// Items (along the first axis of the first input) per second at the median.
    var throughput: Double
    /// Bytes.
    var arena: Int
    var peakResident: Int
  }

  func run() throws {
    let report = try measure()
    if json {
      print(try encodeJSON(report))
      return
    }
    let shapes = report.shapes.sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value.map(String.init).joined(separator: "x"))" }.joined(separator: " ")
    print(
      """
      \(model)  \(shapes)  threads: \(report.threads)  runs: \(report.runs)
      latency      median \(report.median.fixed(3)) ms   min \(report.minimum.fixed(3)) ms   p95 \(report.p95.fixed(3)) ms
      throughput   \(report.throughput.fixed(1)) items/s
      start        load \(report.loadTime.fixed(1)) ms   first run \(report.firstRun.fixed(1)) ms
      memory       arena \(ByteCount(bytes: report.arena))   peak resident \(ByteCount(bytes: report.peakResident))
      """)
  }

  private func measure() throws -> Report {
    let loaded = try LoadedModel(model, options: options.session)
    let graph = loaded.session.graph
    let sizes = try shapes.sizes(for: graph, recipe: loaded.recipeSizes)
    let inputs = try zip(graph.inputs, sizes).map {
      try syntheticTensor(graph[$0].name, graph[$0].type.element, $1, limit: options.memoryLimit.bytes)
    }
    func timedRun() throws -> Double {
      let start = ContinuousClock.now
      try loaded.session.run(inputs) { _ in }
      return start.duration(to: .now).seconds * 1000
    }
    let first = try timedRun()
    for _ in 0..<2 { _ = try timedRun() }
    var times: [Double] = []
    var total = 0.0
    while times.count < runs || total < 1000 && times.count < 100 * runs {
      times.append(try timedRun())
      total += times[times.count - 1]
    }
    times.sort()
    let median = times[times.count / 2]
    let items = sizes.first?.first ?? 1
    return Report(
      model: model, shapes: Dictionary(uniqueKeysWithValues: zip(loaded.session.inputs.map(\.name), sizes)),
      threads: loaded.session.options.pool.threads, runs: times.count, loadTime: loaded.loadTime * 1000,
      firstRun: first,
      minimum: times[0], median: median, p95: times[min(times.count - 1, times.count * 95 / 100)],
      throughput: Double(items) / median * 1000, arena: try loaded.session.memoryUse(sizes).arena,
      peakResident: peakResidentBytes())
  }
}

/// The most memory that this process has held so far, in bytes.
func peakResidentBytes() -> Int {
  var usage = rusage()
  guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
  return usage.ru_maxrss * 1024
}

/// As all `--json` options print: sorted keys, indented.
func encodeJSON(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  // JSON has no words for these; a report that holds one is still a report.
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
