import GraphIR
import Operators
import Passes
import TensorCore
import Testing

@Suite("Recognising operators from their parts") struct RecognitionTests {
  // ── Layer normalisation ───────────────────────────────────────────────────
  private enum Square: CaseIterable { case pow, mul, secondDifference }
  private enum Root: CaseIterable { case sqrtDiv, powDiv, reciprocal, inversePower }

  private func mean(_ sample: inout Sample, _ x: ValueID, _ axes: [Int]) throws -> ValueID {
    try sample.builder.append(Reduce(.mean), [x, sample.builder.integers(axes)])
  }

  private func normalized(
    _ sample: inout Sample, _ x: ValueID, _ square: Square, _ root: Root, axes: [Int] = [-1]
  ) throws -> ValueID {
    let average = try mean(&sample, x, axes)
    let centered = try sample.binary(.sub, x, average)
    let squared: ValueID
    switch square {
    case .pow: squared = try sample.binary(.pow, centered, sample.number(2))
    case .mul: squared = try sample.binary(.mul, centered, centered)
    case .secondDifference:
      squared = try sample.binary(.pow, sample.binary(.sub, x, average), sample.number(2))
    }
    let sum = try sample.binary(.add, mean(&sample, squared, axes), sample.number(1e-5))
    switch root {
    case .sqrtDiv: return try sample.binary(.div, centered, sample.unary(.sqrt, sum))
    case .powDiv: return try sample.binary(.div, centered, sample.binary(.pow, sum, sample.number(0.5)))
    case .reciprocal:
      return try sample.binary(.mul, centered, sample.unary(.reciprocal, sample.unary(.sqrt, sum)))
    case .inversePower: return try sample.binary(.mul, sample.binary(.pow, sum, sample.number(-0.5)), centered)
    }
  }

  @Test("layer normalisation in every spelling") func layerNormalization() throws {
    for square in Square.allCases {
      for root in Root.allCases {
        var sample = Sample()
        let x = try sample.input([2, 5, 24], symbolic: [0, 1])
        let y = try normalized(&sample, x, square, root)
        let scaled = try sample.binary(.mul, y, sample.weights([24]))
        try sample.output(sample.binary(.add, sample.weights([24]), scaled))
        #expect(try fuse(sample, [LayerNormalizationRecognition()]).operators == ["LayerNormalization"])
      }
    }
  }

  @Test("layer normalisation over two axes, and without scale or bias") func layerNormalizationParts() throws {
    for parts in 0..<4 {
      var sample = Sample()
      let x = try sample.input([3, 4, 6])
      var y = try normalized(&sample, x, .pow, .sqrtDiv, axes: [1, 2])
      if parts & 1 != 0 { y = try sample.binary(.mul, y, sample.weights([4, 6])) }
      if parts & 2 != 0 { y = try sample.binary(.add, y, sample.number(0.5)) }
      try sample.output(y)
      #expect(try fuse(sample, [LayerNormalizationRecognition()]).operators == ["LayerNormalization"])
    }
  }

  @Test("normalisation over other axes, or of unknown size, stays") func layerNormalizationRejected() throws {
    var sample = Sample()
    try sample.output(normalized(&sample, sample.input([3, 4, 6]), .pow, .sqrtDiv, axes: [1]))
    #expect(rejects(try fuse(sample, [LayerNormalizationRecognition()]).notes, "not the last"))

    var symbolic = Sample()
    try symbolic.output(normalized(&symbolic, symbolic.input([3, 4, 6], symbolic: [2]), .pow, .sqrtDiv))
    #expect(rejects(try fuse(symbolic, [LayerNormalizationRecognition()]).notes, "not of fixed size"))

    // The variance of something else is none of its own.
    var other = Sample()
    let (x, z) = (try other.input([3, 6]), try other.input([3, 6]))
    let squared = try other.binary(.pow, other.binary(.sub, z, mean(&other, z, [-1])), other.number(2))
    let deviation = try other.unary(.sqrt, other.binary(.add, mean(&other, squared, [-1]), other.number(1e-5)))
    try other.output(other.binary(.div, other.binary(.sub, x, mean(&other, x, [-1])), deviation))
    #expect(try !fuse(other, [LayerNormalizationRecognition()]).operators.contains("LayerNormalization"))
  }

  // ── GELU ──────────────────────────────────────────────────────────────────
  @Test("GELU by erf in every spelling", arguments: 0..<4) func gelu(_ spelling: Int) throws {
    var sample = Sample()
    let x = try sample.input([3, 40], symbolic: [0])
    let argument =
      try spelling.isMultiple(of: 2)
      ? sample.binary(.div, x, sample.number(1.414_213_562)) : sample.binary(.mul, x, sample.number(0.707_106_781))
    let erf = try sample.unary(.erf, argument)
    switch spelling {
    case 0:  // ((erf + 1) x) / 2
      let product = try sample.binary(.mul, x, sample.binary(.add, erf, sample.number(1)))
      try sample.output(sample.binary(.mul, product, sample.number(0.5)))
    case 1:  // x (0.5 (1 + erf))
      let half = try sample.binary(.mul, sample.number(0.5), sample.binary(.add, sample.number(1), erf))
      try sample.output(sample.binary(.mul, half, x))
    case 2:  // (x / 2) (1 + erf)
      let sum = try sample.binary(.add, erf, sample.number(1))
      try sample.output(sample.binary(.mul, sample.binary(.div, x, sample.number(2)), sum))
    default:  // x (erf / 2 + 0.5)
      let sum = try sample.binary(.add, sample.binary(.div, erf, sample.number(2)), sample.number(0.5))
      try sample.output(sample.binary(.mul, x, sum))
    }
    #expect(try fuse(sample, [GeluRecognition()]).operators == ["Gelu"])
  }

