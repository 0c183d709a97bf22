import Autodiff
import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite("Gradients of recurrent layers, CTC and resampling") struct SequenceGradients {
  static func recurrentCases() throws -> [GradientCase] {
    /// - Parameter lengths: of the sequences; all of 4 steps if nil.
    func layer(
      _ cell: String, _ name: String, direction: String = "forward", bias: Bool = true, lengths: [Int32]? = nil,
      states: Bool = false, layout: Int64 = 0, outputs: [Bool]? = nil, projected: Set<Int>? = nil, hidden: Int = 5,
      resetsBefore: Bool = false, batch: Int = 3
    ) throws -> GradientCase {
      let gates = cell == "LSTM" ? 4 : 3
      let d = direction == "bidirectional" ? 2 : 1
      let (steps, input) = (4, 6)
      var attributes: [String: Attribute] = [
        "direction": .string(direction), "hidden_size": .int(Int64(hidden)), "layout": .int(layout),
      ]
      if cell == "GRU" { attributes["linear_before_reset"] = .int(resetsBefore ? 0 : 1) }
      let state = layout == 1 ? [batch, d, hidden] : [d, batch, hidden]
      var inputs: [Tensor?] = [
        try .random(layout == 1 ? [batch, steps, input] : [steps, batch, input]),
        try .random([d, gates * hidden, input], -0.6, 0.6), try .random([d, gates * hidden, hidden], -0.6, 0.6),
        bias ? try .random([d, 2 * gates * hidden], -0.5, 0.5) : nil, try lengths.map { try Tensor($0, [batch]) },
      ]
      if states { inputs.append(try .random(state, seed: 4)) }
      if states, cell == "LSTM" { inputs.append(try .random(state, seed: 5)) }
      let all = cell == "LSTM" ? [true, true, true] : [true, true]
      return try GradientCase(
        cell, name, attributes, inputs, outputs: outputs ?? all, projected: projected, tolerance: 2e-3)
    }
    var cases: [GradientCase] = []
    for cell in ["LSTM", "GRU"] {
      cases += [
        try layer(cell, "forward"), try layer(cell, "reverse", direction: "reverse", states: true),
        try layer(cell, "bidirectional", direction: "bidirectional", states: true),
        try layer(cell, "sequences of all lengths", direction: "bidirectional", lengths: [4, 2, 0], states: true),
        try layer(cell, "no bias", bias: false, states: true),
        try layer(cell, "batch first", direction: "bidirectional", lengths: [1, 4, 3], states: true, layout: 1),
        try layer(cell, "the last state alone, y unnamed", outputs: [false, true]),
        try layer(cell, "wide", hidden: 37),
        // More sequences than a task takes, in tasks of different sizes.
        try layer(cell, "many sequences", direction: "bidirectional", states: true, batch: 37),
      ]
    }
    cases += [
      try layer("GRU", "reset first", resetsBefore: true),
      try layer(
        "GRU", "reset first, sequences of all lengths", direction: "bidirectional", lengths: [4, 2, 0], states: true,
        resetsBefore: true),
      try layer(
        "GRU", "reset first, batch first", direction: "bidirectional", lengths: [1, 4, 3], states: true, layout: 1,
        resetsBefore: true),
      try layer("GRU", "reset first, no bias, reverse", direction: "reverse", bias: false, resetsBefore: true),
      try layer("GRU", "reset first, many sequences", states: true, resetsBefore: true, batch: 37),
      try layer("GRU", "reset first, wide", states: true, hidden: 37, resetsBefore: true),
    ]
    cases += [cases[2].symbolic, cases[11].symbolic]
    return cases
  }

  static func ctcCases() throws -> [GradientCase] {
    func ctc(
      _ name: String, _ targets: [[Int]], lengths: [Int], inputs: [Int], blank: Int64 = 0, wide: Bool = true
    ) throws -> GradientCase {
      let flat = targets.flatMap { $0 }
      func integers(_ values: [Int], _ shape: [Int]) throws -> Tensor {
        wide ? try .integers(values, shape) : try Tensor(values.map(Int32.init), shape)
      }
      let n = targets.count
      return try GradientCase(
        "CTCLoss", name, ["blank": .int(blank)],
        [
          .random([7, n, 5], -3, -0.5), integers(flat, [n, targets[0].count]), integers(inputs, [n]),
          integers(lengths, [n]),
        ], domain: "ligature")
    }
    return [
      try ctc("plain", [[1, 2, 3], [4, 1, 2]], lengths: [3, 3], inputs: [7, 7]),
      try ctc("repeated labels", [[1, 1, 2], [3, 3, 3]], lengths: [3, 3], inputs: [7, 6]),
      try ctc("lengths", [[1, 2, 0], [4, 0, 0], [0, 0, 0]], lengths: [2, 1, 0], inputs: [7, 3, 5]),
      try ctc(
        "last class blank, int32", [[1, 0, 3], [2, 2, 0]], lengths: [3, 2], inputs: [7, 4], blank: 4, wide: false),
      try ctc("plain", [[1, 2, 3], [4, 1, 2]], lengths: [3, 3], inputs: [7, 7]).symbolic,
    ]
  }

  static func resizeCases() throws -> [GradientCase] {
    let x = try Tensor.random([2, 3, 4, 5])
    func resize(
      _ name: String, _ mode: String, _ coordinates: String, scales: [Float]? = nil, sizes: [Int]? = nil,
      _ more: [String: Attribute] = [:]
    ) throws -> GradientCase {
      let attributes: [String: Attribute] = [
        "mode": .string(mode), "coordinate_transformation_mode": .string(coordinates), "nearest_mode": .string("floor"),
      ]
      return try GradientCase(
        "Resize", "\(mode) \(coordinates) \(name)", attributes.merging(more) { $1 },
        [x, nil, scales.map { try Tensor($0, [$0.count]) }, sizes.map { try .integers($0) }], constants: [2, 3])
    }
    var cases = [
      try resize("doubled", "nearest", "asymmetric", scales: [1, 1, 2, 2]),
      try resize("to sizes", "nearest", "asymmetric", sizes: [2, 3, 7, 4]),
      try resize("smaller", "nearest", "half_pixel", scales: [1, 1, 0.5, 0.6]),
      try resize("doubled", "linear", "half_pixel", scales: [1, 1, 2, 2]),
      try resize("to sizes", "linear", "align_corners", sizes: [2, 3, 9, 3]),
      try resize("by thirds", "linear", "pytorch_half_pixel", scales: [1, 1, 1.34, 0.67]),
      try resize("doubled", "cubic", "half_pixel", scales: [1, 1, 2, 1.5]),
      try resize("antialiased", "linear", "half_pixel", scales: [1, 1, 0.5, 0.5], ["antialias": .int(1)]),
      try resize("unchanged", "linear", "half_pixel", scales: [1, 1, 1, 1]),
    ]
    for mode in ["nearest", "linear", "cubic"] {
      var sample = try resize(
        "a region", mode, "tf_crop_and_resize", sizes: [2, 3, 6, 7], ["extrapolation_value": .float(3)])
      sample.inputs[1] = try Tensor([0, 0, 0.1, -0.2, 1, 1, 0.9, 1.1] as [Float], [8])
      sample.constants.insert(1)
      cases.append(sample)
    }
    cases += cases.map(\.symbolic)
    return cases
  }

  static func gridCases() throws -> [GradientCase] {
    // Places well between pixels (and their edges), some outside, so that no difference crosses from one pixel to the next.
    func grid(_ align: Bool, past start: Float = 0.3) throws -> Tensor {
      let (height, width) = (5, 4)
      var random = SplitMix64(3)
      var values: [Float] = []
      for _ in 0..<(2 * 3 * 3) {
        for size in [width, height] {
          let pixel = Float(random.below(size + 3) - 2) + start + 0.01 * Float(random.below(30))
          values.append(align ? 2 * pixel / Float(size - 1) - 1 : (2 * pixel + 1) / Float(size) - 1)
        }
      }
      return try Tensor(values, [2, 3, 3, 2])
    }
    var cases: [GradientCase] = []
    for padding in ["zeros", "border", "reflection"] {
      for align in [false, true] {
        cases.append(
          try GradientCase(
            "GridSample", "\(padding) \(align ? "aligned" : "")",
            ["padding_mode": .string(padding), "align_corners": .int(align ? 1 : 0)],
            [.random([2, 3, 5, 4]), grid(align)], tolerance: 2e-3, step: 1.0 / 64))
      }
    }
    for padding in ["zeros", "border", "reflection"] {
      cases.append(
        try GradientCase(
          "GridSample", "cubic, \(padding)", ["mode": .string("cubic"), "padding_mode": .string(padding)],
          [.random([2, 11, 5, 4]), grid(false)], tolerance: 2e-3, step: 1.0 / 64))
    }
    cases.append(
      try GradientCase(
        "GridSample", "nearest", ["mode": .string("nearest")], [.random([2, 3, 5, 4]), grid(false, past: 0.1)],
        step: 1.0 / 64))
    cases.append(cases[0].symbolic)
    return cases
  }

  @Test("LSTM and GRU", arguments: try recurrentCases()) func recurrent(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }
  @Test("CTC loss", arguments: try ctcCases()) func ctc(_ sample: GradientCase) throws { try checkGradient(sample) }
  @Test("resize", arguments: try resizeCases()) func resize(_ sample: GradientCase) throws { try checkGradient(sample) }
  @Test("grid sampling", arguments: try gridCases()) func grid(_ sample: GradientCase) throws {
    try checkGradient(sample)
  }

  @Test("a sequence without alignment", arguments: [true, false]) func unalignable(_ zero: Bool) throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [2, 1, 3]))
    let lists = [try Tensor.integers([1, 1], [1, 2]), try .integers([2]), try .integers([2])]
    let rest = try lists.enumerated().map { try graph.addConstant("c\($0)", $1) }
    let losses = try graph.append(CTCLoss(zeroInfinity: zero), [x] + rest, name: "ctc")
    let loss = try graph.append(Reduce(.sum, keepsDimensions: false), [losses], name: "loss")
    let gradient = try #require(try differentiate(&graph, loss: loss, wrt: [x])[x])
    try graph.addOutput(loss)
    try graph.addOutput(gradient)
    let results = try Session(graph).run([.random([2, 1, 3], -2, -1)])
    let (value, slopes) = (try results[0].floats()[0], try results[1].floats())
    #expect(value == (zero ? 0 : .infinity))
    #expect(slopes.allSatisfy { zero ? $0 == 0 : $0.isNaN })
  }

  @Test("labels and lengths out of range are refused while running") func outOfRange() throws {
    for (targets, inputs, labels) in [
      ([1, 3], 2, 2), ([1, -1], 2, 2), ([1, 2], 3, 2), ([1, 2], 2, 3), ([1, 2], -1, 1),
    ] {
      var graph = Graph()
      let x = try graph.addInput("x", TensorType(.float32, sizes: [2, 1, 3]))
      let lists = [try Tensor.integers(targets, [1, 2]), try .integers([inputs]), try .integers([labels])]
      let rest = try lists.enumerated().map { try graph.addInput("c\($0)", TensorType(.int64, sizes: $1.shape)) }
      try graph.addOutput(try graph.append(CTCLoss(), [x] + rest, name: "ctc"))
      let session = try Session(graph)
      #expect(throws: LigatureError.self) { try session.run([.random([2, 1, 3], -2, -1)] + lists) }
    }
  }

  @Test("variants without a rule say so") func variants() throws {
    var graph = Graph()
    let x = try graph.addInput("x", TensorType(.float32, sizes: [4, 2, 3]))
    let attributes = Attributes(["hidden_size": .int(5), "clip": .float(1)])
    let gru = try #require(try OperatorSet.standard.decode(OperatorName("GRU"), attributes))
    let w = try graph.addConstant("w", .random([1, 15, 3]))
    let r = try graph.addConstant("r", .random([1, 15, 5]))
    let y = try graph.append(gru, [x, w, r], name: "/gru")
    let loss = try graph.append(Reduce(.mean, keepsDimensions: false), [y], name: "loss")
    let error = #expect(throws: LigatureError.self) { try differentiate(&graph, loss: loss, wrt: [x]) }
    #expect(error?.message.contains("clip") == true)
    #expect(error?.node == "/gru (GRU)")
  }
}
