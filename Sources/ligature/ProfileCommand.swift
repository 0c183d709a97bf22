import ArgumentParser
import FoundationEssentials
import Measuring
import Runtime
import TensorCore

struct ProfileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile", abstract: "Shows where the time of a model goes, node by node.",
    discussion: """
      Rates are compared with what this machine reaches at best, measured at the start: GEMM is our packed matrix \
      product with its panels in the caches, memory is copying what no cache holds. Operations are counted as the \
      plain algorithm has them: two for each multiplication with an addition. Winograd's convolution takes fewer, so \
      it may exceed the peak.
      """)

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String

  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var options: RunOptions

  @Option(help: "Runs to take the median of.")
  var runs = 10

  @Option(help: "How many of the slowest nodes to print.")
  var top = 30

  @Option(
    help: ArgumentHelp("Write a run as a trace for chrome://tracing or Perfetto.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var trace: String?

  @Option(
    help: ArgumentHelp("Draw the time as a flame of the model's modules.", valueName: "file"),
    completion: .file(extensions: ["svg"]))
  var svg: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if !(1...100_000).contains(runs) { throw ValidationError("--runs must lie between 1 and 100000") }
    if !(0...1_000_000).contains(top) { throw ValidationError("--top must lie between 0 and 1000000") }
  }

  func run() throws {
    let loaded = try LoadedModel(model, options: options.session())
    let graph = loaded.session.graph
    let sizes = try shapes.sizes(for: graph, recipe: loaded.recipeSizes)
    let inputs = try zip(graph.inputs, sizes).map {
      try syntheticTensor(graph[$0].name, graph[$0].type.element, $1, limit: options.limit.limits().memory)
    }
    let machine = MachinePeak.measure(loaded.session.options.pool)
    let profile = try Profile(loaded.session, inputs, runs: runs, machine: machine)
    let name = Path.name(model)
    if let trace { try write(ChromeTrace(profile, model: name).encoded(), to: trace) }
    if let svg { try write(Data(FlameGraph(profile, model: name).svg.utf8), to: svg) }
    if json {
      print(try encodeJSON(profile))
    } else {
      show(profile)
    }
  }

  private func write(_ data: Data, to path: String) throws {
    let file = try AtomicFile(path)
    try unsafe data.withUnsafeBytes { unsafe try file.write($0) }
    try file.commit()
    if !json { print("wrote \(path)") }
  }

  private func show(_ profile: Profile) {
    let machine = profile.machine
    let sets = machine.byInstructionSet.sorted { $0.value < $1.value }
      .map { "\($0.key) \($0.value.fixed(0))" }.joined(separator: ", ")
    let inSteps = profile.steps.reduce(0) { $0 + $1.median }
    print(
      """
      \(machine.processor), threads: \(machine.threads)
      GEMM peak    \(machine.gigaflops.fixed(0)) GFLOP/s (\(sets))   memory \(machine.gigabytes.fixed(1)) GB/s
      a run        median \(profile.total.fixed(3)) ms   min \(profile.minimum.fixed(3)) ms   \
      in \(profile.steps.count) steps \(inSteps.fixed(3)) ms

      """)
    print(groups("operator", profile.operators))
    print()
    if profile.kinds.count != profile.operators.count { print(groups("kind", profile.kinds), terminator: "\n\n") }
    print(nodes(profile.steps))
  }

  private func groups(_ title: String, _ groups: [Profile.Group]) -> String {
    var table = TextTable([(title, .left), ("nodes", .right), ("ms", .right)] + ProfileCommand.rateColumns)
    for group in groups {
      table.append([group.name, "\(group.nodes)", group.time.fixed(3)] + rates(group.rates))
    }
    return table.text
  }

  private func nodes(_ steps: [Profile.Step]) -> String {
    var table = TextTable(
      [("median ms", .right), ("min", .right)] + ProfileCommand.rateColumns
        + [("kind", .left), ("output", .left), ("node", .left)])
    for step in steps.sorted(by: { $0.median > $1.median }).prefix(top) {
      table.append(
        [step.median.fixed(3), step.minimum.fixed(3)] + rates(step.rates)
          + [step.kind, step.output.map(String.init).joined(separator: "x"), step.name])
    }
    return table.text
  }

  private static let rateColumns: [(title: String, alignment: TextTable.Alignment)] = [
    ("time", .right), ("GFLOP/s", .right), ("of peak", .right), ("GB/s", .right),
  ]

  private func rates(_ rates: Profile.Rates) -> [String] {
    [
      "\((rates.share * 100).fixed(1)) %", rates.gigaflops > 0 ? rates.gigaflops.fixed(1) : "",
      rates.gigaflops > 0 ? "\((rates.peakShare * 100).fixed(0)) %" : "", rates.gigabytes.fixed(1),
    ]
  }
}
