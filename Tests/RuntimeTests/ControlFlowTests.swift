import GraphIR
import Operators
import Runtime
import TensorCore
import Testing

/// Sub-graphs for the tests below. All work on float32 lists.
private enum Body {
  static let list = TensorType(.float32, ["n"])

  /// `trip, condition, x → condition, x + x, x`; `declared` is what a file says of x.
  static func doubling(_ declared: TensorType = list) throws -> Graph {
    try loop(declared) { graph, x in try graph.append(Binary(.add), [x, x], name: "twice") }
  }

  /// The same with x twice as long.
  static func growing(_ declared: TensorType = list) throws -> Graph {
    try loop(declared) { graph, x in try graph.append(Concat(axis: 0), [x, x], name: "twice") }
  }

  static func loop(_ declared: TensorType, _ next: (inout Graph, ValueID) throws -> ValueID) throws -> Graph {
    var graph = Graph(name: "body")
    try graph.addInput("trip", TensorType(.int64, []))
    let condition = try graph.addInput("condition", TensorType(.bool, []))
    let x = try graph.addInput("x", declared)
    let result = try next(&graph, x)
    try graph.addOutput(condition, name: "again")
    try graph.addOutput(result, name: "next")
    return graph
  }

  /// `… → x` for branches: what `make` makes of the captured value.
  static func branch(_ type: TensorType, _ make: (inout Graph, ValueID) throws -> ValueID) throws -> Graph {
    var graph = Graph(name: "branch")
    let x = try graph.addInput("captured", type)
    try graph.addOutput(make(&graph, x), name: "y")
    return graph
  }
}

/// Whether a graph is taken as it is, or prepared first: both must give the same.
private let ways = [false, true]

private func session(_ graph: Graph, prepared: Bool, _ change: (inout Session.Options) -> Void = { _ in }) throws
  -> Session
{
  var options = Session.Options(threads: 1)
  change(&options)
  return prepared ? try Session(preparing: graph, options: options) : try Session(graph, options: options)
}

private func floats(_ values: [Float]) throws -> Tensor { try Tensor(values, [values.count]) }

private func error(_ body: () throws -> Void) -> LigatureError? {
  do {
    try body()
    return nil
  } catch {
    return error as? LigatureError
  }
}

@Suite struct ControlFlowTests {
  /// A graph of one Loop over x with inputs trips and condition, where they are wanted.
  private func looping(_ body: Graph, trips: Bool = true, condition: Bool = false) throws -> Graph {
    var graph = Graph(name: "looping")
    let trips = trips ? try graph.addInput("trips", TensorType(.int64, [])) : nil
    let condition = condition ? try graph.addInput("condition", TensorType(.bool, [])) : nil
    let x = try graph.addInput("x", TensorType(.float32, ["N"]))
    let names = (1..<max(body.outputs.count, 2)).map { "loop.\($0)" }
    let results = try graph.append(Loop(body: body), [trips, condition, x], name: "loop", outputs: names)
    for case let result? in results { try graph.addOutput(result) }
    return graph
  }

  @Test(arguments: ways) func loopsCountTrips(prepared: Bool) throws {
    let session = try session(looping(Body.doubling()), prepared: prepared)
    for (trips, factor) in [(0, 1), (1, 2), (5, 32), (-3, 1)] as [(Int64, Float)] {
      let result = try session.run([Tensor(scalar: trips), floats([1, -2, 3])])
      #expect(try result[0].floats() == [factor, -2 * factor, 3 * factor])
    }
  }

