import GraphIR
import Operators
import Runtime
import TensorCore
import Testing

/// Tensors that share blocks: what is computed must not show it.
@Suite struct PlacementTests {
  private let x: Tensor

  init() throws { x = try TestGraph.tensor([1, 4, 3], seed: 1) }

  /// Runs over a poisoned arena and compares every output with what single nodes compute.
  @discardableResult
  private func check(_ test: TestGraph, limit: Int? = nil, _ what: String = "") throws -> Session {
    var options = Session.Options(threads: 1)
    if let limit { options.memoryLimit = limit }
    let session = try Session(test.graph, options: options)
    _ = try session.run(test.inputs)
    session.poison()
    let outputs = try session.run(test.inputs)
    for ((name, output), expected) in zip(zip(test.graph.outputNames, outputs), try test.expected()) {
      #expect(try output.floats() == expected.floats(), "\(what): output \(name)")
      #expect(output.shape == expected.shape, "\(what): output \(name)")
    }
    return session
  }

  private func running(_ session: Session, _ inputs: [Tensor]) throws -> [String] {
    try session.steps(for: inputs).map { session.graph[$0].op.name.type }
  }

  @Test func joinedTensorsAreMadeInTheirPlace() throws {
    var test = TestGraph()
    let x = try test.input(self.x)
    let a = try test.append("Exp", [x])
    let b = try test.append("Neg", [x])
    let joined = try test.append(Concat(axis: 1), [a, b])
    let wider = try test.append(Concat(axis: -2), [joined, try test.append("Tanh", [x])])
    try test.output(try test.append("Abs", [wider]))
    // One of the parts has another reader, after they were joined.
    try test.output(try test.append("Relu", [b]))
    let session = try check(test)
    #expect(try running(session, test.inputs) == ["Exp", "Neg", "Tanh", "Abs", "Relu"])
    #expect(try session.memoryUse([[1, 4, 3]]).arena == 2 * 192, "what is joined, and what Abs makes of it")
  }

  /// What cannot be placed in the result is copied, beside what can.
  @Test func otherPartsAreCopied() throws {
    var test = TestGraph()
    let x = try test.input(self.x)
    let constant = try test.constant(TestGraph.tensor([1, 1, 3], seed: 2))
    let a = try test.append("Exp", [x])
    let joined = try test.append(Concat(axis: 1), [x, a, constant, a])
    try test.output(try test.append("Abs", [joined]))
    try test.output(joined)
    let session = try check(test)
    #expect(try running(session, test.inputs) == ["Exp", "Concat", "Abs"])
  }

  @Test func innerAxesAreCopied() throws {
    var test = TestGraph()
    let x = try test.input(TestGraph.tensor([2, 4, 3], seed: 3))
    let joined = try test.append(Concat(axis: 1), [try test.append("Exp", [x]), try test.append("Neg", [x])])
    try test.output(joined)
    try test.output(try test.slice(joined, axis: 1, from: 1, to: 3))
    let session = try check(test)
    #expect(try running(session, test.inputs) == ["Exp", "Neg", "Concat", "Slice"])
  }

  /// Overlapping pieces, each overwritten by its reader if nobody else needs it.
  @Test func piecesAreViews() throws {
    var test = TestGraph()
    let x = try test.input(self.x)
    let whole = try test.append("Exp", [x])
    for (from, to) in [(0, 2), (1, 3), (3, 4), (-1, 9)] {
      try test.output(try test.append("Neg", [try test.slice(whole, axis: 1, from: from, to: to)]))
    }
    for piece in try test.graph.append(Split(axis: 1, pieces: 3), [whole], name: "split", outputs: ["p", nil, "r"]) {
      if let piece { try test.output(try test.append("Sqrt", [piece])) }
    }
    let index = try test.constant(Tensor([-2] as [Int64], []))
    try test.output(try test.append("Log", [try test.append(Gather(axis: 1), [whole, index])]))
    // Of the input itself: nothing may be written there.
    try test.output(try test.append("Tanh", [try test.slice(x, axis: 1, from: 1, to: 2)]))
    try test.output(try test.slice(x, axis: 1, from: 1, to: 2))
    try test.output(try test.append(Transpose(perm: [1, 0, 2]), [whole]))
    let session = try check(test)
    let steps = try running(session, test.inputs)
    #expect(Set(steps).isDisjoint(with: ["Slice", "Split", "Gather", "Transpose"]), "\(steps)")
  }

  @Test func resultsTakeThePlaceOfPieces() throws {
    var test = TestGraph()
    let x = try test.input(TestGraph.tensor([1, 2, 1024], seed: 4))
    let whole = try test.append("Exp", [x])
    let low = try test.append("Neg", [try test.slice(whole, axis: 1, from: 0, to: 1)])
    let high = try test.append("Sqrt", [try test.slice(whole, axis: 1, from: 1, to: 2)])
    try test.output(low)
    try test.output(high)
    #expect(try check(test).memoryUse([[1, 2, 1024]]).arena == 8192)
  }

