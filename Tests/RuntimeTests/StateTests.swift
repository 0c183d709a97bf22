import CAllocationCounter
import GraphIR
import Kernels
import Runtime
import TensorCore
import Testing

@Suite struct StateTests {
  /// sum += x, and y = sum + x after it.
  private func accumulator(_ start: [Float], readsNext: Bool = false) throws -> (Graph, [StateUpdate]) {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [start.count]))
    let sum = try graph.addParameter("sum", Tensor(start, [start.count]))
    let double = try graph.append(Plus(), [sum, sum], name: "double")
    let next = try graph.append(Plus(), [sum, x], name: "next")
    try graph.addOutput(double, name: "before")
    try graph.addOutput(readsNext ? graph.append(Plus(), [next, x], name: "beyond") : next, name: "after")
    return (graph, [StateUpdate(state: sum, next: next)])
  }

  private func session(_ graph: Graph, _ updates: [StateUpdate]) throws -> Session {
    try Session(graph, updates: updates, options: Session.Options(threads: 1), kernels: sampleKernels)
  }

  @Test(arguments: [false, true]) func runsContinueWhereTheLastOneEnded(readsNext: Bool) throws {
    let (graph, updates) = try accumulator([1, 2], readsNext: readsNext)
    let session = try session(graph, updates)
    let x = try Tensor([10, 20] as [Float], [2])
    for run in 1...3 {
      session.poison()
      let outputs = try session.run([x])
      let (before, after) = (Float(run - 1), Float(readsNext ? run + 1 : run))
      #expect(try outputs[0].floats() == [2 + 20 * before, 4 + 40 * before])
      #expect(try outputs[1].floats() == [1 + 10 * after, 2 + 20 * after])
      #expect(try session.state(named: "sum").floats() == [1 + 10 * Float(run), 2 + 20 * Float(run)])
    }
    #expect(try graph[updates[0].state].tensor?.floats() == [1, 2], "the graph keeps what it was given")
  }

  /// What is written in place takes no memory of the arena; what must be copied does.
  @Test func stateIsWrittenInPlace() throws {
    let start = [Float](repeating: 0, count: 1000)
    let (graph, updates) = try accumulator(start)
    let use = try session(graph, updates).memoryUse([[1000]])
    #expect(use.state == 4000)
    #expect(use.sumOfAll == 4000, "only 'double' lies in the arena")
    let (other, otherUpdates) = try accumulator(start, readsNext: true)
    #expect(try session(other, otherUpdates).memoryUse([[1000]]).sumOfAll == 3 * 4000)
  }

  /// v' = v + x, p' = p + v': the second write reads the first, both are in place; nothing else reads what they leave.
  @Test func writersFollowEachOther() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [1]))
    let v = try graph.addParameter("v", Tensor([1] as [Float], [1]))
    let p = try graph.addParameter("p", Tensor([5] as [Float], [1]))
    let newV = try graph.append(Plus(), [v, x], name: "newV")
    let newP = try graph.append(Plus(), [p, newV], name: "newP")
    // Reads the old p, and comes last in the file.
    try graph.addOutput(graph.append(Plus(), [p, x], name: "seen"))
    let session = try session(graph, [StateUpdate(state: v, next: newV), StateUpdate(state: p, next: newP)])
    #expect(try session.memoryUse([[1]]).sumOfAll == 4)
    let two = try Tensor([2] as [Float], [1])
    #expect(try session.run([two])[0].floats() == [7])
    #expect(try session.state().map { try $0.tensor.floats()[0] } == [3, 8])
    #expect(try session.run([two])[0].floats() == [10])
    #expect(try session.state().map { try $0.tensor.floats()[0] } == [5, 13])
  }

  @Test func aCheckThatThrowsLeavesTheState() throws {
    let (graph, updates) = try accumulator([1])
    let session = try session(graph, updates)
    let x = try Tensor([3] as [Float], [1])
    _ = try session.run([x])
    var seen: [Float] = []
    let error = #expect(throws: LigatureError.self) {
      try session.run(
        [x],
        check: { results in
          seen = try results.tensor(0).floats()
          // What the commit makes is not there yet.
          _ = try results.tensor(1)
        }
      ) { _ in }
    }
    #expect(seen == [8])
    #expect(error?.message.contains("'after'") == true)
    #expect(try session.state(named: "sum").floats() == [4])
    _ = try session.run([x])
    #expect(try session.state(named: "sum").floats() == [7])
  }

  /// A tensor of the state keeps what it showed.
  @Test func tensorsOfTheStateAreValues() throws {
    let (graph, updates) = try accumulator([1])
    let session = try session(graph, updates)
    let x = try Tensor([3] as [Float], [1])
    _ = try session.run([x])
    let held = try session.state(named: "sum")
    _ = try session.run([x])
    #expect(try held.floats() == [4])
    try session.setState(named: "sum", held)
    _ = try session.run([x])
    #expect(try held.floats() == [4])
    #expect(try session.state(named: "sum").floats() == [7])
    #expect(throws: LigatureError.self) { try session.setState(named: "sum", Tensor([1, 2] as [Float], [2])) }
    #expect(throws: LigatureError.self) { try session.state(named: "total") }
  }

  @Test(.enabled(if: isOptimized)) func runsWithStateAllocateNothing() throws {
    let (graph, updates) = try accumulator([1, 2], readsNext: true)
    let session = try session(graph, updates)
    let inputs = [try Tensor([3, 4] as [Float], [2])]
    func run() throws { try session.run(inputs, check: { _ in }) { _ in } }
    try run()
    let before = lig_allocations()
    for _ in 0..<100 { try run() }
    #expect(lig_allocations() - before == 0)
  }

  @Test func refusesWhatCannotBe() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [1]))
    let a = try graph.addParameter("a", Tensor([1] as [Float], [1]))
    let b = try graph.addParameter("b", Tensor([1] as [Float], [1]))
    let wide = try graph.addParameter("wide", Tensor([1, 2] as [Float], [2]))
    let constant = try graph.addConstant("c", Tensor([1] as [Float], [1]))
    let next = try graph.append(Plus(), [a, x], name: "next")
    let view = try graph.append(Alias(), [b], name: "view")
    let cases: [([StateUpdate], String)] = [
      ([StateUpdate(state: constant, next: next)], "no parameter"),
      ([StateUpdate(state: wide, next: next)], "'wide'"),
      ([StateUpdate(state: a, next: next), StateUpdate(state: a, next: next)], "twice"),
      ([StateUpdate(state: a, next: view), StateUpdate(state: b, next: next)], "the old 'b'"),
    ]
    for (updates, message) in cases {
      let error = #expect(throws: LigatureError.self) { try self.session(graph, updates) }
      #expect(error?.message.contains(message) == true)
    }
    try graph.addOutput(view)
    let other = try graph.append(Plus(), [b, x], name: "other")
    let error = #expect(throws: LigatureError.self) { try session(graph, [StateUpdate(state: b, next: other)]) }
    #expect(error?.message.contains("the output 'view'") == true)
  }

  @Test func refusesSizesThatDependOnValues() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [2]))
    let a = try graph.addParameter("a", Tensor([1, 1] as [Float], [2]))
    let next = try graph.append(Plus(), [a, x], name: "next")
    try graph.addOutput(graph.append(Positives(), [x], name: "some"))
    let session = try session(graph, [StateUpdate(state: a, next: next)])
    let error = #expect(throws: LigatureError.self) { try session.run([Tensor([1, 2] as [Float], [2])]) }
    #expect(error?.node?.contains("some") == true)
  }
}
