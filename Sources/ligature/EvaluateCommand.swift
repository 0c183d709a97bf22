import ArgumentParser
import FoundationEssentials
import Glibc
import ONNXFormat
import Operators
import TensorCore
import TrainingLoop

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Measures a model on annotated pictures.",
    discussion: """
      Recognisers: word accuracy (exact; without case; without case and symbols), characters, 1-N.E.D. Detectors: \
      hmean-iou and hmean-ic13, each at its best score threshold. All as MMOCR 0.x computes them. A broken line or \
      picture is named and left out, as long as there are few.
      """)

  @Argument(help: "An ONNX file with a recipe.", completion: .file(extensions: ["onnx"]))
  var model: String

  @Option(
    help: ArgumentHelp(
      "The annotations: a word list, an LMDB, a JSON file, or a folder of ICDAR's or labelme's files. May be repeated.",
      valueName: "path"),
    completion: .file())
  var data: [String]

  @Option(
    help: ArgumentHelp(
      "Their form: \(EvaluationData.formats.joined(separator: ", ")). Default: what the name tells.", valueName: "form")
  )
  var format: String?

  @Option(
    help: ArgumentHelp("The folder of pictures. Default: the one that the annotations lie in.", valueName: "folder"),
    completion: .directory)
  var images: String?

  @Option(
    help: ArgumentHelp(
      "Only what a training recipe with such a split keeps for validation, as in 0/20:1.", valueName: "fold/folds:seed")
  )
  var split: String?

  @Option(help: ArgumentHelp("Print this metric only.", valueName: "name"))
  var metric: String?

  @Option(help: "Of each set, at most so many samples.")
  var samples: Int?

  @Flag(help: "Print JSON.")
  var json = false

  @Option(
    help: ArgumentHelp("Write what was found to a file, a line of JSON each.", valueName: "out.jsonl"),
    completion: .file())
  var predictions: String?

  @OptionGroup var options: RunOptions

  func validate() throws {
    if data.isEmpty { throw ValidationError("give --data PATH") }
    if let samples, samples < 1 { throw ValidationError("--samples must be positive") }
  }

  func run() throws {
    let sets = try data.map { try EvaluationData($0, format: format, images: images, split: split) }
    let model = try Model(contentsOf: model, operators: .standard, limits: options.limit.limits())
    let evaluation = try Evaluation(model.graph, metadata: model.metadata, options: options.session())
    let isTerminal = isatty(STDERR_FILENO) == 1
    let result = try evaluation.measure(
      sets, limit: samples, report: { writeToStandardError($0.printable + "\n") },
      progress: { done, total in if isTerminal { writeToStandardError("\r\u{1B}[K\(done)/\(total)") } })
    if isTerminal { writeToStandardError("\r\u{1B}[K") }
    if let predictions {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      var text = Data()
      for answer in result.answers { text.append(try encoder.encode(answer) + [0x0A]) }
      try AtomicFile.write([UInt8](text), to: predictions)
    }
    try show(result.metrics, count: result.answers.count)
  }

  private func show(_ metrics: Evaluation.Metrics, count: Int) throws {
    var metrics = metrics
    if let metric {
      let known = metrics.map(\.name).joined(separator: ", ")
      metrics.removeAll { $0.name != metric }
      guard !metrics.isEmpty else {
        throw LigatureError(.usage, "there is no metric '\(metric)' for this model; there are: \(known)")
      }
    }
    if json {
      let values = Dictionary(metrics.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
      print(try encodeJSON(EvaluationReport(samples: count, metrics: values)))
      return
    }
    var table = TextTable([("metric", .left), ("value", .right)])
    for metric in metrics { table.append([metric.name, metric.value.fixed(4)]) }
    print(table.text)
    print("\(count.grouped) samples")
  }
}

/// What `--json` says.
private struct EvaluationReport: Codable {
  var samples: Int
  var metrics: [String: Double]
}
