import Foundation
import GraphIR
import ONNXFormat
import TensorCore
import Testing

/// Whatever bytes come, decoding ends with a model or an error.
@Suite struct HostileTests {
  private static let sample = ONNX.model(
    ONNX.graph(
      [
        ONNX.node("Constant", [], ["k"], ["value": .tensor(ONNX.ints("", [1, -1]))]),
        ONNX.node(
          "Conv", ["x", "w"], ["c"], name: "conv", ["pads": .ints([1, 1, 1, 1]), "auto_pad": .string("NOTSET")]),
        ONNX.node("Clip", ["c"], ["d"], ["min": .float(0), "max": .float(6)]),
        ONNX.node(
          "If", ["b"], ["y"],
          [
            "then_branch": .graph(ONNX.graph([ONNX.node("Reshape", ["d", "k"], ["t"])], outputs: [ONNX.value("t")])),
            "else_branch": .graph(ONNX.graph([ONNX.node("Softmax", ["d"], ["e"])], outputs: [ONNX.value("e")])),
          ]),
      ],
      inputs: [ONNX.value("x", ONNX.float, ["N", 1, 8, 8]), ONNX.value("b", ONNX.bool, [])],
      outputs: [ONNX.value("y")],
      constants: [ONNX.floats("w", (0..<288).map(Float.init), [32, 1, 3, 3])]),
    opset: 9)

  /// The code of the error that reading gives.
  private func code(_ bytes: [UInt8], _ limits: Limits = Limits()) -> LigatureError.Code? {
    do {
      _ = try Model(bytes: bytes, operators: OperatorSet([]), limits: limits)
      return nil
    } catch let error as LigatureError {
      return error.code
    } catch {
      Issue.record("an error of another type: \(error)")
      return nil
    }
  }

  @Test func sampleIsSound() throws {
    let model = try Model(plain: HostileTests.sample)
    #expect(model.graph.types.count >= 3)
    _ = try Model(plain: model.encoded())
  }

  @Test func emptyAndForeignBytes() {
    #expect(code([]) == .format)
    #expect(code(Array("%PDF-1.7 this is no model at all".utf8)) == .format)
    #expect(code([UInt8](repeating: 0, count: 100)) == .format)
    #expect(code([UInt8](repeating: 0xFF, count: 100)) == .format)
    #expect(code(Proto { $0.int(1, 8) }.bytes) == .format)  // no graph
  }

