import GraphIR
import TensorCore
import Testing

/// Tensors without elements, of one element, and those that a few bytes ask for and no memory holds.
@Suite struct HostileSizeTests {
  /// What each operator makes of nothing, or of a single number, is a matter of its definition; here only that it ends.
  @Test(arguments: [
    [0, 2, 4, 4], [1, 0, 4, 4], [1, 2, 0, 4], [1, 2, 4, 0], [0, 0, 0, 0], [1, 2, 1, 1], [1, 2, 1, 4],
  ])
  func nothingAndLittle(_ shape: [Int]) throws {
    let x = try floats(shape)
    let zero = try ints([0])
    let unary = [
      "Relu", "Softmax", "LogSoftmax", "GlobalAveragePool", "GlobalMaxPool", "NonZero", "Unique", "Flatten",
      "Transpose",
      "Shape", "Size", "Not", "ReduceMax", "ReduceMean", "ReduceSum", "ReduceProd", "ReduceL2", "ArgMax", "ArgMin",
      "DynamicQuantizeLinear", "Identity", "Erf", "Sigmoid", "IsNaN",
    ]
    var attempts = unary.map { Attempt($0, [x], "\(shape)") }
    for axis in 0..<4 {
      let at: [String: Attribute] = ["axis": .int(Int64(axis))]
      attempts += try [
        Attempt("Softmax", [x], at, "\(shape)"), Attempt("ArgMax", [x], at, "\(shape)"),
        Attempt("Concat", [x, x], at, "\(shape)"), Attempt("Split", [x], at, outputs: 2, "\(shape)"),
        Attempt("Gather", [x, zero], at, "\(shape)"), Attempt("Gather", [x, ints([])], at, "\(shape)"),
        Attempt("TopK", [x, ints([1])], at, outputs: 2, "\(shape)"), Attempt("Unique", [x], at, outputs: 4, "\(shape)"),
        Attempt("Compress", [x, Tensor([true], [1])], at, "\(shape)"),
        Attempt("CumSum", [x, ints([axis])], "\(shape)"), Attempt("ReduceMin", [x, ints([axis])], "\(shape)"),
        Attempt("LayerNormalization", [x, floats(Array(shape[axis...]))], at, "\(shape)"),
      ]
    }
    let windows: [String: Attribute] = ["kernel_shape": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])]
    attempts += try [
      Attempt("Conv", [x, floats([3, 2, 3, 3])], ["pads": .ints([1, 1, 1, 1])], "\(shape)"),
      Attempt("Conv", [x, floats([3, 2, 1, 1])], "\(shape)"), Attempt("Conv", [x, floats([0, 2, 1, 1])], "\(shape)"),
      Attempt("ConvTranspose", [x, floats([2, 3, 3, 3])], "\(shape)"),
      Attempt("MaxPool", [x], windows, "\(shape)"), Attempt("AveragePool", [x], windows, "\(shape)"),
      Attempt("BatchNormalization", [x, floats([2]), floats([2]), floats([2]), floats([2])], "\(shape)"),
      Attempt("InstanceNormalization", [x, floats([2]), floats([2])], "\(shape)"),
      Attempt("MatMul", [x, floats([4, 3])], "\(shape)"), Attempt("MatMul", [x, floats([4, 0])], "\(shape)"),
      Attempt("Resize", [x, nil, floats([1, 1, 2, 2])], ["mode": .string("linear")], "\(shape)"),
      Attempt("Resize", [x, nil, nil, ints([1, 2, 0, 3])], "\(shape)"),
      Attempt("Resize", [x, nil, nil, ints([1, 2, 5, 5])], ["mode": .string("cubic")], "\(shape)"),
      Attempt("GridSample", [x, floats([1, 2, 2, 2])], "\(shape)"),
      Attempt("GridSample", [x, floats([1, 0, 2, 2])], "\(shape)"),
      Attempt("RoiAlign", [x, floats([1, 4]), zero], "\(shape)"),
      Attempt("RoiAlign", [x, floats([0, 4]), ints([])], "\(shape)"),
      Attempt("Pad", [x, ints([0, 0, 1, 1, 0, 0, 1, 1])], ["mode": .string("reflect")], "\(shape)"),
      Attempt("Pad", [x, ints([0, 0, 1, 1, 0, 0, 1, 1])], ["mode": .string("edge")], "\(shape)"),
      Attempt("Expand", [x, ints(shape)], "\(shape)"), Attempt("Tile", [x, ints([1, 0, 2, 1])], "\(shape)"),
      Attempt("Reshape", [x, ints([-1])], "\(shape)"), Attempt("Reshape", [x, ints([0, -1])], "\(shape)"),
      Attempt("Reshape", [x, ints([0, 0])], ["allowzero": .int(1)], "\(shape)"),
      Attempt("Einsum", [x, x], ["equation": .string("abij,abjk->abik")], "\(shape)"),
      Attempt("ScatterND", [x, ints([], [0, 1]), floats([0] + shape[1...])], "\(shape)"),
      Attempt("DepthToSpace", [x], ["blocksize": .int(1)], "\(shape)"),
      Attempt("Trilu", [x], "\(shape)"), Attempt("Where", [Tensor([true], [1]), x, x], "\(shape)"),
      Attempt("NonMaxSuppression", [floats([1, 0, 4]), floats([1, 2, 0]), ints([3])], "\(shape)"),
    ]
    for attempt in attempts {
      let start = ContinuousClock.now
      _ = try attempt.failures()
      #expect(start.duration(to: .now) < .seconds(5), "\(attempt)")
    }
  }

  /// Sequences of no steps, no batch, no features.
  @Test(arguments: ["LSTM", "GRU", "RNN"]) func sequencesOfNothing(_ kind: String) throws {
    let gates = ["LSTM": 4, "GRU": 3, "RNN": 1][kind] ?? 1
    for sizes in [[0, 1, 2], [3, 0, 2], [3, 1, 0], [0, 0, 0]] {
      let (w, r) = (try floats([1, gates * 2, sizes[2]]), try floats([1, gates * 2, 2]))
      _ = try Attempt(kind, [floats(sizes), w, r], ["hidden_size": .int(2)], "\(sizes)").failures()
    }
    let (x, w, r) = (try floats([3, 1, 2]), try floats([1, gates * 2, 2]), try floats([1, gates * 2, 2]))
    let wrong = try [
      Attempt(kind, [x, w, r], ["hidden_size": .int(0)], "no state"),
      Attempt(kind, [x, w, r], ["hidden_size": .int(-2)], "a negative state"),
      Attempt(kind, [x, w, r], ["hidden_size": .int(.max)], "a huge state"),
      Attempt(kind, [x, w, floats([1, gates * 2, 3])], ["hidden_size": .int(2)], "weights that do not fit"),
      Attempt(kind, [x, w, r, floats([1, 3])], ["hidden_size": .int(2)], "a bias that does not fit"),
      Attempt(kind, [x, w, r, nil, Tensor([Int32(9)], [1])], ["hidden_size": .int(2)], "a length past the end"),
      Attempt(kind, [x, w, r, nil, Tensor([Int32(-1)], [1])], ["hidden_size": .int(2)], "a negative length"),
      Attempt(kind, [x, w, r], ["hidden_size": .int(2), "direction": .string("sideways")], "an unknown direction"),
    ]
    for attempt in wrong { for error in try attempt.failures() { #expect(error != nil, "\(attempt)") } }
  }

  /// Each asks for more than there may be, in some bytes; nothing is allocated for it.
  @Test func bombs() throws {
    let one = try floats([1, 1])
    let huge = 1 << 20
    for attempt in try [
      Attempt("Expand", [one, ints([huge, huge])], "4 TiB"), Attempt("Tile", [one, ints([huge, huge])], "4 TiB"),
      Attempt("ConstantOfShape", [ints([huge, huge])], "4 TiB"),
      Attempt("Range", [ints([0], []), ints([.max], []), ints([1], [])], "2^63 numbers"),
      Attempt("Range", [ints([.min], []), ints([.max], []), ints([1], [])], "2^64 numbers"),
      Attempt("Range", [floats([0], []), floats([1e18], []), floats([1], [])], "10^18 numbers"),
      Attempt("OneHot", [ints([0]), ints([1 << 40]), floats([0, 1])], "2^40 classes"),
      Attempt("Pad", [one, ints([huge, huge, huge, huge])], "16 TiB"),
      Attempt("Resize", [floats([1, 1, 1, 1]), nil, nil, ints([1, 1, huge, huge])], "4 TiB"),
      Attempt("MatMul", [floats([65536, 1]), floats([1, 65536])], "16 GiB"),
      Attempt(
        "ConvTranspose", [floats([1, 1, 2, 2]), floats([1, 1, 1, 1])], ["strides": .ints([1 << 19, 1 << 19])], "1 TiB"),
      Attempt("Gather", [one, Tensor(zeros: .int64, [1 << 19])], "512 Ki columns").wide(1 << 13),
    ] {
      let start = ContinuousClock.now
      for (way, error) in zip(Attempt.Way.allCases, try attempt.failures()) {
        #expect(error != nil, "\(attempt) as \(way)")
      }
      #expect(start.duration(to: .now) < .seconds(5), "\(attempt)")
    }
  }
}

extension Attempt {
  /// With a first operand of that many columns.
  fileprivate func wide(_ columns: Int) throws -> Attempt {
    var copy = self
    copy.inputs[0] = try floats([1, columns])
    return copy
  }
}
