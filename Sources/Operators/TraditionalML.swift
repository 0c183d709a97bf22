public import GraphIR
import TensorCore

// Of the domain `ai.onnx.ml`, and what turns words into numbers.

/// Columns of a table: `[…, n], places int64 [k] → […, k]`; of a vector, `[1, k]`.
public struct ArrayFeatureExtractor: Operator {
  public static let names = [OperatorName("ArrayFeatureExtractor", domain: "ai.onnx.ml")]
  public var name: OperatorName { ArrayFeatureExtractor.names[0] }
  public var attributes: Attributes { Attributes() }
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (x, places) = (try context.input(0), try context.input(1))
    try expect(x.element, in: .movable, "the input")
    try expect(places.element, in: [.int64], "the places")
    guard let shape = x.shape, !shape.isEmpty, let taken = places.shape else { return [TensorType(x.element, nil)] }
    let count = try product(taken)
    return [TensorType(x.element, (shape.count == 1 ? [1] : Array(shape.dropLast())) + [count])]
  }
}

/// 1 where an element exceeds the threshold, 0 elsewhere.
public struct Binarizer: Operator {
  public static let names = [OperatorName("Binarizer", domain: "ai.onnx.ml")]
  public var name: OperatorName { Binarizer.names[0] }
  public let threshold: Float
  public init(name: OperatorName, attributes: Attributes) throws {
    threshold = try attributes.float("threshold", default: 0)
  }
  public var attributes: Attributes {
    var result = Attributes()
    result.set("threshold", threshold)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .numbers, "the input")
    return [x]
  }
}

/// Decision trees: `[N, features] → [N, targets]`.
public struct TreeEnsemble: Operator {
  public static let names = [OperatorName("TreeEnsemble", domain: "ai.onnx.ml")]
  public var name: OperatorName { TreeEnsemble.names[0] }
  public let attributes: Attributes
  public enum Aggregate: Int, Sendable { case average, sum, min, max }
  public enum Comparison: Int, Sendable { case atMost, below, atLeast, above, equal, unequal, member }

  public struct Node: Sendable {
    public let feature: Int
    public let comparison: Comparison
    public let split: Double
    public let members: [Double]
    public let missingIsTrue: Bool
    /// Where to go on; a leaf if the flag says so.
    public let whenTrue: (index: Int, isLeaf: Bool)
    public let whenFalse: (index: Int, isLeaf: Bool)
  }
  public let nodes: [Node]
  public let roots: [Int]
  public let leaves: [(target: Int, weight: Double)]
  public let targets: Int
  public let aggregate: Aggregate

  public init(name: OperatorName, attributes: Attributes) throws {
    self.attributes = attributes
    let targets = try attributes.int("n_targets")
    self.targets = targets
    guard targets > 0, targets < 1 << 31,
      let aggregate = Aggregate(rawValue: try attributes.int("aggregate_function", default: 1))
    else { throw LigatureError(.attribute, "n_targets or aggregate_function is out of range") }
    self.aggregate = aggregate
    guard try attributes.int("post_transform", default: 0) == 0 else {
      throw LigatureError(.unsupported, "TreeEnsemble takes no post_transform; export the model without it")
    }
    let weights = try doubles(attributes, "leaf_weights") ?? []
    let ids = try attributes.ints("leaf_targetids", default: [])
    guard ids.count == weights.count, ids.allSatisfy({ (0..<targets).contains($0) }) else {
      throw LigatureError(.attribute, "leaf_targetids do not fit leaf_weights and n_targets")
    }
    leaves = zip(ids, weights).map { (target: $0, weight: $1) }
    let all = try TreeEnsemble.nodes(attributes, leaves: ids.count)
    nodes = all
    roots = try attributes.ints("tree_roots", default: [])
    guard roots.allSatisfy(all.indices.contains) else {
      throw LigatureError(.attribute, "tree_roots \(roots) name no nodes")
    }
  }

