import GraphIR
import TensorCore
import TestSupport
import Testing

@Suite("Gradients of reductions, shapes and indexing") struct StructureGradients {
  static func reductionsCases() throws -> [GradientCase] {
    let x = try Tensor.distinct([2, 3, 4], gap: 0.15)
    let functions = [
      "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp",
    ]
    var cases: [GradientCase] = []
    for type in functions {
      cases += [
        try GradientCase(type, "over one axis", [x, .integers([1])], constants: [1]),
        try GradientCase(type, "without kept axes", ["keepdims": .int(0)], [x, .integers([-1, 0])], constants: [1]),
        try GradientCase(type, "over all", ["keepdims": .int(0)], [x]),
      ]
    }
    cases += cases.map(\.symbolic)
    cases += [
      try GradientCase("ReduceLogSum", "", [.random([3, 4], 0.5, 2), .integers([1])], constants: [1]),
      try GradientCase("ReduceProd", "over one axis", [x, .integers([1])], constants: [1]).symbolic,
      try GradientCase("ReduceProd", "over all", ["keepdims": .int(0)], [.random([2, 3], 0.5, 2)]),
      try GradientCase(
        "ReduceProd", "zeros", ["keepdims": .int(0)],
        [Tensor([2, -1, 0.5, 3, 2, 0, -1, 1, 0, 1.5, 0, 2] as [Float], [3, 4]), .integers([1])], constants: [1]),
      try GradientCase("CumSum", "", [x, Tensor(scalar: Int64(1))], constants: [1]),
      try GradientCase(
        "CumSum", "", ["exclusive": .int(1), "reverse": .int(1)], [x, Tensor(scalar: Int64(2))], constants: [1]),
      try GradientCase("Softmax", "inner", ["axis": .int(-1)], [.random([3, 4], -2, 2)]),
      try GradientCase("Softmax", "outer", ["axis": .int(0)], [.random([3, 4], -2, 2)]),
      try GradientCase("LogSoftmax", "inner", ["axis": .int(2)], [.random([2, 3, 4], -2, 2)]).symbolic,
      try GradientCase("LogSoftmax", "middle", ["axis": .int(1)], [.random([2, 3, 4], -2, 2)]),
    ]
    return cases
  }