  /// Random graphs of everything that shares bytes.
  @Test(arguments: 0..<150) func randomGraphsComputeTheSame(seed: Int) throws {
    var random = SplitMix64(UInt64(seed))
    var test = TestGraph()
    var values: [(value: ValueID, shape: [Int])] = []
    for index in 0..<2 {
      let shape = [random.below(4) == 0 ? 2 : 1, 1 + random.below(4), 3]
      values.append((try test.input(TestGraph.tensor(shape, seed: UInt64(seed * 10 + index))), shape))
    }
    for _ in 0..<(5 + random.below(30)) {
      let (value, shape) = values[random.below(values.count)]
      switch random.below(7) {
      case 0: values.append((try test.append(["Exp", "Abs", "Neg", "Tanh"][random.below(4)], [value]), shape))
      case 1:
        let other = values.last { $0.shape == shape } ?? (value, shape)
        values.append((try test.append(["Add", "Mul", "Sub"][random.below(3)], [value, other.value]), shape))
      case 2:
        let others = values.filter { $0.shape[0] == shape[0] && $0.shape[2] == shape[2] }
        let parts = (0..<(2 + random.below(3))).map { _ in others[random.below(others.count)] }
        guard parts.reduce(0, { $0 + $1.shape[1] }) < 200 else { continue }
        let joined = try test.append(Concat(axis: 1), parts.map { $0.value })
        values.append((joined, [shape[0], parts.reduce(0) { $0 + $1.shape[1] }, shape[2]]))
      case 3 where shape[1] > 1:
        let from = random.below(shape[1] - 1)
        let to = from + 1 + random.below(shape[1] - from - 1)
        values.append((try test.slice(value, axis: 1, from: from, to: to), [shape[0], to - from, shape[2]]))
      case 4 where shape[1] > 2:
        let name = "split\(values.count)"
        let pieces = try test.graph.append(
          Split(axis: 1, pieces: 2), [value], name: name, outputs: [name + "a", name + "b"])
        let each = (shape[1] + 1) / 2
        for (piece, size) in zip(pieces, [each, shape[1] - each]) {
          if let piece { values.append((piece, [shape[0], size, shape[2]])) }
        }
      case 5 where shape[0] == 1:
        let moved = try test.append(Transpose(perm: [1, 0, 2]), [value])
        values.append((try test.append(Transpose(perm: [1, 0, 2]), [moved]), shape))
      default: values.append((try test.append("Relu", [value]), shape))
      }
    }
    for _ in 0..<3 { try test.output(values[random.below(values.count)].value) }
    try test.output(values[values.count - 1].value)
    let session = try check(test, "seed \(seed)")
    let shapes = test.inputs.map(\.shape)
    let use = try session.memoryUse(shapes)
    #expect(use.arena >= use.lowerBound)
    #expect(Double(use.arena) <= 1.1 * Double(use.lowerBound) + 256, "seed \(seed): \(use)")
    // The least that fits; other orders and copies instead of views compute the same.
    try check(test, limit: use.arena, "seed \(seed), no more than needed")
  }

  /// Ten branches that each need much for a moment, written level by level: one after the other they need a tenth.
  @Test func findsAnOrderThatNeedsLess() throws {
    var test = TestGraph()
    let x = try test.input(TestGraph.tensor([1, 16], seed: 5))
    let wide = try test.constant(TestGraph.tensor([1000, 1], seed: 6))
    let tall = try (0..<10).map { _ in try test.append("Mul", [x, wide]) }
    let sums = try tall.map { try test.append("ReduceMax", [$0]) }
    var total = sums[0]
    for sum in sums.dropFirst() { total = try test.append("Add", [total, sum]) }
    try test.output(total)
    let session = try check(test)
    let use = try session.memoryUse([[1, 16]])
    #expect(use.arena < 2 * 64_000, "\(use)")
    #expect(use.sumOfAll > 10 * 64_000)
  }

