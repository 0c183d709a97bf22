import Foundation
import GraphIR
import ONNXFormat
import Operators
import TensorCore
import Testing

/// What a file says comes in, and goes out again.
@Suite struct ModelTests {
  private func error(_ bytes: [UInt8]) -> LigatureError? {
    do {
      _ = try Model(plain: bytes)
      return nil
    } catch {
      return error as? LigatureError
    }
  }

  private func again(_ model: Model) throws -> Model { try Model(plain: model.encoded()) }

  // ── Whole files ───────────────────────────────────────────────────────────
  @Test func everythingAboutTheFileIsKept() throws {
    let graph = ONNX.graph(
      [ONNX.node("Relu", ["x"], ["y"], name: "relu")], inputs: [ONNX.value("x", ONNX.float, ["N", 3])],
      outputs: [ONNX.value("y")], name: "main"
    ) {
      $0.text(10, "what the graph does")
      $0.message(
        16,
        Proto {
          $0.text(1, "graph key")
          $0.text(2, "graph value")
        })
      $0.message(
        14,
        Proto {
          $0.text(1, "y")
          $0.message(
            2,
            Proto {
              $0.text(1, "SCALE_TENSOR")
              $0.text(2, "x")
            })
        })
    }
    let bytes = ONNX.model(graph, opset: 15) {
      $0.text(2, "someone")
      $0.text(3, "1.2")
      $0.text(4, "example.org")
      $0.int(5, 42)
      $0.text(6, "documentation")
      $0.message(8, ONNX.operatorSet("com.example", 3))
      for (key, value) in [("z", "last"), ("a", "first"), ("character", "甲\n乙")] {
        $0.message(
          14,
          Proto {
            $0.text(1, key)
            $0.text(2, value)
          })
      }
    }
    let first = try Model(plain: bytes)
    for model in [first, try again(first)] {
      #expect(model.producerName == "someone" && model.producerVersion == "1.2" && model.domain == "example.org")
      #expect(model.modelVersion == 42 && model.documentation == "documentation")
      #expect(model.graph.name == "main" && model.graphDocumentation == "what the graph does")
      #expect(model.metadata == ["z": "last", "a": "first", "character": "甲\n乙"])
      #expect(model.graphMetadata == ["graph key": "graph value"])
      #expect(model.operatorSets == ["com.example": 3])
      #expect(model.graph.allNodes.map(\.name) == ["relu"])
      #expect(model.graph.inputs.map { model.graph[$0].type } == [TensorType(.float32, ["N", 3])])
    }
    let encoded = try first.encoded()
    #expect(try again(first).encoded() == encoded, "the encoding of what was decoded is the same bytes")
    #expect(Data(encoded).range(of: Data("SCALE_TENSOR".utf8)) != nil)
  }

  @Test func metadataKeysMustDiffer() {
    let bytes = ONNX.model(ONNX.graph([], outputs: []), opset: 21) {
      for value in ["1", "2"] {
        $0.message(
          14,
          Proto {
            $0.text(1, "key")
            $0.text(2, value)
          })
      }
    }
    #expect(error(bytes)?.code == .format)
  }

  @Test func emptyGraph() throws {
    let model = try Model(plain: ONNX.model(ONNX.graph([], outputs: []), opset: 21))
    #expect(model.graph.nodeCount == 0)
    #expect(try again(model).graph.nodeCount == 0)
  }