  static func productsCases() throws -> [GradientCase] {
    func matmul(_ a: [Int], _ b: [Int]) throws -> GradientCase {
      try GradientCase("MatMul", "\(a) by \(b)", [.random(a), .random(b, seed: 5)])
    }
    var cases = [
      try matmul([3, 4], [4, 5]), try matmul([2, 3, 4], [4, 5]), try matmul([2, 3, 4], [2, 4, 5]),
      try matmul([2, 1, 3, 4], [3, 4, 2]), try matmul([4], [4, 5]), try matmul([3, 4], [4]), try matmul([4], [4]),
      try matmul([2, 3, 4], [4]), try matmul([4], [2, 4, 3]), try matmul([3, 4], [2, 4, 5]),
    ]
    cases += cases.map(\.symbolic)
    let products: [(String, [[Int]])] = [
      ("bhid,bhjd->bhij", [[2, 3, 4, 5], [2, 3, 2, 5]]), ("...ij,jk->...ik", [[2, 3, 4], [4, 5]]),
      ("ij,ik,il->jkl", [[3, 2], [3, 4], [3, 2]]), ("ij->j", [[3, 4]]), ("ijk,k->", [[2, 3, 4], [4]]),
      ("ab,bc", [[2, 3], [3, 4]]), ("ij,jk->ik", [[3, 1], [4, 2]]),
    ]
    for (equation, shapes) in products {
      let operands = try shapes.enumerated().map { try Tensor.random($1, seed: UInt64($0)) }
      let sample = try GradientCase("Einsum", equation, ["equation": .string(equation)], operands)
      cases += equation == "ij,jk->ik" ? [sample] : [sample, sample.symbolic]
    }
    for (transA, transB) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
      let a = transA == 0 ? [3, 4] : [4, 3]
      let b = transB == 0 ? [4, 5] : [5, 4]
      let attributes: [String: Attribute] = [
        "transA": .int(Int64(transA)), "transB": .int(Int64(transB)), "alpha": .float(0.5), "beta": .float(2),
      ]
      cases.append(
        try GradientCase(
          "Gemm", "\(transA)\(transB)", attributes, [.random(a), .random(b), .random(transA == 0 ? [5] : [3, 1])]))
    }
    return cases
  }

  static func shapesCases() throws -> [GradientCase] {
    let x = try Tensor.random([2, 3, 4])
    var cases = [
      try GradientCase("Reshape", "", [x, .integers([4, -1])], constants: [1]),
      try GradientCase("Reshape", "with a zero", [x, .integers([0, -1])], constants: [1]),
      try GradientCase("Squeeze", "", [.random([2, 1, 3, 1]), .integers([1, -1])], constants: [1]),
      try GradientCase("Unsqueeze", "", [x, .integers([0, -1])], constants: [1]),
      try GradientCase("Flatten", "", ["axis": .int(2)], [x]),
      try GradientCase("Transpose", "", ["perm": .ints([2, 0, 1])], [x]),
      try GradientCase("Transpose", "reversed", [x]),
      try GradientCase("Expand", "", [.random([3, 1]), .integers([2, 3, 4])], constants: [1]),
      try GradientCase("Concat", "", ["axis": .int(1)], [x, .random([2, 1, 4]), .random([2, 2, 4])]),
      try GradientCase("Split", "equal", ["axis": .int(2), "num_outputs": .int(2)], [x], outputs: [true, true]),
      try GradientCase(
        "Split", "sizes", ["axis": .int(1)], [x, .integers([1, 2])], constants: [1], outputs: [true, true]),
      try GradientCase(
        "Split", "one piece unused", ["axis": .int(1)], [x, .integers([1, 2])], constants: [1], outputs: [true, true],
        projected: [1]),
      try GradientCase(
        "Split", "one piece left out", ["axis": .int(2), "num_outputs": .int(2)], [x], outputs: [false, true]),
      try GradientCase(
        "Split", "the first of three alone", ["axis": .int(2)], [x, .integers([1, 2, 1])], constants: [1],
        outputs: [true]),
      try GradientCase(
        "Slice", "", [x, .integers([1, 1]), .integers([2, 4]), .integers([0, 2])], constants: [1, 2, 3]),
      try GradientCase(
        "Slice", "backwards by two", [x, .integers([-1]), .integers([-100]), .integers([2]), .integers([-2])],
        constants: [1, 2, 3, 4]),
      try GradientCase("Pad", "", [x, .integers([0, 1, 2, 1, 0, 0])], constants: [1]),
      try GradientCase("Pad", "negative", [x, .integers([0, -1, 2, 1, 0, -1])], constants: [1]),
      try GradientCase(
        "Pad", "axes", [x, .integers([1, 2]), Tensor(scalar: Float(3)), .integers([-1])], constants: [1, 2, 3]),
      try GradientCase(
        "Pad", "reflected", ["mode": .string("reflect")], [x, .integers([0, 2, 3, 1, 1, 2])], constants: [1]),
      try GradientCase(
        "Pad", "edges", ["mode": .string("edge")], [x, .integers([2, 0, 1, 3, -1, 4])], constants: [1]),
      try GradientCase(
        "Pad", "wrapped, along one axis", ["mode": .string("wrap")], [x, .integers([3, 2]), nil, .integers([2])],
        constants: [1, 3]),
      try GradientCase("Tile", "", [x, .integers([2, 1, 3])], constants: [1]),
      try GradientCase("Trilu", "", [x], constants: []),
    ]
    cases += cases.map(\.symbolic)
    cases += [
      try GradientCase("DepthToSpace", "DCR", ["blocksize": .int(2)], [.random([2, 8, 3, 2])]),
      try GradientCase(
        "DepthToSpace", "CRD", ["blocksize": .int(2), "mode": .string("CRD")], [.random([2, 8, 3, 2])]),
      try GradientCase("SpaceToDepth", "", ["blocksize": .int(2)], [.random([2, 3, 4, 6])]),
    ]
    return cases
  }

  static func indexingCases() throws -> [GradientCase] {
    let x = try Tensor.random([3, 4, 2])
    let again = try Tensor.integers([0, 2, -1, 2, 0, 1], [2, 3])
    var cases = [
      try GradientCase("Gather", "rows, some twice", [x, again], constants: [1]),
      try GradientCase("Gather", "middle axis", ["axis": .int(1)], [x, .integers([3, 0, 3])], constants: [1]),
      try GradientCase(
        "Gather", "last axis, scalar", ["axis": .int(-1)], [x, Tensor(scalar: Int64(1))], constants: [1]),
      try GradientCase("Gather", "int32, computed", ["axis": .int(1)], [x, Tensor([Int32(1), 1], [2])]),
      try GradientCase(
        "GatherElements", "", ["axis": .int(1)], [.random([2, 3]), .integers([0, 2, 2, -1], [2, 2])], constants: [1]),
      try GradientCase(
        "GatherND", "elements", [.random([2, 3]), .integers([0, 1, 1, 2, 0, 1], [3, 2])], constants: [1]),
      try GradientCase("GatherND", "slices", [x, .integers([2, 2, 0], [3, 1])], constants: [1]),
      try GradientCase(
        "GatherND", "a batch", ["batch_dims": .int(1)], [x, .integers([1, 0, 3, 1, -1, 1], [3, 1, 2])], constants: [1]),
      try GradientCase(
        "GatherND", "two batch dimensions", ["batch_dims": .int(2)],
        [.random([2, 2, 4]), .integers([0, 3, 3, 3, -1, 0, 2, 1], [2, 2, 2, 1])], constants: [1]),
      try GradientCase(
        "ScatterElements", "multiplying", ["axis": .int(1), "reduction": .string("mul")],
        [.random([2, 3]), .integers([0, 2, 2, 1, 1, 1], [2, 3]), .random([2, 3])], constants: [1]),
      try GradientCase(
        "ScatterElements", "the largest", ["reduction": .string("max")],
        [.distinct([2, 3]), .integers([0, 1, 0, 0, 1, 0], [2, 3]), .distinct([2, 3], offset: 0.1, seed: 9)],
        constants: [1]),
      try GradientCase(
        "ScatterND", "multiplying", ["reduction": .string("mul")],
        [x, .integers([2, 2], [2, 1]), .random([2, 4, 2])],
        constants: [1]),
      try GradientCase(
        "ScatterND", "the least", ["reduction": .string("min")],
        [.distinct([3, 4]), .integers([2, 1], [2, 1]), .distinct([2, 4], offset: 0.1, seed: 9)], constants: [1]),
      try GradientCase(
        "ScatterElements", "replacing", ["axis": .int(1)],
        [.random([2, 3]), .integers([0, 2], [2, 1]), .random([2, 1])],
        constants: [1]),
      try GradientCase(
        "ScatterElements", "adding", ["reduction": .string("add")],
        [.random([2, 3]), .integers([0, 1, 0, 0, 1, 0], [2, 3]), .random([2, 3])], constants: [1]),
      try GradientCase(
        "ScatterND", "replacing", [x, .integers([2, 0], [2, 1]), .random([2, 4, 2])], constants: [1]),
      try GradientCase(
        "ScatterND", "adding", ["reduction": .string("add")], [x, .integers([2, 2], [2, 1]), .random([2, 4, 2])],
        constants: [1]),
      try GradientCase(
        "TopK", "largest", ["axis": .int(1)], [.distinct([3, 5]), .integers([2])], constants: [1],
        outputs: [true, true]),
      try GradientCase(
        "TopK", "smallest, places unnamed", ["largest": .int(0)], [.distinct([3, 5]), .integers([3])], constants: [1],
        outputs: [true, false]),
    ]
    cases += cases.map(\.symbolic)
    return cases
  }

  @Test("reductions and softmax", arguments: try reductionsCases()) func reductions(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("products", arguments: try productsCases()) func products(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("shapes", arguments: try shapesCases()) func shapes(_ sample: GradientCase) throws { try checkGradient(sample) }
  @Test("indexing", arguments: try indexingCases()) func indexing(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
}