  /// Ends with the first condition that is false, that of the start included.
  @Test(arguments: ways) func loopsFollowTheCondition(prepared: Bool) throws {
    var body = Graph(name: "body")
    let trip = try body.addInput("trip", TensorType(.int64, []))
    try body.addInput("condition", TensorType(.bool, []))
    let x = try body.addInput("x", Body.list)
    let last = try body.addConstant("last", Tensor(scalar: Int64(3)))
    let again = try body.append(Binary(.less), [trip, last], name: "again")
    let twice = try body.append(Binary(.add), [x, x], name: "twice")
    for (id, name) in [(again, "again"), (twice, "next"), (x, "seen"), (trip, "trips")] {
      try body.addOutput(id, name: name)
    }
    let session = try session(looping(body, trips: false, condition: true), prepared: prepared)
    let result = try session.run([Tensor(scalar: true), floats([1])])
    #expect(try result[0].floats() == [16])
    #expect(result[1].shape == [4, 1])
    #expect(try result[1].floats() == [1, 2, 4, 8])
    #expect(try result[2].scalars(as: Int64.self) == [0, 1, 2, 3])
    let none = try session.run([Tensor(scalar: false), floats([1])])
    #expect(try none[0].floats() == [1])
    #expect(none[1].shape[0] == 0 && none[2].shape == [0])
  }

  /// Also where the file declares the size of the first trip for all of them.
  @Test(arguments: ways, [TensorType(.float32, ["n"]), TensorType(.float32, [1]), TensorType(.float32, nil)])
  func carriedShapesMayChange(prepared: Bool, declared: TensorType) throws {
    let session = try session(looping(Body.growing(declared)), prepared: prepared)
    let result = try session.run([Tensor(scalar: Int64(6)), floats([7])])
    #expect(try result[0].floats() == [Float](repeating: 7, count: 64))
  }