  /// What `memory-soak` does with real models and 10,000 sizes.
  @Test func memoryStaysFlatOverManySizes() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["N", 8, "H", "W"]))
    let w = try graph.addConstant("w", TestGraph.tensor([8, 8, 3, 3], seed: 10))
    guard
      let conv = try OperatorSet.standard.decode(OperatorName("Conv"), Attributes(["pads": .ints([1, 1, 1, 1])])),
      let shape = try OperatorSet.standard.decode(OperatorName("Shape"), Attributes()),
      let fill = try OperatorSet.standard.decode(OperatorName("ConstantOfShape"), Attributes()),
      let product = try OperatorSet.standard.decode(OperatorName("MatMul"), Attributes())
    else { throw LigatureError(.unsupported, "Conv") }
    let y = try graph.append(conv, [x, w], name: "conv")
    // A matrix whose size follows from the input's: a constant of each plan, not of the session.
    let width = try graph.append(
      Gather(), [graph.append(shape, [y], name: "shape"), graph.addConstant("at", Tensor([3, 3] as [Int64], [2]))],
      name: "width")
    let square = try graph.append(fill, [width], name: "square")
    try graph.addOutput(graph.append(product, [y, square], name: "product"))
    var options = Session.Options(threads: 1)
    options.planCapacity = 4
    let session = try Session(graph, options: options)
    var random = SplitMix64(11)
    var (largest, packed) = (0, 0)
    for run in 0..<300 {
      let sizes = [1 + random.below(2), 8, 3 + random.below(30), 3 + random.below(30)]
      _ = try session.run([Tensor(zeros: .float32, sizes)])
      largest = max(largest, try session.memoryUse([sizes]).arena)
      #expect(session.arenaByteCount <= largest + (4 << 20), "no more than the largest plan takes, in whole pages")
      #expect(session.planCount <= 4)
      if run == 50 { packed = session.packedByteCount }
    }
    #expect(session.packedByteCount == packed, "weights are packed once, not once a plan")
  }

  @Test func aLimitNamesTheNode() throws {
    var test = TestGraph()
    let x = try test.input(TestGraph.tensor([1, 1024], seed: 7))
    let wide = try test.append("Mul", [x, try test.constant(TestGraph.tensor([16, 1], seed: 8))])
    try test.output(try test.append("ReduceMax", [wide]))
    var options = Session.Options(threads: 1)
    options.memoryLimit = 60_000
    let session = try Session(test.graph, options: options)
    let error = #expect(throws: LigatureError.self) { try session.run(test.inputs) }
    let arena = try session.memoryUse([[1, 1024]]).arena
    #expect(error?.code == .limit)
    #expect(error?.node?.hasSuffix("(Mul)") == true || error?.node?.hasSuffix("(ReduceMax)") == true)
    #expect(error?.message.contains("\(arena - 60_000) more") == true)
  }
}

/// A graph with the tensors to run it on.
struct TestGraph {
  var graph = Graph()
  private(set) var inputs: [Tensor] = []
  private var count = 0

  static func tensor(_ shape: [Int], seed: UInt64) throws -> Tensor {
    var random = SplitMix64(seed)
    let count = shape.reduce(1, *)
    return try Tensor((0..<count).map { _ in Float(random.below(2000) - 1000) / 500 }, shape)
  }

  mutating func input(_ tensor: Tensor) throws -> ValueID {
    inputs.append(tensor)
    return try graph.addInput("x\(inputs.count)", TensorType(tensor.element, sizes: tensor.shape))
  }

  mutating func constant(_ tensor: Tensor) throws -> ValueID {
    count += 1
    return try graph.addConstant("c\(count)", tensor)
  }

  mutating func append(_ op: any Operator, _ inputs: [ValueID]) throws -> ValueID {
    count += 1
    return try graph.append(op, inputs, name: "node\(count)")
  }

  mutating func append(_ type: String, _ inputs: [ValueID]) throws -> ValueID {
    guard let op = try OperatorSet.standard.decode(OperatorName(type), Attributes()) else {
      throw LigatureError(.unsupported, type)
    }
    return try append(op, inputs)
  }

  mutating func slice(_ value: ValueID, axis: Int, from: Int, to: Int) throws -> ValueID {
    try append(
      Slice(),
      [value] + [from, to, axis].map { try constant(Tensor([Int64($0)], [1])) })
  }

  mutating func output(_ value: ValueID) throws {
    count += 1
    try graph.addOutput(value, name: "y\(count)")
  }

  /// What the nodes compute one by one, each result in memory of its own.
  func expected() throws -> [Tensor] {
    let evaluate = Session.evaluator(Session.Options(threads: 1))
    var known: [ValueID: Tensor] = Dictionary(uniqueKeysWithValues: zip(graph.inputs, inputs))
    for id in graph.order {
      let node = graph[id]
      let operands = node.inputs.map { $0.flatMap { known[$0] ?? graph[$0].tensor } }
      let results = try evaluate(node.op, operands, node.outputs.count)
      for case (let output?, let tensor) in zip(node.outputs, results) { known[output] = tensor }
    }
    return try graph.outputs.map { output in
      guard let tensor = known[output] ?? graph[output].tensor else {
        throw LigatureError(.cycle, graph[output].name)
      }
      return tensor
    }
  }
}
