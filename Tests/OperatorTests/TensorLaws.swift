import CKernels
import Foundation
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

/// What recorded cases are too small, or too well-behaved, to show.
@Suite struct TensorLaws {
  // ── Tools ─────────────────────────────────────────────────────────────────
  private func op(_ type: String, _ attributes: [String: Attribute] = [:]) throws -> any Operator {
    try #require(try OperatorSet.standard.decode(OperatorName(type), Attributes(attributes)))
  }

  private func noise(_ shape: [Int], _ seed: UInt64 = 1, scale: Float = 4) throws -> Tensor {
    var state = seed
    let values = (0..<shape.reduce(1, *)).map { _ -> Float in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (Float(state >> 40) / Float(1 << 24) - 0.5) * scale
    }
    return try Tensor(values, shape)
  }

  /// Runs one node; `fixed` inputs are constants of the graph.
  private func run(
    _ op: any Operator, _ inputs: [Tensor?], fixed: Set<Int> = [], outputs: [Bool] = [true], threads: Int = 1
  ) throws -> [Tensor] {
    var graph = Graph(name: "law")
    var fed: [Tensor] = []
    let operands = try inputs.enumerated().map { index, tensor -> ValueID? in
      guard let tensor else { return nil }
      if fixed.contains(index) { return try graph.addConstant("c\(index)", tensor) }
      fed.append(tensor)
      return try graph.addInput("i\(index)", TensorType(tensor.element, sizes: tensor.shape))
    }
    let names = outputs.enumerated().map { $1 ? "o\($0)" : nil }
    for result in try graph.append(op, operands, name: "n", outputs: names).compactMap({ $0 }) {
      try graph.addOutput(result)
    }
    return try Session(graph, options: Session.Options(threads: threads)).run(fed)
  }

  /// The same bits for 1 and 3 threads and for every instruction set: these kernels use no fused multiply-add.
  private func expectSameBits(_ what: String, _ op: any Operator, _ inputs: [Tensor?], fixed: Set<Int> = []) throws {
    let reference = try run(op, inputs, fixed: fixed)
    #expect(try sameBits(run(op, inputs, fixed: fixed, threads: 3)[0], reference[0]), "\(what): threads")
    defer { lig_cpu_limit(~0) }
    for limit in [0, UInt32(LIG_CPU_AVX2)] {
      lig_cpu_limit(limit)
      #expect(try sameBits(run(op, inputs, fixed: fixed)[0], reference[0]), "\(what): instruction set \(limit)")
    }
  }

  /// The same bits for 1 and 3 threads on every instruction set, and about the same values on all of them: multiply-add
  /// is one rounding where the processor has it.
  private func expectTwins(_ what: String, _ op: any Operator, _ inputs: [Tensor?], fixed: Set<Int> = []) throws {
    let reference = try run(op, inputs, fixed: fixed)[0]
    defer { lig_cpu_limit(~0) }
    for limit in [~0, 0, UInt32(LIG_CPU_AVX2)] {
      lig_cpu_limit(limit)
      let one = try run(op, inputs, fixed: fixed)[0]
      #expect(try sameBits(run(op, inputs, fixed: fixed, threads: 3)[0], one), "\(what): threads, set \(limit)")
      let problem = difference(one, reference, 1e-6)
      #expect(problem == nil, "\(what): instruction set \(limit): \(problem ?? "")")
    }
  }

  // ── Sizes that are cut into tasks ─────────────────────────────────────────
  @Test func largeTensors() throws {
    let image = try noise([2, 12, 61, 67])
    try exclusively {
      for type in ["Sigmoid", "Tanh", "Exp", "Erf", "Gelu", "Mish", "Softplus", "Log"] {
        try expectTwins(type, try op(type), [image])
      }
      for type in ["HardSwish", "Relu", "Sqrt", "Floor", "Sign", "LeakyRelu"] {
        try expectSameBits(type, try op(type), [image])
      }
      for type in ["Add", "Mul", "Sub", "Div", "Max", "PRelu"] {
        try expectSameBits(type, try op(type), [image, noise([12, 1, 1], 2)])
        try expectSameBits(type, try op(type), [image, noise([2, 12, 61, 67], 3)])
      }
      for axes in [[1], [2, 3], [0, 2], [3], [0, 1, 2, 3]] {
        let axes = try Tensor(axes.map(Int64.init), [axes.count])
        for type in ["ReduceMean", "ReduceMax", "ReduceL2", "ReduceProd"] {
          try expectSameBits(type, try op(type), [image, axes], fixed: [1])
        }
        try expectTwins("ReduceLogSumExp", try op("ReduceLogSumExp"), [image, axes], fixed: [1])
      }
      let window: [String: Attribute] = ["kernel_shape": .ints([5, 5]), "pads": .ints([2, 2, 2, 2])]
      try expectSameBits("MaxPool", try op("MaxPool", window), [image])
      try expectSameBits("AveragePool", try op("AveragePool", window), [image])
      for perm in [[0, 2, 3, 1], [3, 0, 1, 2], [1, 0, 3, 2]] {
        try expectSameBits("Transpose", try op("Transpose", ["perm": .ints(perm.map(Int64.init))]), [image])
      }
      let scales = try Tensor([Float(1), 1, 2, 1.5], [4])
      for mode in ["nearest", "linear", "cubic"] {
        try expectSameBits(mode, try op("Resize", ["mode": .string(mode)]), [image, nil, scales], fixed: [2])
      }
    }
  }

