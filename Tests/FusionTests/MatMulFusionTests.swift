import GraphIR
import Operators
import Passes
import TensorCore
import Testing

@Suite("Fusing into matrix products") struct MatMulFusionTests {
  private func product(_ sample: inout Sample, _ shape: [Int], columns: Int) throws -> ValueID {
    let x = try sample.input(shape, symbolic: [0])
    return try sample.builder.append(MatMul(), [x, sample.weights([shape[shape.count - 1], columns])])
  }

  @Test("a bias, an activation and scaling", arguments: [[1, 1, 24], [3, 7, 40], [2, 45, 33], [64, 120]])
  func bias(_ shape: [Int]) throws {
    for activation in [Unary(.gelu), Unary(.swish), Unary(.relu)] {
      var sample = Sample()
      let y = try product(&sample, shape, columns: 37)
      let biased = try sample.binary(.add, sample.weights([37]), y)
      let active = try sample.builder.append(activation, [biased])
      try sample.output(sample.binary(.mul, active, sample.number(0.5)))
      #expect(try fuse(sample, [MatMulFusion()]).operators == ["FusedMatMul"])
    }
  }

  @Test("a bias of more axes, a residual, an activation", arguments: [[1, 1, 24], [3, 7, 40], [2, 45, 33]])
  func residual(_ shape: [Int]) throws {
    var sample = Sample()
    let y = try product(&sample, shape, columns: 37)
    let other = try sample.input(Array(shape.dropLast()) + [37], symbolic: [0])
    let biased = try sample.binary(.add, y, sample.weights([1, 37]))
    try sample.output(sample.unary(.tanh, sample.binary(.add, other, biased)))
    #expect(try fuse(sample, [MatMulFusion()]).operators == ["FusedMatMul"])
  }

  @Test("products of two results, without a bias") func dynamic() throws {
    var sample = Sample()
    let a = try sample.input([2, 3, 9, 16])
    let b = try sample.input([2, 3, 16, 11])
    let y = try sample.builder.append(MatMul(), [a, b])
    try sample.output(sample.binary(.mul, y, sample.number(0.25)))
    #expect(try fuse(sample, [MatMulFusion()]).operators == ["FusedMatMul"])
  }

  @Test("Gemm in all orientations", arguments: [false, true], [false, true])
  func gemm(_ transposesA: Bool, _ transposesB: Bool) throws {
    var sample = Sample()
    let a = try sample.input(transposesA ? [20, 9] : [9, 20])
    let b = try sample.weights(transposesB ? [13, 20] : [20, 13])
    let op = Gemm(alpha: 0.7, transposesA: transposesA, transposesB: transposesB)
    let y = try sample.builder.append(op, [a, b, sample.weights([13])])
    try sample.output(sample.unary(.sigmoid, sample.binary(.add, y, sample.input([9, 13]))))
    #expect(try fuse(sample, [MatMulFusion()]).operators == ["FusedMatMul"])
  }

  @Test("what cannot be fused is said") func rejected() throws {
    var sample = Sample()
    let op = Gemm(beta: 0.5)
    let y = try sample.builder.append(op, [sample.input([4, 6]), sample.weights([6, 5]), sample.weights([5])])
    try sample.output(sample.unary(.relu, y))
    #expect(rejects(try fuse(sample, [MatMulFusion()]).notes, "not one value a column"))

    var vector = Sample()
    let z = try vector.builder.append(MatMul(), [vector.input([3, 6]), vector.weights([6])])
    try vector.output(vector.unary(.relu, z))
    #expect(rejects(try fuse(vector, [MatMulFusion()]).notes, "matrices"))

    var wider = Sample()
    let w = try wider.builder.append(MatMul(), [wider.input([3, 6]), wider.weights([6, 5])])
    try wider.output(wider.binary(.add, w, wider.weights([1, 1, 5])))
    #expect(rejects(try fuse(wider, [MatMulFusion()]).notes, "changes the shape"))
  }

  @Test("what is nearly fused is said, and why not") func nearMisses() throws {
    func notes(_ build: (inout Sample, ValueID) throws -> Void) throws -> [PassNote] {
      var sample = Sample()
      let y = try product(&sample, [3, 6], columns: 5)
      try build(&sample, y)
      return try fuse(sample, [MatMulFusion()]).notes
    }
    let shared = try notes { sample, y in
      try sample.output(sample.binary(.mul, sample.unary(.tanh, y), sample.unary(.exp, y)))
    }
    #expect(rejects(shared, "is read by others"))
    let biases = try notes { sample, y in
      try sample.output(sample.binary(.add, y, sample.weights([5])))
      try sample.output(sample.binary(.add, y, sample.weights([5])))
    }
    #expect(rejects(biases, "is read by others"))
    #expect(rejects(try notes { try $0.output($0.unary(.erf, $1)) }, "no kernel applies Erf"))
    #expect(rejects(try notes { try $0.output($0.binary(.mul, $1, $0.weights([5]))) }, "not one number"))
  }

  @Test("fused products survive export and import") func attributes() throws {
    let op = FusedMatMul(alpha: 0.5, transposesB: true, Epilogue(.geluTanh, scale: 2, shift: -1))
    let again = try FusedMatMul(name: op.name, attributes: op.attributes)
    #expect(again.epilogue == op.epilogue)
    #expect(again.alpha == 0.5 && again.transposesB && !again.transposesA)
    let types = [[2, 3], [3, 4], [3], [2, 4]].map { TensorType(.float32, sizes: $0) }
    #expect(throws: LigatureError.self) { try FusedMatMul().inferTypes(InferenceContext(types)) }
    #expect(throws: LigatureError.self) {
      try FusedMatMul().inferTypes(InferenceContext([types[0], types[1], nil, types[0]]))
    }
  }
}
