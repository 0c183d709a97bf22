import GraphIR
import Operators
import Passes
import TensorCore
import Testing

/// Passes that leave out what need not be computed.
@Suite struct RemovalTests {
  // ── identity-removal ──────────────────────────────────────────────────────
  /// Each gives its input back; `graph` appends it behind a Relu and a Neg follows.
  private func identity(
    of shape: [Dimension] = ["N", 4, "W"], _ build: (inout GraphBuilder, ValueID) throws -> ValueID
  ) throws -> (types: [String], notes: [PassNote]) {
    var builder = GraphBuilder()
    let x = try builder.node("Relu", [try builder.input(shape)])
    let y = try build(&builder, x)
    try builder.graph.addOutput(try builder.node("Neg", [y]))
    let sizes = shape.map { $0.value ?? 3 }
    let result = try checked(builder.graph, [IdentityRemoval()], [[try numbers(sizes)]], tolerance: 0)
    return (result.graph.types, result.notes)
  }

  @Test func identitiesGo() throws {
    let cases: [(inout GraphBuilder, ValueID) throws -> ValueID] = [
      { try $0.node("Identity", [$1]) },
      { try $0.node("Dropout", [$1]) },
      { try $0.node("Cast", [$1], ["to": .int(1)]) },
      { try $0.node("Transpose", [$1], ["perm": .ints([0, 1, 2])]) },
      { try $0.append(Reshape(), [$1, $0.integers([0, 0, -1])]) },
      { try $0.append(Reshape(), [$1, $0.node("Shape", [$1])]) },
      { try $0.node("Expand", [$1, $0.node("Shape", [$1])]) },
      { try $0.append(Concat(axis: 1), [$1]) },
      { try $0.node("Sum", [$1]) },
      { try $0.node("Slice", [$1, $0.integers([0, 0]), $0.integers([4, .max]), $0.integers([1, 2])]) },
      { try $0.node("Pad", [$1, $0.integers([0, 0, 0, 0, 0, 0])]) },
      { try $0.node("Tile", [$1, $0.integers([1, 1, 1])]) },
      { try $0.node("Clip", [$1]) },
      { try $0.node("Add", [$0.scalar(0), $1]) },
      { try $0.node("Sub", [$1, $0.scalar(0)]) },
      { try $0.node("Mul", [$1, $0.graph.addConstant("ones", Tensor([1, 1, 1, 1] as [Float], [4, 1]))]) },
      { try $0.node("Div", [$1, $0.scalar(1)]) },
      { try $0.node("Pow", [$1, $0.scalar(1)]) },
    ]
    for (index, build) in cases.enumerated() {
      let (types, notes) = try identity(build)
      #expect(types.filter { $0 != "Shape" } == ["Relu", "Neg"], "case \(index): \(types)")
      #expect(notes.changes.count == 1, "case \(index)")
    }
    let image: [Dimension] = ["N", 2, "H", "W"]
    let resized = try identity(of: image) {
      try $0.node("Resize", [$1, nil, $0.graph.addConstant("scales", Tensor([1, 1, 1, 1] as [Float], [4]))])
    }
    #expect(resized.types == ["Relu", "Neg"])
  }

  @Test func whatDoesSomethingStays() throws {
    let cases: [(says: String?, build: (inout GraphBuilder, ValueID) throws -> ValueID)] = [
      (nil, { try $0.node("Transpose", [$1], ["perm": .ints([2, 1, 0])]) }),
      (
        nil,
        { try $0.node("Slice", [$1, $0.integers([-1]), $0.integers([.min]), $0.integers([1]), $0.integers([-1])]) }
      ),
      (nil, { try $0.node("Pad", [$1, $0.integers([0, 0, 1, 0, 0, 0])]) }),
      (nil, { try $0.node("Add", [$1, $0.scalar(1)]) }),
      (nil, { try $0.node("Sub", [$0.scalar(0), $1]) }),
      (nil, { try $0.node("Mul", [$1, $0.scalar(0)]) }),
      (
        "may broadcast",
        { try $0.node("Add", [$1, $0.graph.addConstant("zeros", Tensor(zeros: .float32, [3, 1, 1]))]) }
      ),
      (nil, { try $0.append(Reshape(), [$1, $0.integers([-1, 4, 3])]) }),
    ]
    for (index, item) in cases.enumerated() {
      let (types, notes) = try identity(item.build)
      #expect(types.count == 3, "case \(index): \(types)")
      #expect(notes.changes.isEmpty, "case \(index)")
      if let says = item.says { #expect(notes.rejection(with: says), "case \(index): \(notes)") }
    }
  }

  /// Two sizes that only running tells are spelt alike and are not the same.
  @Test func sizesThatOnlyValuesTell() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N"])
    let places = try builder.append(NonZero(), [x])
    let flat = try builder.node("Squeeze", [places, try builder.integers([0])])
    let other = try builder.node(
      "Squeeze", [try builder.append(NonZero(), [builder.node("Relu", [x])]), builder.integers([0])])
    let y = try builder.append(Reshape(), [flat, try builder.node("Shape", [other])])
    try builder.graph.addOutput(y)
    var graph = builder.graph
    let notes = try IdentityRemoval().run(&graph)
    #expect(notes.changes.isEmpty)
    #expect(notes.rejection(with: "only running tells"), "\(notes)")
  }