  @Test func largeTransposeIsRight() throws {
    let (rows, columns) = (301, 217)
    let x = try noise([rows, columns])
    let (a, b) = (try x.floats(), try run(try op("Transpose"), [x])[0].floats())
    for row in 0..<rows { for column in 0..<columns { #expect(b[column * rows + row] == a[row * columns + column]) } }
  }

  // ── Accuracy ──────────────────────────────────────────────────────────────
  /// Errors in units of the last place, against float64.
  @Test func elementaryFunctions() throws {
    let values = stride(from: Float(-20), through: 20, by: 0.0037).map { $0 }
    let checks: [(String, Double, (Double) -> Double)] = [
      ("Exp", 1.5, exp), ("Tanh", 2.5, tanh), ("Erf", 3, erf), ("Sigmoid", 3, { 1 / (1 + exp(-$0)) }),
      ("Log", 1.5, log), ("Softplus", 2.5, { max($0, 0) + log1p(exp(-abs($0))) }),
      ("Elu", 2, { $0 < 0 ? expm1($0) : $0 }),
    ]
    for (type, bound, exact) in checks {
      let x = type == "Log" ? values.map { exp($0) } : values
      let y = try run(try op(type), [Tensor(x, [x.count])])[0].floats()
      var worst = 0.0
      for (x, y) in zip(x, y) {
        let expected = exact(Double(x))
        worst = max(worst, abs(Double(y) - expected) / Double(Float(expected).ulp))
      }
      #expect(worst <= bound, "\(type) is off by \(worst) units in the last place")
    }
  }

  // ── Integers that trap elsewhere ──────────────────────────────────────────
  @Test func integerDivision() throws {
    let a = try Tensor([Int32.min, 7, -7, 7, -7], [5])
    let b = try Tensor([Int32(-1), 0, 0, -2, -2], [5])
    #expect(try run(try op("Div"), [a, b])[0].integers() == [Int(Int32.min), 0, 0, -3, 3])
    #expect(try run(try op("Mod"), [a, b])[0].integers() == [0, 0, 0, -1, -1])
    let wide = try Tensor([Int64.min, 5], [2])
    let by = try Tensor([Int64(-1), 0], [2])
    #expect(try run(try op("Div"), [wide, by])[0].integers() == [.min, 0])
  }

  @Test func castsSaturate() throws {
    let x = try Tensor([Float.nan, .infinity, -.infinity, 3e9, -3e9, 1.9, -1.9], [7])
    let y = try run(try op("Cast", ["to": .int(6)]), [x])[0].integers()
    #expect(y == [0, Int(Int32.max), Int(Int32.min), Int(Int32.max), Int(Int32.min), 1, -1])
    let bytes = try run(try op("Cast", ["to": .int(2)]), [x])[0].integers()
    #expect(bytes == [0, 255, 0, 255, 0, 1, 0])
  }

  // ── In place ──────────────────────────────────────────────────────────────
  /// A chain whose results take over the blocks of their operands gives what each step gives alone.
  @Test func inPlace() throws {
    let x = try noise([3, 5, 40])
    let steps: [(String, Tensor?)] = [
      ("Neg", nil), ("Add", try noise([5, 1], 2)), ("Sigmoid", nil), ("Mul", try noise([3, 5, 40], 3)), ("Tanh", nil),
      ("Pow", Tensor(scalar: Float(2))), ("Elu", nil), ("Div", Tensor(scalar: Float(3))),
      ("Clip", Tensor(scalar: Float(-0.1))),
    ]
    var graph = Graph(name: "chain")
    var value = try graph.addInput("x", TensorType(.float32, sizes: x.shape))
    var alone = x
    for (index, (type, other)) in steps.enumerated() {
      let op = try op(type)
      alone = try run(op, [alone] + (other.map { [$0] } ?? []))[0]
      let operands = try [value] + (other.map { [try graph.addConstant("c\(index)", $0)] } ?? [])
      value = try graph.append(op, operands, name: "n\(index)")
    }
    // The second operand, too, may be overwritten.
    let twice = try graph.append(try op("Exp"), [value], name: "exp")
    let last = try graph.append(
      try op("Sub"), [try graph.append(try op("Abs"), [twice], name: "abs"), twice], name: "sub")
    try graph.addOutput(last)
    let e = try run(try op("Exp"), [alone])[0]
    let expected = try run(try op("Sub"), [run(try op("Abs"), [e])[0], e])[0]
    #expect(sameBits(try Session(graph, options: Session.Options(threads: 2)).run([x])[0], expected))
  }

  // ── Optional outputs ──────────────────────────────────────────────────────
  @Test func unwantedOutputs() throws {
    let x = try Tensor((0..<9).map(Float.init), [1, 9])
    let sizes = try Tensor([Int64(2), 4, 3], [3])
    let pieces = try run(try op("Split", ["axis": .int(1)]), [x, sizes], fixed: [1], outputs: [true, false, true])
    #expect(try pieces.map { try $0.floats() } == [[0, 1], [6, 7, 8]])
    let k = try Tensor([Int64(2)], [1])
    let places = try run(try op("TopK"), [x, k], fixed: [1], outputs: [false, true])
    #expect(try places[0].integers() == [8, 7])
  }

  // ── Indices ───────────────────────────────────────────────────────────────
  @Test func indicesOutOfRange() throws {
    let x = try noise([4, 3])
    for bad in [Int64(4), -5, .max, .min] {
      let indices = try Tensor([bad], [1])
      #expect(throws: LigatureError.self) { try run(try op("Gather"), [x, indices]) }
      let pair = try Tensor([bad, 0], [1, 2])
      #expect(throws: LigatureError.self) { try run(try op("GatherElements"), [x, pair]) }
      #expect(throws: LigatureError.self) { try run(try op("GatherND"), [x, pair]) }
      #expect(throws: LigatureError.self) { try run(try op("ScatterND"), [x, pair, try noise([1])]) }
      #expect(throws: LigatureError.self) { try run(try op("ScatterElements"), [x, pair, try noise([1, 2])]) }
    }
  }
}
