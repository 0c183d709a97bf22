import ArgumentParser
import FoundationEssentials
import Measuring
import Runtime
import TensorCore

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Times a model: latency, throughput, memory, load and first run; alone or against other engines.")

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String

  @OptionGroup var shapes: ShapeOptions

  @Option(
    help: ArgumentHelp(
      "Threads to run with; several as a list, as in 1,2. Default: all cores; with --against 1.", valueName: "counts"))
  var threads: ThreadCounts?

  @OptionGroup var limit: LimitOptions
  @OptionGroup var precision: PrecisionOptions

  @Option(
    help: ArgumentHelp(
      "Keep prepared models in this folder. With --against the first of --starts fills it.", valueName: "folder"),
    completion: .directory)
  var cache: String?

  @Option(help: "Timed runs, or rounds with --against; --seconds are measured in any case.")
  var runs = 20

  @Option(help: "Seconds to measure at least for each number of threads. Default: 1, with --against 5.")
  var seconds: Double?

  @Option(
    help: ArgumentHelp(
      "Other engines to take turns with, in processes of their own, on the same file, inputs and processors: "
        + "\(ForeignEngines.known.joined(separator: ", ")), or several as a list.", valueName: "engines"))
  var against: ForeignEngines?

  @Option(
    help: ArgumentHelp(
      "The Python that has these engines. Default: \(ForeignPython.place); Tests/Parity/venv.sh makes it.",
      valueName: "file"), completion: .file())
  var python: String?

  @Option(help: "How often each engine is started anew to time loading and the first run, with --against.")
  var starts = 3

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if !(1...1_000_000).contains(runs) { throw ValidationError("--runs must lie between 1 and 1000000") }
    if against != nil, precision.precision ?? .float32 != .float32 {
      throw ValidationError("--precision cannot be combined with --against: the other engines compute in float32")
    }
    if !(1...100).contains(starts) { throw ValidationError("--starts must lie between 1 and 100") }
    if let seconds, !(0...3600).contains(seconds) { throw ValidationError("--seconds must lie between 0 and 3600") }
    if let threads, !threads.counts.allSatisfy((1...256).contains) {
      throw ValidationError("--threads must lie between 1 and 256")
    }
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
    /// Of the outputs from those of float32 on the same inputs, as a share of each output's largest magnitude: the
    /// element that is furthest off, and the root of the mean square. With another precision only.
    var deviation: Deviation?
    /// Bytes.
    var arena: Int
    var peakResident: Int

    struct Deviation: Codable {
      var largest: Double
      var typical: Double
    }
  }

  func run() throws {
    if let against {
      try compare(against.names)
      return
    }
    let counts = threads?.counts ?? [ProcessInfo.processInfo.activeProcessorCount]
    let reports = try counts.map(measure)
    if json {
      print(reports.count == 1 ? try encodeJSON(reports[0]) : try encodeJSON(reports))
      return
    }
    for report in reports {
      let shapes = describe(shapes: report.shapes)
      print(
        """
        \(model)  \(shapes)  threads: \(report.threads)  runs: \(report.runs)
        latency      median \(report.median.fixed(3)) ms   min \(report.minimum.fixed(3)) ms   p95 \(report.p95.fixed(3)) ms
        throughput   \(report.throughput.fixed(1)) items/s
        start        load \(report.loadTime.fixed(1)) ms   first run \(report.firstRun.fixed(1)) ms
        memory       arena \(ByteCount(bytes: report.arena))   peak resident \(ByteCount(bytes: report.peakResident))
        """)
      if let deviation = report.deviation {
        print(
          """
          precision    \(precision.precision?.rawValue ?? ""), off float32 by at most \(Float(deviation.largest)) of the largest \
          output, typically \(Float(deviation.typical))
          """)
      }
    }
  }

  func describe(shapes: [String: [Int]]) -> String {
    shapes.sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value.map(String.init).joined(separator: "x"))" }.joined(separator: " ")
  }

  private func measure(threads: Int) throws -> Report {
    var options = Session.Options(threads: threads)
    options.limits = try limit.limits()
    options.cache = cache
    options.precision = precision.precision
    let loaded = try LoadedModel(model, options: options)
    let graph = loaded.session.graph
    let sizes = try shapes.sizes(for: graph, recipe: loaded.recipeSizes)
    let inputs = try zip(graph.inputs, sizes).map {
      try syntheticTensor(graph[$0].name, graph[$0].type.element, $1, limit: options.limits.memory)
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
    while times.count < runs || total < 1000 * (seconds ?? 1) && times.count < 100 * runs {
      times.append(try timedRun())
      total += times[times.count - 1]
    }
    let latency = Summary(times)
    let items = sizes.first?.first ?? 1
    // Last, for it takes memory that the run does not.
    let (arena, peak) = (try loaded.session.memoryUse(sizes).arena, ResidentMemory.peak)
    let isOther = precision.precision ?? .float32 != .float32
    let deviation = isOther ? try deviation(of: loaded.session, inputs) : nil
    return Report(
      model: model, shapes: Dictionary(uniqueKeysWithValues: zip(loaded.session.inputs.map(\.name), sizes)),
      threads: loaded.session.options.pool.threads, runs: times.count, loadTime: loaded.loadTime * 1000,
      firstRun: first, minimum: latency.minimum, median: latency.median, p95: latency.p95,
      throughput: Double(items) / latency.median * 1000, deviation: deviation,
      arena: arena, peakResident: peak)
  }

  /// How far the outputs are from those of float32.
  private func deviation(of session: Session, _ inputs: [Tensor]) throws -> Report.Deviation {
    var options = Session.Options(threads: session.options.pool.threads)
    options.limits = try limit.limits()
    let expected = try LoadedModel(model, options: options).session.run(inputs)
    var (largest, typical) = (0.0, 0.0)
    for (a, b) in zip(try session.run(inputs), expected) where b.element.isFloatingPoint && a.count == b.count {
      let differences = zip(try a.floats(), try b.floats()).map { abs(Double($0) - Double($1)) }
      let scale = max(Double(try b.floats().reduce(0) { max($0, abs($1)) }), .leastNormalMagnitude)
      largest = max(largest, (differences.max() ?? 0) / scale)
      let square = differences.reduce(0) { $0 + $1 * $1 } / Double(max(differences.count, 1))
      typical = max(typical, square.squareRoot() / scale)
    }
    return Report.Deviation(largest: largest, typical: typical)
  }
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