  @Test func masksThatAreRead() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N"])
    let dropout = try Identity(name: OperatorName("Dropout"), attributes: Attributes())
    let results = try builder.append(dropout, [x], wanted: [true, true])
    for result in results.compactMap({ $0 }) { try builder.graph.addOutput(result) }
    let (graph, notes) = try checked(builder.graph, [IdentityRemoval()], [[try numbers([3])]])
    #expect(graph.nodeCount == 1 && notes.rejection(with: "its other results are read"))
  }

  // ── common-subexpressions ─────────────────────────────────────────────────
  @Test func equalNodesAreComputedOnce() throws {
    var builder = GraphBuilder()
    let x = try builder.input(["N", 4])
    let y = try builder.input(["N", 4], "y")
    let a = try builder.node("Sigmoid", [try builder.node("Add", [x, y])])
    let b = try builder.node("Sigmoid", [try builder.node("Add", [y, x])])
    try builder.graph.addOutput(try builder.node("Sub", [a, try builder.node("Relu", [b])]))
    try builder.graph.addOutput(b, name: "b")
    try builder.graph.addOutput(a, name: "a")
    let inputs = [[try numbers([2, 4]), try numbers([2, 4], seed: 2)]]
    let (graph, notes) = try checked(builder.graph, [CommonSubexpressions()], inputs, tolerance: 0)
    #expect(graph.types == ["Add", "Sigmoid", "Relu", "Sub"])
    #expect(graph.outputNames.suffix(2) == ["b", "a"] && notes.changes.count == 2)
  }

  @Test func unequalNodesStay() throws {
    var builder = GraphBuilder()
    let x = try builder.input([4])
    let y = try builder.input([4], "y")
    let leaky = try (1...2).map { try builder.append(Unary(.leakyRelu, alpha: Float($0) / 10), [x]) }
    let differences = [try builder.node("Sub", [x, y]), try builder.node("Sub", [y, x])]
    let sums = [try builder.node("Sum", [x, y, x]), try builder.node("Sum", [y, x, x])]
    for value in leaky + differences + sums { try builder.graph.addOutput(value) }
    // Two draws of a generator that nobody knows.
    for index in 0..<2 {
      let unknown = Opaque(name: OperatorName("Draw", domain: "x"), attributes: Attributes(), declaredTypes: [])
      try builder.graph.append(unknown, [x], name: "draw\(index)", outputs: ["d\(index)"])
    }
    var graph = builder.graph
    let notes = try CommonSubexpressions().run(&graph)
    #expect(notes.changes.isEmpty && graph.nodeCount == 8)
    #expect(notes.rejection(with: "the operator is not known"))
  }

  // ── weight-sharing ────────────────────────────────────────────────────────
  @Test func equalConstantsAreKeptOnce() throws {
    var builder = GraphBuilder()
    let x = try builder.input([2, 6])
    let weights = try numbers([6], seed: 9).floats()
    func constant(_ shape: [Int]) throws -> ValueID {
      try builder.graph.addConstant(builder.path("w"), Tensor(weights, shape))
    }
    var y = x
    for shape in [[6], [6], [1, 6]] { y = try builder.node("Mul", [y, try constant(shape)]) }
    var other = weights
    other[5] += 1
    y = try builder.node("Mul", [y, try builder.graph.addConstant("other", Tensor(other, [6]))])
    y = try builder.node("Mul", [y, try builder.graph.addParameter("trained", Tensor(weights, [6]))])
    try builder.graph.addOutput(y)
    let (graph, notes) = try checked(builder.graph, [WeightSharing()], [[try numbers([2, 6])]], tolerance: 0)
    let tensors = graph.values.compactMap(\.tensor)
    #expect(tensors.count == 4)
    #expect(Set(tensors.map { ObjectIdentifier($0.storage) }).count == 3)
    #expect(notes.change(with: "holds the same as") && notes.change(with: "shares the bytes of"))
  }

  // ── constant-folding, dead-code ───────────────────────────────────────────
  @Test func constantsAreFoldedWithinALimit() throws {
    var builder = GraphBuilder()
    let x = try builder.input([1])
    let zero = try builder.scalar(0.5)
    let small = try builder.node("Expand", [zero, try builder.integers([100])])
    let again = try builder.node("Neg", [small])
    let large = try builder.node("Expand", [zero, try builder.integers([300])])
    for value in [again, large] { try builder.graph.addOutput(try builder.node("Add", [x, value])) }
    let folding = ConstantFolding(byteLimit: 1000, evaluate: evaluate)
    let (graph, notes) = try checked(builder.graph, [folding], [[try numbers([1])]])
    #expect(graph.types == ["Expand", "Add", "Add"])
    #expect(notes.rejection(with: "its result takes 1200 bytes, but of the limit of 1000 only 200 are left"))
  }

  @Test func whatCannotBeComputedIsLeftToRunning() throws {
    var builder = GraphBuilder()
    let x = try builder.input([2])
    let table = try builder.numbers([2])
    let one = try builder.node("Gather", [table, try builder.integers([7])])
    try builder.graph.addOutput(try builder.node("Add", [x, one]))
    var graph = builder.graph
    let notes = try ConstantFolding(evaluate: evaluate).run(&graph)
    #expect(notes.rejection(with: "it cannot be computed"), "\(notes)")
  }

  @Test func deadNodesGo() throws {
    var builder = GraphBuilder()
    let x = try builder.input([2])
    _ = try builder.node("Neg", [try builder.node("Relu", [x])])
    try builder.graph.addOutput(try builder.node("Abs", [x]))
    let (graph, notes) = try checked(builder.graph, [DeadCode()], [[try numbers([2])]])
    #expect(graph.types == ["Abs"] && notes.changes.count == 2)
  }
}