  @Test func everyTruncation() throws {
    for length in 0..<HostileTests.sample.count {
      let bytes = Array(HostileTests.sample[..<length])
      // What is cut at a field's end may still be a model, but never the whole one.
      if let model = try? Model(plain: bytes) { #expect(model.graph.nodeCount < 5) }
    }
  }

  @Test func bitFlips() {
    var generator = SplitMix64(2024)
    for _ in 0..<2000 {
      var bytes = HostileTests.sample
      for _ in 0...Int.random(in: 0..<3, using: &generator) {
        bytes[Int.random(in: bytes.indices, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      }
      // What still reads must also write.
      guard let model = try? Model(plain: bytes) else { continue }
      #expect(throws: Never.self) { try model.encoded() }
    }
  }

  @Test func deepNesting() {
    var graph = ONNX.graph([], outputs: [])
    for _ in 0..<200 {
      graph = ONNX.graph([ONNX.node("If", ["c"], ["y"], ["then_branch": .graph(graph)])], outputs: [])
    }
    #expect(code(ONNX.model(graph, opset: 13)) == .limit)
    var type = Proto()
    for _ in 0..<100_000 {
      let inner = type
      type = Proto { $0.tag(4, 2) }
      type.varint(UInt64(inner.bytes.count))
      if inner.bytes.count > 1 << 16 { break }
      type.bytes += inner.bytes
    }
    let input = Proto {
      $0.text(1, "x")
      $0.message(2, type)
    }
    #expect(code(ONNX.model(ONNX.graph([], inputs: [input], outputs: []), opset: 13)) != nil)
  }

  @Test func wrongWire() {
    let cases: [(String, Proto)] = [
      ("a group", Proto { $0.tag(1, 3) }),
      ("field number 0", Proto { $0.bytes = [0x02, 0x00] }),
      ("a number of eleven bytes", Proto { $0.bytes = [0x08] + [UInt8](repeating: 0x80, count: 10) + [0x01] }),
      ("a tag of six bytes", Proto { $0.bytes = [0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01] }),
      ("a length past the end", Proto { $0.bytes = [0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07] }),
      ("a length of 2^63", Proto { $0.bytes = [0x3A] + [UInt8](repeating: 0xFF, count: 9) + [0x01] }),
      ("a text where a message belongs", Proto { $0.text(7, "graph") }),
      ("a number where a message belongs", Proto { $0.int(7, 1) }),
      (
        "two graphs",
        Proto {
          $0.message(7, ONNX.graph([], outputs: []))
          $0.message(7, ONNX.graph([], outputs: []))
        }
      ),
      ("a name with a zero byte", Proto { $0.text(2, "a\u{0}b") }),
    ]
    for (what, proto) in cases {
      #expect(code(proto.bytes) == .format, "\(what)")
    }
  }

  @Test func unknownFieldsAreSkipped() throws {
    let bytes = ONNX.model(
      ONNX.graph([], inputs: [ONNX.value("x", ONNX.float, [1])], outputs: [ONNX.value("x")]), opset: 21
    ) {
      $0.text(500, "from the future")
      // The number that stands for raw data inside the reader.
      $0.data(536_870_000, [UInt8](repeating: 0xFF, count: 16))
    }
    #expect(try Model(plain: bytes).graph.inputs.count == 1)
    // In a tensor as well: it must not be taken for a place in the file.
    let forged = ONNX.tensor("w", ONNX.float, [1000]) { proto in
      proto.data(536_870_000, littleEndian(UInt64(0)) + littleEndian(UInt64(4000)))
    }
    let graph = ONNX.graph([], outputs: [ONNX.value("w")], constants: [forged])
    #expect(code(ONNX.model(graph, opset: 21)) == .format)
  }

  @Test func limits() {
    var limits = Limits()
    limits.nodes = 3
    #expect(code(HostileTests.sample, limits) == .limit)
    limits = Limits()
    limits.bytes = 4096
    #expect(code(HostileTests.sample, limits) == .limit)
    // Refusing memory at any point of the parse must be survived.
    for bytes in stride(from: 0, to: 40_000, by: 97) {
      limits.bytes = bytes
      _ = code(HostileTests.sample, limits)
    }
  }

  @Test func tensorsThatLie() {
    func tensor(_ tensor: Proto) -> LigatureError.Code? {
      code(ONNX.model(ONNX.graph([], outputs: [ONNX.value("w")], constants: [tensor]), opset: 21))
    }
    #expect(tensor(ONNX.floats("w", [1, 2, 3], [3])) == nil)
    #expect(tensor(ONNX.floats("w", [1, 2, 3], [4])) == .format)
    #expect(tensor(ONNX.floats("w", [1, 2, 3], [1])) == .format)
    #expect(tensor(ONNX.floats("w", [1, 2, 3], [-3])) == .shape)
    // Long ones stay in the file, and are checked elsewhere.
    let long = [Float](repeating: 1, count: 1000)
    #expect(tensor(ONNX.floats("w", long)) == nil)
    #expect(tensor(ONNX.floats("w", long, [999])) == .format)
    #expect(tensor(ONNX.floats("w", long, [1001])) == .format)
    #expect(tensor(ONNX.floats("w", [], [1 << 40, 1 << 40])) == .shape)
    #expect(tensor(ONNX.floats("w", [], [1 << 61])) == .shape)
    #expect(tensor(ONNX.tensor("w", ONNX.float, [1 << 36]) { _ in }) == .format)
    #expect(tensor(ONNX.tensor("w", 23, [1]) { $0.data(9, [0]) }) == .unsupported)
    #expect(tensor(ONNX.tensor("w", 0, [1]) { $0.data(9, [0]) }) == .unsupported)
    #expect(tensor(ONNX.tensor("w", 99, [1]) { $0.data(9, [0]) }) == .unsupported)
    #expect(tensor(ONNX.tensor("w", 8, [2]) { $0.text(6, "only one") }) == .format)
    #expect(tensor(ONNX.tensor("w", ONNX.float, [1]) { $0.message(3, Proto { $0.int(1, 0) }) }) == .unsupported)
  }

  @Test func callsWithoutEnd() {
    func function(_ name: String, calls: String) -> Proto {
      Proto { proto in
        proto.text(1, name)
        proto.text(4, "a")
        proto.text(5, "b")
        // Two calls each: exponential, if nothing stops it.
        proto.message(7, ONNX.node(calls, ["a"], ["m"], domain: "f"))
        proto.message(7, ONNX.node(calls, ["m"], ["b"], domain: "f"))
        proto.message(9, ONNX.operatorSet("", 21))
        proto.text(10, "f")
      }
    }
    func model(_ functions: [Proto]) -> [UInt8] {
      let graph = ONNX.graph(
        [ONNX.node("f0", ["x"], ["y"], domain: "f")], inputs: [ONNX.value("x", ONNX.float, [1])],
        outputs: [ONNX.value("y")])
      return ONNX.model(graph, opset: 21) { for function in functions { $0.message(25, function) } }
    }
    #expect(code(model([function("f0", calls: "f0")])) == .cycle)
    #expect(code(model([function("f0", calls: "f1"), function("f1", calls: "f0")])) == .cycle)
    var limits = Limits()
    limits.nodes = 10_000
    let chain = (0..<30).map { function("f\($0)", calls: "f\($0 + 1)") }
    #expect(code(model(chain), limits) == .limit)
  }
}