  @Test func namesMustBeDefinedOnceAndBefore() {
    func graph(_ nodes: [Proto], inputs: [Proto] = [ONNX.value("x", ONNX.float, [1])], outputs: [String] = ["y"])
      -> LigatureError?
    {
      error(ONNX.model(ONNX.graph(nodes, inputs: inputs, outputs: outputs.map { ONNX.value($0) }), opset: 21))
    }
    let relu = ONNX.node("Relu", ["x"], ["y"], name: "first")
    #expect(graph([relu]) == nil)
    #expect(graph([relu, relu])?.code == .format)
    #expect(graph([ONNX.node("Relu", ["x"], ["x"])])?.code == .format)
    #expect(
      graph([relu], inputs: [ONNX.value("x", ONNX.float, [1]), ONNX.value("x", ONNX.float, [1])])?.code == .format)
    #expect(graph([relu], outputs: ["nowhere"])?.code == .cycle)
    #expect(graph([relu], outputs: ["y", "y"])?.code == .format)
    let cycle = graph(
      [ONNX.node("Add", ["x", "b"], ["a"], name: "first"), ONNX.node("Relu", ["a"], ["b"])], outputs: ["b"])
    #expect(cycle?.code == .cycle)
    #expect(cycle?.node?.contains("first") == true)
    #expect(graph([ONNX.node("", ["x"], ["y"])])?.code == .format)
    #expect(graph([relu], inputs: [Proto { $0.text(1, "x") }])?.code == .format)
  }

  @Test func optionalInputsAndOutputs() throws {
    let node = ONNX.node("Strange", ["x", "", "x", ""], ["", "y"], domain: "com.example")
    let model = try Model(plain: ONNX.single(node, opset: 21))
    for graph in [model.graph, try again(model).graph] {
      let node = try #require(graph.node("Strange"))
      #expect(graph.names(node.inputs) == ["x", nil, "x"])
      #expect(graph.names(node.outputs) == [nil, "y"])
    }
  }

  /// A "?" is no symbol, nor is a "None": it may stand for two different sizes.
  @Test func unknownSizesGetNamesOfTheirOwn() throws {
    let bytes = ONNX.model(
      ONNX.graph([], inputs: [ONNX.value("x", ONNX.float, [-1, "?", "H", "None"])], outputs: [ONNX.value("x")]),
      opset: 21)
    let graph = try Model(plain: bytes).graph
    #expect(graph[graph.inputs[0]].type.shape == ["x.0", "x.1", "H", "x.3"])
  }

  /// Two sizes that follow from values are spelt alike, but to a reader of the file equal names are equal sizes.
  @Test func sizesThatFollowFromValuesAreWrittenWithoutName() throws {
    var graph = Graph(name: "g")
    let x = try graph.addInput("x", TensorType(.float32, [.unknown("found"), .unknown("found") + 1, "H"]))
    try graph.addOutput(x)
    let read = try again(Model(graph: graph)).graph
    #expect(read[read.inputs[0]].type.shape == ["x.0", "x.1", "H"])
  }

  /// Initialisers that are also inputs, as files before IR version 4 have them, are constants.
  @Test func initialisersAreNoInputs() throws {
    let bytes = ONNX.model(
      ONNX.graph(
        [ONNX.node("Add", ["x", "w"], ["y"])],
        inputs: [ONNX.value("x", ONNX.float, [2]), ONNX.value("w", ONNX.float, [2])], outputs: [ONNX.value("y")],
        constants: [ONNX.floats("w", [1, 2])]), opset: 8)
    let graph = try Model(plain: bytes).graph
    #expect(graph.inputs.map { graph[$0].name } == ["x"])
    #expect(try graph.floats(graph.allNodes[0], 1) == [1, 2])
  }

  @Test func outputsThatAreNoResults() throws {
    let bytes = ONNX.model(
      ONNX.graph(
        [], inputs: [ONNX.value("x", ONNX.float, [2])], outputs: [ONNX.value("x"), ONNX.value("w")],
        constants: [ONNX.floats("w", [1, 2])]), opset: 21)
    let model = try again(try Model(plain: bytes))
    #expect(model.graph.outputNames == ["x", "w"])
    // A pass may put another value behind an output's name: the file gets a copy under that name.
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, [2]))
    try graph.addOutput(x, name: "y")
    try graph.addOutput(x, name: "z")
    let written = try again(Model(graph: graph)).graph
    #expect(written.outputNames == ["y", "z"])
    #expect(written.types == ["Identity", "Identity"])
  }

  // ── Nodes ─────────────────────────────────────────────────────────────────
  @Test func constantsOfAllKinds() throws {
    let sparse = Proto {
      $0.text(1, "sparse_value")
      $0.int(20, 11)
      $0.message(
        22,
        Proto {
          $0.message(1, ONNX.floats("", [5, 7]))
          $0.message(2, ONNX.ints("", [0, 1, 1, 2], [2, 2]))
          $0.int(3, 2)
          $0.int(3, 3)
        })
    }
    var sparseNode = ONNX.node("Constant", [], ["s"])
    sparseNode.message(5, sparse)
    let nodes = [
      ONNX.node("Constant", [], ["a"], ["value": .tensor(ONNX.ints("", [1, 2]))]),
      ONNX.node("Constant", [], ["b"], ["value_float": .float(1.5)]),
      ONNX.node("Constant", [], ["c"], ["value_int": .int(-3)]),
      ONNX.node("Constant", [], ["d"], ["value_ints": .ints([4, 5])]),
      ONNX.node("Constant", [], ["e"], ["value_floats": .floats([6, 7])]),
      ONNX.node("Constant", [], ["f"], ["value_string": .string("text")]),
      sparseNode,
      ONNX.node("Take", ["a", "b", "c", "d", "e", "f", "s"], ["y"], domain: "com.example"),
    ]
    let graph = try Model(plain: ONNX.model(ONNX.graph(nodes, outputs: [ONNX.value("y")]), opset: 21)).graph
    let take = try #require(graph.allNodes.first)
    #expect(graph.nodeCount == 1)
    #expect(try graph.integers(take, 0) == [1, 2])
    #expect(try graph.floats(take, 1) == [1.5])
    #expect(try graph.integers(take, 2) == [-3])
    #expect(try graph.integers(take, 3) == [4, 5])
    #expect(try graph.floats(take, 4) == [6, 7])
    #expect(try graph[#require(take.inputs[5])].tensor?.strings == ["text"])
    #expect(try graph.floats(take, 6) == [0, 5, 0, 0, 0, 7])
    for wrong in [ONNX.node("Constant", [], ["k"]), ONNX.node("Constant", [], [], ["value_int": .int(1)])] {
      #expect(error(ONNX.model(ONNX.graph([wrong], outputs: []), opset: 21)) != nil)
    }
  }

  @Test func sparseInitialisersAreWrittenOut() throws {
    func model(_ indices: [Int], _ shape: [Int]) -> [UInt8] {
      let graph = ONNX.graph([], outputs: [ONNX.value("w")]) {
        $0.message(
          15,
          Proto { proto in
            proto.message(1, ONNX.floats("w", [5, 7]))
            proto.message(2, ONNX.ints("", indices))
            for size in shape { proto.int(3, size) }
          })
      }
      return ONNX.model(graph, opset: 21)
    }
    let graph = try Model(plain: model([1, 5], [2, 3])).graph
    #expect(try graph[graph.outputs[0]].tensor?.floats() == [0, 5, 0, 0, 0, 7])
    #expect(error(model([1, 6], [2, 3]))?.code == .format)
    #expect(error(model([-1, 2], [2, 3]))?.code == .format)
    #expect(error(model([1], [2, 3]))?.code == .format)
    #expect(error(model([1, 5], [1 << 20, 1 << 20]))?.code == .limit)
  }

  /// Attributes of every kind, binary strings and kinds that the graph does not model among them.
  @Test func opaqueNodesKeepTheirAttributes() throws {
    var node = ONNX.node(
      "Strange", ["x"], ["y"], name: "strange", domain: "com.example",
      [
        "i": .int(.min), "f": .float(-0.5), "s": .string("text"), "is": .ints([1, -2]), "fs": .floats([]),
        "t": .tensor(ONNX.floats("inner", [1, 2], [1, 2])),
      ])
    node.message(
      5,
      Proto {
        $0.text(1, "blob")
        $0.data(4, [0xFF, 0x00, 0xC0])
        $0.int(20, 3)
      })
    node.message(
      5,
      Proto {
        $0.text(1, "type")
        $0.message(
          14, Proto { $0.message(4, Proto { $0.message(1, Proto { $0.message(1, Proto { $0.int(1, 1) }) }) }) })
        $0.int(20, 13)
      })
    let model = try Model(plain: ONNX.single(node, opset: 21))
    for graph in [model.graph, try again(model).graph] {
      let attributes = try #require(graph.node("Strange")).op.attributes
      #expect(attributes.sortedNames == ["blob", "f", "fs", "i", "is", "s", "t", "type"])
      #expect(try attributes.int("i") == .min)
      #expect(try attributes.optionalFloats("fs") == [])
      #expect(try attributes.optionalTensor("t")?.shape == [1, 2])
      guard case .opaque(kind: 3, let blob)? = attributes["blob"], case .opaque(kind: 13, _)? = attributes["type"]
      else {
        Issue.record("the blob and the type should be kept as bytes")
        continue
      }
      #expect(Data(blob).range(of: Data([0xFF, 0x00, 0xC0])) != nil)
    }
  }

  @Test func attributeTwiceOrOfUnknownKind() {
    let twice = ONNX.node("Relu", ["x"], ["y"], ["a": .int(1), "a": .int(2)])
    #expect(error(ONNX.single(twice, opset: 21))?.code == .attribute)
    var unknown = ONNX.node("Relu", ["x"], ["y"])
    unknown.message(
      5,
      Proto {
        $0.text(1, "a")
        $0.int(20, 77)
      })
    #expect(error(ONNX.single(unknown, opset: 21))?.code == .attribute)
    let reference = ONNX.node("Relu", ["x"], ["y"], ["a": .reference("b", kind: 2)])
    #expect(error(ONNX.single(reference, opset: 21))?.code == .attribute)
  }

  /// Types of unknown results are those that the file declares.
  @Test func declaredTypesOfOpaqueNodes() throws {
    let graph = ONNX.graph(
      [ONNX.node("A", ["x"], ["h"], domain: "d"), ONNX.node("B", ["h"], ["y"], domain: "d")],
      inputs: [ONNX.value("x", ONNX.float, [1])], outputs: [ONNX.value("y", ONNX.int64, ["n", 2])]
    ) { $0.message(13, ONNX.value("h", ONNX.bool, [3])) }
    let model = try Model(plain: ONNX.model(graph, opset: 21))
    for graph in [model.graph, try again(model).graph] {
      let types = graph.allNodes.flatMap { $0.outputs.compactMap { $0.map { graph[$0].type } } }
      #expect(types == [TensorType(.bool, [3]), TensorType(.int64, ["n", 2])])
    }
  }

  /// Sequences have no place in the graph's types, but the file's declaration comes back.
  @Test func inputsOfOtherTypes() throws {
    let sequence = Proto {
      $0.text(1, "x")
      $0.message(2, Proto { $0.message(4, Proto { $0.message(1, Proto { $0.message(1, Proto { $0.int(1, 1) }) }) }) })
    }
    let graph = ONNX.graph(
      [ONNX.node("SequenceLength", ["x"], ["y"])], inputs: [sequence], outputs: [ONNX.value("y", 7, [])])
    let bytes = try Model(plain: ONNX.model(graph, opset: 21)).encoded()
    #expect(Data(bytes).range(of: Data(sequence.bytes)) != nil)
  }

  // ── Functions and sub-graphs ──────────────────────────────────────────────
  @Test func functionsAreExpanded() throws {
    let function = Proto {
      $0.text(1, "Scale")
      for name in ["a", "unused"] { $0.text(4, name) }
      $0.text(5, "b")
      $0.message(7, ONNX.node("Constant", [], ["k"], ["value_float": .reference("factor", kind: 1)]))
      $0.message(7, ONNX.node("Mul", ["a", "k"], ["b"], name: "mul"))
      $0.message(9, ONNX.operatorSet("", 13))
      $0.text(10, "f")
      $0.message(11, ONNX.attribute("factor", .float(2)))
    }
    let nodes = [
      ONNX.node("Scale", ["x"], ["h"], name: "one", domain: "f", ["factor": .float(3)]),
      ONNX.node("Scale", ["h"], ["y"], name: "two", domain: "f"),
    ]
    let graph = ONNX.graph(nodes, inputs: [ONNX.value("x", ONNX.float, [2])], outputs: [ONNX.value("y")])
    let model = try Model(plain: ONNX.model(graph, opset: 13) { $0.message(25, function) })
    #expect(model.graph.types == ["Mul", "Mul"])
    #expect(model.graph.allNodes.map(\.name) == ["one/mul", "two/mul"])
    #expect(try model.graph.allNodes.map { try model.graph.floats($0, 1) } == [[3], [2]])
    #expect(model.graph.names(model.graph.allNodes.map { $0.outputs[0] }) == ["h", "y"])
    #expect(try again(model).graph.types == ["Mul", "Mul"])
  }

  /// Where the reader knows the operator itself, the call stays, and so does the function for others to run.
  @Test func functionsOfKnownOperatorsAreKept() throws {
    let function = Proto {
      $0.text(1, "Known")
      $0.text(4, "a")
      $0.text(5, "b")
      $0.message(7, ONNX.node("Relu", ["a"], ["b"]))
      $0.message(9, ONNX.operatorSet("", 21))
      $0.text(10, "f")
    }
    let graph = ONNX.graph(
      [ONNX.node("Known", ["x"], ["y"], domain: "f")], inputs: [ONNX.value("x", ONNX.float, [2])],
      outputs: [ONNX.value("y")])
    let bytes = ONNX.model(graph, opset: 21) {
      $0.message(8, ONNX.operatorSet("f", 1))
      $0.message(25, function)
    }
    let model = try Model(bytes: bytes, operators: OperatorSet([KnownOperator.self]))
    #expect(model.graph.types == ["Known"])
    // Written with the function: a reader that does not know the operator expands it.
    #expect(try again(model).graph.types == ["Relu"])
  }

  @Test func trainingGraphsAreKeptAtTheSameOpset() throws {
    let step = ONNX.graph([ONNX.node("TrainingStep", ["x"], ["next"])], outputs: [ONNX.value("next")])
    func model(_ opset: Int) throws -> Model {
      let graph = ONNX.graph([], inputs: [ONNX.value("x", ONNX.float, [2])], outputs: [ONNX.value("x")])
      let bytes = ONNX.model(graph, opset: opset) {
        $0.message(
          20,
          Proto {
            $0.message(2, step)
            $0.message(
              4,
              Proto {
                $0.text(1, "w")
                $0.text(2, "next")
              })
          })
      }
      return try Model(plain: bytes)
    }
    let kept = try model(canonicalOpset)
    #expect(kept.notes.isEmpty)
    #expect(Data(try kept.encoded()).range(of: Data("TrainingStep".utf8)) != nil)
    let dropped = try model(17)
    #expect(dropped.notes.count == 1)
    #expect(Data(try dropped.encoded()).range(of: Data("TrainingStep".utf8)) == nil)
  }

  @Test func subgraphsAreClosedAndOpenedAgain() throws {
    let inner = ONNX.graph([ONNX.node("Mul", ["t", "h"], ["u"])], outputs: [ONNX.value("u")], name: "inner")
    let then = ONNX.graph(
      [
        ONNX.node("Add", ["x", "w"], ["t"]),
        ONNX.node("If", ["c"], ["v"], ["then_branch": .graph(inner), "else_branch": .graph(inner)]),
      ], outputs: [ONNX.value("v")], name: "then")
    let other = ONNX.graph([ONNX.node("Neg", ["x"], ["n"])], outputs: [ONNX.value("n")], name: "else")
    let graph = ONNX.graph(
      [
        ONNX.node("Relu", ["x"], ["h"]),
        ONNX.node("If", ["c"], ["y"], ["then_branch": .graph(then), "else_branch": .graph(other)]),
      ],
      inputs: [ONNX.value("x", ONNX.float, [2]), ONNX.value("c", ONNX.bool, [])], outputs: [ONNX.value("y")],
      constants: [ONNX.floats("w", [1, 2])])
    let model = try Model(plain: ONNX.model(graph, opset: 21))
    for model in [model, try again(model)] {
      let graph = model.graph
      let choice = try #require(graph.node("If"))
      #expect(graph.names(choice.captures) == ["x", "c", "h"])
      let then = try choice.op.attributes.graph("then_branch")
      #expect(then.inputs.map { then[$0].name } == ["x", "c", "h"])
      #expect(then.inputs.map { then[$0].type } == choice.captures.map { graph[$0].type })
      // The constant is shared, not captured.
      #expect(try then.floats(#require(then.node("Add")), 1) == [1, 2])
      let deep = try #require(then.node("If"))
      #expect(then.names(deep.captures) == ["t", "h"])
      // Both branches take the same captures, used or not.
      let other = try choice.op.attributes.graph("else_branch")
      #expect(other.inputs.map { other[$0].name } == ["x", "c", "h"])
    }
    // The weight is written once, where it was.
    let bytes = Data(try model.encoded())
    let weight = Data(floatBytes([1, 2]))
    let first = try #require(bytes.range(of: weight))
    #expect(bytes.range(of: weight, in: first.upperBound..<bytes.endIndex) == nil)
  }

  /// A weight that both branches read is one weight in the file as well.
  @Test func sharedConstantsAreWrittenOnce() throws {
    func branch(_ name: String) -> Proto {
      let deep = ONNX.graph([ONNX.node("Mul", ["x", "w"], [name + ".m"])], outputs: [ONNX.value(name + ".m")])
      let choice = ONNX.node("If", ["c"], [name], ["then_branch": .graph(deep), "else_branch": .graph(deep)])
      return ONNX.graph([choice], outputs: [ONNX.value(name)])
    }
    let weight: [Float] = (0..<100).map { Float($0) + 0.25 }
    let graph = ONNX.graph(
      [ONNX.node("If", ["c"], ["y"], ["then_branch": .graph(branch("t")), "else_branch": .graph(branch("e"))])],
      inputs: [ONNX.value("x", ONNX.float, [100]), ONNX.value("c", ONNX.bool, [])], outputs: [ONNX.value("y")],
      constants: [ONNX.floats("w", weight)])
    let model = try Model(plain: ONNX.model(graph, opset: 21))
    let bytes = Data(try model.encoded())
    let pattern = Data(floatBytes(weight))
    let first = try #require(bytes.range(of: pattern))
    #expect(bytes.range(of: pattern, in: first.upperBound..<bytes.endIndex) == nil)
    let read = try again(model).graph
    let then = try #require(read.node("If")).op.attributes.graph("then_branch")
    let deep = try #require(then.node("If")).op.attributes.graph("else_branch")
    #expect(try deep.floats(#require(deep.node("Mul")), 1) == weight)
  }

  @Test func subgraphsMustFindWhatTheyRead() {
    let branch = ONNX.graph([ONNX.node("Neg", ["later"], ["n"])], outputs: [ONNX.value("n")])
    let graph = ONNX.graph(
      [
        ONNX.node("If", ["c"], ["y"], name: "if", ["then_branch": .graph(branch), "else_branch": .graph(branch)]),
        ONNX.node("Relu", ["y"], ["later"]),
      ], inputs: [ONNX.value("c", ONNX.bool, [])], outputs: [ONNX.value("y")])
    let problem = error(ONNX.model(graph, opset: 21))
    #expect(problem?.code == .cycle)
    #expect(problem?.node?.contains("if") == true)
  }

  /// Names inside may not hide names outside; where a pass made them equal, the file gets others.
  @Test func namesInsideAreMadeUnique() throws {
    var body = Graph(name: "body")
    let input = try body.addInput("x", TensorType(.float32, [2]))
    let name = OperatorName("Neg")
    try body.addOutput(
      try body.append(Opaque(name: name, attributes: Attributes(), declaredTypes: []), [input], name: "h"))
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, [2]))
    let h = try graph.append(Opaque(name: name, attributes: Attributes(), declaredTypes: []), [x], name: "h")
    var attributes = Attributes()
    attributes["body"] = .graph(body)
    let call = Opaque(name: OperatorName("Call", domain: "d"), attributes: attributes, declaredTypes: [])
    let results = try graph.append(call, [], captures: [h], name: "call", outputs: ["y"])
    try graph.addOutput(try #require(results[0]))
    let read = try again(Model(graph: graph)).graph
    let node = try #require(read.node("Call"))
    #expect(read.names(node.captures) == ["h"])
    let inner = try node.op.attributes.graph("body")
    #expect(inner.names(inner.allNodes[0].inputs) == ["h"])
    #expect(inner.names(inner.allNodes[0].outputs) != ["h"])
  }
}

/// An operator that a reader knows by itself although the file defines it.
private struct KnownOperator: Operator {
  static let names = [OperatorName("Known", domain: "f")]
  let name: OperatorName
  var attributes: Attributes { Attributes() }
  init(name: OperatorName, attributes: Attributes) throws { self.name = name }
  func inferTypes(_ context: InferenceContext) throws -> [TensorType] { [try context.input(0)] }
}
