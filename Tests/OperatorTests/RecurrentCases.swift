import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite struct RecurrentCases {
  @Test(arguments: try OperatorCase.load("Recurrent"))
  func law(_ sample: OperatorCase) throws { try check(sample) }

  /// A layer large enough to share each step among threads gives what its rows give one at a time.
  @Test(arguments: ["LSTM", "GRU", "RNN"])
  func sharedSteps(_ type: String) throws { try exclusively { try compareShared(type) } }

  private func compareShared(_ type: String) throws {
    let (steps, batch, input, hidden) = (4, 9, 5, type == "RNN" ? 260 : 150)
    let cell = try #require(Recurrent.Cell(rawValue: type))
    let lengths = (0..<batch).map { Int32(steps - $0 % 3) }
    let w = try noise([2, cell.gates * hidden, input], 1)
    let r = try noise([2, cell.gates * hidden, hidden], 2)
    let x = try noise([steps, batch, input], 3).floats()
    var attributes = Attributes()
    attributes.set("direction", "bidirectional")
    let op = try Recurrent(name: OperatorName(type), attributes: attributes)

    func run(_ rows: Range<Int>, threads: Int) throws -> [Float] {
      var graph = Graph(name: "layer")
      let shape = [steps, rows.count, input]
      let operands = [
        try graph.addInput("x", TensorType(.float32, sizes: shape)), try graph.addConstant("w", w),
        try graph.addConstant("r", r), nil,
        try graph.addConstant("lengths", try Tensor(Array(lengths[rows]), [rows.count])),
      ]
      let y = try #require(try graph.append(op, operands, name: "layer", outputs: ["y"])[0])
      try graph.addOutput(y)
      let options = Session.Options(threads: threads)
      let part = (0..<steps).flatMap { step in
        x[(step * batch + rows.lowerBound) * input..<(step * batch + rows.upperBound) * input]
      }
      return try Session(graph, options: options).run([try Tensor(part, shape)])[0].floats()
    }
    let together = try run(0..<batch, threads: 3)
    #expect(try together == run(0..<batch, threads: 1))
    for row in 0..<batch {
      let alone = try run(row..<row + 1, threads: 1)
      for line in 0..<steps * 2 {
        for unit in 0..<hidden {
          let a = together[(line * batch + row) * hidden + unit]
          let b = alone[line * hidden + unit]
          #expect(abs(a - b) <= 1e-5, "row \(row), line \(line), unit \(unit)")
        }
      }
    }
  }

  private func noise(_ shape: [Int], _ seed: UInt64) throws -> Tensor {
    var state = seed
    let values = (0..<shape.reduce(1, *)).map { _ -> Float in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (Float(state >> 40) / Float(1 << 24) - 0.5) * 0.3
    }
    return try Tensor(values, shape)
  }

  @Test func lengthsOutOfRangeAreErrors() throws {
    let op = try Recurrent(name: OperatorName("RNN"), attributes: Attributes())
    var graph = Graph(name: "layer")
    let operands = [
      try graph.addInput("x", TensorType(.float32, sizes: [2, 2, 1])),
      try graph.addConstant("w", try noise([1, 3, 1], 1)), try graph.addConstant("r", try noise([1, 3, 3], 2)), nil,
      try graph.addInput("lengths", TensorType(.int32, sizes: [2])),
    ]
    try graph.addOutput(try #require(try graph.append(op, operands, name: "layer", outputs: ["y"])[0]))
    let session = try Session(graph)
    for bad: [Int32] in [[2, 3], [-1, 1], [.min, 0]] {
      #expect(throws: LigatureError.self) {
        try session.run([try noise([2, 2, 1], 3), try Tensor(bad, [2])])
      }
    }
    _ = try session.run([try noise([2, 2, 1], 3), try Tensor([Int32(2), 0], [2])])
  }

  @Test func hostileAttributesAreErrors() throws {
    func decode(_ type: String, _ fill: (inout Attributes) -> Void) throws {
      var attributes = Attributes()
      fill(&attributes)
      _ = try OperatorSet.standard.decode(OperatorName(type), attributes)
    }
    #expect(throws: LigatureError.self) { try decode("LSTM") { $0.set("direction", "sideways") } }
    #expect(throws: LigatureError.self) { try decode("LSTM") { $0.set("hidden_size", 0) } }
    #expect(throws: LigatureError.self) { try decode("LSTM") { $0.set("clip", -1 as Float) } }
    #expect(throws: LigatureError.self) { try decode("LSTM") { $0.set("activations", ["Tanh"]) } }
    #expect(throws: LigatureError.self) { try decode("RNN") { $0.set("activations", ["Sine"]) } }
    #expect(throws: LigatureError.self) { try decode("RNN") { $0.set("activations", ["Affine"]) } }
    #expect(throws: LigatureError.self) { try decode("GRU") { $0.set("layout", 2) } }
  }

  @Test func sizesThatDoNotFitAreErrors() throws {
    func infer(_ shapes: [[Dimension]?], hidden: Int) throws -> [TensorType] {
      var attributes = Attributes()
      attributes.set("hidden_size", hidden)
      let op = try Recurrent(name: OperatorName("LSTM"), attributes: attributes)
      return try op.inferTypes(InferenceContext(shapes.map { TensorType(.float32, $0) }, outputCount: 3))
    }
    #expect(throws: LigatureError.self) { try infer([["T", "N", 3], [1, 8, 3], [1, 8, 2]], hidden: 3) }
    #expect(throws: LigatureError.self) { try infer([["T", "N", 3], [2, 8, 3], [2, 8, 2]], hidden: 2) }
    #expect(throws: LigatureError.self) { try infer([["N", 3], [1, 8, 3], [1, 8, 2]], hidden: 2) }
    #expect(throws: LigatureError.self) { try infer([["T", "N", 3], nil, nil], hidden: .max) }
    #expect(try infer([["T", "N", "C"], nil, nil], hidden: 2)[0].shape == ["T", 1, "N", 2])
    #expect(try infer([nil, nil, nil], hidden: 2).map(\.shape) == [nil, nil, nil])
  }
}
