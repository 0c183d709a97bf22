import GraphIR
import Operators
import Passes
import TensorCore
import Testing

@Suite struct ResizeAddTests {
  private let passes: [any Pass] = [ResizeAddFusion(), DeadCode()]
  private func resized(
    _ x: ValueID, _ scales: [Float], _ builder: inout GraphBuilder, _ attributes: [String: Attribute] = [:]
  ) throws -> ValueID {
    let constant = try builder.graph.addConstant(builder.path("scales"), Tensor(scales, [scales.count]))
    return try builder.node("Resize", [x, nil, constant], attributes)
  }

  @Test func upsampledImagesAreAdded() throws {
    let floor: [String: Attribute] = [
      "coordinate_transformation_mode": .string("asymmetric"), "nearest_mode": .string("floor"),
    ]
    for (scales, attributes) in [
      ([1, 1, 2, 2], [:]), ([1, 1, 2, 2], floor), ([1, 1, 3, 1], floor), ([1, 1, 1, 4], [:]),
      ([1, 1, 1.5, 2.5], floor),
    ] as [([Float], [String: Attribute])] {
      var builder = GraphBuilder()
      let x = try builder.input([2, 3, 4, 10])
      let image = try resized(x, scales, &builder, attributes)
      let shape = builder.type(image).sizes ?? []
      let other = try builder.node("Relu", [try builder.input(shape.map(Dimension.fixed), "other")])
      try builder.graph.addOutput(try builder.node("Add", [other, image]))
      let inputs = [[try numbers([2, 3, 4, 10]), try numbers(shape, seed: 4)]]
      let (graph, notes) = try checked(builder.graph, passes, inputs, tolerance: 0)
      #expect(graph.types == ["Relu", "ResizeAdd"] && notes.change(with: "upsamples"))
    }
  }

  /// As MMOCR's FPNC has it: to the size of the finer level, whatever that is.
  @Test func sizesOfTheOther() throws {
    var builder = GraphBuilder()
    let fine = try builder.input(["N", 2, "H", "W"], "fine")
    let coarse = try builder.node(
      "MaxPool", [fine], ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "ceil_mode": .int(1)])
    let image = try builder.node("Resize", [coarse, nil, nil, try builder.node("Shape", [fine])])
    try builder.graph.addOutput(try builder.node("Add", [fine, image]))
    let inputs = [[try numbers([1, 2, 5, 7])], [try numbers([2, 2, 4, 6])]]
    let (graph, _) = try checked(builder.graph, passes, inputs, tolerance: 0)
    #expect(graph.types.sorted() == ["MaxPool", "ResizeAdd", "Shape"])
  }

  /// Whether sizes fit only running tells; a single row or column is broadcast.
  @Test func sizesAreOpen() throws {
    func graph(scale: Float, _ imageFirst: Bool) throws -> Graph {
      var builder = GraphBuilder()
      let x = try builder.input(["N", 2, "H", "W"])
      let other = try builder.input(["N", 2, "I", "J"], "other")
      let image = try resized(x, [1, 1, scale, scale], &builder)
      try builder.graph.addOutput(try builder.node("Add", imageFirst ? [image, other] : [other, image]))
      return builder.graph
    }
    var inputs: [[Tensor]] = []
    for (a, b) in [([3, 4], [6, 8]), ([3, 4], [1, 8]), ([3, 4], [6, 1]), ([1, 1], [1, 1]), ([1, 2], [1, 1])] {
      inputs.append([try numbers([1, 2] + a), try numbers([1, 2] + b, seed: 2)])
    }
    let (first, _) = try checked(graph(scale: 2, true), passes, inputs, tolerance: 0)
    #expect(first.types == ["ResizeAdd"])
    let small = [
      [try numbers([1, 2, 1, 3]), try numbers([1, 2, 5, 3], seed: 2)],
      [try numbers([1, 2, 4, 1]), try numbers([1, 2, 4, 3], seed: 2)],
    ]
    let (second, _) = try checked(graph(scale: 1, false), passes, small, tolerance: 0)
    #expect(second.types == ["ResizeAdd"])
  }

  @Test func whatStays() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N", 2, "H", "W"])
    let y = try builder.input(["N", "C", "I", "J"], "y")
    func sum(_ image: ValueID, _ other: ValueID) throws {
      try builder.graph.addOutput(try builder.node("Add", [image, other]))
    }
    try sum(resized(x, [1, 1, 2, 2], &builder), y)
    let twice = try resized(x, [1, 1, 2, 2], &builder)
    try sum(twice, try builder.node("Relu", [twice]))
    let smooth = try resized(x, [1, 1, 2, 2], &builder, ["mode": .string("linear")])
    try sum(smooth, try builder.node("Relu", [try resized(x, [1, 1, 2, 2], &builder)]))
    let inputs = [[try numbers([1, 2, 2, 3]), try numbers([1, 2, 4, 6])]]
    let (graph, notes) = try checked(builder.graph, passes, inputs, tolerance: 0)
    #expect(notes.changes.isEmpty && graph.nodeCount == builder.graph.nodeCount)
    for reason in ["as many images of as many channels", "read by others", "not take nearest neighbours"] {
      #expect(notes.rejection(with: reason), "\(reason)")
    }
  }

  @Test func hostile() throws {
    var builder = GraphBuilder()
    let x = try builder.input([1, 2, 4, 4])
    let scales = try builder.graph.addConstant("scales", Tensor([1, 1, 2, 2] as [Float], [4]))
    let op = try #require(
      try OperatorSet.standard.decode(OperatorName("ResizeAdd", domain: "ligature"), Attributes()))
    let wide = try builder.input([1, 3, 8, 8], "wide")
    #expect(throws: LigatureError.self) { try builder.append(op, [x, wide, scales]) }
    #expect(throws: LigatureError.self) {
      try OperatorSet.standard.decode(op.name, Attributes(["mode": .string("linear")]))
    }
  }
}
