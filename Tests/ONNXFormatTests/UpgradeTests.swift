import GraphIR
import ONNXFormat
import TensorCore
import Testing

/// The rules that bring old operator sets to the canonical one. That they compute the same is checked in ONNX Runtime
/// (`RoundTripParityTests`); here, that the graph is as plain as it should be, and what is refused.
@Suite struct UpgradeTests {
  private func upgraded(_ node: Proto, opset: Int, shape: [Dimension]? = [2, 3], constants: [Proto] = []) throws
    -> Graph
  {
    try Model(plain: ONNX.single(node, opset: opset, shape: shape, constants: constants)).graph
  }

  private func refusal(_ bytes: [UInt8]) -> LigatureError? {
    do {
      _ = try Model(plain: bytes)
      return nil
    } catch {
      return error as? LigatureError
    }
  }

  @Test(arguments: [25, -1, 0, Int.max])
  func foreignVersionsAreRefused(version: Int) {
    let error = refusal(ONNX.single(ONNX.node("Relu", ["x"], ["y"]), opset: version))
    #expect(error?.code == .unsupported)
    #expect(
      error?.message.contains("opset \(canonicalOpset)") == true || error?.message.contains("convert_version") == true)
  }

  @Test(arguments: 7...24)
  func supportedVersionsAreRead(version: Int) throws {
    let model = try Model(plain: ONNX.single(ONNX.node("Relu", ["x"], ["y"]), opset: version))
    #expect(model.originalOpset == version)
    #expect(try Model(plain: model.encoded()).originalOpset == canonicalOpset)
  }

  @Test func newOperatorsAreRefusedByName() {
    for (type, version) in [("Attention", 23), ("RMSNormalization", 23), ("Swish", 24), ("TensorScatter", 24)] {
      let error = refusal(ONNX.single(ONNX.node(type, ["x"], ["y"], name: "here"), opset: version))
      #expect(error?.code == .unsupported)
      #expect(error?.node?.contains("here") == true)
    }
    let cast = ONNX.node("Cast", ["x"], ["y"], ["to": .int(1), "round_mode": .string("up")])
    #expect(refusal(ONNX.single(cast, opset: 24))?.code == .unsupported)
    #expect(refusal(ONNX.single(ONNX.node("Cast", ["x"], ["y"], ["to": .int(1)]), opset: 24)) == nil)
  }

  @Test func attributesBecomeInputs() throws {
    var graph = try upgraded(ONNX.node("Clip", ["x"], ["y"], ["max": .float(6)]), opset: 7)
    let clip = try #require(graph.node("Clip"))
    #expect(clip.op.attributes.isEmpty)
    #expect(clip.inputs.count == 3 && clip.inputs[1] == nil)
    #expect(try graph.floats(clip, 2) == [6])

    graph = try upgraded(ONNX.node("Squeeze", ["x"], ["y"], ["axes": .ints([0])]), opset: 12, shape: [1, 3])
    #expect(try graph.integers(#require(graph.node("Squeeze")), 1) == [0])

    graph = try upgraded(ONNX.node("ReduceMean", ["x"], ["y"], ["axes": .ints([-1]), "keepdims": .int(0)]), opset: 17)
    let mean = try #require(graph.node("ReduceMean"))
    #expect(try graph.integers(mean, 1) == [-1])
    #expect(mean.op.attributes.sortedNames == ["keepdims"])

    graph = try upgraded(
      ONNX.node("Slice", ["x"], ["y"], ["starts": .ints([1]), "ends": .ints([9]), "axes": .ints([1])]), opset: 9)
    let slice = try #require(graph.node("Slice"))
    #expect(try (1...3).map { try graph.integers(slice, $0) } == [[1], [9], [1]])

    graph = try upgraded(ONNX.node("Pad", ["x"], ["y"], ["pads": .ints([0, 1, 0, 1]), "value": .float(2)]), opset: 10)
    let pad = try #require(graph.node("Pad"))
    #expect(try graph.integers(pad, 1) == [0, 1, 0, 1])
    #expect(try graph.floats(pad, 2) == [2])

    graph = try upgraded(ONNX.node("TopK", ["x"], ["y", "i"], ["k": .int(2)]), opset: 9)
    #expect(try graph.integers(#require(graph.node("TopK")), 1) == [2])

    graph = try upgraded(ONNX.node("DFT", ["x"], ["y"]), opset: 17, shape: [2, 3, 1])
    #expect(try graph.integers(#require(graph.node("DFT")), 2) == [1])
  }

  @Test func clipBoundsTakeTheInputsType() throws {
    let half = ONNX.model(
      ONNX.graph(
        [ONNX.node("Clip", ["x"], ["y"], ["min": .float(0.5)])], inputs: [ONNX.value("x", 10, [4])],
        outputs: [ONNX.value("y", 10)]), opset: 7)
    let graph = try Model(plain: half).graph
    let clip = try #require(graph.node("Clip"))
    let bound = try #require(clip.inputs[1])
    #expect(graph[bound].type.element == .float16)
    #expect(try graph.floats(clip, 1) == [0.5])
  }

  @Test func splitSaysItsCount() throws {
    let halves = try upgraded(ONNX.node("Split", ["x"], ["y", "z"], ["axis": .int(1)]), opset: 11, shape: [2, 4])
    #expect(try halves.node("Split")?.op.attributes.int("num_outputs") == 2)
    let sized = try upgraded(
      ONNX.node("Split", ["x"], ["y", "z"], ["axis": .int(1), "split": .ints([1, 3])]), opset: 11, shape: [2, 4])
    let split = try #require(sized.node("Split"))
    #expect(split.op.attributes["num_outputs"] == nil)
    #expect(try sized.integers(split, 1) == [1, 3])
  }

  /// One node where the flattening does nothing, four where it matters or where the rank is not known.
  @Test func softmaxFlattensOnlyWhereItMust() throws {
    let softmax = ONNX.node("Softmax", ["x"], ["y"])
    let last = try upgraded(softmax, opset: 11, shape: [2, 3])
    #expect(last.types == ["Softmax"])
    #expect(try last.node("Softmax")?.op.attributes.int("axis") == -1)
    #expect(try upgraded(softmax, opset: 11, shape: [2, 3, 4]).types == ["Shape", "Flatten", "Softmax", "Reshape"])
    #expect(try upgraded(softmax, opset: 11, shape: nil).types == ["Shape", "Flatten", "Softmax", "Reshape"])
    let modern = try upgraded(softmax, opset: 13, shape: [2, 3, 4])
    #expect(modern.types == ["Softmax"] && modern.node("Softmax")?.op.attributes.isEmpty == true)
    let wrong = ONNX.node("Softmax", ["x"], ["y"], ["axis": .int(5)])
    #expect(refusal(ONNX.single(wrong, opset: 11))?.code == .attribute)
  }

  @Test func upsampleBecomesResize() throws {
    let scales: ONNX.Value = .floats([1, 1, 2, 2])
    let node = ONNX.node("Upsample", ["x"], ["y"], ["mode": .string("nearest"), "scales": scales])
    let graph = try upgraded(node, opset: 7, shape: [1, 1, 4, 4])
    let resize = try #require(graph.node("Resize"))
    #expect(graph.types == ["Resize"])
    #expect(resize.inputs.count == 3 && resize.inputs[1] == nil)
    #expect(try graph.floats(resize, 2) == [1, 1, 2, 2])
    #expect(try resize.op.attributes.optionalString("coordinate_transformation_mode") == "asymmetric")
    #expect(try resize.op.attributes.optionalString("nearest_mode") == "floor")
  }

  @Test func shrinkingAndEnlargingTakesTwoNodes() throws {
    let node = ONNX.node("Resize", ["x", "s"], ["y"])
    let graph = try upgraded(node, opset: 10, shape: [1, 1, 4, 4], constants: [ONNX.floats("s", [1, 1, 0.5, 2])])
    #expect(graph.types == ["Resize", "Resize"])
    let modes = try graph.allNodes.map { try $0.op.attributes.optionalString("nearest_mode") }
    #expect(modes == ["floor", "ceil"])
  }

  @Test func emptyListsOfResizeAreDropped() throws {
    let constants = [ONNX.floats("roi", []), ONNX.floats("scales", []), ONNX.ints("sizes", [1, 1, 8, 8])]
    let node = ONNX.node("Resize", ["x", "roi", "scales", "sizes"], ["y"])
    for opset in [11, 13, 19, 21] {
      let graph = try upgraded(node, opset: opset, shape: [1, 1, 4, 4], constants: constants)
      let resize = try #require(graph.node("Resize"))
      #expect(graph.names(resize.inputs) == ["x", nil, nil, "sizes"])
    }
  }

  @Test func modesAndNames() throws {
    let grid = ONNX.floats("g", [Float](repeating: 0, count: 8), [1, 2, 2, 2])
    for (old, new) in [("bilinear", "linear"), ("bicubic", "cubic"), ("nearest", "nearest")] {
      let node = ONNX.node("GridSample", ["x", "g"], ["y"], ["mode": .string(old)])
      let graph = try upgraded(node, opset: 16, shape: [1, 1, 4, 4], constants: [grid])
      #expect(try graph.node("GridSample")?.op.attributes.optionalString("mode") == new)
    }
    let align = try upgraded(ONNX.node("RoiAlign", ["x", "x", "x"], ["y"]), opset: 10)
    #expect(
      try align.node("RoiAlign")?.op.attributes.optionalString("coordinate_transformation_mode") == "output_half_pixel")
    #expect(try upgraded(ONNX.node("Scatter", ["x", "x", "x"], ["y"]), opset: 9).types == ["ScatterElements"])
  }

  @Test func batchNormalisation() throws {
    let inputs = ["x", "x", "x", "x", "x"]
    let inference = try upgraded(ONNX.node("BatchNormalization", inputs, ["y"], ["spatial": .int(1)]), opset: 7)
    #expect(inference.node("BatchNormalization")?.op.attributes.isEmpty == true)
    let training = try upgraded(ONNX.node("BatchNormalization", inputs, ["y", "m", "v"]), opset: 9)
    #expect(try training.node("BatchNormalization")?.op.attributes.flag("training_mode", default: false) == true)
    let perPlace = ONNX.node("BatchNormalization", inputs, ["y"], ["spatial": .int(0)])
    #expect(refusal(ONNX.single(perPlace, opset: 7))?.code == .unsupported)
  }

  @Test func droppedFormsAreRefused() {
    let resize = ONNX.node(
      "Resize", ["x", "", "s"], ["y"], ["coordinate_transformation_mode": .string("tf_half_pixel_for_nn")])
    #expect(refusal(ONNX.single(resize, opset: 11, constants: [ONNX.floats("s", [1, 2])]))?.code == .unsupported)
    // Sequences of different lengths in one batch.
    #expect(refusal(ONNX.single(ONNX.node("Scan", ["x", "x"], ["y"]), opset: 8))?.code == .unsupported)
    #expect(refusal(ONNX.single(ONNX.node("Scan", ["", "x"], ["y"]), opset: 8))?.code == .attribute)
  }

  /// Rules are for ONNX's own operators only.
  @Test func otherDomainsStayAsTheyAre() throws {
    let node = ONNX.node("Clip", ["x"], ["y"], domain: "com.example", ["min": .float(1)])
    let graph = try upgraded(node, opset: 7)
    let clip = try #require(graph.allNodes.first)
    #expect(clip.op.name == OperatorName("Clip", domain: "com.example"))
    #expect(try clip.op.attributes.optionalFloat("min") == 1)
  }
}
