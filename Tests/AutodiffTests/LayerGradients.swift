import GraphIR
import TensorCore
import TestSupport
import Testing

@Suite("Gradients of layers") struct LayerGradients {
  static func convolutionsCases() throws -> [GradientCase] {
    func conv(_ name: String, _ x: [Int], _ w: [Int], _ attributes: [String: [Int64]], group: Int64 = 1) throws
      -> GradientCase
    {
      var all = attributes.mapValues(Attribute.ints)
      all["group"] = .int(group)
      return try GradientCase("Conv", name, all, [.random(x), .random(w, seed: 3), .random([w[0]])])
    }
    func transposed(
      _ name: String, _ x: [Int], _ w: [Int], _ attributes: [String: [Int64]], group: Int64 = 1
    ) throws -> GradientCase {
      var all = attributes.mapValues(Attribute.ints)
      all["group"] = .int(group)
      return try GradientCase(
        "ConvTranspose", name, all, [.random(x), .random(w, seed: 3), .random([w[1] * Int(group)])])
    }
    var cases = [
      try conv("3x3", [2, 3, 5, 6], [4, 3, 3, 3], ["pads": [1, 1, 1, 1]]),
      try conv("1x1", [2, 3, 4, 5], [4, 3, 1, 1], [:]),
      try conv("strides with a rest", [2, 3, 6, 7], [4, 3, 3, 2], ["strides": [2, 3], "pads": [1, 0, 0, 1]]),
      try conv("stride 2, exact", [1, 2, 7, 7], [3, 2, 3, 3], ["strides": [2, 2], "pads": [1, 1, 1, 1]]),
      try conv("dilations", [1, 2, 8, 9], [2, 2, 3, 3], ["dilations": [2, 3], "pads": [2, 3, 2, 3]]),
      try conv("groups", [2, 6, 5, 5], [4, 3, 3, 3], ["pads": [0, 1, 1, 0]], group: 2),
      try conv("depthwise", [2, 4, 5, 5], [4, 1, 3, 3], ["pads": [1, 1, 1, 1], "strides": [2, 1]], group: 4),
      try conv("7x1 kernel over all", [2, 3, 7, 4], [5, 3, 7, 1], [:]),
      try conv("one axis", [2, 3, 9], [4, 3, 4], ["strides": [2], "pads": [1, 2]]),
      try conv("pads larger than the kernel", [1, 1, 3, 3], [1, 1, 2, 2], ["pads": [3, 2, 2, 3]]),
      try conv("many channels", [2, 20, 6, 6], [70, 20, 3, 3], ["pads": [1, 1, 1, 1]]),
      try transposed("2x2", [2, 3, 3, 4], [3, 2, 2, 2], ["strides": [2, 2]]),
      try transposed(
        "output padding", [1, 2, 3, 3], [2, 3, 3, 3],
        ["strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]]),
      try transposed("groups", [1, 4, 3, 3], [4, 2, 3, 3], ["pads": [1, 0, 0, 1]], group: 2),
      try transposed("dilations", [1, 2, 4, 4], [2, 2, 2, 3], ["dilations": [2, 2], "strides": [1, 2]]),
    ]
    cases += cases.map(\.symbolic)
    cases.append(
      try GradientCase(
        "Conv", "SAME", ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 2])],
        [.random([1, 2, 5, 6]), .random([3, 2, 3, 3])]))
    let larger: [(String, [String: Attribute])] = [
      ("SAME_UPPER", ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 3])]),
      ("SAME_LOWER", ["auto_pad": .string("SAME_LOWER"), "strides": .ints([2, 1]), "dilations": .ints([1, 2])]),
      ("SAME_UPPER, strides beyond the kernel", ["auto_pad": .string("SAME_UPPER"), "strides": .ints([5, 4])]),
      ("output padding of more than a stride", ["strides": .ints([1, 2]), "output_padding": .ints([2, 4])]),
      ("output shape", ["strides": .ints([2, 2]), "output_shape": .ints([6, 9])]),
      ("larger output shape", ["strides": .ints([2, 1]), "output_shape": .ints([11, 12])]),
    ]
    for (name, attributes) in larger {
      cases.append(
        try GradientCase("ConvTranspose", name, attributes, [.random([1, 2, 3, 4]), .random([2, 3, 3, 3], seed: 3)]))
      guard attributes["output_shape"] == nil else { continue }
      cases.append(
        try GradientCase(
          "ConvTranspose", name, attributes, [.random([1, 2, 3, 4]), .random([2, 3, 3, 3], seed: 3)], constants: [1]
        ).symbolic)
    }
    return cases
  }

  static func deformableCases() throws -> [GradientCase] {
    func deform(
      _ name: String, _ x: [Int], _ w: [Int], out: [Int], _ lists: [String: [Int64]] = [:], group: Int64 = 1,
      offsetGroup: Int = 1, mask: Bool = true
    ) throws -> GradientCase {
      var all = lists.mapValues(Attribute.ints)
      (all["group"], all["offset_group"]) = (.int(group), .int(Int64(offsetGroup)))
      let taps = offsetGroup * w[2] * w[3]
      // Between pixels: no difference crosses from one to the next.
      var random = SplitMix64(11)
      let count = x[0] * 2 * taps * out[0] * out[1]
      let offsets = (0..<count).map { _ in Float(random.below(5) - 2) + 0.2 + 0.01 * Float(random.below(60)) }
      return try GradientCase(
        "DeformConv", name, all,
        [
          .random(x), .random(w, seed: 3), Tensor(offsets, [x[0], 2 * taps] + out), .random([w[0]]),
          mask ? .random([x[0], taps] + out, 0.2, 1) : nil,
        ], tolerance: 2e-3)
    }
    var cases = [
      try deform("3x3", [2, 4, 5, 6], [3, 4, 3, 3], out: [5, 6], ["pads": [1, 1, 1, 1]]),
      try deform("no mask", [1, 2, 6, 5], [2, 2, 2, 3], out: [3, 2], ["strides": [2, 2]], mask: false),
      try deform(
        "groups", [1, 4, 5, 5], [6, 2, 3, 3], out: [5, 5], ["pads": [2, 2, 2, 2], "dilations": [2, 2]], group: 2,
        offsetGroup: 2),
    ]
    cases.append(cases[0].symbolic)
    return cases
  }

  static func poolingCases() throws -> [GradientCase] {
    let x = try Tensor.distinct([2, 3, 6, 7], gap: 0.2)
    func pool(_ type: String, _ name: String, _ lists: [String: [Int64]], _ flags: [String: Int64] = [:]) throws
      -> GradientCase
    {
      let attributes = lists.mapValues(Attribute.ints).merging(flags.mapValues(Attribute.int)) { $1 }
      return try GradientCase(type, name, attributes, [x])
    }
    var cases: [GradientCase] = []
    for type in ["MaxPool", "AveragePool"] {
      cases += [
        try pool(type, "2x2", ["kernel_shape": [2, 2], "strides": [2, 2]]),
        try pool(type, "overlapping", ["kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 1]]),
        try pool(type, "2x1", ["kernel_shape": [2, 1], "strides": [2, 1]]),
        try pool(type, "2x2, padded", ["kernel_shape": [2, 2], "strides": [2, 1], "pads": [0, 1, 0, 1]]),
        try pool(type, "rounding up", ["kernel_shape": [3, 3], "strides": [2, 2]], ["ceil_mode": 1]),
        try pool(type, "dilated", ["kernel_shape": [2, 3], "dilations": [2, 2], "pads": [1, 0, 1, 0]]),
      ]
    }
    cases.append(
      try pool(
        "AveragePool", "counting padding", ["kernel_shape": [3, 3], "pads": [1, 1, 1, 1]], ["count_include_pad": 1]))
    cases += [try GradientCase("GlobalAveragePool", "", [x]), try GradientCase("GlobalMaxPool", "", [x])]
    cases += cases.map(\.symbolic)
    cases.append(
      try GradientCase(
        "MaxPool", "one axis", ["kernel_shape": .ints([3]), "pads": .ints([1, 1])], [.distinct([2, 2, 7])]))
    return cases
  }

  static func normalisationCases() throws -> [GradientCase] {
    func batch(_ name: String, _ shape: [Int], training: Bool) throws -> GradientCase {
      let channels = [shape[1]]
      return try GradientCase(
        "BatchNormalization", name, ["training_mode": .int(training ? 1 : 0), "epsilon": .float(1e-3)],
        [
          .random(shape, -2, 2), .random(channels, 0.5, 2), .random(channels), .random(channels),
          .random(channels, 0.5, 2),
        ],
        fixed: [3, 4], outputs: training ? [true, true, true] : [true], projected: [0], tolerance: 2e-3)
    }
    var cases = [
      try batch("training", [3, 2, 4, 5], training: true), try batch("training, rank 2", [8, 3], training: true),
      try batch("training, one axis", [3, 4, 7], training: true), try batch("frozen", [3, 2, 4, 5], training: false),
      try GradientCase(
        "LayerNormalization", "last axis", [.random([2, 3, 8], -2, 2), .random([8], 0.5, 2), .random([8])]),
      try GradientCase(
        "LayerNormalization", "two axes, no bias", ["axis": .int(1)],
        [.random([3, 2, 5], -2, 2), .random([2, 5], 0.5, 2)]),
      try GradientCase(
        "InstanceNormalization", "", [.random([2, 3, 4, 5], -2, 2), .random([3], 0.5, 2), .random([3])]),
    ]
    cases += cases.map(\.symbolic)
    return cases
  }

  @Test("convolutions", arguments: try convolutionsCases()) func convolutions(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("deformable convolutions", arguments: try deformableCases()) func deformable(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("pooling", arguments: try poolingCases()) func pooling(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("normalisation", arguments: try normalisationCases()) func normalisation(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
}
