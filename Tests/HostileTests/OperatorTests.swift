import GraphIR
import TensorCore
import Testing

/// Operands and attributes that no sound exporter writes: each ends in an error that says something, whether folding,
/// planning or a kernel meets it.
@Suite struct HostileOperatorTests {
  private func expectErrors(_ attempts: [Attempt], _ location: SourceLocation = #_sourceLocation) throws {
    for attempt in attempts {
      let start = ContinuousClock.now
      for (way, error) in zip(Attempt.Way.allCases, try attempt.failures()) {
        #expect(error != nil, "\(attempt) gives a value as \(way)", sourceLocation: location)
        if let error { #expect(error.message.count > 10, "\(attempt)", sourceLocation: location) }
      }
      #expect(start.duration(to: .now) < .seconds(5), "\(attempt)", sourceLocation: location)
    }
  }

  private func expectValues(_ attempts: [Attempt], _ location: SourceLocation = #_sourceLocation) throws {
    for attempt in attempts {
      for (way, error) in zip(Attempt.Way.allCases, try attempt.failures()) {
        #expect(error == nil, "\(attempt) as \(way)", sourceLocation: location)
      }
    }
  }

  /// For what only must not trap, hang or read what is not there.
  private func expectEnd(_ attempts: [Attempt], _ location: SourceLocation = #_sourceLocation) throws {
    for attempt in attempts {
      let start = ContinuousClock.now
      _ = try attempt.failures()
      #expect(start.duration(to: .now) < .seconds(5), "\(attempt)", sourceLocation: location)
    }
  }

  // ── Indices ───────────────────────────────────────────────────────────────
  @Test(arguments: [4, -5, Int.max, Int.min, 1 << 32, -1 << 62])
  func indicesOutOfRange(_ index: Int) throws {
    let x = try floats([4, 3])
    let at = try ints([0, index])
    try expectErrors([
      Attempt("Gather", [x, at], "an index outside of the axis"),
      Attempt("GatherElements", [x, ints([0, index, 0], [1, 3])], "an index outside of the axis"),
      Attempt("GatherND", [x, ints([index], [1, 1])], "an index outside of the first axis"),
      Attempt("GatherND", [x, ints([0, index], [1, 2])], "an index outside of the second axis"),
      Attempt("ScatterElements", [x, ints([index, 0], [1, 2]), floats([1, 2])], "an index outside of the axis"),
      Attempt(
        "ScatterElements", [x, ints([index, 0], [1, 2]), floats([1, 2])], ["reduction": .string("add")],
        "an index outside of the axis, added"),
      Attempt("ScatterND", [x, ints([index], [1, 1]), floats([1, 3])], "an index outside of the first axis"),
      Attempt(
        "ScatterND", [x, ints([0, index], [1, 2]), floats([1])], ["reduction": .string("max")],
        "an index outside of the second axis"),
      Attempt(
        "RoiAlign", [floats([1, 1, 4, 4]), floats([1, 4]), ints([index])], "the number of a picture that is not there"),
    ])
    // Out of range means that no value is the hot one.
    let offAndOn = try floats([0, 1] as [Float])
    try expectValues([Attempt("OneHot", [ints([index]), ints([4]), offAndOn], "an index that nothing fits")])
    // ONNX cuts them to what is there.
    try expectValues([
      Attempt("Slice", [x, ints([index]), ints([2]), ints([0])], "a start anywhere"),
      Attempt("Slice", [x, ints([0]), ints([index]), ints([0])], "an end anywhere"),
    ])
  }

  @Test(arguments: [2, 3, -3, Int.max, Int.min])
  func axesOutOfRange(_ axis: Int) throws {
    let x = try floats([4, 3])
    let wrong: [String: Attribute] = ["axis": .int(Int64(axis))]
    let list = try ints([axis])
    try expectErrors([
      Attempt("Gather", [x, ints([0])], wrong, "axis"),
      Attempt("GatherElements", [x, ints([0], [1, 1])], wrong, "axis"),
      Attempt("ScatterElements", [x, ints([0], [1, 1]), floats([1, 1])], wrong, "axis"),
      Attempt("Concat", [x, x], wrong, "axis"), Attempt("Softmax", [x], wrong, "axis"),
      Attempt("LogSoftmax", [x], wrong, "axis"), Attempt("ArgMax", [x], wrong, "axis"),
      Attempt("TopK", [x, ints([1])], wrong, outputs: 2, "axis"),
      Attempt("Split", [x, ints([1, 2])], wrong, outputs: 2, "axis"),
      Attempt("Compress", [x, ints([1])], wrong, "axis"), Attempt("Unique", [x], wrong, "axis"),
      Attempt("LayerNormalization", [x, floats([3])], wrong, "axis"), Attempt("CumSum", [x, list], "axis"),
      Attempt("ReduceSum", [x, list], "axes"), Attempt("ReduceMax", [x, list], "axes"),
      Attempt("Squeeze", [x, list], "axes"),
      Attempt("Slice", [x, ints([0]), ints([1]), list], "axes"),
      Attempt("Transpose", [x], ["perm": .ints([0, Int64(axis)])], "perm"),
      Attempt("QuantizeLinear", [x, floats([3]), Tensor([UInt8](repeating: 0, count: 3), [3])], wrong, "axis"),
    ])
    if axis != 2 { try expectErrors([Attempt("Flatten", [x], wrong, "axis")]) }
    if axis != 2, axis != -3 { try expectErrors([Attempt("Unsqueeze", [x, list], "axes")]) }
  }

  @Test func listsThatDoNotFit() throws {
    let x = try floats([4, 3])
    for k in [5, -1, Int.max, Int.min] {
      try expectErrors([Attempt("TopK", [x, ints([k])], ["axis": .int(0)], outputs: 2, "the \(k) largest of 4")])
    }
    let cube = try floats([1, 2, 4, 4])
    try expectErrors([
      Attempt("Transpose", [x], ["perm": .ints([0, 0])], "an axis twice"),
      Attempt("Transpose", [x], ["perm": .ints([0])], "too few"),
      Attempt("Split", [x, ints([1, 1])], outputs: 2, "a sum that is not the axis"),
      Attempt("Split", [x, ints([-1, 5])], outputs: 2, "a negative part"),
      Attempt("Split", [x, ints([.max, .max])], outputs: 2, "a sum that overflows"),
      Attempt("Slice", [x, ints([0]), ints([4]), ints([0]), ints([0])], "a step of 0"),
      Attempt("Slice", [x, ints([0, 0]), ints([4])], "more starts than ends"),
      Attempt("Slice", [x, ints([0, 0]), ints([1, 1]), ints([1, 1])], "an axis twice"),
      Attempt("Pad", [x, ints([1, 1, 1])], "too few pads"),
      Attempt("Pad", [x, ints([-9, 0, 0, 0])], "more taken away than is there"),
      Attempt("Pad", [x, ints([.max, 0, .max, 0])], "a sum that overflows"),
      Attempt("Pad", [x, ints([.min, 0, 0, 0])], "the least number"),
      Attempt("Reshape", [x, ints([-1, -1])], "two open sizes"),
      Attempt("Reshape", [x, ints([5, 3])], "another number of elements"),
      Attempt("Reshape", [x, ints([-2, 6])], "a negative size"),
      Attempt("Reshape", [x, ints([1 << 32, 1 << 32])], "a product that overflows"),
      Attempt("Expand", [x, ints([-4, 3])], "a negative size"),
      Attempt("Expand", [x, ints([5, 3])], "sizes that do not fit"),
      Attempt("Tile", [x, ints([-1, 1])], "a negative number of times"),
      Attempt("Tile", [x, ints([1])], "too few numbers"),
      Attempt("ConstantOfShape", [ints([-1])], "a negative size"),
      Attempt("ConstantOfShape", [ints([1 << 40, 1 << 40])], "a product that overflows"),
      Attempt("Range", [ints([0], []), ints([9], []), ints([0], [])], "a step of 0"),
      Attempt("Range", [floats([0], []), floats([.nan], []), floats([1], [])], "an end that is no number"),
      Attempt("Range", [floats([0], []), floats([.infinity], []), floats([1], [])], "an end without end"),
      Attempt("OneHot", [ints([0]), ints([-1]), floats([0, 1])], "a negative depth"),
      Attempt("OneHot", [ints([0]), ints([4]), floats([0, 1, 2])], "three values"),
      Attempt("Squeeze", [x, ints([0])], "a size that is not 1"),
      Attempt("Unsqueeze", [x, ints([0, 0])], "an axis twice"),
      Attempt("DepthToSpace", [cube], ["blocksize": .int(0)], "blocks of 0"),
      Attempt("DepthToSpace", [cube], ["blocksize": .int(-2)], "blocks of -2"),
      Attempt("DepthToSpace", [cube], ["blocksize": .int(.max)], "blocks of 2^63 - 1"),
      Attempt("SpaceToDepth", [cube], ["blocksize": .int(3)], "blocks that do not fit"),
      Attempt("MatMul", [x, x], "sizes that do not fit"), Attempt("Gemm", [x, x], "sizes that do not fit"),
      Attempt("Add", [x, floats([2])], "sizes that do not fit"),
      Attempt("Where", [Tensor([true, false], [2]), x, x], "sizes that do not fit"),
      Attempt("Einsum", [x], ["equation": .string("ij,jk->ik")], "a term without operand"),
      Attempt("Einsum", [x], ["equation": .string("ij->ik")], "a letter from nowhere"),
      Attempt("Einsum", [x], ["equation": .string("i...j...")], "two ellipses"),
      Attempt("Cast", [x], ["to": .int(99)], "a type that there is not"),
      Attempt("Trilu", [floats([3])], "a vector"),
      Attempt(
        "Compress", [x, Tensor([Bool](repeating: true, count: 9), [9])], ["axis": .int(0)],
        "more conditions than slices"),
      Attempt(
        "NonMaxSuppression", [floats([1, 2, 4]), floats([1, 1, 2]), ints([1]), floats([.nan])], "a threshold of NaN"),
      Attempt("NonMaxSuppression", [floats([1, 2, 4]), floats([1, 1, 3]), ints([1])], "more scores than boxes"),
    ])
  }

  // ── Windows ───────────────────────────────────────────────────────────────
  @Test(arguments: [0, -1, Int64.min, .max])
  func windowsWithoutSense(_ size: Int64) throws {
    let x = try floats([1, 2, 4, 4])
    let w = try floats([2, 2, 3, 3])
    let bytes = try Tensor([UInt8](repeating: 1, count: 32), [1, 2, 4, 4])
    let kernel = try Tensor([UInt8](repeating: 1, count: 36), [2, 2, 3, 3])
    let offsets = try floats([1, 18, 2, 2])
    let pair = Attribute.ints([size, 1])
    let shape = Attribute.ints([2, 2])
    var attempts: [Attempt] = []
    for name in ["strides", "dilations"] where size != .max {
      attempts += [
        Attempt("Conv", [x, w], [name: pair], "\(name) of \(size)"),
        Attempt("ConvTranspose", [x, w], [name: pair], "\(name) of \(size)"),
        Attempt("ConvInteger", [bytes, kernel], [name: pair], "\(name) of \(size)"),
        Attempt("DeformConv", [x, w, offsets], [name: pair], "\(name) of \(size)"),
        Attempt("MaxPool", [x], ["kernel_shape": shape, name: pair], "\(name) of \(size)"),
        Attempt("AveragePool", [x], ["kernel_shape": shape, name: pair], "\(name) of \(size)"),
      ]
    }
    attempts += try [
      Attempt("Conv", [x, w], ["group": .int(size)], "\(size) groups"),
      Attempt("ConvTranspose", [x, w], ["group": .int(size)], "\(size) groups"),
      Attempt("ConvInteger", [bytes, kernel], ["group": .int(size)], "\(size) groups"),
      Attempt("DeformConv", [x, w, offsets], ["group": .int(size)], "\(size) groups"),
      Attempt("DeformConv", [x, w, offsets], ["offset_group": .int(size)], "\(size) groups of offsets"),
      Attempt("Conv", [x, w], ["kernel_shape": .ints([size, 3])], "a kernel of \(size)"),
      Attempt("Conv", [x, w], ["dilations": .ints([.max, 1])], "a kernel that overflows"),
      Attempt("MaxPool", [x], ["kernel_shape": pair], "a window of \(size)"),
      Attempt("AveragePool", [x], ["kernel_shape": pair], "a window of \(size)"),
      Attempt("RoiAlign", [x, floats([1, 4]), ints([0])], ["output_height": .int(size)], "\(size) rows"),
    ]
    if size != 0 {
      let pads = Attribute.ints([size, 0, size, 0])
      attempts += [
        Attempt("Conv", [x, w], ["pads": pads], "pads of \(size)"),
        Attempt("ConvTranspose", [x, w], ["pads": pads], "pads of \(size)"),
        Attempt("MaxPool", [x], ["kernel_shape": shape, "pads": pads], "pads of \(size)"),
      ]
      attempts.append(
        Attempt("ConvTranspose", [x, w], ["output_padding": .ints([size, 0])], "output_padding of \(size)"))
    }
    try expectErrors(attempts)
    try expectErrors([
      Attempt("Conv", [x, w], ["group": .int(3)], "groups that do not fit"),
      Attempt("Conv", [x, floats([2, 3, 3, 3])], "channels that do not fit"),
      Attempt("Conv", [x, floats([2, 2, 9, 9])], "a kernel larger than the picture"),
      Attempt("MaxPool", [x], ["kernel_shape": .ints([9, 9])], "a window larger than the picture"),
      Attempt("Conv", [x, w, floats([7])], "a bias of another size"),
    ])
  }

  // ── Numbers ───────────────────────────────────────────────────────────────
  static let strange: [Float] = [
    .nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e10, -3e9,
  ]

  @Test(arguments: strange) func strangeCoordinates(_ value: Float) throws {
    let x = try floats([1, 1, 4, 4])
    for mode in ["linear", "nearest", "cubic"] {
      for padding in ["zeros", "border", "reflection"] {
        for corners in [Int64(0), 1] {
          try expectValues([
            Attempt(
              "GridSample", [x, floats([1, 2, 2, 2], value)],
              ["mode": .string(mode), "padding_mode": .string(padding), "align_corners": .int(corners)],
              "\(mode), \(padding), \(value)")
          ])
        }
      }
    }
    try expectEnd([
      Attempt("RoiAlign", [x, floats([0, 0, value, value], [1, 4]), ints([0])], "an end of \(value)"),
      Attempt("RoiAlign", [x, floats([value, 0, 3, 3], [1, 4]), ints([0])], "a start of \(value)"),
      Attempt("RoiAlign", [x, floats([1, 4]), ints([0])], ["spatial_scale": .float(value)], "a scale of \(value)"),
      Attempt("DeformConv", [x, floats([1, 1, 2, 2]), floats([1, 8, 3, 3], value)], "offsets of \(value)"),
      Attempt("Cast", [floats([4], value)], ["to": .int(6)], "\(value) to int32"),
      Attempt("Cast", [floats([4], value)], ["to": .int(2)], "\(value) to uint8"),
      Attempt(
        "OneHot", [floats([1], value), Tensor(scalar: Float(3)), floats([0, 1] as [Float])], "an index of \(value)"),
      Attempt("QuantizeLinear", [floats([4], value), floats([1], []), Tensor(scalar: UInt8(0))], "\(value)"),
      Attempt("QuantizeLinear", [floats([4]), floats([value], []), Tensor(scalar: UInt8(0))], "a scale of \(value)"),
      Attempt("DynamicQuantizeLinear", [floats([4], value)], outputs: 3, "\(value)"),
      Attempt("TopK", [floats([4], value), ints([2])], outputs: 2, "\(value)"),
      Attempt(
        "NonMaxSuppression", [floats([1, 3, 4], value), floats([1, 1, 3], value), ints([3])], "boxes of \(value)"),
      Attempt("Unique", [floats([value, 1, value, .nan])], outputs: 4, "\(value)"),
    ])
  }

  @Test(arguments: strange + [0, -1, -0.0, 1e30]) func strangeScales(_ value: Float) throws {
    let x = try floats([1, 1, 4, 4])
    for mode in ["nearest", "linear", "cubic"] {
      for place in ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "tf_crop_and_resize"] {
        let how: [String: Attribute] = ["mode": .string(mode), "coordinate_transformation_mode": .string(place)]
        try expectErrors([Attempt("Resize", [x, nil, floats([1, 1, value, 1])], how, "a scale of \(value)")])
        try expectEnd([
          Attempt(
            "Resize", [x, floats([0, 0, value, 0, 1, 1, value, 1]), nil, ints([1, 1, 2, 2])], how,
            "a region at \(value)")
        ])
      }
    }
    try expectErrors([
      Attempt("Resize", [x, nil, nil, ints([1, 1, -4, 4])], "a negative size"),
      Attempt("Resize", [x, nil, nil, ints([1, 1, 1 << 40, 1 << 40])], "a product that overflows"),
      Attempt("Resize", [x, nil, floats([1, 2] as [Float])], "too few scales"),
    ])
    // What is left of four rows at such a scale is none: no error, as elsewhere.
    try expectValues([Attempt("Resize", [x, nil, floats([1, 1, 1e-30, 1])], "a scale near zero")])
  }
}
