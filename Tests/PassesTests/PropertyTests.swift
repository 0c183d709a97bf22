import GraphIR
import ONNXFormat
import Operators
import Passes
import Runtime
import TensorCore
import Testing

/// Random graphs go through every pass alone, and through the sequences stage by stage: they stay whole and compute
/// the same, and no pass finds work for ever.
@Suite struct PropertyTests {
  static let seeds = Array(0..<300)
  /// These leave nothing to do for a second run.
  static let settled: Set = [
    "identity-removal", "shape-folding", "constant-folding", "branch-folding", "weight-sharing",
    "common-subexpressions", "view-merging",
    "affine-folding", "transpose-absorption", "dead-code",
  ]

  /// One of each.
  private var passes: [any Pass] {
    var seen = Set<String>()
    return Pipelines.prepared(evaluate: evaluate).passes.filter { seen.insert($0.name).inserted }
  }

  @Test(arguments: seeds) func eachPassAlone(_ seed: Int) throws {
    let random = try RandomGraph(seed: UInt64(seed))
    let inputs = try random.inputs()
    let expected = try run(random.graph, inputs)
    for pass in passes {
      var graph = random.graph
      var rounds = 0
      while try pass.run(&graph).contains(where: { $0.kind == .changed }) {
        rounds += 1
        try graph.verify()
        #expect(rounds < 20, "\(pass.name) finds no end")
        if rounds >= 20 { break }
      }
      #expect(rounds <= 1 || !PropertyTests.settled.contains(pass.name), "\(pass.name) takes \(rounds) rounds")
      guard rounds > 0 else { continue }
      try graph.compact()
      try graph.verify()
      compare(try run(graph, inputs), expected, 1e-5, "\(pass.name) alone")
    }
  }

  @Test(arguments: seeds) func everyStage(_ seed: Int) throws {
    let random = try RandomGraph(seed: UInt64(seed), steps: 20)
    let inputs = try random.inputs()
    let expected = try run(random.graph, inputs)
    for pipeline in [Pipelines.prepared(evaluate: evaluate), Pipelines.portable(evaluate: evaluate)] {
      var graph = random.graph
      try pipeline.run(&graph) { report, graph in
        try graph.verify()
        guard report.changed else { return }
        var stage = graph
        try stage.compact()
        compare(try run(stage, inputs), expected, 1e-5, "until \(report.stage)")
      }
      #expect(graph.nodeCount <= random.graph.nodeCount)
    }
  }

  /// Otherwise the graphs above would prove nothing about these passes: each changes some graph and leaves another for
  /// a reason.
  @Test func theGraphsHoldWhatFusionsLookFor() throws {
    var changed: Set<String> = []
    var rejected: Set<String> = []
    for seed in 0..<1000 {
      var graph = try RandomGraph(seed: UInt64(seed), steps: 20).graph
      for report in try Pipelines.prepared(evaluate: evaluate).run(&graph) {
        if report.changed { changed.insert(report.pass) }
        if report.notes.contains(where: { $0.kind == .rejected }) { rejected.insert(report.pass) }
      }
    }
    // No random graph differentiates itself.
    let all = Set(passes.map(\.name)).subtracting(["gradient-expansion"])
    #expect(all.subtracting(changed) == [])
    let choosy: Set = [
      "activation-recognition", "gelu-recognition", "layer-normalization-recognition", "attention-fusion",
      "convolution-fusion", "matmul-fusion", "squeeze-excitation", "elementwise-fusion",
    ]
    #expect(choosy.subtracting(rejected) == [])
  }

  /// What `--until` stops at is what the whole sequence had there.
  @Test func untilStopsThere() throws {
    let random = try RandomGraph(seed: 3, steps: 20)
    let whole = Pipelines.prepared(evaluate: evaluate)
    var after: [String: [String]] = [:]
    var graph = random.graph
    try whole.run(&graph) { report, graph in
      var stage = graph
      try stage.compact()
      after[report.stage] = stage.types
    }
    for stage in whole.stages {
      var graph = random.graph
      let reports = try whole.until(stage.name).run(&graph)
      #expect(reports.last?.stage == stage.name)
      #expect(graph.types == after[stage.name])
    }
    #expect(throws: LigatureError.self) { try whole.until("magic") }
  }

  /// A prepared graph survives being written and read.
  @Test(arguments: seeds.prefix(20)) func preparedGraphsRoundTrip(_ seed: Int) throws {
    let random = try RandomGraph(seed: UInt64(seed), steps: 20)
    let inputs = try random.inputs()
    var graph = random.graph
    try Pipelines.prepared(evaluate: evaluate).run(&graph)
    let bytes = try Model(graph: graph).encoded()
    let again = try Model(bytes: bytes, operators: .standard).graph
    // A value that is an output twice is copied in a file.
    #expect(again.types.filter { $0 != "Identity" } == graph.types)
    compare(try run(again, inputs), try run(graph, inputs), 0, "read back")
  }
}
