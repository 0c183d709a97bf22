import GraphIR
import Operators
import Passes
import TensorCore
import Testing

@Suite("Fusing into convolutions") struct ConvolutionFusionTests {
  /// Kernel and window of a 1x1, a 3x3 with stride 1 (Winograd) and 2, and a depthwise convolution.
  private static let shapes: [(weights: [Int], stride: Int, pad: Int, group: Int)] = [
    ([12, 8, 1, 1], 1, 0, 1), ([8, 8, 3, 3], 1, 1, 1), ([9, 8, 3, 3], 2, 1, 1), ([8, 1, 5, 5], 1, 2, 8),
  ]
  private static let activations: [Unary] = [
    Unary(.relu), Unary(.sigmoid), Unary(.tanh), Unary(.leakyRelu, alpha: 0.1), Unary(.hardSwish), Unary(.swish),
    Unary(.hardSigmoid, alpha: 0.2, beta: 0.5), Unary(.gelu), Unary(.gelu, approximatesByTanh: true),
  ]

  private func convolution(_ sample: inout Sample, _ x: ValueID, _ index: Int) throws -> ValueID {
    let (shape, stride, pad, group) = ConvolutionFusionTests.shapes[index]
    let window = try ConvolutionWindow(
      strides: [stride, stride], pads: [pad, pad, pad, pad], group: group)
    let bias = try sample.weights([shape[0]])
    let weights = try sample.weights(shape, -0.3...0.3)
    return try sample.builder.append(Conv(window), [x, weights, bias])
  }

  @Test("an activation, then numbers that scale and shift", arguments: shapes.indices, activations.indices)
  func epilogue(_ shape: Int, _ activation: Int) throws {
    var sample = Sample()
    let x = try sample.input([2, 8, 13, 19], symbolic: [0, 2, 3])
    let y = try convolution(&sample, x, shape)
    let active = try sample.builder.append(ConvolutionFusionTests.activations[activation], [y])
    let scaled = try sample.binary(.mul, sample.number(1.7, shape: [1]), active)
    try sample.output(sample.binary(.add, scaled, sample.number(-0.3, shape: [1])))
    #expect(try fuse(sample, [ConvolutionFusion()]).operators == ["FusedConv"])
  }

  @Test("a residual, an activation and scaling by other spellings", arguments: shapes.indices)
  func residual(_ shape: Int) throws {
    var sample = Sample()
    let x = try sample.input([1, 8, 12, 17])
    let left = try convolution(&sample, x, shape)
    let right = try convolution(&sample, x, shape)
    let sum = try sample.binary(.add, left, right)
    let active = try sample.builder.append(
      Clip(), [sum, sample.number(-1), sample.number(1.5)])
    let divided = try sample.binary(.div, active, sample.number(4))
    try sample.output(sample.binary(.sub, sample.number(1), divided))
    #expect(try fuse(sample, [ConvolutionFusion()]).operators == ["Conv", "FusedConv"])
  }

  @Test("a transposed convolution takes an activation and scaling", arguments: [[8, 4, 2, 2], [8, 4, 4, 4]])
  func transposed(_ shape: [Int]) throws {
    var sample = Sample()
    let x = try sample.input([2, 8, 5, 7])
    let window = try ConvolutionWindow(strides: [2, 2])
    let y = try sample.builder.append(ConvTranspose(window), [x, sample.weights(shape), sample.weights([4])])
    let active = try sample.unary(.sigmoid, y)
    try sample.output(sample.binary(.mul, active, sample.number(2)))
    #expect(try fuse(sample, [ConvolutionFusion()]).operators == ["FusedConvTranspose"])
  }

  @Test("what cannot be fused is said") func rejected() throws {
    var sample = Sample()
    let x = try sample.input([1, 8, 6, 6])
    let y = try convolution(&sample, x, 0)
    let active = try sample.unary(.relu, y)
    try sample.output(sample.unary(.tanh, sample.binary(.mul, active, sample.number(2))))
    let (operators, notes) = try fuse(sample, [ConvolutionFusion()])
    #expect(operators == ["FusedConv", "Tanh"])
    #expect(rejects(notes, "already applies"))

    var other = Sample()
    let z = try other.input([1, 8, 6, 6])
    let product = try convolution(&other, z, 0)
    let late = try other.unary(.exp, product)
    try other.output(other.binary(.add, convolution(&other, z, 0), late))
    try other.output(product)
    #expect(try fuse(other, [ConvolutionFusion()]).operators.contains("FusedConv"))

    var broadcast = Sample()
    let w = try broadcast.input([1, 8, 6, 6])
    let row = try broadcast.input([1, 12, 1, 6])
    try broadcast.output(broadcast.binary(.add, convolution(&broadcast, w, 0), row))
    #expect(rejects(try fuse(broadcast, [ConvolutionFusion()]).notes, "not known to be the same"))

    var infinite = Sample()
    let v = try infinite.input([1, 8, 6, 6])
    let clipped = try infinite.unary(.sigmoid, convolution(&infinite, v, 0))
    try infinite.output(infinite.binary(.div, clipped, infinite.number(0)))
    #expect(rejects(try fuse(infinite, [ConvolutionFusion()]).notes, "not finite"))
  }

