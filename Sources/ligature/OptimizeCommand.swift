import ArgumentParser
import GraphIR
import ONNXFormat
import Operators
import Passes
import Runtime
import TensorCore

struct OptimizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "optimize",
    abstract: "Writes a model as the passes leave it, and says what they did and what they left, and why.",
    discussion: """
      These are the passes that every command runs when it loads a model; a file that has been through them loads \
      faster. The file has ONNX's own operators wherever they can say it. What they cannot say (a convolution with \
      its activation, for example) becomes an operator of the domain 'ligature', which Ligature reads back and other \
      programs refuse: --portable leaves out the passes that make such operators. Metadata and recipe are kept. \
      Weights are folded, so that the file cannot be trained, nor converted back to a checkpoint.
      """)

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String?

  @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["onnx"]))
  var output: String?

  @Flag(help: "Only passes that leave a graph of ONNX's own operators.")
  var portable = false

  @Option(help: ArgumentHelp("Stop after this pass; see --list.", valueName: "pass"))
  var until: String?

  @Option(
    help: ArgumentHelp(
      "Store matrices and kernels in half the bytes; they are widened when the file is loaded.",
      valueName: WeightStorage.Format.allCases.map(\.rawValue).joined(separator: "|")),
    transform: { text in
      guard let format = WeightStorage.Format(rawValue: text) else {
        throw ValidationError("--weights is float16 or bfloat16, not '\(text)'")
      }
      return format
    })
  var weights: WeightStorage.Format?

  @Flag(help: "Print every pattern that a pass matched, or looked at and left, with the reason.")
  var explain = false

  @Flag(help: "List the passes in their order, and do nothing else.")
  var list = false

  @OptionGroup var limit: LimitOptions

  @Flag(help: "Print JSON.")
  var json = false

  @Option(
    name: .customLong("shape"),
    help: ArgumentHelp(
      "Settle the sizes of an input, as in x=1x3x640x640: more becomes constant. The file then takes only that size. May be repeated.",
      valueName: "name=sizes"))
  var shapes: [String] = []

  struct Pass: Codable {
    var name: String
    var summary: String
  }
  struct Note: Codable {
    var kind: PassNote.Kind
    var node: String
    var text: String
  }
  struct Stage: Codable {
    var name: String
    var nodesBefore: Int
    var nodesAfter: Int
    var seconds: Double
    var changed: Int
    var rejected: Int
    var notes: [Note]?
  }
  struct Report: Codable {
    var file: String
    var output: String?
    var nodesBefore: Int
    var nodesAfter: Int
    /// Operators that only Ligature reads, and how many there are.
    var ownOperators: [String: Int]
    var stages: [Stage]
  }

  func validate() throws {
    guard !list else { return }
    if model == nil { throw ValidationError("name a model; or list the passes with --list") }
    if output == nil, !explain { throw ValidationError("give --output FILE, or --explain, or --list") }
  }

  private func pipeline() throws -> PassManager {
    var options = Session.Options(threads: 1)
    options.limits = try limit.limits()
    let evaluate = Session.evaluator(options)
    let whole = portable ? Pipelines.portable(evaluate: evaluate) : Pipelines.prepared(evaluate: evaluate)
    return try until.map { try whole.until($0) } ?? whole
  }

  func run() throws {
    let pipeline = try pipeline()
    guard !list, let path = model else {
      let passes = pipeline.stages.map { Pass(name: $0.name, summary: $0.pass.summary) }
      print(json ? try encodeJSON(passes) : text(passes))
      return
    }
    var file = try Model(contentsOf: path, operators: .standard, limits: limit.limits())
    try settleSizes(&file.graph)
    let before = file.graph.nodeCount
    var reports = try pipeline.run(&file.graph)
    if let weights { reports += try PassManager([WeightStorage(weights)]).run(&file.graph) }
    if let output { try file.write(to: output) }
    var own: [String: Int] = [:]
    for id in file.graph.order where file.graph[id].op.name.domain == "ligature" {
      own[file.graph[id].op.name.type, default: 0] += 1
    }
    let report = Report(
      file: path, output: output, nodesBefore: before, nodesAfter: file.graph.nodeCount, ownOperators: own,
      stages: reports.map(stage))
    print(json ? try encodeJSON(report) : text(report))
  }

  private func settleSizes(_ graph: inout Graph) throws {
    guard !shapes.isEmpty else { return }
    try graph.settle(inputs: ShapeOptions.parse(shapes))
  }

  private func stage(_ report: PassReport) -> Stage {
    Stage(
      name: report.stage, nodesBefore: report.nodesBefore, nodesAfter: report.nodesAfter, seconds: report.seconds,
      changed: report.notes.count { $0.kind == .changed }, rejected: report.notes.count { $0.kind == .rejected },
      notes: explain ? report.notes.map { Note(kind: $0.kind, node: $0.node, text: $0.text) } : nil)
  }

  private func text(_ passes: [Pass]) -> String {
    var table = TextTable([("pass", .left), ("what it does", .left)])
    for pass in passes { table.append([pass.name, pass.summary]) }
    return table.text
  }

  private func text(_ report: Report) -> String {
    var lines: [String] = []
    for stage in report.stages where explain {
      lines.append(stage.name)
      for note in stage.notes ?? [] {
        lines.append("  \(note.kind == .changed ? "+" : "-") \(note.node): \(note.text)".printable)
      }
    }
    var table = TextTable([
      ("pass", .left), ("nodes", .right), ("changed", .right), ("rejected", .right), ("ms", .right),
    ])
    for stage in report.stages {
      table.append([
        stage.name, "\(stage.nodesAfter)", "\(stage.changed)", "\(stage.rejected)", (stage.seconds * 1000).fixed(1),
      ])
    }
    lines.append(table.text)
    lines.append("\(report.nodesBefore) nodes became \(report.nodesAfter)")
    if !report.ownOperators.isEmpty {
      let names = report.ownOperators.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      lines.append("only Ligature reads: \(names.joined(separator: ", ")); see --portable")
    }
    if let output = report.output { lines.append("wrote \(output)".printable) }
    return lines.joined(separator: "\n")
  }
}
