import GraphIR
import TensorCore
import Testing

/// Adds two tensors of the same shape; enough of an operator to test the graph with.
private struct Plus: Operator {
  static var names: [OperatorName] { [OperatorName("Plus")] }
  var name: OperatorName { Plus.names[0] }
  var attributes: Attributes { Attributes() }
  init() {}
  init(name: OperatorName, attributes: Attributes) throws {}
  func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (a, b) = (try context.input(0), try context.input(1))
    guard a.isCompatible(with: b) else { throw LigatureError(.shape, "operands differ") }
    return [a]
  }
}

@Suite struct GraphTests {
  private func sample() throws -> (graph: Graph, x: ValueID, first: ValueID, second: ValueID) {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["N", 3]))
    let c = try graph.addConstant("c", Tensor(zeros: .float32, [1, 3]))
    let first = try graph.append(Plus(), [x, x], name: "first")
    let second = try graph.append(Plus(), [first, first], name: "second")
    _ = try graph.append(Plus(), [second, c], name: "dead")
    try graph.addOutput(second, name: "y")
    return (graph, x, first, second)
  }

  @Test func appendInfersAndChecks() throws {
    var (graph, x, first, _) = try sample()
    #expect(graph[first].type == TensorType(.float32, ["N", 3]))
    let wrong = try graph.addInput("wrong", TensorType(.float32, ["N", 4]))
    #expect { try graph.append(Plus(), [x, wrong], name: "bad") } throws: { error in
      let error = error as? LigatureError
      return error?.code == .shape && error?.node?.contains("bad") == true && error?.operands.count == 2
    }
    #expect(throws: LigatureError.self) { try graph.addInput("x", TensorType(.float32, [])) }
    try graph.verify()
  }

  @Test func copiesAreIndependent() throws {
    let (graph, x, first, _) = try sample()
    var copy = graph
    try copy.replace(first, with: x)
    #expect(graph.uses(of: first).count == 1)
    #expect(copy.uses(of: first).isEmpty)
    #expect(copy.uses(of: x).count == 2)
    try copy.verify()
  }

  @Test func usedNodesCannotBeErased() throws {
    var (graph, _, first, second) = try sample()
    let node = try #require(graph.producer(of: first))
    #expect(throws: LigatureError.self) { try graph.erase(node) }
    let last = try #require(graph.producer(of: second))
    #expect(throws: LigatureError.self) { try graph.erase(last) }
  }

  @Test func replacingKeepsOutputNames() throws {
    var (graph, _, first, second) = try sample()
    try graph.replace(second, with: first)
    #expect(graph.outputNames == ["y"])
    #expect(graph.outputs == [first])
    #expect(throws: LigatureError.self) {
      let other = try graph.addInput("i", TensorType(.int64, [1]))
      try graph.replace(first, with: other)
    }
  }

  @Test func cyclesAreFound() throws {
    var (graph, _, first, second) = try sample()
    let node = try #require(graph.producer(of: first))
    try graph.update(node, op: Plus(), inputs: [second, second])
    #expect(throws: LigatureError.self) { try graph.verify() }
  }

  @Test func compactKeepsMeaningAndNames() throws {
    var (graph, _, _, second) = try sample()
    let dead = try #require(graph.uses(of: second).first)
    try graph.erase(dead)
    try graph.compact()
    try graph.verify()
    #expect(graph.nodeCount == 2)
    #expect(graph.value(named: "c") == nil)
    #expect(graph.description.contains("%second: float32[N, 3] = Plus(%first, %first)"))
  }

  @Test func orderIsTopologicalForDeepGraphs() throws {
    var graph = Graph()
    var value = try graph.addInput("x", TensorType(.float32, [1]))
    for index in 0..<20_000 { value = try graph.append(Plus(), [value, value], name: "n\(index)") }
    try graph.addOutput(value)
    #expect(graph.order.count == 20_000)
    #expect(graph.order == graph.order.sorted())
  }
}

@Suite struct DimensionTests {
  @Test func arithmeticSpellsExpressions() throws {
    let height: Dimension = "H"
    #expect(try height.windows(kernel: 3, stride: 2, padding: 2) == "(H+1)/2")
    #expect(try height.windows(kernel: 3, stride: 1, padding: 2) == "H")
    #expect(try Dimension.fixed(7).windows(kernel: 3, stride: 2) == 3)
    #expect(try Dimension.fixed(7).windows(kernel: 2, stride: 2, roundingUp: true) == 4)
    #expect(try height - height == 0)
    #expect(try Dimension.fixed(-7).dividedRoundingDown(by: 2) == -4)
  }

  /// What a quotient multiplies is not what a product is divided by.
  @Test func differentExpressionsAreSpeltDifferently() throws {
    let height: Dimension = "H"
    let width: Dimension = "W"
    #expect(try 2 * height.dividedRoundingDown(by: 2) != (2 * height).dividedRoundingDown(by: 2))
    #expect(try height.dividedRoundingDown(by: 2 * width) != height.dividedRoundingDown(by: 2) * width)
    #expect(try height.dividedRoundingDown(by: width.dividedRoundingDown(by: 2)) != "H/W/2")
  }

  /// Two sizes that only values tell may be spelt alike.
  @Test func unknownSizesAreNeverTheSame() throws {
    let size = Dimension.unknown("found")
    #expect(Dimension.symbol("H").isDeterminate && Dimension.fixed(3).isDeterminate && !size.isDeterminate)
    #expect(try size - size != 0)
    #expect(try size.dividedRoundingDown(by: size) != 1)
    var sum = size
    for number in 1...20 { sum = try sum * .symbol("number\(number)") + "H" }
    #expect(!sum.isDeterminate)
  }

  @Test func hostileSizesAreErrors() {
    #expect(throws: LigatureError.self) { try Dimension.fixed(5).windows(kernel: 0, stride: 1) }
    #expect(throws: LigatureError.self) { try Dimension.fixed(5).windows(kernel: 3, stride: 0) }
    #expect(throws: LigatureError.self) { try Dimension.fixed(5).windows(kernel: 9, stride: 1) }
    #expect(throws: LigatureError.self) { try Dimension.fixed(.max) + 1 }
    #expect(throws: LigatureError.self) { try Dimension.fixed(.max) * 2 }
    #expect(throws: LigatureError.self) { try Dimension.fixed(1).dividedRoundingDown(by: 0) }
    #expect(throws: LigatureError.self) { try Dimension.fixed(5).windows(kernel: .max, stride: 1, dilation: 3) }
  }
}
