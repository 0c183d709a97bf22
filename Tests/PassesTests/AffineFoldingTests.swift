import GraphIR
import Operators
import Passes
import TensorCore
import Testing

@Suite struct AffineFoldingTests {
  private func normalization(_ x: ValueID, _ channels: Int, _ builder: inout GraphBuilder) throws -> ValueID {
    let variance = try numbers([channels], seed: 5).floats().map { abs($0) + 0.5 }
    let parameters = try (0..<3).map { try builder.numbers([channels], seed: UInt64($0)) }
    return try builder.append(
      BatchNormalization(),
      [x] + parameters + [builder.graph.addConstant(builder.path("variance"), Tensor(variance, [channels]))])
  }

  @Test func normalizationAfterConvolutions() throws {
    for (transposes, group, bias) in [(false, 1, true), (false, 2, false), (true, 1, false), (true, 2, true)] {
      var builder = GraphBuilder()
      let x = try builder.input(["N", 4, "H", "W"])
      let weights = try builder.numbers(transposes ? [4, 6 / group, 3, 3] : [6, 4 / group, 3, 3])
      let inputs = [x, weights] + (bias ? [try builder.numbers([6])] : [])
      let window = try ConvolutionWindow(pads: [1, 1, 1, 1], group: group)
      let y = try builder.append(transposes ? ConvTranspose(window) : Conv(window) as any Operator, inputs)
      let scaled = try builder.node("Mul", [try normalization(y, 6, &builder), try builder.numbers([6, 1, 1])])
      try builder.graph.addOutput(try builder.node("Div", [scaled, try builder.scalar(3)]))
      let (graph, notes) = try checked(builder.graph, [AffineFolding()], [[try numbers([2, 4, 5, 4])]])
      #expect(graph.nodeCount == 1 && notes.changes.count == 3)
    }
  }

  @Test func intoGemm() throws {
    for (transposesB, beta, bias) in [(false, 1, [6]), (true, 0.5, [1, 6]), (true, 1, []), (false, 2, nil)]
      as [(Bool, Float, [Int]?)]
    {
      var builder = GraphBuilder()
      let x = try builder.input(["N", 4])
      let weights = try builder.numbers(transposesB ? [6, 4] : [4, 6])
      let inputs = [x, weights] + (try bias.map { [try builder.numbers($0)] } ?? [])
      let y = try builder.append(Gemm(alpha: 0.7, beta: beta, transposesB: transposesB), inputs)
      let shifted = try builder.node("Sub", [try builder.scalar(1), try normalization(y, 6, &builder)])
      try builder.graph.addOutput(try builder.node("Mul", [shifted, try builder.numbers([6])]))
      let (graph, _) = try checked(builder.graph, [AffineFolding()], [[try numbers([3, 4])]])
      #expect(graph.types == ["Gemm"])
    }
  }

  @Test func intoMatMul() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N", "T", 4])
    let y = try builder.append(MatMul(), [x, try builder.numbers([4, 6])])
    let biased = try builder.node("Add", [y, try builder.numbers([6])])
    try builder.graph.addOutput(try builder.node("Mul", [biased, try builder.scalar(0.125)]))
    let inputs = [[try numbers([2, 3, 4])]]
    let (graph, _) = try checked(builder.graph, [AffineFolding()], inputs)
    #expect(graph.types == ["MatMul", "Add"])
    // What is left is as small as it gets.
    var again = graph
    #expect(try AffineFolding().run(&again).isEmpty)
  }

  @Test func whatStays() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N", 4, "H", "W"])
    let window = try ConvolutionWindow()
    try builder.graph.addOutput(try normalization(x, 4, &builder), name: "input")
    let twice = try builder.append(Conv(window), [x, try builder.numbers([4, 4, 1, 1])])
    try builder.graph.addOutput(try normalization(twice, 4, &builder), name: "twice")
    try builder.graph.addOutput(try builder.node("Relu", [twice]), name: "other")
    let relu = try builder.node("Relu", [x])
    try builder.graph.addOutput(try normalization(relu, 4, &builder), name: "relu")
    let rows = try builder.input(["N", 4, 3], "rows")
    let product = try builder.append(MatMul(), [rows, try builder.numbers([3, 4])])
    try builder.graph.addOutput(try normalization(product, 4, &builder), name: "rank")
    let spatial = try builder.append(Conv(window), [x, try builder.numbers([4, 4, 1, 1], seed: 8)])
    try builder.graph.addOutput(try builder.node("Mul", [spatial, try builder.numbers([4])]), name: "columns")
    let inputs = [[try numbers([2, 4, 5, 4]), try numbers([2, 4, 3])]]
    let (graph, notes) = try checked(builder.graph, [AffineFolding()], inputs, tolerance: 0)
    #expect(notes.changes.isEmpty && graph.nodeCount == builder.graph.nodeCount)
    for reason in ["no node makes its input", "read by others, too", "no constant weights", "are not those of"] {
      #expect(notes.rejection(with: reason), "\(reason)")
    }
  }
}
