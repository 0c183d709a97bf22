import CKernels
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite struct QuantizationCases {
  @Test(arguments: try OperatorCase.load("Quantization"))
  func law(_ sample: OperatorCase) throws { try check(sample) }

  private func bytes(_ count: Int, _ seed: UInt64) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 50)
    }
  }

  private func run(_ op: any Operator, _ inputs: [Tensor], constants: Set<Int>, threads: Int) throws -> [Int32] {
    var graph = Graph(name: "product")
    let operands = try inputs.enumerated().map { index, tensor in
      constants.contains(index)
        ? try graph.addConstant("i\(index)", tensor)
        : try graph.addInput("i\(index)", TensorType(tensor.element, sizes: tensor.shape))
    }
    try graph.addOutput(try #require(try graph.append(op, operands, name: "product", outputs: ["y"])[0]))
    let session = try Session(graph, options: Session.Options(threads: threads))
    let fed = inputs.indices.filter { !constants.contains($0) }.map { inputs[$0] }
    return try session.run(fed)[0].scalars(as: Int32.self)
  }

  /// On every instruction set and for several threads.
  private func everywhere(_ wanted: [Int32], _ body: (Int) throws -> [Int32]) throws {
    try exclusively {
      defer { lig_cpu_limit(~0) }
      for limit in [~0, UInt32(LIG_CPU_AVX2), 0] {
        lig_cpu_limit(limit)
        for threads in [1, 3] {
          let made = try body(threads)
          #expect(made == wanted, "limit \(limit), \(threads) threads")
        }
      }
    }
  }

  /// Sizes that no tile divides, in several tasks.
  @Test(arguments: [Set<Int>(), [1, 3]])
  func matMulIntegerOfManyTiles(_ constants: Set<Int>) throws {
    let (m, k, n) = (205, 67, 301)
    let a = bytes(m * k, 1)
    let b = bytes(k * n, 2)
    var wanted = [Int32](repeating: 0, count: m * n)
    for i in 0..<m {
      for q in 0..<k {
        let x = Int32(a[i * k + q]) - 200
        for j in 0..<n { wanted[i * n + j] += x * (Int32(b[q * n + j]) - 3) }
      }
    }
    let inputs = [
      try Tensor(a, [m, k]), try Tensor(b, [k, n]), Tensor(scalar: 200 as UInt8), Tensor(scalar: 3 as UInt8),
    ]
    try everywhere(wanted) { try run(MatMulInteger(), inputs, constants: constants, threads: $0) }
  }

  @Test(arguments: [1, 2])
  func convIntegerOfManyTiles(_ stride: Int) throws {
    let (channels, filters, height, width) = (5, 211, 27, 31)
    let (outH, outW) = ((height - 1) / stride + 1, (width - 1) / stride + 1)
    let x = bytes(channels * height * width, 3)
    let w = bytes(filters * channels * 9, 4)
    let zeros = bytes(filters, 5)
    var wanted = [Int32](repeating: 0, count: filters * outH * outW)
    for f in 0..<filters {
      for oy in 0..<outH {
        for ox in 0..<outW {
          var sum: Int32 = 0
          for c in 0..<channels {
            for ky in 0..<3 {
              for kx in 0..<3 {
                let (iy, ix) = (oy * stride + ky - 1, ox * stride + kx - 1)
                guard iy >= 0, iy < height, ix >= 0, ix < width else { continue }
                let weight = Int32(w[((f * channels + c) * 3 + ky) * 3 + kx]) - Int32(zeros[f])
                sum += (Int32(x[(c * height + iy) * width + ix]) - 90) * weight
              }
            }
          }
          wanted[(f * outH + oy) * outW + ox] = sum
        }
      }
    }
    let op = ConvInteger(try ConvolutionWindow(strides: [stride, stride], pads: [1, 1, 1, 1]))
    let inputs = [
      try Tensor(x, [1, channels, height, width]), try Tensor(w, [filters, channels, 3, 3]),
      Tensor(scalar: 90 as UInt8), try Tensor(zeros, [filters]),
    ]
    try everywhere(wanted) { try run(op, inputs, constants: [1], threads: $0) }
    try everywhere(wanted) { try run(op, inputs, constants: [], threads: $0) }
  }

  @Test func hostileAttributesAndSizesAreErrors() throws {
    func infer(_ type: String, _ inputs: [TensorType], _ fill: (inout Attributes) -> Void = { _ in }) throws {
      var attributes = Attributes()
      fill(&attributes)
      let domain = type == "DynamicQuantizeLSTM" ? "com.microsoft" : ""
      let op = try #require(try OperatorSet.standard.decode(OperatorName(type, domain: domain), attributes))
      _ = try op.inferTypes(InferenceContext(inputs))
    }
    let x = TensorType(.float32, sizes: [2, 6])
    let scale = TensorType(.float32, sizes: [])
    #expect(throws: LigatureError.self) { try infer("QuantizeLinear", [x, scale]) { $0.set("block_size", -1) } }
    #expect(throws: LigatureError.self) { try infer("QuantizeLinear", [x, scale]) { $0.set("output_dtype", 1) } }
    #expect(throws: LigatureError.self) { try infer("QuantizeLinear", [x, scale]) { $0.set("output_dtype", 99) } }
    #expect(throws: LigatureError.self) { try infer("QuantizeLinear", [x, TensorType(.float32, sizes: [5])]) }
    #expect(throws: LigatureError.self) {
      try infer("QuantizeLinear", [x, TensorType(.float32, sizes: [6])]) { $0.set("axis", 2) }
    }
    #expect(throws: LigatureError.self) {
      try infer("QuantizeLinear", [x, TensorType(.float32, sizes: [2, 2])]) { $0.set("block_size", Int.max) }
    }
    #expect(throws: LigatureError.self) {
      try infer("DequantizeLinear", [TensorType(.int8, sizes: [2, 6]), scale, TensorType(.uint8, sizes: [])])
    }
    #expect(throws: LigatureError.self) { try infer("DynamicQuantizeLinear", [TensorType(.int32, sizes: [2])]) }
    let scales = TensorType(.float32, sizes: [1])
    let zeros = TensorType(.int8, sizes: [1])
    func lstm(_ w: [Int], _ r: [Int], _ zero: TensorType) throws {
      let none = TensorType(.undefined, nil)
      let weights = [TensorType(.int8, sizes: w), TensorType(.int8, sizes: r)]
      try infer(
        "DynamicQuantizeLSTM",
        [TensorType(.float32, sizes: [3, 1, 4])] + weights + [none, TensorType(.int32, nil)] + [none, none, none]
          + [scales, zero, scales, zeros])
    }
    try lstm([1, 4, 8], [1, 2, 8], zeros)
    #expect(throws: LigatureError.self) { try lstm([1, 8, 4], [1, 2, 8], zeros) }
    #expect(throws: LigatureError.self) { try lstm([1, 4, 8], [1, 3, 8], zeros) }
    #expect(throws: LigatureError.self) { try lstm([1, 4, 8], [1, 2, 8], TensorType(.uint8, sizes: [1])) }
  }
}
