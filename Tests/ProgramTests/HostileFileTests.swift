import Foundation
import GraphIR
import ONNXFormat
import Operators
import TensorCore
import Testing

/// The files that ask for most, given to the program where only 512 MiB of memory and 5 seconds are to be had: it ends
/// with an error that says what is too much, and is neither killed nor out of memory.
@Suite struct HostileFileTests {
  private func attempt(_ bytes: some Sequence<UInt8>, _ more: [String] = [], command: String = "run") throws
    -> Program.Outcome
  {
    let folder = try Folder()
    let path = try folder.write(bytes, "hostile.onnx")
    return try Program.run(
      [command, path, "--threads", "1"] + more, script: "ulimit -d 524288; exec \"$@\"", seconds: 5)
  }

  // ── Bytes ─────────────────────────────────────────────────────────────────
  private func varint(_ value: Int) -> [UInt8] {
    var rest = UInt64(value)
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
  /// A field that holds bytes.
  private func field(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(content.count) + content
  }
  /// A model of opset 21 with that graph.
  private func model(_ graph: [UInt8]) -> [UInt8] { [0x08, 8] + field(7, graph) + field(8, [0x10, 21]) }

  @Test func millionsOfMessages() throws {
    let pairs: [(what: String, graph: [UInt8])] = [
      ("nodes", [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x0A : 0 }),
      ("inputs", [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x5A : 0 }),
      ("initialisers", [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x2A : 0 }),
      // Each size of a byte becomes eight.
      ("sizes", field(5, field(1, [UInt8](repeating: 1, count: 40_000_000)))),
      // Names of a node: a pointer, a header and a string for two bytes.
      ("names", field(1, [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x0A : 0 })),
    ]
    for pair in pairs { expectError(try attempt(model(pair.graph)), 2, says: "hostile.onnx") }
    let outcome = try attempt(model(pairs[0].graph), ["--limit", "bytes=1MiB"])
    expectError(outcome, 2, says: "more than 1048576 bytes", "the limit 'bytes'")
  }

  @Test func sparseTensorsUnfold() throws {
    // Two elements in a shape of 32 Mi; many of them.
    let values = field(1, [2]) + [0x10, 1] + field(9, [0, 0, 0, 0, 0, 0, 0, 0]) + field(8, Array("s".utf8))
    let indices =
      field(1, [2]) + [0x10, 7] + field(9, [UInt8](repeating: 0, count: 8) + [1] + [UInt8](repeating: 0, count: 7))
    let sparse = field(1, values) + field(2, indices) + field(3, varint(1 << 25))
    var graph: [UInt8] = []
    for number in 0..<50 {
      let name = field(8, Array("s\(number)".utf8))
      graph += field(15, field(1, values + name) + field(2, indices) + field(3, varint(1 << 25)))
    }
    expectError(try attempt(model(graph)), 2, says: "when written out")
    expectError(
      try attempt(model(field(15, sparse)), ["--limit", "elements=1000"]), 2, says: "more than 1000 elements")
  }

  // ── Graphs ────────────────────────────────────────────────────────────────
  /// A node that nothing has checked.
  private func append(
    _ graph: inout Graph, _ type: String, _ inputs: [ValueID], _ name: String, _ attributes: [String: Attribute] = [:]
  ) throws -> ValueID {
    var list = Attributes()
    for (name, value) in attributes { list[name] = value }
    let op = Opaque(name: OperatorName(type), attributes: list, declaredTypes: [])
    return try #require(try graph.append(op, inputs, name: name, outputs: [name]).first ?? nil)
  }

  /// Thousands of constants of 15 MiB, each of a few bytes.
  @Test func manySmallBombs() throws {
    var graph = Graph(name: "bombs")
    let x = try graph.addInput("x", TensorType(.float32, [1]))
    let size = try graph.addConstant("size", Tensor([Int64(15 << 18)], [1]))
    var sum = x
    for number in 0..<200 {
      let filled = try append(&graph, "ConstantOfShape", [size], "filled\(number)")
      let noise = try append(&graph, "Add", [filled, x], "noise\(number)")
      let least = try append(&graph, "ReduceMin", [noise], "least\(number)", ["keepdims": .int(0)])
      sum = try append(&graph, "Add", [sum, least], "sum\(number)")
    }
    try graph.addOutput(sum)
    // Nothing is wrong with it: 200 times 15 MiB, one after the other.
    let outcome = try attempt(Model(graph: graph).encoded())
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  @Test(arguments: ["Expand", "Tile", "ConstantOfShape"]) func oneBomb(_ type: String) throws {
    var graph = Graph(name: "bomb")
    let one = try graph.addConstant("one", Tensor([1 as Float], [1, 1]))
    let size = try graph.addConstant("size", Tensor([1 << 20, 1 << 20] as [Int64], [2]))
    try graph.addOutput(append(&graph, type, type == "ConstantOfShape" ? [size] : [one, size], "y"))
    expectError(try attempt(Model(graph: graph).encoded()), 2, says: "elements", "limit")
  }

  @Test func workWithoutEnd() throws {
    var graph = Graph(name: "work")
    let x = try graph.addInput("x", TensorType(.float32, [1024, 1024]))
    var last = x
    for number in 0..<2000 { last = try append(&graph, "MatMul", [last, x], "y\(number)") }
    try graph.addOutput(last)
    let outcome = try attempt(Model(graph: graph).encoded(), ["--limit", "seconds=1"])
    expectError(outcome, 2, says: "more than 1.0 seconds", "the limit 'seconds'")
  }

  @Test(arguments: [20, 200]) func graphsInGraphs(_ depth: Int) throws {
    var inner = Graph(name: "inner")
    let start = try inner.addConstant("start", Tensor(scalar: Float(1)))
    try inner.addOutput(start)
    for level in 0..<depth {
      var outer = Graph(name: "level")
      let condition = try outer.addConstant("c\(level)", Tensor(scalar: true))
      let attributes: [String: Attribute] = ["then_branch": .graph(inner), "else_branch": .graph(inner)]
      // Twice the same graph each time would be 2^20 graphs.
      let chosen = try append(
        &outer, "If", [condition], "y\(level)", level == 0 ? attributes : ["then_branch": .graph(inner)])
      try outer.addOutput(chosen)
      inner = outer
    }
    expectError(try attempt(Model(graph: inner).encoded(), command: "run"), 2, says: "hostile.onnx")
  }
}
