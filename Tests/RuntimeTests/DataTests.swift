import Foundation
import GraphIR
import ONNXFormat
import Operators
import Runtime
import TensorCore
import Testing

/// Values that are no tensors of numbers.
@Suite struct DataTests {
  /// A graph of one node whose inputs are of these types.
  private func session(_ op: any Operator, _ types: [TensorType], outputs: Int = 1) throws -> Session {
    var graph = Graph()
    let inputs = try types.enumerated().map { try graph.addInput("x\($0)", $1) }
    let names = (0..<outputs).map { "y\($0)" }
    for case let id? in try graph.append(op, inputs, name: "node", outputs: names) { try graph.addOutput(id) }
    return try Session(graph, options: Session.Options(threads: 1))
  }

  private let texts = TensorType(.string, ["n"])
  private let unknown = TensorType(.undefined, nil)

  private func tensor(_ strings: [String], _ shape: [Int]? = nil) throws -> Tensor {
    try Tensor(strings: strings, shape ?? [strings.count])
  }

  @Test func textsAreMovedAndCompared() throws {
    let words = try tensor(["pear", "fig", "pear", "Fig", "é", "e\u{301}"])
    let gather = try session(Gather(axis: 0), [texts, TensorType(.int64, [3])])
    let chosen = try gather.run([words, Tensor([1, -1, 0] as [Int64], [3])])[0]
    #expect(chosen.strings == ["fig", "e\u{301}", "pear"])
    let equal = try session(Binary(.equal), [texts, texts])
    // Letters that only look alike are different.
    #expect(
      try equal.run([words, tensor(["pear", "pear", "pear", "fig", "e\u{301}", "e\u{301}"])])[0].integers() == [
        1, 0, 1, 0, 0, 1,
      ])
    let unique = try session(
      Unique(name: OperatorName("Unique"), attributes: Attributes()), [texts], outputs: 4)
    let found = try unique.run([tensor(["b", "a", "b"])])
    #expect(found[0].strings == ["a", "b"])
    #expect(try found[3].integers() == [1, 2])
    let joined = try session(Concat(axis: 0), [texts, texts]).run([tensor(["a"]), tensor(["", "c"])])
    #expect(joined[0].strings == ["a", "", "c"])
  }

  @Test func textsAndNumbersConvert() throws {
    let parsed = try session(Cast(to: .float32), [texts]).run([tensor(["1.5", " -2e3 ", "INF", "NaN"])])[0].floats()
    #expect(parsed[0] == 1.5 && parsed[1] == -2000 && parsed[2] == .infinity && parsed[3].isNaN)
    let spelled = try session(Cast(to: .string), [TensorType(.float32, ["n"])])
      .run([Tensor([1.5, -.infinity, 0.1] as [Float], [3])])
    #expect(spelled[0].strings == ["1.5", "-INF", "0.1"])
    let session = try session(Cast(to: .int64), [texts])
    #expect(throws: LigatureError.self) { try session.run([tensor(["twelve"])]) }
  }

  @Test func whatComputesRefusesTexts() throws {
    #expect(throws: LigatureError.self) { try session(Unary(.relu), [texts]) }
    // Where the graph does not tell, running does.
    let open = try session(Unary(.relu), [unknown])
    #expect(throws: LigatureError.self) { try open.run([tensor(["a"])]) }
    #expect(throws: LigatureError.self) { try open.run(data: [.sequence([])]) }
    #expect(try open.run([Tensor([-1, 2] as [Float], [2])])[0].floats() == [0, 2])
  }

  @Test func textsMeetTheMemoryLimit() throws {
    var body = Graph(name: "body")
    try body.addInput("trip", TensorType(.int64, []))
    let condition = try body.addInput("condition", TensorType(.bool, []))
    let x = try body.addInput("x", TensorType(.string, []))
    let twice = try body.append(StringConcat(), [x, x], name: "twice")
    try body.addOutput(condition, name: "again")
    try body.addOutput(twice, name: "next")
    var graph = Graph()
    let trips = try graph.addInput("trips", TensorType(.int64, []))
    let start = try graph.addConstant("start", tensor(["ab"], []))
    for case let id? in try graph.append(Loop(body: body), [trips, nil, start], name: "loop", outputs: ["y"]) {
      try graph.addOutput(id)
    }
    var options = Session.Options(threads: 1)
    options.memoryLimit = 1 << 20
    let session = try Session(graph, options: options)
    #expect(try session.run([Tensor(scalar: Int64(3))])[0].strings == ["abababababababab"])
    #expect(throws: LigatureError.self) { try session.run([Tensor(scalar: Int64(62))]) }
  }

  @Test func sequencesKeepToTheirBounds() throws {
    let at = try session(SequenceOperator(.at), [unknown, TensorType(.int64, [])])
    let list = Datum.sequence([1, 2, 3].map { .tensor(Tensor(scalar: Float($0))) })
    func element(_ place: Int64) throws -> [Float] {
      try at.run(data: [list, .tensor(Tensor(scalar: place))])[0].tensor().floats()
    }
    #expect(try element(0) == [1])
    #expect(try element(-1) == [3])
    for place in [3, -4, .max, .min] as [Int64] { #expect(throws: LigatureError.self) { try element(place) } }
    let insert = try session(SequenceOperator(.insert), [unknown, unknown])
    #expect(throws: LigatureError.self) {
      try insert.run(data: [list, .tensor(Tensor(scalar: Int64(1)))])  // of another type
    }
    let split = try session(
      SplitToSequence(name: OperatorName("SplitToSequence"), attributes: Attributes()),
      [TensorType(.float32, ["n", 2]), TensorType(.int64, nil)])
    let rows = Datum.tensor(try Tensor([1, 2, 3, 4, 5, 6] as [Float], [3, 2]))
    let parts = try split.run(data: [rows, .tensor(Tensor(scalar: Int64(2)))])[0].elements()
    #expect(try parts.map { try $0.tensor().shape } == [[2, 2], [1, 2]])
    for sizes in [[2, 2], [4, -1], [.max, .max]] as [[Int64]] {
      #expect(throws: LigatureError.self) { try split.run(data: [rows, .tensor(Tensor(sizes, [2]))]) }
    }
    #expect(throws: LigatureError.self) { try split.run(data: [rows, .tensor(Tensor(scalar: Int64(0)))]) }
  }

  @Test func optionalsMayBeEmpty() throws {
    let element = try session(OptionalOperator(.element), [unknown])
    #expect(try element.run(data: [.optional(.tensor(Tensor(scalar: Float(2))))])[0].tensor().floats() == [2])
    #expect(throws: LigatureError.self) { try element.run(data: [.optional(nil)]) }
    let has = try session(OptionalOperator(.hasElement), [unknown])
    #expect(try has.run(data: [.optional(nil)])[0].tensor().integers() == [0])
    #expect(try has.run(data: [.optional(.sequence([]))])[0].tensor().integers() == [1])
  }

  // ── Cases of the ONNX test suite ──
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/values")

  @Test(arguments: [
    "if_opt", "if_seq", "loop11", "loop13_seq", "loop16_seq_none", "scan_sum", "scan9_sum",
    "sequence_map_extract_shapes",
    "sequence_map_extract_shapes_expanded", "range_float_type_positive_delta_expanded",
    "optional_has_element_empty_no_input_name_optional_input", "optional_get_element_optional_sequence",
    "string_split_maxsplit", "sequence_model4", "identity_opt",
  ])
  func suiteCase(_ name: String) throws {
    let folder = DataTests.folder.appending(path: "test_" + name).path()
    let model = try Model(contentsOf: folder + "/model.onnx", operators: .standard)
    func data(_ kind: String, _ names: [String]) throws -> [Datum] {
      try names.enumerated().map { index, name in
        try TensorFile.readDatum("\(folder)/test_data_set_0/\(kind)_\(index).pb", kind: model.kind(of: name))
      }
    }
    // What is written must be what was read.
    let again = try Model(bytes: model.encoded(), operators: .standard)
    let options = Session.Options(threads: 1)
    for session in [
      try Session(model.graph, options: options), try Session(preparing: model.graph, options: options),
      try Session(preparing: again.graph, options: options),
    ] {
      let produced = try session.run(data: data("input", session.inputs.map(\.name)))
      let expected = try data("output", session.outputNames)
      for (a, b) in zip(produced, expected) { try same(a, b) }
    }
  }

  private func same(_ produced: Datum, _ expected: Datum) throws {
    switch (produced, expected) {
    case (.tensor(let a), .tensor(let b)):
      #expect(a.element == b.element && a.shape == b.shape)
      if b.element == .string { #expect(a.strings == b.strings) } else { #expect(try a.floats() == b.floats()) }
    case (.sequence(let a), .sequence(let b)):
      #expect(a.count == b.count)
      for (x, y) in zip(a, b) { try same(x, y) }
    case (.optional(let a?), .optional(let b?)): try same(a, b)
    case (.optional(nil), .optional(nil)): break
    default: Issue.record("\(produced.summary) instead of \(expected.summary)")
    }
  }
}
