import Autodiff
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite("Gradients of RoiAlign") struct RoiAlignGradients {
  static func cases() throws -> [GradientCase] {
    let boxes: [Float] = [
      0.5, 1, 6.3, 5.2, 2, 2, 9, 7, -3, -2, 4, 3.5, 5.25, 3.75, 14, 11, 3, 3, 3, 5, 1.1, 0.4, 8.2, 6.7,
    ]
    func align(_ name: String, _ attributes: [String: Attribute], channels: Int = 3) throws -> GradientCase {
      let sizes: [String: Attribute] = ["output_height": .int(2), "output_width": .int(3)]
      let isMax = attributes["mode"] != nil
      return try GradientCase(
        "RoiAlign", name, attributes.merging(sizes) { $1 },
        [
          // Far enough apart for the largest to stay the largest, whatever weights it is seen with.
          isMax ? .distinct([2, channels, 7, 8], gap: 0.5) : .random([2, channels, 7, 8]), Tensor(boxes, [6, 4]),
          .integers([0, 1, 1, 0, 0, 1]),
        ], constants: isMax ? [1, 2] : [], fixed: [1], step: isMax ? 1.0 / 1024 : 1.0 / 32)
    }
    var cases = [
      try align("adaptive", [:]), try align("two samples", ["sampling_ratio": .int(2)]),
      try align("whole pixels", ["coordinate_transformation_mode": .string("output_half_pixel")]),
      try align("scaled, many channels", ["spatial_scale": .float(0.5)], channels: 37),
      try align("largest", ["mode": .string("max"), "sampling_ratio": .int(1)]),
      try align("largest, adaptive", ["mode": .string("max")]),
    ]
    cases += cases.map(\.symbolic)
    return cases
  }

  @Test("by differences", arguments: try cases()) func differences(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }

  @Test("boxes are constants to it, and it says so") func boxes() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [1, 2, 5, 5]))
    let boxes = try graph.addInput("boxes", TensorType(.float32, sizes: [3, 4]))
    let images = try graph.addConstant("images", .integers([0, 0, 0]))
    let y = try graph.append(RoiAlign(), [x, boxes, images], name: "/roi")
    let loss = try graph.append(Reduce(.mean, keepsDimensions: false), [y], name: "loss")
    let error = #expect(throws: LigatureError.self) { try differentiate(&graph, loss: loss, wrt: [boxes]) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("boxes") == true)
    #expect(error?.node == "/roi (RoiAlign)")
    #expect(try differentiate(&graph, loss: loss, wrt: [x])[x] != nil)
  }

  @Test("an image without boxes has a gradient of zeros, and so have no boxes", arguments: [0, 2])
  func untouched(_ count: Int) throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [2, 2, 5, 5]))
    let boxes = try graph.addInput("boxes", TensorType(.float32, ["R", 4]))
    let images = try graph.addInput("images", TensorType(.int64, ["R"]))
    let y = try graph.append(RoiAlign(outputHeight: 2, outputWidth: 2), [x, boxes, images], name: "/roi")
    let loss = try graph.append(Reduce(.sum, keepsDimensions: false), [y], name: "loss")
    let gradient = try #require(try differentiate(&graph, loss: loss, wrt: [x])[x])
    try graph.addOutput(gradient)
    let corners = (0..<4 * count).map { $0 % 4 < 2 ? Float(1) : 4 }
    let slopes = try Session(graph).run([
      .random([2, 2, 5, 5]), Tensor(corners, [count, 4]), .integers([Int](repeating: 1, count: count)),
    ])[0].floats()
    #expect(slopes[..<50].allSatisfy { $0 == 0 })
    // Each of 4 bins and 2 channels hands out a whole 1 for each box.
    #expect(abs(slopes.reduce(0, +) - Float(8 * count)) < 1e-4)
  }
}
