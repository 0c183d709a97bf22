import GraphIR
import Operators
import Passes
import TensorCore
import Testing

/// Passes over transpositions.
@Suite struct TransposeTests {
  private func image(_ builder: inout GraphBuilder) throws -> ValueID { try builder.input(["N", 4, "H", "W"]) }
  private let inputs: () throws -> [[Tensor]] = { [[try numbers([2, 4, 3, 5])], [try numbers([1, 4, 2, 2])]] }
  private let toLast = Transpose(perm: [0, 2, 3, 1])
  private let toFront = Transpose(perm: [0, 3, 1, 2])

  @Test func pairsMergeOrCancel() throws {
    var builder = GraphBuilder()
    let x = try image(&builder)
    let last = try builder.append(toLast, [x])
    try builder.graph.addOutput(try builder.node("Relu", [try builder.append(toFront, [last])]))
    try builder.graph.addOutput(try builder.append(toLast, [last]))
    let (graph, notes) = try checked(builder.graph, [TransposeElimination(), DeadCode()], inputs(), tolerance: 0)
    #expect(graph.types.sorted() == ["Relu", "Transpose"])
    #expect(notes.change(with: "undoes") && notes.change(with: "now as [0, 3, 1, 2]"))
  }

  @Test func movingOnesIsAView() throws {
    var builder = GraphBuilder()
    let x = try builder.input([1, "N", 1, 6])
    try builder.graph.addOutput(try builder.append(Transpose(perm: [1, 0, 3, 2]), [x]))
    let y = try builder.input(["N", "W", 1], "y")
    try builder.graph.addOutput(try builder.append(Transpose(perm: [2, 0, 1]), [y]))
    let inputs = [[try numbers([1, 3, 1, 6]), try numbers([2, 5, 1])]]
    let (graph, notes) = try checked(builder.graph, [TransposeElimination()], inputs, tolerance: 0)
    #expect(graph.types == ["Reshape", "Transpose"])
    #expect(notes.rejection(with: "more than one size is open"))
  }

  /// Everything that a transposition may pass, between two that cancel.
  @Test func sinksToItsInverse() throws {
    let cases: [(inout GraphBuilder, ValueID) throws -> ValueID] = [
      { try $0.node("Relu", [$1]) },
      { try $0.node("Clip", [$1, $0.scalar(-0.5), $0.scalar(0.5)]) },
      { try $0.node("Add", [$1, $0.numbers([4])]) },
      { try $0.node("Mul", [$0.scalar(2), $1]) },
      { try $0.node("Sub", [$0.numbers([1, 1, 1, 4]), $1]) },
      { try $0.append(Softmax(axis: -1), [$1]) },
      { try $0.append(Softmax(axis: 1, logarithm: true), [$1]) },
      { try $0.append(Reduce(.mean), [$1, $0.integers([3])]) },
      { try $0.append(Reduce(.max), [$1, $0.integers([1, -2])]) },
      { try $0.append(Concat(axis: 3), [$1, $1]) },
      { try $0.node("Where", [$0.node("Greater", [$1, $0.scalar(0)]), $1, $0.scalar(0)]) },
    ]
    for (index, build) in cases.enumerated().dropLast() {
      var builder = GraphBuilder()
      let last = try builder.append(toLast, [try image(&builder)])
      let moved = try build(&builder, last)
      try builder.graph.addOutput(try builder.node("Neg", [try builder.append(toFront, [moved])]))
      let (graph, notes) = try checked(builder.graph, [TransposeSinking()], inputs())
      #expect(!graph.types.contains("Transpose"), "case \(index): \(graph.types) \(notes)")
      #expect(notes.change(with: "merges with"), "case \(index)")
    }
    // Read twice, it may not go.
    var builder = GraphBuilder()
    let last = try builder.append(toLast, [try image(&builder)])
    let moved = try cases[cases.count - 1](&builder, last)
    try builder.graph.addOutput(try builder.append(toFront, [moved]))
    let (graph, _) = try checked(builder.graph, [TransposeSinking()], inputs(), tolerance: 0)
    #expect(graph.types.count { $0 == "Transpose" } == 2)
  }

  @Test func reducedAxesAreGone() throws {
    var builder = GraphBuilder()
    let last = try builder.append(toLast, [try image(&builder)])
    let mean = try builder.append(Reduce(.mean, keepsDimensions: false), [last, try builder.integers([2])])
    // [N, H, C] back to [N, C, H].
    try builder.graph.addOutput(try builder.append(Transpose(perm: [0, 2, 1]), [mean]))
    let (graph, _) = try checked(builder.graph, [TransposeSinking()], inputs())
    #expect(graph.types == ["ReduceMean"])
  }

  @Test func operandsShareOne() throws {
    var builder = GraphBuilder()
    let x = try image(&builder)
    let a = try builder.append(toLast, [x])
    let b = try builder.append(toLast, [try builder.node("Relu", [x])])
    try builder.graph.addOutput(try builder.node("Sigmoid", [try builder.node("Add", [a, b])]))
    let (graph, notes) = try checked(builder.graph, [TransposeSinking()], inputs(), tolerance: 0)
    #expect(graph.types.count { $0 == "Transpose" } == 1)
    #expect(notes.change(with: "is shared by its operands"))
  }

  @Test func stopsAtWhatNeedsTheOrder() throws {
    var builder = GraphBuilder()
    let last = try builder.append(toLast, [try image(&builder)])
    let relu = try builder.node("Relu", [last])
    let flat = try builder.append(Flatten(axis: 1), [relu])
    try builder.graph.addOutput(flat)
    let (graph, notes) = try checked(builder.graph, [TransposeSinking()], inputs(), tolerance: 0)
    #expect(graph.types == ["Transpose", "Relu", "Flatten"])
    #expect(notes.rejection(with: "which Flatten does not permit"))
  }

  // ── transpose-absorption ──────────────────────────────────────────────────
  @Test func productsReadTransposed() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["M", 5])
    let y = try builder.input(["M", 3], "y")
    let turned = try builder.append(Transpose(perm: [1, 0]), [x])
    let product = try builder.append(MatMul(), [turned, y])
    try builder.graph.addOutput(product)
    let inputs = [[try numbers([4, 5]), try numbers([4, 3], seed: 2)]]
    let (result, notes) = try checked(builder.graph, [TransposeAbsorption(), DeadCode()], inputs)
    #expect(result.types == ["Gemm"] && notes.change(with: "transposes"))
  }

  @Test func batchesAreNotAbsorbed() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N", 3, 4])
    let turned = try builder.append(Transpose(perm: [0, 2, 1]), [x])
    try builder.graph.addOutput(try builder.append(MatMul(), [x, turned]))
    let (_, notes) = try checked(builder.graph, [TransposeAbsorption()], [[try numbers([2, 3, 4])]])
    #expect(notes.rejection(with: "transposes more than a matrix"))
  }
}