  @Test("what is nearly fused is said, and why not") func nearMisses() throws {
    func notes(_ build: (inout Sample, ValueID) throws -> Void) throws -> [PassNote] {
      var sample = Sample()
      let x = try sample.input([1, 8, 6, 6])
      try build(&sample, convolution(&sample, x, 1))
      return try fuse(sample, [ConvolutionFusion()]).notes
    }
    let shared = try notes { sample, y in
      try sample.output(sample.binary(.mul, sample.unary(.relu, y), sample.unary(.exp, y)))
    }
    #expect(rejects(shared, "is read by others"))
    #expect(shared.filter { $0.kind == .rejected }.count == 1, "Exp could not be fused anyway: \(shared)")
    let shown = try notes { sample, y in
      try sample.output(y)
      try sample.output(sample.unary(.relu, y))
    }
    #expect(rejects(shown, "is an output, too"))
    #expect(rejects(try notes { try $0.output($0.unary(.softplus, $1)) }, "no kernel applies Softplus"))
    let swish = try notes { try $0.output($0.builder.append(Unary(.swish, alpha: 1.5), [$1])) }
    #expect(rejects(swish, "alpha 1.5"))
    #expect(rejects(try notes { try $0.output($0.binary(.mul, $1, $0.weights([8, 1, 1]))) }, "not one number"))
    let inverse = try notes { try $0.output($0.binary(.div, $0.number(2), $0.unary(.sigmoid, $1))) }
    #expect(rejects(inverse, "divides a number by"))
    let late = try notes { try $0.output($0.binary(.add, $0.unary(.relu, $1), $0.input([1, 8, 6, 6]))) }
    #expect(rejects(late, "an activation or a scale before it"))
    let bounds = try notes { sample, y in
      let low = try sample.input([])
      try sample.output(sample.builder.append(Clip(), [y, low]))
    }
    #expect(rejects(bounds, "bounds are not constants"))

    var transposed = Sample()
    let x = try transposed.input([2, 8, 5, 7])
    let y = try transposed.builder.append(
      ConvTranspose(ConvolutionWindow(strides: [2, 2])), [x, transposed.weights([8, 4, 2, 2])])
    try transposed.output(transposed.binary(.add, y, transposed.input([2, 4, 10, 14])))
    #expect(rejects(try fuse(transposed, [ConvolutionFusion()]).notes, "adds no other tensor"))
  }

  @Test("x + x * gate becomes x * (1 + gate), which the gate's convolution makes") func squeezeExcitation() throws {
    for isSwapped in [false, true] {
      var sample = Sample()
      let x = try sample.input([2, 8, 9, 11], symbolic: [0, 2, 3])
      let mean = try sample.builder.append(GlobalPool(.average), [x])
      let gate = try sample.builder.append(Unary(.hardSigmoid), [gateConvolution(&sample, mean)])
      let product = try isSwapped ? sample.binary(.mul, gate, x) : sample.binary(.mul, x, gate)
      try sample.output(isSwapped ? sample.binary(.add, product, x) : sample.binary(.add, x, product))
      let operators = try fuse(sample, [SqueezeExcitation(), ConvolutionFusion()]).operators
      #expect(operators == ["GlobalAveragePool", "FusedConv", "Mul"])
    }
  }

  private func gateConvolution(_ sample: inout Sample, _ x: ValueID) throws -> ValueID {
    try sample.builder.append(Conv(ConvolutionWindow()), [x, sample.weights([8, 8, 1, 1]), sample.weights([8])])
  }

  @Test("a gate of the size of x, or a product that others read, stays") func squeezeExcitationRejected() throws {
    var sample = Sample()
    let x = try sample.input([1, 8, 5, 5])
    let gate = try sample.unary(.sigmoid, x)
    try sample.output(sample.binary(.add, x, sample.binary(.mul, x, gate)))
    #expect(rejects(try fuse(sample, [SqueezeExcitation()]).notes, "one number a channel"))

    var shared = Sample()
    let y = try shared.input([1, 8, 5, 5])
    let product = try shared.binary(.mul, y, shared.input([1, 8, 1, 1]))
    try shared.output(shared.binary(.add, y, product))
    try shared.output(product)
    #expect(rejects(try fuse(shared, [SqueezeExcitation()]).notes, "read by others"))
  }
}
