import GraphIR
import ONNXFormat
import Operators
import Passes
import Runtime
import TensorCore
import Testing

@Suite struct WeightStorageTests {
  private func graph() throws -> Graph {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["N", 8]))
    let w = try graph.addConstant("fc.weight", Tensor((0..<128).map { Float($0) / 7 - 9 }, [8, 16]))
    let bias = try graph.addConstant("fc.bias", Tensor((0..<16).map { Float($0) / 3 }, [16]))
    let huge = try graph.addConstant("huge", Tensor([Float](repeating: 1e6, count: 16), [1, 16]))
    let product = try graph.append(MatMul(), [x, w], name: "product")
    let shifted = try graph.append(Binary(.add), [product, bias], name: "shifted")
    try graph.addOutput(try graph.append(Binary(.add), [shifted, huge], name: "sum"), name: "y")
    return graph
  }

  private func prepared(_ graph: Graph) throws -> Graph {
    var graph = graph
    try Pipelines.prepared(evaluate: Session.evaluator(Session.Options(threads: 1))).run(&graph)
    return graph
  }

  @Test(arguments: WeightStorage.Format.allCases) func matricesTakeHalfTheBytes(format: WeightStorage.Format) throws {
    var stored = try graph()
    let notes = try WeightStorage(format).run(&stored)
    let element: ElementType = format == .float16 ? .float16 : .bfloat16
    func tensor(_ name: String) throws -> Tensor {
      let id = try #require(stored.value(named: name))
      return try #require(stored[id].tensor)
    }
    #expect(try tensor("fc.weight").element == element)
    #expect(try tensor("fc.bias").element == .float32)
    // Beyond float16's range, not beyond bfloat16's.
    #expect(try tensor("huge").element == (format == .float16 ? .float32 : .bfloat16))
    #expect(notes.filter { $0.kind == .changed }.count == (format == .float16 ? 1 : 2))
    #expect(notes.contains { $0.kind == .rejected } == (format == .float16))
    try stored.verify()

    // A file holds it, and what runs is a float32 graph without a Cast.
    let model = try Model(bytes: Model(graph: stored).encoded(), operators: .standard)
    let ready = try prepared(model.graph)
    #expect(!ready.order.contains { ready[$0].op is Cast })
    #expect(ready.values.allSatisfy { $0.type.element == .float32 })

    var rounded = try graph()
    for name in ["fc.weight", "huge"] {
      let id = try #require(rounded.value(named: name))
      let narrow = try tensor(name)
      try rounded.setTensor(id, Tensor(narrow.floats(), narrow.shape))
    }
    let x = try Tensor((0..<24).map { Float($0) / 5 - 2 }, [3, 8])
    let found = try Session(ready, options: Session.Options(threads: 1)).run([x])[0].floats()
    let expected = try Session(prepared(rounded), options: Session.Options(threads: 1)).run([x])[0].floats()
    #expect(found == expected)
    // Running it again changes nothing.
    var again = stored
    #expect(try WeightStorage(format).run(&again).allSatisfy { $0.kind == .rejected })
  }
}