  /// A branch inside a loop takes what the loop carries, at whatever size it has by then.
  @Test(arguments: ways) func nestedBodiesFollowSizes(prepared: Bool) throws {
    var inner = Graph(name: "body")
    let trip = try inner.addInput("trip", TensorType(.int64, []))
    let condition = try inner.addInput("condition", TensorType(.bool, []))
    let x = try inner.addInput("x", TensorType(.float32, [2]))
    let limit = try inner.addConstant("limit", Tensor(scalar: Int64(2)))
    let early = try inner.append(Binary(.less), [trip, limit], name: "early")
    let grow = try Body.branch(TensorType(.float32, [2])) { try $0.append(Concat(axis: 0), [$1, $1], name: "c") }
    let negate = try Body.branch(TensorType(.float32, [2])) { try $0.append(Unary(.neg), [$1], name: "n") }
    let result = try inner.append(
      If(whenTrue: grow, whenFalse: negate), [early], captures: [x], name: "if", outputs: ["if.y"])
    try inner.addOutput(condition, name: "again")
    try inner.addOutput(#require(result[0]), name: "next")
    let session = try session(looping(inner), prepared: prepared)
    let two = try session.run([Tensor(scalar: Int64(2)), floats([1, 2])])
    #expect(try two[0].floats() == [1, 2, 1, 2, 1, 2, 1, 2])
    let three = try session.run([Tensor(scalar: Int64(3)), floats([1, 2])])
    #expect(try three[0].floats() == [-1, -2, -1, -2, -1, -2, -1, -2])
  }

  /// What stands before, between and after is planned as ever; both branches may differ in shape.
  @Test(arguments: ways) func branchesStandBetweenPlans(prepared: Bool) throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, ["N"]))
    let condition = try graph.addInput("condition", TensorType(.bool, []))
    let before = try graph.append(Unary(.neg), [x], name: "before")
    let same = try Body.branch(Body.list) { try $0.append(Unary(.abs), [$1], name: "a") }
    let longer = try Body.branch(Body.list) { try $0.append(Concat(axis: 0), [$1, $1], name: "c") }
    let results = try graph.append(
      If(whenTrue: same, whenFalse: longer), [condition], captures: [before], name: "if", outputs: ["chosen"])
    let chosen = try #require(results[0])
    let after = try graph.append(Binary(.add), [chosen, chosen], name: "after")
    try graph.addOutput(after, name: "y")
    try graph.addOutput(before, name: "z")
    let session = try session(graph, prepared: prepared)
    for _ in 0..<2 {
      let first = try session.run([floats([1, -2]), Tensor(scalar: true)])
      #expect(try first[0].floats() == [2, 4])
      #expect(try first[1].floats() == [-1, 2])
      let second = try session.run([floats([1, -2]), Tensor(scalar: false)])
      #expect(try second[0].floats() == [-2, 4, -2, 4])
    }
  }

  /// A branch that a constant chooses costs nothing; its names may be those of the graph around it.
  @Test func knownBranchesAreInlined() throws {
    var graph = Graph()
    let x = try graph.addInput("x", Body.list)
    let yes = try graph.addConstant("yes", Tensor(scalar: true))
    let no = try graph.addConstant("no", Tensor(scalar: false))
    let branch = { (function: Unary.Function) in
      try Body.branch(Body.list) { try $0.append(Unary(function), [$1], name: "x") }
    }
    var outer = try branch(.exp)
    let captured = outer.inputs[0]
    let inner = try outer.append(
      If(whenTrue: branch(.neg), whenFalse: branch(.abs)), [outer.addConstant("never", Tensor(scalar: false))],
      captures: [captured], name: "inner", outputs: ["inner.y"])
    try outer.addOutput(#require(inner[0]), name: "second")
    for (condition, name) in [(yes, "first"), (no, "second")] {
      let results = try graph.append(
        If(whenTrue: outer, whenFalse: outer), [condition], captures: [x], name: name, outputs: [name, name + ".abs"])
      for case let result? in results { try graph.addOutput(result) }
    }
    let prepared = try session(graph, prepared: true)
    #expect(prepared.graph.order.allSatisfy { !(prepared.graph[$0].op is If) })
    let plain = try session(graph, prepared: false)
    let input = [try floats([0, -2])]
    for (a, b) in zip(try prepared.run(input), try plain.run(input)) { #expect(try a.floats() == b.floats()) }
    #expect(try prepared.run(input)[1].floats() == [0, 2])
  }

  @Test(arguments: ways) func scansWalkAxes(prepared: Bool) throws {
    var body = Graph(name: "body")
    let sum = try body.addInput("sum", Body.list)
    let x = try body.addInput("x", Body.list)
    let next = try body.append(Binary(.add), [sum, x], name: "next")
    try body.addOutput(next, name: "sum.next")
    try body.addOutput(next, name: "seen")
    func scan(_ attributes: [String: Attribute]) throws -> [Tensor] {
      var attributes = attributes
      attributes["body"] = .graph(body)
      attributes["num_scan_inputs"] = .int(1)
      var graph = Graph()
      let start = try graph.addInput("start", TensorType(.float32, ["n"]))
      let rows = try graph.addInput("rows", TensorType(.float32, ["a", "b"]))
      let op = try Scan(name: OperatorName("Scan"), attributes: Attributes(attributes))
      for case let id? in try graph.append(op, [start, rows], name: "scan", outputs: ["last", "all"]) {
        try graph.addOutput(id)
      }
      let length = attributes["scan_input_axes"] == nil ? 2 : 3
      return try session(graph, prepared: prepared).run([
        floats([Float](repeating: 0, count: length)), Tensor([1, 2, 3, 4, 5, 6] as [Float], [3, 2]),
      ])
    }
    let down = try scan([:])
    #expect(try down[0].floats() == [9, 12])
    #expect(try down[1].floats() == [1, 2, 4, 6, 9, 12])
    let across = try scan(["scan_input_axes": .ints([1]), "scan_output_axes": .ints([-1])])
    #expect(across[1].shape == [3, 2])
    #expect(try across[1].floats() == [1, 3, 3, 7, 5, 11])
    let back = try scan(["scan_input_directions": .ints([1]), "scan_output_directions": .ints([1])])
    #expect(try back[1].floats() == [9, 12, 8, 10, 5, 6])
  }

  /// A list that grows in a loop, its length, and its elements put together again.
  @Test(arguments: ways) func loopsCarrySequences(prepared: Bool) throws {
    var body = Graph(name: "body")
    let trip = try body.addInput("trip", TensorType(.int64, []))
    let condition = try body.addInput("condition", TensorType(.bool, []))
    let list = try body.addInput("list", TensorType(.undefined, nil))
    let axes = try body.addConstant("axes", Tensor([0] as [Int64], [1]))
    let element = try body.append(Unsqueeze(), [trip, axes], name: "element")
    let longer = try body.append(SequenceOperator(.insert), [list, element], name: "longer")
    try body.addOutput(condition, name: "again")
    try body.addOutput(longer, name: "list.next")
    var graph = Graph()
    let trips = try graph.addInput("trips", TensorType(.int64, []))
    let empty = try graph.append(SequenceOperator(.empty), [], name: "empty")
    let results = try graph.append(Loop(body: body), [trips, nil, empty], name: "loop", outputs: ["filled"])
    let filled = try #require(results[0])
    let joined = try graph.append(
      ConcatFromSequence(name: OperatorName("ConcatFromSequence"), attributes: Attributes(["axis": .int(0)])),
      [filled], name: "joined")
    try graph.addOutput(joined, name: "joined")
    try graph.addOutput(graph.append(SequenceOperator(.length), [filled], name: "length"), name: "length")
    try graph.addOutput(filled, name: "list")
    let session = try session(graph, prepared: prepared)
    let data = try session.run(data: [.tensor(Tensor(scalar: Int64(4)))])
    #expect(try data[0].tensor().scalars(as: Int64.self) == [0, 1, 2, 3])
    #expect(try data[1].tensor().integers() == [4])
    #expect(try data[2].elements().map { try $0.tensor().integers() } == [[0], [1], [2], [3]])
    // A list is no tensor, and says how to get at it.
    #expect(error { _ = try session.run([Tensor(scalar: Int64(4))]) }?.code == .type)
    #expect(error { _ = try session.run([Tensor(scalar: Int64(0))]) }?.message.contains("empty sequence") == true)
  }

  // ── What hostile graphs try ──
  /// Branches in branches, each of which reads what the outermost graph has.
  @Test(arguments: ways) func deepNesting(prepared: Bool) throws {
    var branch = try Body.branch(Body.list) { try $0.append(Unary(.neg), [$1], name: "n") }
    let other = try Body.branch(Body.list) { try $0.append(Unary(.abs), [$1], name: "a") }
    for _ in 0..<20 {
      let inner = branch
      branch = try Body.branch(Body.list) { graph, x in
        let total = try graph.append(Reduce(.sum, keepsDimensions: false), [x], name: "total")
        let zero = try graph.addConstant("zero", Tensor(scalar: Float(0)))
        let isPositive = try graph.append(Binary(.greater), [total, zero], name: "positive")
        let results = try graph.append(
          If(whenTrue: other, whenFalse: inner), [isPositive], captures: [x], name: "if", outputs: ["if.y"])
        return try #require(results[0])
      }
    }
    let result = try session(branch, prepared: prepared).run([floats([1, -3])])
    #expect(try result[0].floats() == [-1, 3])
  }

  /// What bounds the trips of a loop that never ends: 2^63 - 1 of them, a condition that stays true, or nothing at all.
  enum Endless: CaseIterable { case trips, condition, both, nothing }

  private func endless(_ kind: Endless, _ change: (inout Session.Options) -> Void) throws -> (Session, [Tensor]) {
    let (trips, condition) = (kind == .trips || kind == .both, kind == .condition || kind == .both)
    let graph = try looping(Body.doubling(), trips: trips, condition: condition)
    let inputs = (trips ? [Tensor(scalar: Int64.max)] : []) + (condition ? [Tensor(scalar: true)] : [])
    return (try session(graph, prepared: true, change), inputs + [try floats([1])])
  }

  @Test(arguments: Endless.allCases) func endlessLoopsEnd(_ kind: Endless) throws {
    let (session, inputs) = try endless(kind) { $0.limits.iterations = 5000 }
    let problem = error { _ = try session.run(inputs) }
    #expect(problem?.code == .limit)
    #expect(problem?.message.contains("'iterations'") == true)
    #expect(problem?.node?.contains("loop") == true)
    // The next run has its own budget.
    guard kind == .trips else { return }
    #expect(try session.run([Tensor(scalar: Int64(4999)), floats([0])])[0].floats() == [0])
  }

  @Test(arguments: Endless.allCases) func endlessLoopsEndInTime(_ kind: Endless) throws {
    let (session, inputs) = try endless(kind) { $0.limits.seconds = 0.05 }
    let start = ContinuousClock.now
    let problem = error { _ = try session.run(inputs) }
    #expect(problem?.code == .limit)
    #expect(problem?.message.contains("'seconds'") == true)
    // The loop itself, or what its body was at.
    #expect(problem?.node != nil)
    #expect(start.duration(to: .now) < .seconds(5))
  }

  /// A sequence of great length that costs nothing to hold: its elements have no elements.
  @Test func longScansEnd() throws {
    var body = Graph(name: "body")
    let sum = try body.addInput("sum", Body.list)
    try body.addInput("x", TensorType(.float32, [0]))
    try body.addOutput(body.append(Binary(.add), [sum, sum], name: "next"), name: "sum.next")
    var graph = Graph()
    let start = try graph.addInput("start", TensorType(.float32, [1]))
    let rows = try graph.addInput("rows", TensorType(.float32, ["a", 0]))
    let op = try Scan(
      name: OperatorName("Scan"), attributes: Attributes(["body": .graph(body), "num_scan_inputs": .int(1)]))
    for case let id? in try graph.append(op, [start, rows], name: "scan", outputs: ["last"]) {
      try graph.addOutput(id)
    }
    let sequence = try Tensor([Float](), [1 << 30, 0])
    let counted = try session(graph, prepared: true) { $0.limits.iterations = 5000 }
    #expect(error { _ = try counted.run([floats([1]), sequence]) }?.message.contains("'iterations'") == true)
    #expect(try counted.run([floats([0]), Tensor([Float](), [5000, 0])])[0].floats() == [0])
    let longer = try Tensor([Float](), [1 << 40, 0])
    #expect(error { _ = try counted.run([floats([1]), longer]) }?.message.contains("'elements'") == true)
    let timed = try session(graph, prepared: true) { $0.limits.seconds = 0.05 }
    let begun = ContinuousClock.now
    let problem = error { _ = try timed.run([floats([1]), sequence]) }
    #expect(problem?.message.contains("'seconds'") == true)
    #expect(problem?.node != nil)
    #expect(begun.duration(to: .now) < .seconds(5))
  }

  @Test(arguments: ways) func growthMeetsTheMemoryLimit(prepared: Bool) throws {
    let session = try session(looping(Body.growing()), prepared: prepared) { $0.memoryLimit = 1 << 20 }
    #expect(error { _ = try session.run([Tensor(scalar: Int64.max), floats([1])]) }?.code == .limit)
    #expect(try session.run([Tensor(scalar: Int64(10)), floats([1])])[0].count == 1024)
  }

  /// What each trip leaves is small, all of it together is not.
  @Test func collectingMeetsTheMemoryLimit() throws {
    var body = Graph(name: "body")
    try body.addInput("trip", TensorType(.int64, []))
    let condition = try body.addInput("condition", TensorType(.bool, []))
    let x = try body.addInput("x", Body.list)
    for name in ["again", "next", "seen"] { try body.addOutput(name == "again" ? condition : x, name: name) }
    let session = try session(looping(body), prepared: false) { $0.memoryLimit = 1 << 20 }
    let row = try floats([Float](repeating: 1, count: 1024))
    #expect(error { _ = try session.run([Tensor(scalar: Int64(1000)), row]) }?.code == .limit)
    #expect(try session.run([Tensor(scalar: Int64(100)), row])[1].shape == [100, 1024])
  }

  @Test func wrongBodiesAreRefused() throws {
    var short = Graph(name: "short")
    try short.addInput("trip", TensorType(.int64, []))
    #expect(error { _ = try looping(short) }?.code == .arity)
    var tensor = Graph()
    let x = try tensor.addInput("x", TensorType(.undefined, nil))
    try tensor.addOutput(tensor.append(SequenceOperator(.length), [x], name: "length"))
    let session = try session(tensor, prepared: false)
    #expect(error { _ = try session.run([floats([1])]) }?.code == .type)
    #expect(try session.run(data: [.sequence([.tensor(floats([1]))])])[0].tensor().integers() == [1])
  }
}
