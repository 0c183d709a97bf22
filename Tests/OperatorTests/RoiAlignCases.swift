import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite("RoiAlign") struct RoiAlignCases {
  @Test("laws", arguments: try OperatorCase.load("RoiAlign")) func laws(_ sample: OperatorCase) throws {
    try check(sample)
  }

  /// x [2, 3, 5, 6] of random numbers, with those boxes.
  private func run(
    _ op: RoiAlign, boxes: [Float], images: [Int], element: ElementType = .float32
  ) throws -> Tensor {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [2, 3, 5, 6]))
    let b = try graph.addInput("boxes", TensorType(.float32, ["R", 4]))
    let i = try graph.addInput("images", TensorType(.int64, ["R"]))
    var y = try graph.append(op, [x, b, i], name: "/roi")
    if element != .float32 {
      let narrow = try [x, b].map { try graph.append(Cast(to: element), [$0], name: graph.freshName("narrow")) }
      y = try graph.append(Cast(to: .float32), [graph.append(op, narrow + [i], name: "/half")], name: "wide")
    }
    try graph.addOutput(y)
    return try Session(graph).run([
      .random([2, 3, 5, 6]), Tensor(boxes, [boxes.count / 4, 4]), .integers(images),
    ])[0]
  }

  @Test("boxes that cannot be taken are named", arguments: [RoiAlign.Mode.average, .max])
  func hostile(_ mode: RoiAlign.Mode) throws {
    let op = try RoiAlign(mode, outputHeight: 2, outputWidth: 3)
    let good: [Float] = [0, 0, 3, 3]
    let cases: [(box: [Float], image: Int, code: LigatureError.Code, words: [String])] = [
      (good, 2, .numeric, ["box 1", "image 2", "there are 2"]), (good, -1, .numeric, ["box 1", "image -1"]),
      (good, .max, .numeric, ["box 1"]), ([.nan, 0, 3, 3], 0, .numeric, ["box 1", "not finite"]),
      ([0, 0, 3, .infinity], 0, .numeric, ["box 1", "not finite"]),
      ([-3e38, 0, 3e38, 3], 0, .numeric, ["box 1", "not finite"]),
      ([0, 0, 1e30, 3], 0, .limit, ["box 1", "samples", "sampling_ratio"]),
      ([0, -2e6, 3, 2e6], 0, .limit, ["box 1", "samples"]),
    ]
    for (box, image, code, words) in cases {
      let error = #expect(throws: LigatureError.self) { try run(op, boxes: good + box, images: [0, image]) }
      #expect(error?.code == code, "\(box)")
      for word in words { #expect(error?.message.contains(word) == true, "\(error?.message ?? "") lacks \(word)") }
      #expect(error?.node?.contains("/roi") == true)
    }
  }

  @Test("a box far larger than the image is taken where its samples are given") func huge() throws {
    let op = try RoiAlign(outputHeight: 2, outputWidth: 2, samplingRatio: 4)
    #expect(try run(op, boxes: [-1e9, -1e9, 1e9, 1e9], images: [0]).floats().allSatisfy(\.isFinite))
    let wide = try run(RoiAlign(), boxes: [-1000, -1000, 1000, 1000], images: [1]).floats()
    #expect(wide.allSatisfy { abs($0) < 1e-3 })
  }

  @Test("no boxes at all give an empty result") func none() throws {
    let y = try run(RoiAlign(outputHeight: 4, outputWidth: 4), boxes: [], images: [])
    #expect(y.shape == [0, 3, 4, 4])
  }

  @Test("half precision is computed in float32") func half() throws {
    let op = try RoiAlign(outputHeight: 2, outputWidth: 2)
    let (exact, narrow) = (
      try run(op, boxes: [0.5, 1, 4, 4.5], images: [1]),
      try run(op, boxes: [0.5, 1, 4, 4.5], images: [1], element: .float16)
    )
    #expect(difference(narrow, exact, 2e-3) == nil)
  }

  @Test(
    "hostile attributes are refused",
    arguments: [
      Attributes(["output_height": .int(0)]), Attributes(["output_width": .int(-3)]),
      Attributes(["output_width": .int(1 << 40)]), Attributes(["sampling_ratio": .int(-1)]),
      Attributes(["sampling_ratio": .int(1 << 20), "output_height": .int(2)]),
      Attributes(["sampling_ratio": .int(.max)]), Attributes(["spatial_scale": .float(.nan)]),
      Attributes(["spatial_scale": .float(.infinity)]), Attributes(["mode": .string("sum")]),
      Attributes(["coordinate_transformation_mode": .string("asymmetric")]),
    ]) func attributes(_ attributes: Attributes)
  {
    #expect(throws: LigatureError.self) { try RoiAlign(name: RoiAlign.names[0], attributes: attributes) }
  }

  @Test("types follow the boxes, and operands that do not fit are refused") func types() throws {
    let op = try RoiAlign(outputHeight: 7, outputWidth: 5)
    let x = TensorType(.float32, ["N", 64, "H", "W"])
    let y = try op.inferTypes(
      InferenceContext([x, TensorType(.float32, ["R", 4]), TensorType(.int64, ["R"])]))[0]
    #expect(y.shape == ["R", 64, 7, 5])
    let misfits: [[TensorType]] = [
      [x, TensorType(.float32, sizes: [3, 5]), TensorType(.int64, sizes: [3])],
      [x, TensorType(.float32, sizes: [3, 4]), TensorType(.int64, sizes: [2])],
      [x, TensorType(.float32, sizes: [3, 4]), TensorType(.float32, sizes: [3])],
      [x, TensorType(.float64, sizes: [3, 4]), TensorType(.int64, sizes: [3])],
      [TensorType(.float32, sizes: [64, 9, 9]), TensorType(.float32, sizes: [3, 4]), TensorType(.int64, sizes: [3])],
      [x, TensorType(.float32, sizes: [12]), TensorType(.int64, sizes: [3])],
    ]
    for operands in misfits {
      #expect(throws: LigatureError.self) { try op.inferTypes(InferenceContext(operands)) }
    }
  }
}
