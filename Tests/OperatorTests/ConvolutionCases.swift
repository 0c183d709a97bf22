import GraphIR
import Operators
import TensorCore
import TestSupport
import Testing

@Suite("Conv and ConvTranspose") struct ConvolutionCases {
  @Test("laws", arguments: try OperatorCase.load("Convolution")) func laws(_ sample: OperatorCase) throws {
    try check(sample)
  }

  @Test("laws of deformable convolution", arguments: try OperatorCase.load("DeformableConvolution"))
  func deformable(_ sample: OperatorCase) throws { try check(sample) }

  @Test("offsets that do not fit are refused") func offsets() throws {
    let types = [[1, 4, 5, 5], [2, 4, 3, 3], [1, 18, 3, 4]].map { TensorType(.float32, sizes: $0) }
    #expect(throws: LigatureError.self) { try DeformConv(ConvolutionWindow()).inferTypes(InferenceContext(types)) }
    #expect(throws: LigatureError.self) {
      try DeformConv(ConvolutionWindow(), offsetGroup: 3).inferTypes(InferenceContext(types))
    }
    #expect(throws: LigatureError.self) { try DeformConv(ConvolutionWindow(), offsetGroup: 0) }
  }

  @Test("sizes stay symbolic, and follow the window") func symbols() throws {
    let window = try ConvolutionWindow(strides: [2, 2], pads: [1, 1, 1, 1])
    let x = TensorType(.float32, ["N", 3, "H", 32])
    let w = TensorType(.float32, sizes: [16, 3, 3, 3])
    let y = try Conv(window).inferTypes(InferenceContext([x, w]))[0]
    #expect(y.shape?[0] == "N")
    #expect(y.shape?[1] == 16)
    #expect(y.shape?[2].value == nil)
    #expect(y.shape?[3] == 16)
    let unknown = try Conv(window).inferTypes(InferenceContext([TensorType(.float32, nil), w]))[0]
    #expect(unknown.rank == nil)
    let up = try ConvTranspose(ConvolutionWindow(strides: [2, 2]))
    let larger = try up.inferTypes(InferenceContext([x, TensorType(.float32, sizes: [3, 8, 2, 2])]))[0]
    #expect(larger.shape == ["N", 8, try Dimension.symbol("H") * 2, 64])
  }

  @Test(
    "hostile attributes are refused",
    arguments: [
      Attributes(["strides": .ints([0, 1])]), Attributes(["dilations": .ints([1, -1])]),
      Attributes(["pads": .ints([0, 0, -1, 0])]), Attributes(["pads": .ints([.max, .max, .max, .max])]),
      Attributes(["strides": .ints([1])]), Attributes(["group": .int(0)]), Attributes(["group": .int(2)]),
      Attributes(["kernel_shape": .ints([5, 5])]), Attributes(["dilations": .ints([1 << 20, 1 << 20])]),
      Attributes(["auto_pad": .string("SOME")]), Attributes(["pads": .ints([1, 1, 1])]),
      Attributes(["strides": .float(1)]),
    ]) func hostile(_ attributes: Attributes) throws
  {
    let x = TensorType(.float32, sizes: [1, 3, 8, 8])
    let w = TensorType(.float32, sizes: [4, 3, 3, 3])
    #expect(throws: LigatureError.self) {
      try Conv(name: Conv.standardName, attributes: attributes).inferTypes(InferenceContext([x, w]))
    }
    #expect(throws: LigatureError.self) {
      let w = TensorType(.float32, sizes: [3, 5, 3, 3])
      var all = attributes
      // Alone, these are no error for a transposed convolution.
      if attributes["dilations"] != nil { all["pads"] = .ints([-1, 0, 0, 0]) }
      if attributes["group"] != nil { all["group"] = .int(0) }
      _ = try ConvTranspose(name: ConvTranspose.names[0], attributes: all).inferTypes(InferenceContext([x, w]))
    }
  }

  @Test(
    "operands that do not fit are refused",
    arguments: [
      [[1, 3, 8, 8], [4, 2, 3, 3]], [[1, 3, 8], [4, 3, 3, 3]], [[1, 3, 2, 2], [4, 3, 3, 3]], [[3, 8], [4, 3]],
      [[1, 3, 8, 8], [4, 3, 0, 3]], [[1, 3, 8, 8], [4, 3, 3, 3], [5]],
    ]) func misfits(_ shapes: [[Int]]) throws
  {
    let types = shapes.map { TensorType(.float32, sizes: $0) }
    #expect(throws: LigatureError.self) {
      try Conv(ConvolutionWindow()).inferTypes(InferenceContext(types))
    }
  }

  @Test("a fused activation and a residual are part of the convolution") func fused() throws {
    let window = try ConvolutionWindow(pads: [1, 1, 1, 1])
    let activations: [FusedActivation] = [
      .none, .relu, .sigmoid, .silu, .tanh, .clip(-0.5, 0.5), .leakyRelu(0.1), .hardSigmoid(0.2, 0.5),
      .hardSwish(1 / 6, 0.5),
    ]
    for activation in activations {
      let op = Conv(fused: window, activation)
      let again = try Conv(name: op.name, attributes: op.attributes)
      #expect(again.activation == activation)
    }
  }
}
