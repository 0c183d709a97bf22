import ArgumentParser
import FoundationEssentials
import GraphIR
import Runtime
import TensorCore

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Says how much memory a run takes, and who lives where and when; runs nothing.",
    discussion: """
      With --cap the plan must fit: where it does not at first, nodes run in another order, and tensors are copied \
      that would be joined in place; the results are the same to the bit. What still does \
      not fit is refused with the bytes that are missing and the node that needs them (exit code 2). --memory-limit of \
      run, read and bench does the same.
      """)

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String

  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var limit: LimitOptions

  @Option(help: ArgumentHelp("The most memory that the arena may take, as in 512MiB.", valueName: "bytes"))
  var cap: ByteCount?

  @Option(help: "Threads that the plan is for: each needs a workspace of its own. Default: all cores.")
  var threads: Int?

  @Option(help: ArgumentHelp("Draw the arena over the steps to this file.", valueName: "file"), completion: .file())
  var svg: String?

  @Option(
    help:
      "What the drawing's colours stand for: \(MemoryDrawing.Colours.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var colours = MemoryDrawing.Colours.operator

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if let threads, !(1...256).contains(threads) { throw ValidationError("--threads must lie between 1 and 256") }
  }

  struct Report: Codable {
    struct Tensor: Codable {
      /// Absent for a workspace.
      var name: String?
      var node: String
      var op: String
      var byteCount: Int
    }
    var model: String
    var shapes: [String: [Int]]
    /// Bytes.
    var memory: MemoryUse
    /// Bytes of weights in the form that kernels read.
    var packed: Int
    var inputs: Int
    var steps: Int
    /// Steps whose results are views or were made where they belong.
    var idle: Int
    var peakStep: Int
    /// What is there at that step, the largest first.
    var peak: [Tensor]
    /// Milliseconds that planning took, packing of weights left out.
    var planTime: Double
  }

  func run() throws {
    var options = Session.Options(threads: threads)
    options.limits = try limit.limits()
    if let cap { options.memoryLimit = cap.bytes }
    let loaded = try LoadedModel(model, options: options)
    let (session, graph) = (loaded.session, loaded.session.graph)
    let sizes = try shapes.sizes(for: graph, recipe: loaded.recipeSizes)
    // The first plan packs weights, which is no part of planning.
    _ = try session.memoryUse(sizes)
    let start = ContinuousClock.now
    let (use, found) = try session.memoryMap(sizes)
    let time = start.duration(to: .now).seconds
    guard let map = found else {
      print("nothing runs: all outputs are known from the sizes of the inputs")
      return
    }
    let report = try report(loaded, sizes, use, map, time)
    print(json ? try encodeJSON(report) : text(report))
    if let svg {
      let title = "\(URL(fileURLWithPath: model).lastPathComponent)  \(shapeText(report))"
      let drawing = MemoryDrawing(graph: graph, use: use, map: map, title: title, colours: colours)
      try AtomicFile.write(Array(drawing.svg.utf8), to: svg)
    }
    if let cap, use.arena > cap.bytes { throw session.memoryProblem(use, at: map.order[map.peakStep]) }
  }

  private func report(
    _ loaded: LoadedModel, _ sizes: [[Int]], _ use: MemoryUse, _ map: MemoryMap, _ time: Double
  ) throws -> Report {
    let graph = loaded.session.graph
    var memory = use
    memory.constants = graph.values.compactMap(\.tensor).reduce(0) { $0 + $1.byteCount }
    let inputs = try zip(graph.inputs, sizes).reduce(0) { sum, input in
      try Checked.add(sum, Checked.byteCount(graph[input.0].type.element, input.1))
    }
    return Report(
      model: model, shapes: Dictionary(uniqueKeysWithValues: zip(loaded.session.inputs.map(\.name), sizes)),
      memory: memory, packed: loaded.session.packedByteCount, inputs: inputs, steps: map.order.count,
      idle: map.idle.count, peakStep: map.peakStep,
      peak: map.tenants(at: map.peakStep).map { tenant in
        Report.Tensor(
          name: tenant.value.map { graph[$0].name }, node: graph[tenant.node].name,
          op: "\(graph[tenant.node].op.name)", byteCount: tenant.byteCount)
      },
      planTime: time * 1000)
  }

  private func shapeText(_ report: Report) -> String {
    report.shapes.sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value.map(String.init).joined(separator: "x"))" }.joined(separator: " ")
  }

  private func text(_ report: Report) -> String {
    let memory = report.memory
    let above = memory.lowerBound > 0 ? 100 * Double(memory.arena) / Double(memory.lowerBound) - 100 : 0
    var lines = [
      "\(model)  \(shapeText(report))",
      "arena        \(ByteCount(bytes: memory.arena)), \(above.fixed(1)) % above the least (\(ByteCount(bytes: memory.lowerBound))); all tensors apart take \(ByteCount(bytes: memory.sumOfAll))",
      "inputs       \(ByteCount(bytes: report.inputs))",
      "constants    \(ByteCount(bytes: memory.constants))   packed for kernels \(ByteCount(bytes: report.packed))",
      "steps        \(report.steps), \(report.idle) with nothing to do; planned in \(report.planTime.fixed(1)) ms",
      "most at step \(report.peakStep):",
    ]
    var table = TextTable([("bytes", .right), ("tensor", .left), ("made by", .left)])
    for tensor in report.peak.prefix(12) {
      table.append(
        ["\(ByteCount(bytes: tensor.byteCount))", tensor.name ?? "(workspace)", "\(tensor.op) \(tensor.node)"])
    }
    lines += table.text.split(separator: "\n").map { "  \($0)" }
    if report.peak.count > 12 { lines.append("  and \(report.peak.count - 12) smaller ones") }
    return lines.joined(separator: "\n")
  }
}

extension MemoryDrawing.Colours: ExpressibleByArgument {}