  private static func nodes(_ attributes: Attributes, leaves: Int) throws -> [Node] {
    let features = try attributes.ints("nodes_featureids", default: [])
    let splits = try doubles(attributes, "nodes_splits") ?? []
    let modes = try attributes.optionalTensor("nodes_modes")?.integers() ?? []
    let missing = try attributes.optionalInts("nodes_missing_value_tracks_true")
    func branch(_ side: String) throws -> [(index: Int, isLeaf: Bool)] {
      let ids = try attributes.ints("nodes_\(side)nodeids", default: [])
      let flags = try attributes.ints("nodes_\(side)leafs", default: [])
      guard ids.count == features.count, flags.count == features.count else {
        throw LigatureError(.attribute, "nodes_\(side)nodeids and nodes_\(side)leafs must have one value a node")
      }
      return try zip(ids, flags).enumerated().map { place, item in
        // Trees are written from the root on: that a branch leads onwards keeps them from being endless.
        let range = item.1 != 0 ? 0..<leaves : place + 1..<max(features.count, place + 1)
        guard range.contains(item.0) else {
          throw LigatureError(.attribute, "the \(side) branch of node \(place) leads to \(item.0)")
        }
        return (index: item.0, isLeaf: item.1 != 0)
      }
    }
    let (yes, no) = (try branch("true"), try branch("false"))
    guard splits.count == features.count, modes.count == features.count,
      missing?.count ?? features.count == features.count
    else { throw LigatureError(.attribute, "the lists of nodes differ in length") }
    var members = try (doubles(attributes, "membership_values") ?? [])[...]
    return try features.indices.map { index in
      guard let comparison = Comparison(rawValue: modes[index]), features[index] >= 0 else {
        throw LigatureError(.attribute, "node \(index) has the mode \(modes[index]) and feature \(features[index])")
      }
      var own: [Double] = []
      if comparison == .member {
        own = Array(members.prefix { !$0.isNaN })
        members = members.dropFirst(own.count + 1)
      }
      return Node(
        feature: features[index], comparison: comparison, split: splits[index], members: own,
        missingIsTrue: missing.map { $0[index] != 0 } ?? false, whenTrue: yes[index], whenFalse: no[index])
    }
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: [.float32, .float64, .float16], "the input")
    guard let shape = x.shape else { return [TensorType(x.element, nil)] }
    guard shape.count == 2 else { throw LigatureError(.rank, "takes [N, features], not \(x)") }
    if let features = shape[1].value, let largest = nodes.map(\.feature).max(), largest >= features {
      throw LigatureError(.shape, "a node asks for feature \(largest), but there are \(features)")
    }
    return [TensorType(x.element, [shape[0], .fixed(targets)])]
  }
}

private func doubles(_ attributes: Attributes, _ name: String) throws -> [Double]? {
  guard let tensor = try attributes.optionalTensor(name) else { return nil }
  return tensor.element == .float64 ? try tensor.scalars(as: Double.self) : try tensor.floats().map(Double.init)
}

/// Counts sequences of words that a list knows: `[length] or [N, length] → [sequences] or [N, sequences]`; words are
/// numbers.
public struct TfIdfVectorizer: Operator {
  public static let names = [OperatorName("TfIdfVectorizer")]
  public var name: OperatorName { TfIdfVectorizer.names[0] }
  public enum Mode: String, CaseIterable, Sendable {
    case count = "TF"
    case presence = "IDF"
    case weighted = "TFIDF"
  }
  public let attributes: Attributes
  public let mode: Mode
  public let lengths: ClosedRange<Int>
  public let skips: Int
  /// The words of each known sequence, and where it is counted.
  public let sequences: [[Int]: Int]
  public let width: Int
  public let weights: [Float]?

  public init(name: OperatorName, attributes: Attributes) throws {
    self.attributes = attributes
    mode = try attributes.choice("mode", default: .count)
    let (least, most) = (try attributes.int("min_gram_length"), try attributes.int("max_gram_length"))
    skips = try attributes.int("max_skip_count")
    guard least > 0, most >= least, most < 1 << 16, (0..<1 << 31).contains(skips) else {
      throw LigatureError(.attribute, "sequences of \(least) to \(most) words with \(skips) skipped cannot be counted")
    }
    lengths = least...most
    guard attributes["pool_strings"] == nil else {
      throw LigatureError(.unsupported, "TfIdfVectorizer takes words that are numbers, not strings")
    }
    let pool = try attributes.ints("pool_int64s", default: [])
    let starts = try attributes.ints("ngram_counts", default: [])
    let places = try attributes.ints("ngram_indexes", default: [])
    weights = try attributes.optionalFloats("weights")
    width = (places.max() ?? -1) + 1
    guard places.allSatisfy({ (0..<1 << 24).contains($0) }), weights?.count ?? places.count == places.count else {
      throw LigatureError(.attribute, "ngram_indexes or weights are out of range")
    }
    var found: [[Int]: Int] = [:]
    var number = 0
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : pool.count
      guard start >= 0, start <= end, end <= pool.count, (end - start) % (index + 1) == 0 else {
        throw LigatureError(.attribute, "ngram_counts \(starts) do not cut pool_int64s into whole sequences")
      }
      for first in stride(from: start, to: end, by: index + 1) {
        guard number < places.count else { throw LigatureError(.attribute, "ngram_indexes are too few") }
        found[Array(pool[first..<first + index + 1])] = number
        number += 1
      }
    }
    sequences = found
    indexes = places
  }

  /// Where the sequence of that number is counted.
  public let indexes: [Int]

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let x = try context.input(0)
    try expect(x.element, in: .indices, "the words")
    guard let shape = x.shape else { return [TensorType(.float32, nil)] }
    guard (1...2).contains(shape.count) else { throw LigatureError(.rank, "takes [length] or [N, length], not \(x)") }
    return [TensorType(.float32, shape.dropLast() + [.fixed(width)])]
  }
}
