import Autodiff
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite("The differentiation driver") struct DriverTests {
  private func input(_ graph: inout Graph, _ name: String, _ shape: [Dimension]) throws -> ValueID {
    try graph.addInput(name, TensorType(.float32, shape))
  }

  private func mean(_ graph: inout Graph, _ value: ValueID) throws -> ValueID {
    try graph.append(Reduce(.mean, keepsDimensions: false), [value], name: "loss")
  }

  /// Runs the graph with these gradients as outputs.
  private func run(_ graph: Graph, _ gradients: [ValueID], _ inputs: [Tensor]) throws -> [Tensor] {
    var graph = graph
    for (index, gradient) in gradients.enumerated() { try graph.addOutput(gradient, name: "out\(index)") }
    return try Session(graph, options: Session.Options(threads: 1)).run(inputs)
  }

  @Test("a value read twice collects both gradients") func accumulation() throws {
    var graph = Graph()
    let x = try input(&graph, "x", [2])
    let square = try graph.append(Binary(.mul), [x, x], name: "square")
    let cube = try graph.append(Binary(.mul), [square, x], name: "cube")
    let both = try graph.append(Binary(.add), [cube, square], name: "both")
    let loss = try graph.append(Reduce(.sum, keepsDimensions: false), [both], name: "loss")
    let gradients = try differentiate(&graph, loss: loss, wrt: [x])
    try graph.verify()
    let result = try run(graph, [try #require(gradients[x])], [Tensor([Float(2), -1], [2])])
    #expect(try result[0].floats() == [16, 1] as [Float])
  }

  @Test("what was broadcast is summed up, leading and inner axes") func unbroadcasting() throws {
    var graph = Graph()
    let x = try input(&graph, "x", ["N", 3, 4])
    let bias = try input(&graph, "b", [3, 1])
    let scalar = try input(&graph, "s", [])
    let sum = try graph.append(Binary(.add), [graph.append(Binary(.mul), [x, scalar], name: "m"), bias], name: "a")
    let loss = try graph.append(Reduce(.sum, keepsDimensions: false), [sum], name: "loss")
    let gradients = try differentiate(&graph, loss: loss, wrt: [bias, scalar, x])
    for value in [bias, scalar, x] {
      #expect(graph[try #require(gradients[value])].type.shape == graph[value].type.shape)
    }
    let ones = try Tensor([Float](repeating: 1, count: 24), [2, 3, 4])
    let result = try run(
      graph, [try #require(gradients[bias]), try #require(gradients[scalar])],
      [ones, try Tensor([Float(0), 0, 0], [3, 1]), Tensor(scalar: Float(1))])
    #expect(try result[0].floats() == [8, 8, 8])
    #expect(try result[1].floats() == [24])
  }

  @Test("whether a symbol was broadcast is decided while running") func unknownBroadcast() throws {
    var graph = Graph()
    let (a, b) = (try input(&graph, "a", ["P", 2]), try input(&graph, "b", ["Q", 2]))
    let loss = try graph.append(
      Reduce(.sum, keepsDimensions: false), [graph.append(Binary(.mul), [a, b], name: "m")], name: "loss")
    let gradients = try differentiate(&graph, loss: loss, wrt: [a, b])
    let (two, one) = (try Tensor([Float(1), 2, 3, 4], [2, 2]), try Tensor([Float(5), 6], [1, 2]))
    let outputs = [try #require(gradients[a]), try #require(gradients[b])]
    let result = try run(graph, outputs, [two, one])
    #expect(result.map(\.shape) == [[2, 2], [1, 2]])
    #expect(try result[1].floats() == [4, 6])
    let other = try run(graph, outputs, [one, two])
    #expect(other.map(\.shape) == [[1, 2], [2, 2]])
    #expect(try other[0].floats() == [4, 6])
  }

  @Test("only what leads from the parameters to the loss is differentiated") func unusedBranches() throws {
    var graph = Graph()
    let x = try input(&graph, "x", [4])
    let w = try graph.addParameter("w", Tensor([Float(1), 2, 3, 4], [4]))
    let unused = try graph.addParameter("unused", Tensor([Float(1)], [1]))
    // An operator without a rule beside the path does not matter.
    let order = try graph.append(
      Opaque(name: OperatorName("Sort"), attributes: Attributes(), declaredTypes: [TensorType(.float32, [4])]), [x],
      name: "beside")
    let product = try graph.append(Binary(.mul), [order, w], name: "product")
    let dead = try graph.append(
      Opaque(name: OperatorName("Sort"), attributes: Attributes(), declaredTypes: [TensorType(.float32, [4])]),
      [product],
      name: "dead")
    let loss = try mean(&graph, product)
    let before = graph.nodeCount
    let gradients = try differentiate(&graph, loss: loss, wrt: [w, unused])
    #expect(graph[try #require(gradients[unused])].type == graph[unused].type)
    #expect(graph.uses(of: dead).isEmpty)
    let added = graph.order.suffix(graph.nodeCount - before).map { graph[$0] }
    #expect(added.allSatisfy { $0.name.hasPrefix("/gradient/") })
    // Nothing is spent on x, of which no gradient is asked for.
    #expect(added.filter { $0.op.name.type == "Mul" }.count == 1)
  }

  @Test("a parameter that the loss does not depend on has zero gradient") func zeros() throws {
    var graph = Graph()
    let x = try input(&graph, "x", ["N", 2])
    let w = try input(&graph, "w", ["N"])
    let gradients = try differentiate(&graph, loss: try mean(&graph, x), wrt: [w, x])
    let result = try run(
      graph, [try #require(gradients[w])],
      [try Tensor([Float(1), 2, 3, 4, 5, 6], [3, 2]), try Tensor([Float(7), 8, 9], [3])])
    #expect(result[0].shape == [3])
    #expect(try result[0].floats() == [0, 0, 0])
  }

  @Test("integers and conditions cut the path") func integerPaths() throws {
    var graph = Graph()
    let x = try input(&graph, "x", ["N", 3])
    let count = try graph.append(Cast(to: .float32), [graph.append(Size(), [x], name: "size")], name: "count")
    let best = try graph.append(
      ArgExtreme(name: ArgExtreme.names[0], attributes: Attributes(["axis": .int(1), "keepdims": .int(0)])), [x],
      name: "best")
    let chosen = try graph.append(Cast(to: .float32), [best], name: "chosen")
    let scaled = try graph.append(Binary(.div), [x, count], name: "scaled")
    let total = try graph.append(
      Binary(.add),
      [
        graph.append(Reduce(.sum, keepsDimensions: false), [scaled], name: "sum"),
        graph.append(Reduce(.sum, keepsDimensions: false), [chosen], name: "noise"),
      ], name: "total")
    let gradients = try differentiate(&graph, loss: total, wrt: [x])
    let result = try run(graph, [try #require(gradients[x])], [try Tensor([Float(1), 2, 4, 3, 2, 1], [2, 3])])
    #expect(try result[0].floats() == [Float](repeating: 1.0 / 6, count: 6))
  }

  @Test("a missing rule names operator, node and value, and leaves the graph alone") func missingRule() throws {
    var graph = Graph()
    let w = try graph.addParameter("layer.weight", Tensor([Float(1), 2], [2]))
    let y = try graph.append(
      Opaque(name: OperatorName("Sort"), attributes: Attributes(), declaredTypes: [TensorType(.float32, [2])]), [w],
      name: "/layer/sort")
    let loss = try mean(&graph, y)
    let before = graph.values.count
    let error = #expect(throws: LigatureError.self) { try differentiate(&graph, loss: loss, wrt: [w]) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("Sort has no gradient rule") == true)
    #expect(error?.message.contains("'layer.weight'") == true)
    #expect(error?.node == "/layer/sort (Sort)")
    #expect(graph.values.count == before)
  }

  @Test("a rule that refuses is placed at its node") func refusal() throws {
    var graph = Graph()
    let x = try input(&graph, "x", [2, 2])
    let y = try graph.append(Einsum("ii->"), [x], name: "/trace")
    let error = #expect(throws: LigatureError.self) { try differentiate(&graph, loss: y, wrt: [x]) }
    #expect(error?.node == "/trace (Einsum)")
    #expect(error?.message.contains("diagonal") == true)
  }

  @Test("every operator has a rule, or a reason why not") func complete() {
    for name in OperatorSet.standard.names where !name.type.hasSuffix("Gradient") {
      let hasRule = OperatorSet.standard.family(of: name) is any Differentiable.Type
      let hasReason = GradientRules.reasons[name.type] != nil
      let ends = GradientRules.endsOfPaths.contains(name.type)
      #expect([hasRule, hasReason, ends].filter { $0 }.count == 1, "\(name): \(hasRule), \(hasReason), \(ends)")
    }
  }

  @Test("a loss must be one real number, a target real") func misuse() throws {
    var graph = Graph()
    let x = try input(&graph, "x", [2])
    let count = try graph.append(Size(), [x], name: "count")
    #expect(throws: LigatureError.self) { try differentiate(&graph, loss: x, wrt: [x]) }
    #expect(throws: LigatureError.self) { try differentiate(&graph, loss: count, wrt: [x]) }
    let loss = try mean(&graph, x)
    #expect(throws: LigatureError.self) { try differentiate(&graph, loss: loss, wrt: [count]) }
  }

  @Test("the gradient of a gradient") func twice() throws {
    var graph = Graph()
    let x = try input(&graph, "x", [])
    let cube = try graph.append(Binary(.mul), [graph.append(Binary(.mul), [x, x], name: "square"), x], name: "cube")
    let first = try #require(try differentiate(&graph, loss: cube, wrt: [x])[x])
    let second = try #require(try differentiate(&graph, loss: first, wrt: [x])[x])
    #expect(try run(graph, [second], [Tensor(scalar: Float(5))])[0].floats() == [30])
  }

  @Test("intermediate values are targets as well") func intermediate() throws {
    var graph = Graph()
    let x = try input(&graph, "x", [2])
    let y = try graph.append(Unary(.exp), [x], name: "y")
    let z = try graph.append(Binary(.mul), [y, y], name: "z")
    let loss = try graph.append(Reduce(.sum, keepsDimensions: false), [z], name: "loss")
    let gradients = try differentiate(&graph, loss: loss, wrt: [y, loss])
    let result = try run(
      graph, [try #require(gradients[y]), try #require(gradients[loss])], [try Tensor([Float(0), 0], [2])])
    #expect(try result[0].floats() == [2, 2])
    #expect(try result[1].floats() == [1])
  }
}
