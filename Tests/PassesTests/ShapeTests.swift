import GraphIR
import Operators
import Passes
import TensorCore
import Testing

/// Passes over shapes and views.
@Suite struct ShapeTests {
  /// `x.view(n, c, -1)` and the like as PyTorch exports it: each axis is either one of the input's or -1.
  private func exported(_ x: ValueID, _ axes: [Int?], _ builder: inout GraphBuilder) throws -> ValueID {
    let shape = try builder.node("Shape", [x])
    let parts = try axes.map { axis -> ValueID in
      guard let axis else { return try builder.integers([-1]) }
      let place = try builder.graph.addConstant(builder.path("place"), Tensor(scalar: Int64(axis)))
      return try builder.node("Unsqueeze", [try builder.node("Gather", [shape, place]), builder.integers([0])])
    }
    return try builder.append(Reshape(), [x, try builder.append(Concat(axis: 0), parts)])
  }

  private func target(_ graph: Graph) throws -> [Int]? {
    guard let id = graph.order.first(where: { graph[$0].op is Reshape }), let value = graph[id].inputs[1] else {
      return nil
    }
    return try graph[value].tensor?.integers()
  }

  @Test func chainsBecomeConstants() throws {
    for (axes, wanted) in [
      ([0, 1, nil], [0, 8, -1]), ([0, nil], [0, -1]), ([nil, 1], [-1, 8]), ([0, 1, 2, 3], [0, 8, 0, 4]),
      // What was named is found again where it stands; the last may be open.
      ([0, 3, 1, nil], [0, 4, 8, -1]), ([2, nil], [-1, 32]),
    ] as [([Int?], [Int])] {
      var builder = GraphBuilder()
      let x = try builder.input(["N", 8, "W", 4])
      try builder.graph.addOutput(try exported(x, axes, &builder))
      let inputs = [[try numbers([2, 8, 3, 4])], [try numbers([1, 8, 5, 4])]]
      guard axes != [2, nil] else {
        // W and N * 32: neither stands where it stood.
        let (graph, notes) = try checked(builder.graph, [ShapeFolding()], inputs, tolerance: 0)
        #expect(notes.rejection(with: "more than one size"), "\(notes)")
        #expect(try target(graph) == nil)
        continue
      }
      let (graph, _) = try checked(builder.graph, [ShapeFolding(), DeadCode()], inputs, tolerance: 0)
      #expect(try target(graph) == wanted, "\(axes)")
      #expect(graph.types == ["Reshape"])
    }
  }

  @Test func knownSizesBecomeConstants() throws {
    var builder = GraphBuilder()
    let x = try builder.input([2, 8, "W"])
    let shape = try builder.node("Shape", [x])
    let part = try builder.node("Slice", [shape, try builder.integers([0]), try builder.integers([2])])
    let half = try builder.node("Div", [part, try builder.integers([2])])
    try builder.graph.addOutput(half)
    let (graph, notes) = try checked(builder.graph, [ShapeFolding(), DeadCode()], [[try numbers([2, 8, 3])]])
    #expect(graph.nodeCount == 0 && notes.change(with: "is [1, 4] whatever the input"))
  }

  @Test func shapesFromValuesStay() throws {
    var builder = GraphBuilder()
    let x = try builder.input([2, 6])
    let shape = try builder.graph.addInput("shape", TensorType(.int64, sizes: [2]))
    try builder.graph.addOutput(try builder.append(Reshape(), [x, shape]))
    var graph = builder.graph
    #expect(try ShapeFolding().run(&graph).rejection(with: "computed from values"))
  }

  @Test func slicesToTheEndAndWholeScales() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N", 2, "H", "W"])
    let shape = try builder.node("Shape", [x])
    let height = try builder.node("Gather", [shape, try builder.integers([2])])
    let part = try builder.node("Slice", [x, try builder.integers([1]), height, try builder.integers([2])])
    try builder.graph.addOutput(part)
    let twice = try builder.node("Mul", [shape, try builder.integers([1, 1, 2, 2])])
    try builder.graph.addOutput(try builder.node("Resize", [x, nil, nil, twice]))
    let width = try builder.node("Gather", [shape, try builder.integers([3])])
    try builder.graph.addOutput(
      try builder.node("Slice", [x, try builder.integers([0]), width, try builder.integers([2])]))
    let inputs = [[try numbers([1, 2, 4, 6])], [try numbers([2, 2, 5, 3])]]
    let (graph, notes) = try checked(builder.graph, [ShapeFolding(), DeadCode()], inputs, tolerance: 0)
    #expect(notes.change(with: "slices to the end") && notes.change(with: "scales by [1.0, 1.0, 2.0, 2.0]"))
    #expect(notes.rejection(with: "not the size of axis 2"))
    #expect(graph.types.sorted() == ["Gather", "Resize", "Shape", "Slice", "Slice"])
  }

  // ── view-merging ──────────────────────────────────────────────────────────
  @Test func viewsMerge() throws {
    var builder = GraphBuilder()
    let x = try builder.node("Relu", [try builder.input(["N", 1, "W"])])
    let flat = try builder.node("Squeeze", [x, try builder.integers([1])])
    let back = try builder.node("Unsqueeze", [flat, try builder.integers([1])])
    try builder.graph.addOutput(try builder.node("Neg", [back]))
    let wide = try builder.node("Unsqueeze", [flat, try builder.integers([0])])
    try builder.graph.addOutput(try builder.node("Abs", [wide]))
    let wider = try builder.node("Unsqueeze", [flat, try builder.integers([0, 1])])
    try builder.graph.addOutput(try builder.node("Tanh", [wider]))
    let inputs = [[try numbers([2, 1, 3])]]
    let (graph, notes) = try checked(builder.graph, [ViewMerging(), DeadCode()], inputs, tolerance: 0)
    // [1, 1, N, W] would need two open sizes.
    #expect(graph.types == ["Relu", "Squeeze", "Neg", "Reshape", "Abs", "Unsqueeze", "Tanh"])
    #expect(notes.change(with: "leads back") && notes.rejection(with: "cannot be said with a constant"))
  }

  @Test func reshapesInARow() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N", 4, 6])
    let first = try builder.append(Reshape(), [x, try builder.integers([0, 2, 12])])
    let second = try builder.append(Flatten(axis: 1), [first])
    try builder.graph.addOutput(try builder.append(Reshape(), [second, try builder.integers([-1, 3, 8])]))
    let (graph, _) = try checked(builder.graph, [ViewMerging(), DeadCode()], [[try numbers([2, 4, 6])]], tolerance: 0)
    #expect(graph.types == ["Reshape"])
    #expect(try target(graph) == [0, 3, 8])
  }
}
