import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

/// Shapes before running: symbols, arithmetic on them, and what hostile files claim.
@Suite struct TensorInference {
  private func op(_ type: String, _ attributes: [String: Attribute] = [:]) throws -> any Operator {
    try #require(try OperatorSet.standard.decode(OperatorName(type), Attributes(attributes)))
  }

  private func list(_ values: Int...) throws -> Tensor { try Tensor(values.map(Int64.init), [values.count]) }

  private func infer(
    _ type: String, _ attributes: [String: Attribute] = [:], _ inputs: [TensorType], _ fixed: [Int: Tensor] = [:]
  )
    throws -> [Dimension]?
  {
    let count = max(inputs.count, (fixed.keys.max() ?? -1) + 1)
    let types = (0..<count).map { index -> TensorType? in
      if let tensor = fixed[index] { return TensorType(tensor.element, sizes: tensor.shape) }
      return index < inputs.count ? inputs[index] : nil
    }
    let context = InferenceContext(
      inputs: types, constants: (0..<count).map { fixed[$0] }, contents: types.map { _ in nil }, outputCount: 1)
    return try op(type, attributes).inferTypes(context)[0].shape
  }

  @Test func symbols() throws {
    let image = TensorType(.float32, ["N", 3, "H", "W"])
    #expect(try infer("Add", [image, TensorType(.float32, sizes: [3, 1, 1])]) == ["N", 3, "H", "W"])
    #expect(try infer("Transpose", ["perm": .ints([0, 2, 3, 1])], [image]) == ["N", "H", "W", 3])
    #expect(try infer("Reshape", [image], [1: list(0, 3, -1)]) == ["N", 3, "H*W"])
    #expect(try infer("Flatten", ["axis": .int(2)], [image]) == ["N*3", "H*W"])
    #expect(try infer("Concat", ["axis": .int(1)], [image, image]) == ["N", 6, "H", "W"])
    #expect(try infer("Slice", [image], [1: list(1), 2: list(.max), 3: list(2)]) == ["N", 3, "(H-1)", "W"])
    #expect(
      try infer("Resize", [image], [2: Tensor([Float(1), 1, 2, 2], [4])]) == ["N", 3, "H*2", "W*2"])
    let pool: [String: Attribute] = ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]
    #expect(try infer("MaxPool", pool, [image]) == ["N", 3, "H/2", "W/2"])
    #expect(try infer("ReduceMean", [image], [1: list(-1)]) == ["N", 3, "H", 1])
    #expect(try infer("Squeeze", [TensorType(.float32, ["N", 1, "W"])], [1: list(1)]) == ["N", "W"])
    // Nothing is known, and nothing is claimed.
    let unknown = TensorType(.float32, nil)
    for type in ["Relu", "Transpose", "ReduceMean", "GlobalAveragePool"] { #expect(try infer(type, [unknown]) == nil) }
    #expect(try infer("Add", [unknown, image]) == nil)
  }

  private func infer(_ type: String, _ inputs: [TensorType], _ fixed: [Int: Tensor] = [:]) throws -> [Dimension]? {
    try infer(type, [:], inputs, fixed)
  }

  /// Shape → Gather → Unsqueeze → Concat → Reshape, as exporters write it, is resolved without running.
  @Test func shapeArithmetic() throws {
    var graph = Graph(name: "chain")
    let x = try graph.addInput("x", TensorType(.float32, ["N", 8, "W", 4]))
    let shape = try graph.append(try op("Shape"), [x], name: "shape")
    func pick(_ index: Int64) throws -> ValueID {
      let place = try graph.addConstant("index\(index)", Tensor(scalar: index))
      let one = try graph.append(try op("Gather"), [shape, place], name: "gather\(index)")
      let axes = try graph.addConstant("axes\(index)", try list(0))
      return try graph.append(try op("Unsqueeze"), [one, axes], name: "unsqueeze\(index)")
    }
    let (n, w) = (try pick(0), try pick(2))
    let two = try graph.addConstant("two", try list(2))
    let half = try graph.append(try op("Div"), [try pick(1), two], name: "half")
    let narrow = try graph.append(try op("Cast", ["to": .int(6)]), [half], name: "narrow")
    let back = try graph.append(try op("Cast", ["to": .int(7)]), [narrow], name: "back")
    let rest = try graph.addConstant("rest", try list(-1))
    let target = try graph.append(try op("Concat", ["axis": .int(0)]), [w, n, back, rest], name: "target")
    let y = try graph.append(try op("Reshape"), [x, target], name: "y")
    #expect(graph[y].type == TensorType(.float32, ["W", "N", 4, 8]))
    try graph.addOutput(y)
    let tensor = try Tensor((0..<192).map(Float.init), [2, 8, 3, 4])
    #expect(try Session(graph).run([tensor])[0].shape == [3, 2, 4, 8])
  }

  @Test func hostileAttributes() throws {
    let image = TensorType(.float32, sizes: [1, 3, 8, 8])
    let window: Attribute = .ints([2, 2])
    let attempts: [(String, [String: Attribute], [TensorType], [Int: Tensor])] = [
      ("MaxPool", [:], [image], [:]), ("MaxPool", ["kernel_shape": .ints([0, 2])], [image], [:]),
      ("MaxPool", ["kernel_shape": .ints([.max, .max])], [image], [:]),
      ("MaxPool", ["kernel_shape": window, "strides": .ints([0, 1])], [image], [:]),
      ("MaxPool", ["kernel_shape": window, "pads": .ints([.max, 0, .max, 0])], [image], [:]),
      ("MaxPool", ["kernel_shape": window, "dilations": .ints([9, 9])], [image], [:]),
      ("MaxPool", ["kernel_shape": .ints([2])], [image], [:]),
      ("AveragePool", ["kernel_shape": window, "auto_pad": .string("SOMEHOW")], [image], [:]),
      ("Transpose", ["perm": .ints([0, 0, 1, 2])], [image], [:]), ("Transpose", ["perm": .ints([0, 1])], [image], [:]),
      ("Concat", ["axis": .int(4)], [image, image], [:]), ("Concat", [:], [image], [:]),
      ("Concat", ["axis": .int(.min)], [image, image], [:]),
      ("Split", ["axis": .int(1), "num_outputs": .int(.max)], [image], [:]),
      ("Split", ["axis": .int(1)], [image], [1: try list(.max, .max)]),
      ("Gather", ["axis": .int(7)], [image, TensorType(.int64, sizes: [1])], [:]),
      ("Slice", [:], [image], [1: try list(0), 2: try list(1), 3: try list(9)]),
      ("Slice", [:], [image], [1: try list(0), 2: try list(1), 3: try list(0), 4: try list(0)]),
      ("Slice", [:], [image], [1: try list(0, 0), 2: try list(1)]),
      ("Reshape", [:], [image], [1: try list(-1, -1)]), ("Reshape", [:], [image], [1: try list(7, -1)]),
      ("Reshape", [:], [image], [1: try list(.max, .max, 2)]), ("Reshape", [:], [image], [1: try list(-2)]),
      ("Reshape", [:], [image], [1: try list(1, 1, 1, 1, 0)]),
      ("Expand", [:], [image], [1: try list(5, 8, 8)]), ("Expand", [:], [image], [1: try list(-1)]),
      ("Tile", [:], [image], [1: try list(.max, .max, .max, .max)]), ("Tile", [:], [image], [1: try list(2)]),
      ("Pad", [:], [image], [1: try list(.max, 0, 0, 0, .max, 0, 0, 0)]), ("Pad", [:], [image], [1: try list(1)]),
      ("Pad", [:], [image], [1: try list(0, 0, -9, 0, 0, 0, 0, 0)]),
      ("Resize", [:], [image], [2: try Tensor([Float(1), 1, .infinity, 1], [4])]),
      ("Resize", [:], [image], [2: try Tensor([Float(1), 1, .nan, 1], [4])]),
      ("Resize", [:], [image], [2: try Tensor([Float(1), 1, -1, 1], [4])]),
      ("Resize", [:], [image], [3: try list(1, 3, -8, 8)]), ("Resize", [:], [image], [:]),
      ("Resize", ["mode": .string("magic")], [image], [3: try list(1, 3, 8, 8)]),
      ("Unsqueeze", [:], [image], [1: try list(0, 0)]), ("Unsqueeze", [:], [image], [1: try list(9)]),
      ("Squeeze", [:], [image], [1: try list(1)]), ("Flatten", ["axis": .int(5)], [image], [:]),
      ("ReduceMean", [:], [image], [1: try list(4)]), ("ReduceMean", ["keepdims": .int(2)], [image], [:]),
      ("ArgMax", ["axis": .int(-5)], [image], [:]), ("Cast", ["to": .int(99)], [image], [:]),
      ("Cast", ["to": .int(14)], [image], [:]), ("Cast", [:], [image], [:]),
      ("TopK", [:], [image], [1: try list(9)]), ("TopK", [:], [image], [1: try list(-1)]),
      ("DepthToSpace", ["blocksize": .int(2)], [image], [:]), ("DepthToSpace", ["blocksize": .int(.max)], [image], [:]),
      ("Add", [:], [image, TensorType(.float32, sizes: [5])], [:]),
      ("Add", [:], [image, TensorType(.int64, sizes: [])], [:]),
      ("Add", [:], [image], [:]), ("And", [:], [image, image], [:]), ("Where", [:], [image, image, image], [:]),
      ("ConstantOfShape", [:], [], [0: try list(-1)]), ("Constant", [:], [], [:]),
      ("Range", [:], [], [0: Tensor(scalar: Int64(0)), 1: Tensor(scalar: Int64(9)), 2: Tensor(scalar: Int64(0))]),
      ("Range", [:], [], [0: Tensor(scalar: Int64.min), 1: Tensor(scalar: Int64.max), 2: Tensor(scalar: Int64(1))]),
      ("Range", [:], [], [0: Tensor(scalar: Float(0)), 1: Tensor(scalar: Float.nan), 2: Tensor(scalar: Float(1))]),
      ("HardSigmoid", ["alpha": .string("x")], [image], [:]), ("Gelu", ["approximate": .string("x")], [image], [:]),
      ("GatherND", ["batch_dims": .int(-1)], [image, TensorType(.int64, sizes: [1])], [:]),
      (
        "OneHot", [:],
        [TensorType(.int64, sizes: [2]), TensorType(.int64, sizes: []), TensorType(.float32, sizes: [2])],
        [1: Tensor(scalar: Int64(-3))]
      ),
    ]
    for (type, attributes, inputs, fixed) in attempts {
      #expect(throws: LigatureError.self, "\(type) \(attributes.keys) \(fixed.keys)") {
        try infer(type, attributes, inputs, fixed)
      }
    }
  }

  /// Random operators, attributes and list contents: each either runs or throws a `LigatureError`.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func randomNodes(_ seed: UInt64) throws {
    var random = SplitMix64(seed)
    let families = OperatorSet.standard.names.filter { $0.domain.isEmpty }
    let keys = [
      "axis", "axes", "perm", "kernel_shape", "strides", "pads", "dilations", "keepdims", "to", "blocksize", "mode",
      "k",
      "start", "end", "num_outputs", "ceil_mode", "batch_dims", "p", "auto_pad", "coordinate_transformation_mode",
    ]
    let modes = [
      "linear", "cubic", "wrap", "reflect", "edge", "SAME_UPPER", "tf_crop_and_resize", "align_corners", "CRD",
    ]
    var ran = 0
    for _ in 0..<1500 {
      let name = families[random.below(families.count)]
      var attributes: [String: Attribute] = [:]
      for _ in 0..<random.below(4) {
        let key = keys[random.below(keys.count)]
        switch random.below(4) {
        case 0: attributes[key] = .int(random.number())
        case 1: attributes[key] = .string(modes[random.below(modes.count)])
        default: attributes[key] = .ints((0..<random.below(5)).map { _ in random.number() })
        }
      }
      do {
        guard let op = try OperatorSet.standard.decode(name, Attributes(attributes)) else { continue }
        var graph = Graph(name: "random")
        var inputs: [Tensor] = []
        let operands = try (0..<random.below(5)).map { index -> ValueID? in
          if index > 0, random.below(6) == 0 { return nil }
          let tensor = try random.tensor()
          if random.below(2) == 0 { return try graph.addConstant("c\(index)", tensor) }
          inputs.append(tensor)
          return try graph.addInput("i\(index)", TensorType(tensor.element, sizes: tensor.shape))
        }
        for result in try graph.append(op, operands, name: "n", outputs: ["o"]).compactMap({ $0 }) {
          try graph.addOutput(result)
        }
        var options = Session.Options(threads: 1)
        options.memoryLimit = 1 << 24
        _ = try Session(graph, options: options).run(inputs)
        ran += 1
      } catch is LigatureError {
        continue
      }
    }
    #expect(ran > 60, "only \(ran) of the random nodes could run: the test shows little")
  }
}

extension SplitMix64 {
  /// Mostly small, now and then extreme.
  mutating func number() -> Int64 {
    switch below(12) {
    case 0: [.max, .min, 1 << 31, -1 << 31, 1 << 40, -1][below(6)]
    default: Int64(below(7)) - 2
    }
  }

  mutating func tensor() throws -> Tensor {
    switch below(4) {
    case 0:
      let count = below(6)
      return try Tensor((0..<count).map { _ in number() }, [count])
    case 1: return Tensor(scalar: number())
    case 2:
      let special: [Float] = [0, 1, -1, 0.5, 2, .nan, .infinity, 1e-30, 1e30]
      let count = below(6)
      return try Tensor((0..<count).map { _ in special[below(special.count)] }, [count])
    default:
      let shape = (0..<below(6)).map { _ in below(8) == 0 ? 0 : 1 + below(4) }
      let count = shape.reduce(1, *)
      return try Tensor((0..<count).map { _ in Float(below(9)) - 4 }, shape)
    }
  }
}
