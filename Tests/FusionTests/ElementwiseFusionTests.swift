import CKernels
import GraphIR
import Operators
import Passes
import TensorCore
import Testing

@Suite("Fusing element-wise functions") struct ElementwiseFusionTests {
  @Test(
    "a tree with operands of every kind",
    arguments: [[2, 6, 13, 17], [1, 3, 64, 100], [5, 4, 1, 1], [2, 3, 4, 1], [1, 1, 1, 3000]])
  func tree(_ shape: [Int]) throws {
    var sample = Sample()
    let x = try sample.input(shape, symbolic: [0, 2])
    let other = try sample.input(shape, symbolic: [0, 2])
    let gate = try sample.input([shape[0], shape[1], 1, 1], symbolic: [0])
    let row = try sample.input([shape[3]])
    let scaled = try sample.binary(.mul, x, gate)
    let shifted = try sample.binary(.sub, sample.unary(.sigmoid, scaled), row)
    let branch = try sample.builder.append(
      Clip(), [sample.binary(.div, other, sample.number(3)), sample.number(-0.5), sample.number(0.25)])
    let sum = try sample.binary(.add, shifted, branch)
    // Read twice, but only inside.
    try sample.output(sample.binary(.mul, sum, sample.unary(.tanh, sample.binary(.pow, sum, sample.number(2)))))
    #expect(try fuse(sample, [ElementwiseFusion()]).operators == ["FusedElementwise"])
  }

  @Test("every function that has vectors") func functions() throws {
    for function in Unary.Function.allCases where FusedElementwise.canFuse(function) {
      var sample = Sample()
      let x = try sample.input([3, 700])
      let positive = try sample.binary(.add, sample.unary(.abs, x), sample.number(0.25))
      try sample.output(sample.unary(function, positive))
      #expect(try fuse(sample, [ElementwiseFusion()]).operators == ["FusedElementwise"], "\(function)")
    }
    for function in Binary.Function.allCases where FusedElementwise.canFuse(function) {
      var sample = Sample()
      let x = try sample.unary(.abs, sample.input([3, 700]))
      try sample.output(sample.binary(function, x, sample.unary(.exp, sample.input([3, 1]))))
      // The exponential of the smaller operand is not computed again and again.
      #expect(try fuse(sample, [ElementwiseFusion()]).operators.contains("FusedElementwise"), "\(function)")
    }
  }

  @Test("results that others read, and other shapes, stay apart") func rejected() throws {
    var sample = Sample()
    let x = try sample.input([4, 8])
    let read = try sample.unary(.exp, x)
    try sample.output(sample.unary(.neg, sample.unary(.abs, read)))
    try sample.output(read)
    #expect(try fuse(sample, [ElementwiseFusion()]).operators == ["Exp", "FusedElementwise"])

    var smaller = Sample()
    let row = try smaller.unary(.exp, smaller.input([8]))
    try smaller.output(smaller.binary(.mul, smaller.unary(.abs, smaller.input([4, 8])), row))
    let (operators, notes) = try fuse(smaller, [ElementwiseFusion()])
    #expect(operators == ["Exp", "FusedElementwise"])
    #expect(rejects(notes, "not known to be that of"))

    var long = Sample()
    var y = try long.input([4, 8])
    for _ in 0..<30 { y = try long.binary(.mul, long.unary(.sigmoid, y), long.number(1.01)) }
    try long.output(y)
    let many = try fuse(long, [ElementwiseFusion()])
    #expect(rejects(many.notes, "too many steps"))
    #expect(many.operators == Array(repeating: "FusedElementwise", count: 3))
  }

  @Test("fused functions survive export and import; hostile ones are refused") func attributes() throws {
    let op = try FusedElementwise(
      inputs: 2,
      steps: [
        .init(.unary(Unary(.leakyRelu, alpha: 0.3)), [0]), .init(.clip(-1, 2), [1]), .init(.binary(.sub), [3, 2]),
        .init(.unary(Unary(.gelu, approximatesByTanh: true)), [4]),
      ])
    let again = try FusedElementwise(name: op.name, attributes: op.attributes)
    #expect(again.steps == op.steps && again.inputs == 2)
    for (name, value) in [
      ("inputs", Attribute.int(100)), ("inputs", .int(1)), ("operands", .ints([0, -1, 1, -1, 3, 4, 4, -1])),
      ("operands", .ints([0, -1])), ("functions", .strings(["Sin", "Clip", "Sub", "Gelu"])), ("numbers", .floats([1])),
    ] {
      var attributes = op.attributes
      attributes[name] = value
      #expect(throws: LigatureError.self) { try FusedElementwise(name: op.name, attributes: attributes) }
    }
  }

  @Test("a kernel refuses what it has no room for") func room() {
    var chain = lig_chain()
    let sizes = [4, 4]
    #expect(unsafe lig_broadcast_prepare(&chain.walk, 2, 1, [4], sizes) == 0)
    chain.steps = 0
    #expect(unsafe lig_chain_prepare(&chain) == -1)
    chain.steps = 1
    chain.step.0 = lig_chain_step(
      is_binary: 1, operation: Int32(LIG_BINARY_ADD), left: 0, right: 2, a: 0, b: 0, target: 0, is_single: 0)
    #expect(unsafe lig_chain_prepare(&chain) == -1)
    chain.step.0.right = 1
    #expect(unsafe lig_chain_prepare(&chain) == 0)
    chain.step.0.operation = Int32(LIG_BINARY_MOD)
    #expect(unsafe lig_chain_prepare(&chain) == -1)
  }
}
