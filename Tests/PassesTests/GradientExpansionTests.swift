import GraphIR
import Operators
import Passes
import Runtime
import TensorCore
import Testing

@Suite struct GradientExpansionTests {
  /// A graph with a Gradient node by name: what a file gives.
  private struct Network {
    var builder = GraphBuilder()

    mutating func input(_ name: String, _ shape: [Dimension] = []) throws -> ValueID {
      try builder.graph.addInput(name, TensorType(.float32, shape))
    }

    @discardableResult
    mutating func node(_ type: String, _ inputs: [ValueID], _ output: String) throws -> ValueID {
      let op = try #require(try OperatorSet.standard.decode(OperatorName(type), Attributes()))
      return try builder.graph.append(op, inputs, name: output)
    }

    @discardableResult
    mutating func gradient(
      _ inputs: [ValueID], xs: [String], zs: [String] = [], y: String, _ outputs: [String]
    ) throws -> [ValueID] {
      var attributes = Attributes()
      attributes.set("xs", xs)
      if !zs.isEmpty { attributes.set("zs", zs) }
      attributes.set("y", y)
      let op = Opaque(
        name: OperatorName("Gradient", domain: "ai.onnx.preview.training"), attributes: attributes, declaredTypes: [])
      return try builder.graph.append(op, inputs, name: "derive \(y)", outputs: outputs).compactMap(\.self)
    }

    /// What the outputs are for these numbers.
    func values(_ outputs: [ValueID], _ inputs: [Float]) throws -> [Float] {
      var graph = builder.graph
      for output in outputs { try graph.addOutput(output) }
      let session = try Session(preparing: graph, options: .init(threads: 1))
      return try session.run(inputs.map { Tensor(scalar: $0) }).map { try #require($0.floats().first) }
    }

    func failure(limit: Int? = nil) -> LigatureError? {
      var graph = builder.graph
      do { _ = try GradientExpansion(limit: limit).run(&graph) } catch { return error as? LigatureError }
      return nil
    }
  }

  @Test func derivativesOfSumAndProduct() throws {
    var network = Network()
    let (a, b) = (try network.input("a"), try network.input("b"))
    let c = try network.node("Add", [a, b], "c")
    let d = try network.node("Mul", [c, a], "d")
    let derivatives = try network.gradient([a, b], xs: ["a", "b"], y: "d", ["by a", "by b"])
    #expect(try network.values([d] + derivatives, [3, 5]) == [24, 11, 3])
  }

  @Test func whatIsGivenTakesThePlaceOfWhatIsNamed() throws {
    var network = Network()
    let (a, b) = (try network.input("a"), try network.input("b"))
    let h = try network.node("Mul", [a, a], "h")
    try network.node("Mul", [h, a], "y")
    // At a = 7, and h a number of its own: y = h a, and h is not differentiated.
    let partial = try network.gradient([b, h], xs: ["a"], zs: ["h"], y: "y", ["partial"])
    let both = try network.gradient([a, b], xs: ["a", "h"], y: "y", ["by a", "by h"])
    let whole = try network.gradient([b], xs: ["a"], y: "y", ["whole"])
    #expect(try network.values(partial + both + whole, [2, 7]) == [4, 7, 2, 147])
  }

  @Test func secondDerivative() throws {
    var network = Network()
    let x = try network.input("x")
    let square = try network.node("Mul", [x, x], "square")
    try network.node("Mul", [square, x], "cube")
    let first = try network.gradient([x], xs: ["x"], y: "cube", ["first"])
    let second = try network.gradient([x], xs: ["x"], y: "first", ["second"])
    #expect(try network.values(first + second, [2]) == [12, 12])
  }

  @Test func sumOfSeveralNumbersAndWhatNothingLeadsTo() throws {
    var network = Network()
    let (x, other) = (try network.input("x", ["N"]), try network.input("other", ["N"]))
    try network.node("Mul", [x, x], "y")
    let derivatives = try network.gradient([x, other], xs: ["x", "other"], y: "y", ["by x", "by other"])
    var graph = network.builder.graph
    for output in derivatives { try graph.addOutput(output) }
    let session = try Session(preparing: graph, options: .init(threads: 1))
    let results = try session.run([Tensor([1, 2, 3] as [Float], [3]), Tensor([4, 5, 6] as [Float], [3])])
    #expect(try results.map { try $0.floats() } == [[2, 4, 6], [0, 0, 0]])
  }

  @Test func whatCannotBeMeantIsRefused() throws {
    func failure(_ inputs: Int, xs: [String], zs: [String] = [], y: String, outputs: Int = 1) throws -> LigatureError? {
      var network = Network()
      let x = try network.input("x")
      let places = try network.builder.graph.addInput("places", TensorType(.int64, []))
      try network.node("Mul", [x, x], "y")
      try network.gradient(
        [x, places, x].prefix(inputs) + [], xs: xs, zs: zs, y: y, (0..<outputs).map { "gradient \($0)" })
      return network.failure()
    }
    #expect(try failure(1, xs: ["x"], y: "y") == nil)
    #expect(try failure(1, xs: ["nowhere"], y: "y")?.code == .attribute)
    #expect(try failure(1, xs: ["x"], y: "nowhere")?.code == .attribute)
    #expect(try failure(1, xs: [], y: "y")?.code == .attribute)
    #expect(try failure(2, xs: ["x"], zs: ["y"], y: "y")?.code == .type)
    #expect(try failure(3, xs: ["x", "places", "x"], y: "y")?.code == .attribute)
    #expect(try failure(2, xs: ["x"], y: "y")?.code == .arity)
    #expect(try failure(1, xs: ["x"], y: "y", outputs: 2)?.code == .arity)
    #expect(try failure(2, xs: ["x", "places"], y: "y", outputs: 2)?.code == .type)
    let error = try #require(try failure(1, xs: ["nowhere"], y: "y"))
    #expect("\(error)".contains("derive y") && "\(error)".contains("'nowhere'"))
  }

  /// Each derivative repeats all before it: it would grow without end.
  @Test func derivativesOfDerivativesEndAtTheLimit() throws {
    var network = Network()
    let x = try network.input("x")
    try network.node("Tanh", [x], "0")
    for order in 1...30 { try network.gradient([x], xs: ["x"], y: "\(order - 1)", ["\(order)"]) }
    #expect(network.failure(limit: 2000)?.code == .limit)
  }
}
