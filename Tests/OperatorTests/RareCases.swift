import GraphIR
import Operators
import Runtime
import TensorCore
import TestSupport
import Testing

@Suite("Operators that are seldom asked for") struct RareCases {
  @Test("laws", arguments: try OperatorCase.load("Rare")) func law(_ sample: OperatorCase) throws {
    try check(sample)
  }

  private func run(_ op: any Operator, _ inputs: [Tensor], outputs: [String] = ["y"]) throws -> [Tensor] {
    var graph = Graph(name: "rare")
    let operands = try inputs.enumerated().map { index, tensor in
      try graph.addInput("i\(index)", TensorType(tensor.element, sizes: tensor.shape))
    }
    for result in try graph.append(op, operands, name: "rare", outputs: outputs) {
      try graph.addOutput(try #require(result))
    }
    return try Session(graph, options: Session.Options(threads: 1)).run(inputs)
  }

  private func op(_ name: String, _ attributes: [String: Attribute] = [:], domain: String = "") throws -> any Operator {
    let name = OperatorName(name, domain: domain)
    return try #require(try OperatorSet.standard.decode(name, Attributes(attributes)))
  }

  // ── Of 8 and 4 bits ──
  /// Every pattern of a float of 8 bits that is a number comes back.
  @Test(arguments: [ElementType.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .int4, .uint4])
  func narrowNumbersComeBack(_ element: ElementType) throws {
    let patterns: [UInt8] =
      element == .int4 ? (-8...7).map { UInt8(bitPattern: $0) } : element == .uint4 ? Array(0...15) : Array(0...255)
    let codes = try Tensor(element, [patterns.count], storage: Tensor(patterns, [patterns.count]).storage)
    let values = try run(Cast(to: .float32), [codes])[0]
    let again = try run(Cast(to: element, saturates: false), [values])[0]
    let (a, b) = (try values.floats(), try again.isPlainInteger ? again.integers().map(Float.init) : again.floats())
    for (x, y) in zip(a, b) { #expect(x == y || x.isNaN && y.isNaN) }
    #expect(Set(a.filter { !$0.isNaN }).count > (element.isPackedInFiles ? 15 : 240))
  }

  @Test func floatsOfEightBitsRound() throws {
    let x = try Tensor([1.0625, 1.1875, 448, 464, 1000, -.infinity, 0.001, 0.0009765625] as [Float], [8])
    let saturated = try run(Cast(to: .float8e4m3fn), [x])[0].floats()
    // Ties go to even: 1.0625 lies between 1 and 1.125, 1.1875 between 1.125 and 1.25.
    #expect(saturated == [1, 1.25, 448, 448, 448, -448, 0.001953125, 0])
    let open = try run(Cast(to: .float8e5m2, saturates: false), [x])[0].floats()
    #expect(open[5] == -.infinity && open[2] == 448)
    let large = try Tensor([65536, 60000] as [Float], [2])
    #expect(try run(Cast(to: .float8e5m2, saturates: false), [large])[0].floats() == [.infinity, 57344])
    #expect(try run(Cast(to: .float8e4m3fn, saturates: false), [large])[0].floats().allSatisfy(\.isNaN))
  }

  // ── What is no number ──
  /// No order holds for it: it comes last, once, whatever ONNX Runtime makes of it.
  @Test func uniqueKeepsWhatIsNoNumberOnce() throws {
    let x = try Tensor([1, .nan, 3, -.infinity, .infinity, .nan, -0.0, 0] as [Float], [8])
    var graph = Graph(name: "rare")
    let input = try graph.addInput("x", TensorType(.float32, [8]))
    let names = ["y", "first", "inverse", "counts"]
    for result in try graph.append(op("Unique"), [input], name: "unique", outputs: names) {
      try graph.addOutput(try #require(result))
    }
    let results = try Session(graph, options: Session.Options(threads: 1)).run([x])
    let values = try results[0].floats()
    #expect(values.dropLast() == [-.infinity, 0, 1, 3, .infinity])
    #expect(values.last?.isNaN == true)
    #expect(try results[1].integers() == [3, 6, 0, 2, 4, 1])
    #expect(try results[2].integers() == [2, 5, 3, 0, 4, 5, 1, 1])
    #expect(try results[3].integers() == [1, 2, 1, 1, 1, 2])
  }

  // ── Random generators ──
  @Test func generatorsFollowTheirSeed() throws {
    let attributes: [String: Attribute] = ["shape": .ints([4000]), "seed": .float(3), "mean": .float(2)]
    let normal = try op("RandomNormal", attributes)
    let (first, second) = (try run(normal, [])[0].floats(), try run(normal, [])[0].floats())
    #expect(first == second)
    let mean = first.reduce(0, +) / 4000
    let spread = first.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4000
    #expect(abs(mean - 2) < 0.1 && abs(spread - 1) < 0.1)
    let other = try op("RandomNormal", ["shape": .ints([4000]), "seed": .float(4), "mean": .float(2)])
    #expect(try run(other, [])[0].floats() != first)
  }

  @Test func runsOfASessionDrawOtherNumbers() throws {
    var graph = Graph(name: "draws")
    let op = try op("RandomUniform", ["shape": .ints([50]), "low": .float(-1), "high": .float(3)])
    try graph.addOutput(try #require(try graph.append(op, [], name: "draw", outputs: ["y"])[0]))
    let session = try Session(graph, options: Session.Options(threads: 1))
    let (first, second) = (try session.run([])[0].floats(), try session.run([])[0].floats())
    #expect(first != second)
    #expect((first + second).allSatisfy { (-1..<3).contains($0) })
  }

  @Test func drawsFollowProbabilities() throws {
    let sure = try Tensor([0, 1, 0, 1] as [Float], [4])
    #expect(try run(op("Bernoulli"), [sure])[0].floats() == [0, 1, 0, 1])
    let logarithms = try Tensor([-.infinity, 0, -.infinity, 0, 0, -.infinity] as [Float], [2, 3])
    let drawn = try run(op("Multinomial", ["sample_size": .int(40)]), [logarithms])[0]
    let places = try drawn.integers()
    #expect(drawn.shape == [2, 40] && places[..<40].allSatisfy { $0 == 1 })
    #expect(Set(places[40...]) == [0, 1])
  }

  @Test func dropoutDropsOnlyWhileTraining() throws {
    let x = try Tensor([Float](repeating: 3, count: 1000), [1000])
    let ratio = Tensor(scalar: Float(0.25))
    let kept = try run(op("Dropout", ["seed": .int(1)]), [x, ratio, Tensor(scalar: false)], outputs: ["y", "mask"])
    #expect(try kept[0].floats() == x.floats())
    let dropped = try run(op("Dropout", ["seed": .int(1)]), [x, ratio, Tensor(scalar: true)], outputs: ["y", "mask"])
    let (values, mask) = (try dropped[0].floats(), try dropped[1].integers())
    for (value, isKept) in zip(values, mask) { #expect(value == (isKept == 1 ? 4 : 0)) }
    #expect((700...800).contains(mask.reduce(0, +)))
  }

  // ── What files cannot do ──
  @Test func placesOutOfRangeAreRefused() throws {
    let x = try Tensor([1, 2, 3, 4] as [Float], [1, 1, 2, 2])
    let unpool = try op("MaxUnpool", ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    for place: Int64 in [-1, 16, .max] {
      let places = try Tensor([0, 1, 2, place], [1, 1, 2, 2])
      #expect(throws: LigatureError.self) { try run(unpool, [x, places]) }
    }
    let lengths = try Tensor([1, 9] as [Int64], [2])
    let sequence = try Tensor([1, 2, 3, 4] as [Float], [2, 2])
    #expect(throws: LigatureError.self) { try run(op("ReverseSequence"), [sequence, lengths]) }
    let labels = try Tensor([0, 2] as [Int64], [2])
    #expect(throws: LigatureError.self) { try run(op("NegativeLogLikelihoodLoss"), [sequence, labels]) }
    let column = try Tensor([5] as [Int64], [1])
    #expect(throws: LigatureError.self) {
      try run(op("ArrayFeatureExtractor", domain: "ai.onnx.ml"), [sequence, column])
    }
    let regions = try Tensor([3, 0, 0, 1, 1] as [Float], [1, 5])
    #expect(throws: LigatureError.self) { try run(op("MaxRoiPool", ["pooled_shape": .ints([1, 1])]), [x, regions]) }
    let far = try Tensor([0, .nan, 0, .infinity, 1] as [Float], [1, 5])
    #expect(throws: LigatureError.self) { try run(op("MaxRoiPool", ["pooled_shape": .ints([1, 1])]), [x, far]) }
  }

  @Test(
    arguments: [
      ("LRN", ["size": .int(0)]), ("GroupNormalization", ["num_groups": .int(0)]), ("LpNormalization", ["p": .int(3)]),
      ("Col2Im", ["strides": .ints([0, 1])]), ("MaxUnpool", ["kernel_shape": .ints([])]),
      ("RandomNormal", ["shape": .ints([.max, .max])]), ("RandomUniform", [:]),
      ("Multinomial", ["sample_size": .int(0)]),
      ("MaxRoiPool", ["pooled_shape": .ints([0, 1])]), ("ReverseSequence", ["time_axis": .int(2)]),
      ("HannWindow", ["output_datatype": .int(99)]), ("DFT", ["inverse": .int(1), "onesided": .int(1)]),
      (
        "TfIdfVectorizer",
        [
          "mode": .string("TF"), "min_gram_length": .int(1), "max_gram_length": .int(1), "max_skip_count": .int(0),
          "pool_int64s": .ints([1]), "ngram_counts": .ints([5]), "ngram_indexes": .ints([0]),
        ]
      ),
    ] as [(String, [String: Attribute])])
  func attributesOutOfRangeAreRefused(_ name: String, _ attributes: [String: Attribute]) {
    #expect(throws: LigatureError.self) { try OperatorSet.standard.decode(OperatorName(name), Attributes(attributes)) }
  }

  /// A tree whose branch leads back would never end.
  @Test func treesCannotBeEndless() throws {
    let attributes: [String: Attribute] = [
      "n_targets": .int(1), "tree_roots": .ints([0]), "nodes_featureids": .ints([0]), "leaf_targetids": .ints([0]),
      "nodes_splits": .tensor(try Tensor([0] as [Float], [1])), "nodes_modes": .tensor(try Tensor([0] as [UInt8], [1])),
      "leaf_weights": .tensor(try Tensor([1] as [Float], [1])), "nodes_truenodeids": .ints([0]),
      "nodes_falsenodeids": .ints([0]), "nodes_trueleafs": .ints([0]), "nodes_falseleafs": .ints([1]),
    ]
    #expect(throws: LigatureError.self) { try op("TreeEnsemble", attributes, domain: "ai.onnx.ml") }
  }
}

extension Tensor {
  fileprivate var isPlainInteger: Bool { element.isPackedInFiles }
}
