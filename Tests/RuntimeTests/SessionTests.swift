import CAllocationCounter
import GraphIR
import Kernels
import Runtime
import TensorCore
import Testing

/// Unoptimised code allocates for closures and iterators that the optimiser removes.
let isOptimized: Bool = {
  var isDebug = false
  assert(
    {
      isDebug = true
      return true
    }())
  return !isDebug
}()

@Suite struct SessionTests {
  /// x + x + x + x over a view, with a constant branch that folds.
  private func sample() throws -> Graph {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["N"]))
    let double = try graph.append(Plus(), [x, x], name: "double")
    let view = try graph.append(Alias(), [double], name: "view")
    let four = try graph.append(Plus(), [view, double], name: "four")
    let eight = try graph.append(Plus(), [four, four], name: "eight")
    try graph.addOutput(eight, name: "y")
    try graph.addOutput(view, name: "z")
    return graph
  }

  private func session(_ graph: Graph, _ change: (inout Session.Options) -> Void = { _ in }) throws -> Session {
    var options = Session.Options(threads: 1)
    change(&options)
    return try Session(graph, options: options, kernels: sampleKernels)
  }

  @Test func computesWithViewsAndReuse() throws {
    let session = try session(sample())
    for count in [3, 100, 3, 1] {
      let x = (0..<count).map { Float($0) }
      let outputs = try session.run([Tensor(x, [count])])
      #expect(try outputs[0].floats() == x.map { 8 * $0 })
      #expect(try outputs[1].floats() == x.map { 2 * $0 })
    }
    #expect(session.planCount == 3)
  }

  @Test func inPlaceSavesMemory() throws {
    let use = try session(sample()).memoryUse([[1000]])
    // "double" lives on as output z; "four" and "eight" share one block.
    #expect(use.arena >= 2 * 4000 && use.arena < 3 * 4000)
    #expect(use.sumOfAll == 3 * 4000)
    #expect(use.arena >= use.lowerBound)
  }

  @Test(.enabled(if: isOptimized)) func runsAllocateNothingAfterWarmUp() throws {
    let session = try session(sample())
    let inputs = [try Tensor([1, 2, 3] as [Float], [3])]
    var sum: Float = 0
    func run() throws {
      try session.run(inputs) { results in
        try unsafe results.withUnsafeBytes(0) { unsafe sum += $0.load(as: Float.self) }
      }
    }
    try run()
    let before = lig_allocations()
    for _ in 0..<100 { try run() }
    #expect(lig_allocations() - before == 0)
    #expect(sum == 101 * 8)
    let probe = lig_allocations()
    _ = [Int](repeating: Int(sum), count: 1000).count
    _ = try Tensor(zeros: .float32, [10])
    #expect(lig_allocations() > probe, "the counter counts")
  }

  @Test func planCacheIsBounded() throws {
    let session = try session(sample()) { $0.planCapacity = 4 }
    for count in 1...20 { _ = try session.run([Tensor(zeros: .float32, [count])]) }
    #expect(session.planCount == 4)
  }

  @Test func memoryLimitIsAnErrorBeforeRunning() throws {
    let session = try session(sample()) { $0.memoryLimit = 1000 }
    #expect { try session.run([Tensor(zeros: .float32, [1000])]) } throws: { ($0 as? LigatureError)?.code == .limit }
    _ = try session.run([Tensor(zeros: .float32, [10])])
  }

  @Test func sizesKnownOnlyWhileRunning() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["N"]))
    let double = try graph.append(Plus(), [x, x], name: "double")
    let positives = try graph.append(Positives(), [double], name: "positives")
    let again = try graph.append(Plus(), [positives, positives], name: "again")
    let second = try graph.append(Positives(), [again], name: "second")
    try graph.addOutput(second, name: "y")
    try graph.addOutput(double, name: "z")
    try graph.addOutput(x, name: "same")
    let session = try session(graph)
    for x: [Float] in [[1, -2, 3], [-1, -1, -1], [5, 6, 7], []] {
      let outputs = try session.run([Tensor(x, [x.count])])
      #expect(try outputs[0].floats() == x.filter { $0 > 0 }.map { 4 * $0 })
      #expect(try outputs[1].floats() == x.map { 2 * $0 })
      #expect(try outputs[2].floats() == x)
    }
  }

  @Test func constantsFoldWhilePlanning() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, [2]))
    let c = try graph.addConstant("c", Tensor([1, 2] as [Float], [2]))
    let folded = try graph.append(Plus(), [c, c], name: "folded")
    let sum = try graph.append(Plus(), [x, folded], name: "sum")
    try graph.addOutput(sum)
    try graph.addOutput(folded)
    try graph.addOutput(c)
    let session = try session(graph)
    let x0 = try Tensor([10, 20] as [Float], [2])
    let outputs = try session.run([x0])
    #expect(try outputs.map { try $0.floats() } == [[12, 24], [2, 4], [1, 2]])
    #expect(try session.steps(for: [x0]).count == 1)
  }

  @Test func errorsNameTheNode() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, [2]))
    try graph.addOutput(try graph.append(Failing(), [x], name: "/head/gather"))
    let session = try session(graph)
    #expect { try session.run([Tensor(zeros: .float32, [2])]) } throws: {
      "\($0)" == "node /head/gather (Failing): index 7 is out of range [operands: float32[2]]"
    }
    #expect(throws: LigatureError.self) { try session.run([Tensor(zeros: .float32, [3])]) }
    #expect(throws: LigatureError.self) { try session.run([Tensor(zeros: .int64, [2])]) }
    #expect(throws: LigatureError.self) { try session.run([Tensor]()) }
    #expect(throws: LigatureError.self) { try session.run(["y": Tensor(zeros: .float32, [2])]) }
  }

  @Test func unknownOperatorsAreNamed() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, [2]))
    let op = Opaque(name: OperatorName("Mystery", domain: "x.y"), attributes: Attributes(), declaredTypes: [])
    try graph.addOutput(try graph.append(op, [x], name: "strange"))
    #expect { try self.session(graph) } throws: {
      "\($0)".contains("strange") && "\($0)".contains("x.y.Mystery") && ($0 as? LigatureError)?.code == .unsupported
    }
  }
}
