import Foundation
import GraphIR
import ONNXFormat
import Operators
import TensorCore
import Testing

/// The files that ask for most, given to the program where only 512 MiB of memory and 5 seconds are to be had: it ends
/// with an error that says what is too much, and is neither killed nor out of memory.
@Suite struct HostileFileTests {
  /// - Parameter path: of the model.
  static func attempt(at path: String, _ more: [String] = []) throws -> Program.Outcome {
    // Seconds of a processor: how many others there are on this machine is not the file's doing.
    try Program.run(["run", path, "--threads", "1"] + more, script: "ulimit -d 524288; ulimit -t 5; exec \"$@\"")
  }

  private func attempt(_ bytes: some Sequence<UInt8>, _ more: [String] = []) throws -> Program.Outcome {
    let folder = try Folder()
    return try Self.attempt(at: folder.write(bytes, "hostile.onnx"), more)
  }

  @Test func millionsOfMessages() throws {
    let pairs: [(what: String, graph: [UInt8])] = [
      ("nodes", [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x0A : 0 }),
      ("inputs", [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x5A : 0 }),
      ("initialisers", [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x2A : 0 }),
      // Each size of a byte becomes eight.
      ("sizes", Wire.field(5, Wire.field(1, [UInt8](repeating: 1, count: 40_000_000)))),
      // Names of a node: a pointer, a header and a string for two bytes.
      (
        "names",
        Wire.field(1, [UInt8](repeating: 0, count: 20_000_000).enumerated().map { $0.offset % 2 == 0 ? 0x0A : 0 })
      ),
    ]
    for pair in pairs { expectError(try attempt(Wire.model(pair.graph)), 2, says: "hostile.onnx") }
    let outcome = try attempt(Wire.model(pairs[0].graph), ["--limit", "bytes=1MiB"])
    expectError(outcome, 2, says: "more than 1048576 bytes", "the limit 'bytes'")
  }

  @Test func sparseTensorsUnfold() throws {
    // Two elements in a shape of 32 Mi; many of them.
    let values =
      Wire.field(1, [2]) + [0x10, 1] + Wire.field(9, [0, 0, 0, 0, 0, 0, 0, 0]) + Wire.field(8, Array("s".utf8))
    let indices =
      Wire.field(1, [2]) + [0x10, 7]
      + Wire.field(9, [UInt8](repeating: 0, count: 8) + [1] + [UInt8](repeating: 0, count: 7))
    let sparse = Wire.field(1, values) + Wire.field(2, indices) + Wire.field(3, Wire.varint(1 << 25))
    var graph: [UInt8] = []
    for number in 0..<50 {
      let name = Wire.field(8, Array("s\(number)".utf8))
      graph += Wire.field(
        15, Wire.field(1, values + name) + Wire.field(2, indices) + Wire.field(3, Wire.varint(1 << 25)))
    }
    expectError(try attempt(Wire.model(graph)), 2, says: "when written out")
    expectError(
      try attempt(Wire.model(Wire.field(15, sparse)), ["--limit", "elements=1000"]), 2, says: "more than 1000 elements")
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
    expectError(try attempt(Model(graph: inner).encoded()), 2, says: "hostile.onnx")
  }
}
