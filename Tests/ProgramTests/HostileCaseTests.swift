import Foundation
import Testing

/// What a stranger may put into a model file, case by case, given to the program where only 512 MiB of memory and 5
/// seconds of a processor are to be had: each ends by itself with an error that names what is wrong.
@Suite struct HostileCaseTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var what: String
    var bytes: [UInt8]
    /// A part of the message.
    var says: String
    var testDescription: String { what }
  }

  /// A node `type` of operands `a`, `b`, …, which are fields of initialisers, to the output `y`.
  private static func single(
    _ type: String, _ constants: [[UInt8]], _ attributes: [UInt8] = [], outputs: [String] = ["y"]
  ) -> [UInt8] {
    let names = ["a", "b", "c", "d"].prefix(constants.count).map(\.self)
    return Wire.model(Wire.node(type, names, outputs, attributes) + constants.flatMap(\.self) + Wire.output("y"))
  }

  private func check(_ hostile: Case) throws {
    let folder = try Folder()
    expectError(
      try HostileFileTests.attempt(at: folder.write(hostile.bytes, "hostile.onnx")), 2,
      says: hostile.says)
  }

  // ── The wire ──────────────────────────────────────────────────────────────
  static let wire: [Case] = [
    Case(what: "a number that is cut", bytes: [0x08, 0x80], says: "ends inside a number"),
    Case(
      what: "a number of eleven bytes", bytes: [0x08] + [UInt8](repeating: 0x80, count: 10) + [1],
      says: "longer than ten bytes"),
    Case(what: "a length past the end", bytes: [0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07], says: "past the end"),
    Case(what: "a length of 2^63", bytes: [0x3A] + [UInt8](repeating: 0xFF, count: 9) + [1], says: "past the end"),
    Case(what: "30000 messages in each other", bytes: Wire.model(nested(30_000)), says: "nested more than 64 deep"),
    Case(what: "200 graphs in each other", bytes: Wire.model(graphs(200)), says: "nested more than 64 deep"),
  ]

  private static func nested(_ depth: Int) -> [UInt8] {
    // A sequence of sequences of …, as a type says it. The heads are found from the inside: each holds a length.
    var lengths = [0]
    for _ in 1..<depth {
      lengths.append(lengths[lengths.count - 1] + 1 + Wire.varint(lengths[lengths.count - 1]).count)
    }
    let type = lengths.enumerated().reversed().flatMap { [$0 % 2 == 0 ? 0x0A : 0x22 as UInt8] + Wire.varint($1) }
    return Wire.field(11, Wire.field(1, "x") + Wire.field(2, type))
  }
  private static func graphs(_ depth: Int) -> [UInt8] {
    var inner: [UInt8] = Wire.node("Neg", ["x"], ["y"]) + Wire.output("y")
    for _ in 0..<depth {
      inner = Wire.node("If", ["k"], ["y"], Wire.graph("then_branch", inner)) + Wire.output("y")
    }
    return Wire.input("x", nil) + Wire.input("k", [], Wire.bool) + inner
  }

  @Test(arguments: wire) func damagedWire(_ hostile: Case) throws { try check(hostile) }

  // ── Graphs ────────────────────────────────────────────────────────────────
  private static let x = Wire.input("x", [1, 1, 4, 4])
  static let graphs: [Case] = [
    Case(
      what: "a cycle", bytes: Wire.model(x + Wire.node("Add", ["x", "b"], ["a"]) + Wire.node("Neg", ["a"], ["b"])),
      says: "'b'"),
    Case(
      what: "a node that reads itself", bytes: Wire.model(x + Wire.node("Add", ["x", "a"], ["a"])), says: "'a'"),
    Case(
      what: "a name made twice", bytes: Wire.model(x + Wire.node("Neg", ["x"], ["a"]) + Wire.node("Abs", ["x"], ["a"])),
      says: "'a'"),
    Case(
      what: "a name used before it is made",
      bytes: Wire.model(x + Wire.node("Neg", ["later"], ["a"]) + Wire.node("Abs", ["x"], ["later"])), says: "'later'"),
    Case(what: "no operands", bytes: Wire.model(x + Wire.node("Conv", [], ["y"]) + Wire.output("y")), says: "Conv"),
    Case(what: "no results", bytes: Wire.model(x + Wire.node("Erf", ["x"], []) + Wire.output("x")), says: "Erf"),
    Case(
      what: "strides that are a text",
      bytes: single(
        "MaxPool", [Wire.floats("a", [1, 1, 4, 4])], Wire.ints("kernel_shape", [2, 2]) + Wire.text("strides", "2")),
      says: "strides"),
    Case(
      what: "an axis that is a list", bytes: single("Softmax", [Wire.floats("a", [4])], Wire.ints("axis", [0])),
      says: "axis"),
    Case(
      what: "an axis equal to the rank", bytes: single("Softmax", [Wire.floats("a", [4, 4])], Wire.int("axis", 2)),
      says: "axis"),
    Case(
      what: "an axis below the least", bytes: single("Concat", [Wire.floats("a", [4])], Wire.int("axis", .min)),
      says: "axis"),
  ]
  @Test(arguments: graphs) func senselessGraphs(_ hostile: Case) throws { try check(hostile) }

  // ── Tensors ───────────────────────────────────────────────────────────────
  private static func constant(_ shape: [Int], bytes count: Int) -> [UInt8] {
    Wire.model(
      Wire.tensor("w", Wire.float, shape, [UInt8](repeating: 0, count: count)) + Wire.node("Neg", ["w"], ["y"])
        + Wire.output("y"))
  }
  static let tensors: [Case] = [
    Case(what: "a product that overflows", bytes: constant([1 << 40, 1 << 40], bytes: 16), says: "'w'"),
    Case(what: "2^62 elements, and a 0", bytes: constant([1 << 62, 4, 0], bytes: 0), says: "elements"),
    Case(what: "a negative size", bytes: constant([-4], bytes: 16), says: "'w'"),
    Case(what: "fewer bytes than its shape", bytes: constant([5], bytes: 16), says: "'w'"),
    Case(what: "more bytes than its shape", bytes: constant([3], bytes: 16), says: "'w'"),
  ]
  @Test(arguments: tensors) func lyingTensors(_ hostile: Case) throws { try check(hostile) }

  // ── Bombs ─────────────────────────────────────────────────────────────────
  private static let huge = Wire.integers("b", [1 << 20, 1 << 20])
  private static let one = Wire.floats("a", [1, 1])
  static let bombs: [Case] = [
    Case(what: "Expand", bytes: single("Expand", [one, huge]), says: "elements"),
    Case(what: "Tile", bytes: single("Tile", [one, huge]), says: "elements"),
    Case(
      what: "ConstantOfShape", bytes: single("ConstantOfShape", [Wire.integers("a", [1 << 20, 1 << 20])]),
      says: "elements"),
    Case(
      what: "Range",
      bytes: single(
        "Range", [Wire.integers("a", [0], []), Wire.integers("b", [.max], []), Wire.integers("c", [1], [])]),
      says: "Range"),
    Case(
      what: "OneHot",
      bytes: single("OneHot", [Wire.integers("a", [0]), Wire.integers("b", [1 << 40]), Wire.integers("c", [0, 1])]),
      says: "elements"),
    Case(
      what: "Pad", bytes: single("Pad", [one, Wire.integers("b", [1 << 20, 1 << 20, 1 << 20, 1 << 20])]),
      says: "elements"),
    Case(
      what: "Resize",
      bytes: Wire.model(
        Wire.floats("a", [1, 1, 1, 1]) + Wire.integers("b", [1, 1, 1 << 20, 1 << 20])
          + Wire.node("Resize", ["a", "", "", "b"], ["y"]) + Wire.output("y")), says: "elements"),
  ]
  @Test(arguments: bombs) func unfoldingBombs(_ hostile: Case) throws { try check(hostile) }

  // ── Operands ──────────────────────────────────────────────────────────────
  private static let picture = Wire.floats("a", [1, 2, 4, 4])
  private static let kernel = Wire.floats("b", [2, 2, 3, 3])
  static let operands: [Case] =
    [
      Case(
        what: "Gather past the end", bytes: single("Gather", [Wire.floats("a", [4]), Wire.integers("b", [4])]),
        says: "index"),
      Case(
        what: "GatherND at the least number",
        bytes: single("GatherND", [Wire.floats("a", [4]), Wire.integers("b", [.min], [1, 1])]), says: "index"),
      Case(
        what: "ScatterElements before the start",
        bytes: single(
          "ScatterElements", [Wire.floats("a", [4]), Wire.integers("b", [-5]), Wire.floats("c", [1])]),
        says: "index"),
      Case(
        what: "ScatterND past the end",
        bytes: single(
          "ScatterND", [Wire.floats("a", [4]), Wire.integers("b", [.max], [1, 1]), Wire.floats("c", [1])]),
        says: "index"),
      Case(
        what: "TopK of more than there are",
        bytes: single(
          "TopK", [Wire.floats("a", [4]), Wire.integers("b", [5])], outputs: ["y", "i"]), says: "TopK"),
      Case(
        what: "RoiAlign of a picture that is not there",
        bytes: single("RoiAlign", [picture, Wire.floats("b", [1, 4]), Wire.integers("c", [1])]), says: "RoiAlign"),
      Case(what: "no groups", bytes: single("Conv", [picture, kernel], Wire.int("group", 0)), says: "group"),
    ]
    + ["strides", "dilations"].flatMap { name -> [Case] in
      [("Conv", [picture, kernel], []), ("MaxPool", [picture], Wire.ints("kernel_shape", [2, 2]))].map {
        Case(what: "\($0) with \(name) of 0", bytes: single($0, $1, Wire.ints(name, [0, 0]) + $2), says: name)
      }
    }
  @Test(arguments: operands) func senselessOperands(_ hostile: Case) throws { try check(hostile) }

  /// Coordinates that are no numbers are a matter of the operator's definition, and so is a picture without pixels:
  /// they end, with a value or an error.
  @Test(arguments: [Float.nan, .infinity, -.infinity, 1e30]) func strangeNumbers(_ number: Float) throws {
    let picture = Wire.floats("a", [1, 1, 1, 1])
    for bytes in [
      Self.single("GridSample", [picture, Wire.floats("b", [1, 2, 2, 2], number)]),
      Self.single("RoiAlign", [picture, Wire.floats("b", [1, 4], number), Wire.integers("c", [0])]),
      Self.single("Cast", [Wire.floats("a", [4], number)], Wire.int("to", 7)),
      Self.single("Range", [Wire.floats("a", [], 0), Wire.floats("b", [], number), Wire.floats("c", [])]),
      Wire.model(
        picture + Wire.floats("s", [4], number) + Wire.node("Resize", ["a", "", "s"], ["y"]) + Wire.output("y")),
      Self.single("Conv", [Wire.floats("a", [1, 2, 0, 4]), Self.kernel], Wire.ints("pads", [1, 1, 1, 1])),
      Self.single("ReduceMax", [Wire.floats("a", [0, 4]), Wire.integers("b", [0])]),
      Self.single("Softmax", [Wire.floats("a", [0])]),
    ] {
      let folder = try Folder()
      let outcome = try HostileFileTests.attempt(at: folder.write(bytes, "hostile.onnx"))
      // A value, or an error.
      if outcome.status != 0 { expectError(outcome, 2, says: "node y") }
    }
  }

  // ── Loops ─────────────────────────────────────────────────────────────────
  /// A loop that doubles x, as often as the fields of its constants say.
  private func loop(_ trips: String, _ condition: String, _ constants: [UInt8]) -> [UInt8] {
    let body =
      Wire.input("i", [], Wire.int64) + Wire.input("k", [], Wire.bool) + Wire.input("v", [1])
      + Wire.node("Identity", ["k"], ["again"]) + Wire.node("Add", ["v", "v"], ["twice"])
      + Wire.output("again", [], Wire.bool) + Wire.output("twice", [1])
    return Wire.model(
      Wire.input("x", [1]) + constants + Wire.node("Loop", [trips, condition, "x"], ["y"], Wire.graph("body", body))
        + Wire.output("y"))
  }

  @Test func loopsOf2To63TripsAndWithoutEnd() throws {
    let folder = try Folder()
    for bytes in [
      loop("t", "", Wire.integers("t", [.max], [])), loop("", "c", Wire.tensor("c", Wire.bool, [], [1])),
      loop("", "", []),
    ] {
      let path = try folder.write(bytes, "hostile.onnx")
      expectError(try HostileFileTests.attempt(at: path), 2, says: "loops take more than", "the limit 'iterations'")
      let soon = try HostileFileTests.attempt(at: path, ["--limit", "seconds=0.1", "--limit", "iterations=1e15"])
      expectError(soon, 2, says: "seconds", "the limit 'seconds'")
    }
  }

  // ── Files ─────────────────────────────────────────────────────────────────
  /// What waits, never ends or is no file at all, in place of a model.
  @Test func whatIsNoFile() throws {
    let folder = try Folder()
    let made = unsafe mkfifo(folder("pipe"), 0o600)
    #expect(made == 0)
    try FileManager.default.createSymbolicLink(atPath: folder("self"), withDestinationPath: "self")
    for path in [folder("pipe"), "/dev/zero", folder.path, folder("self"), folder("none")] {
      expectError(try HostileFileTests.attempt(at: path), 2, says: path)
    }
  }

  // ── External data ─────────────────────────────────────────────────────────
  @Test func externalDataThatIsNotTheModels() throws {
    let outer = try Folder()
    let data = [UInt8](repeating: 0, count: 64)
    try outer.write(data, "secret.bin")
    try outer.write(data, "model/w.bin")
    let inner = outer("model")
    for (link, target) in [
      ("link.bin", "../secret.bin"), ("up", ".."), ("zero", "/dev/zero"), ("self", "self"),
      ("model.bin", "hostile.onnx"),
    ] {
      try FileManager.default.createSymbolicLink(atPath: "\(inner)/\(link)", withDestinationPath: target)
    }
    let made = unsafe mkfifo("\(inner)/pipe", 0o600)
    #expect(made == 0)
    func attempt(_ keys: KeyValuePairs<String, String>) throws -> Program.Outcome {
      let graph = Wire.external("w", [4], keys) + Wire.node("Neg", ["w"], ["y"]) + Wire.output("y")
      return try HostileFileTests.attempt(at: outer.write(Wire.model(graph), "model/hostile.onnx"))
    }
    #expect(try attempt(["location": "w.bin"]).status == 0)
    for location in [
      "../secret.bin", outer("secret.bin"), "./../secret.bin", "up/secret.bin", "link.bin", "zero", "self", "pipe",
      "/dev/zero", "/proc/self/environ", ".", "", "none.bin", "w.bin\u{0}.txt",
    ] {
      expectError(try attempt(["location": location]), 2, says: "hostile.onnx")
    }
    for (key, value) in [
      ("offset", "-4"), ("offset", "64"), ("offset", "9223372036854775807"), ("offset", "18446744073709551615"),
      ("length", "-16"), ("length", "9223372036854775807"), ("length", "8"), ("offset", "1e3"),
    ] {
      expectError(try attempt(["location": "w.bin", "\(key)": "\(value)"]), 2, says: "hostile.onnx")
    }
    expectError(
      try attempt(["location": "w.bin", "offset": "9223372036854775800", "length": "16"]), 2, says: "hostile.onnx")
  }
}