  @Test("GELU by tanh in every spelling", arguments: 0..<3) func geluTanh(_ spelling: Int) throws {
    var sample = Sample()
    let x = try sample.input([3, 40], symbolic: [0])
    let argument: ValueID
    switch spelling {
    case 0:
      let cube = try sample.binary(.pow, x, sample.number(3))
      let sum = try sample.binary(.add, x, sample.binary(.mul, sample.number(0.044_715), cube))
      argument = try sample.binary(.mul, sum, sample.number(0.797_884_56))
    case 1:
      let cube = try sample.binary(.mul, sample.binary(.mul, x, x), x)
      let sum = try sample.binary(.add, sample.binary(.mul, cube, sample.number(0.044_715)), x)
      argument = try sample.binary(.mul, sample.number(0.797_884_56), sum)
    default:
      let square = try sample.binary(.mul, sample.binary(.pow, x, sample.number(2)), sample.number(0.035_677_408))
      argument = try sample.binary(.mul, x, sample.binary(.add, square, sample.number(0.797_884_56)))
    }
    let sum = try sample.binary(.add, sample.unary(.tanh, argument), sample.number(1))
    try sample.output(sample.binary(.mul, sample.binary(.mul, x, sample.number(0.5)), sum))
    #expect(try fuse(sample, [GeluRecognition()]).operators == ["Gelu"])
  }

  @Test("what only looks like GELU stays") func geluRejected() throws {
    var sample = Sample()
    let x = try sample.input([3, 8])
    let erf = try sample.unary(.erf, sample.binary(.mul, x, sample.number(0.707_106_781)))
    let sum = try sample.binary(.add, erf, sample.number(2))
    try sample.output(sample.binary(.mul, sample.binary(.mul, x, sample.number(0.5)), sum))
    let (operators, notes) = try fuse(sample, [GeluRecognition()])
    #expect(!operators.contains("Gelu"))
    #expect(rejects(notes, "is not x"))
  }

  // ── SiLU ──────────────────────────────────────────────────────────────────
  @Test("SiLU with a number before the sigmoid") func swish() throws {
    for alpha in [1, 1.702] {
      var sample = Sample()
      let x = try sample.input([3, 40])
      let gate = try sample.unary(.sigmoid, sample.binary(.mul, x, sample.number(alpha, shape: [1])))
      try sample.output(sample.binary(.mul, x, gate))
      #expect(try fuse(sample, [ActivationRecognition()]).operators == ["Swish"])
    }
  }

  /// `x · clip(x + shift, low, high) / divisor`, or that gate alone.
  private func hardSwish(
    _ shift: Double, _ low: Double, _ high: Double, _ divisor: Double, isGate: Bool = false
  ) throws -> (operators: [String], notes: [PassNote]) {
    var sample = Sample()
    let x = try sample.input([3, 40])
    let clip = try sample.builder.append(
      Clip(), [sample.binary(.add, x, sample.number(shift)), sample.number(low), sample.number(high)])
    let product = try isGate ? clip : sample.binary(.mul, x, clip)
    try sample.output(sample.binary(.div, product, sample.number(divisor)))
    return try fuse(sample, [ActivationRecognition()])
  }

  @Test("activations that are nearly spelled out stay, and why is said") func activationsRejected() throws {
    #expect(try hardSwish(3, 0, 6, 6).operators == ["HardSwish"])
    #expect(rejects(try hardSwish(2.5, 0, 6, 6).notes, "adds 2.5, not 3"))
    #expect(rejects(try hardSwish(3, -1, 6, 6, isGate: true).notes, "clips to -1.0...6.0, not to 0...6"))
    #expect(rejects(try hardSwish(3, 0, 6, 5).notes, "divides by 5.0, not by 6"))

    var sample = Sample()
    let (x, z) = (try sample.input([3, 8]), try sample.input([3, 8]))
    let clip = try sample.builder.append(
      Clip(), [sample.binary(.add, z, sample.number(3)), sample.number(0), sample.number(6)])
    let product = try sample.binary(.mul, x, clip)
    try sample.output(sample.binary(.div, product, sample.number(6)))
    try sample.output(sample.binary(.mul, x, sample.unary(.sigmoid, z)))
    let hard = try sample.builder.append(Unary(.hardSigmoid, alpha: 0.2, beta: 0.5), [x])
    try sample.output(sample.binary(.mul, x, hard))
    let (operators, notes) = try fuse(sample, [ActivationRecognition()])
    #expect(!operators.contains("HardSwish") && !operators.contains("Swish"))
    #expect(rejects(notes, "clips something else"))
    #expect(rejects(notes, "Sigmoid is of something else"))
    #expect(rejects(notes, "that of HardSwish 1/6 and 0.5"))

    // The gate of a squeeze-and-excitation is no activation that went wrong.
    var gate = Sample()
    try gate.output(
      gate.binary(.mul, gate.input([2, 8, 5, 5]), gate.unary(.sigmoid, gate.input([2, 8, 1, 1]))))
    #expect(try fuse(gate, [ActivationRecognition()]).notes.isEmpty)

    // (1, 40) · numbers of two axes is no longer of one.
    var wider = Sample()
    let v = try wider.input([40])
    let sum = try wider.binary(.add, v, wider.number(3, shape: [1, 1]))
    let clipped = try wider.builder.append(Clip(), [sum, wider.number(0), wider.number(6)])
    try wider.output(wider.binary(.div, clipped, wider.number(6)))
    #expect(rejects(try fuse(wider, [ActivationRecognition()]).notes, "change the shape"))
  }
}
