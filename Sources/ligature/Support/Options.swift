import ArgumentParser
import GraphIR
import Kernels
import Runtime
import TensorCore

/// What every command that runs a graph takes.
struct RunOptions: ParsableArguments {
  @Option(help: "Threads to run with; results do not depend on it. Default: as many as the process may keep busy.")
  var threads: Int?

  @OptionGroup var limit: LimitOptions

  @Option(
    help: ArgumentHelp(
      "Keep prepared models in this folder, which makes the next start faster. It may be removed at any time.",
      valueName: "folder"),
    completion: .directory)
  var cache: String?

  @Option(
    help: ArgumentHelp(
      "The most that the cache's folder may take; models that were not used for longest go first.", valueName: "bytes"))
  var cacheLimit = ByteCount(bytes: 2 << 30)
  @OptionGroup var precision: PrecisionOptions

  func validate() throws {
    if let threads, !(1...256).contains(threads) { throw ValidationError("--threads must lie between 1 and 256") }
  }

  func session() throws -> Session.Options {
    var options = Session.Options(threads: threads)
    options.limits = try limit.limits()
    options.cache = cache
    options.cacheLimit = cacheLimit.bytes
    options.precision = precision.precision
    options.log = { writeToStandardError("note: \($0.printable)\n") }
    return options
  }
}

/// What every command takes that computes for people.
struct PrecisionOptions: ParsableArguments {
  @Option(
    help: """
      How convolutions and products are computed: strict (float32, sums in the order of the definition), float32 (the \
      fastest algorithm), bfloat16 (operands of 8 bits where that is faster; results are typically off by some \
      thousandths, which bench measures; needs AVX512_BF16), accurate (float64 sums in convolutions; slow). Default: float32 for \
      prepared graphs.
      """, transform: PrecisionOptions.named)
  var precision: Precision?

  private static func named(_ text: String) throws -> Precision {
    guard let precision = Precision(rawValue: text) else {
      let known = Precision.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--precision is one of \(known), not '\(text)'")
    }
    return precision
  }
}

/// Sizes for inputs whose shape the file leaves open.
struct ShapeOptions: ParsableArguments {
  @Option(
    name: .customLong("shape"),
    help: ArgumentHelp(
      "Size of an input, as in x=1x3x640x640. May be repeated. Open sizes default to what the recipe of the file says, else to 1 for the first axis (batch) and 640 for others.",
      valueName: "name=sizes"))
  var shapes: [String] = []

  /// The sizes of every input: as given, where the graph leaves them open by default.
  func sizes(for graph: Graph, recipe: [Int]?) throws -> [[Int]] {
    var given = try ShapeOptions.parse(shapes)
    let sizes = try graph.inputs.map { id -> [Int] in
      let value = graph[id]
      if let sizes = given.removeValue(forKey: value.name) { return sizes }
      return try defaultSizes(value, recipe: recipe)
    }
    if let unknown = given.keys.min() {
      let names = graph.inputs.map { graph[$0].name }.joined(separator: ", ")
      throw LigatureError(.usage, "--shape names '\(unknown)', but the inputs are: \(names)")
    }
    return sizes
  }

  /// Sizes by the names of inputs.
  static func parse(_ shapes: [String]) throws -> [String: [Int]] {
    var result: [String: [Int]] = [:]
    for text in shapes {
      let parts = text.split(separator: "=", maxSplits: 1)
      let numbers = parts.last?.split(separator: "x", omittingEmptySubsequences: false) ?? []
      let sizes = numbers.compactMap { Int($0) }
      guard parts.count == 2, sizes.count == numbers.count, !sizes.contains(where: { $0 < 0 }) else {
        throw LigatureError(.usage, "--shape takes name=sizes, as in x=1x3x640x640, not '\(text)'")
      }
      guard result.updateValue(sizes, forKey: String(parts[0])) == nil else {
        throw LigatureError(.usage, "--shape is given twice for '\(parts[0])'; give it once")
      }
    }
    return result
  }

  private func defaultSizes(_ value: Value, recipe: [Int]?) throws -> [Int] {
    guard let shape = value.type.shape else {
      throw LigatureError(.usage, "not even the rank of '\(value.name)' is known; give --shape \(value.name)=…")
    }
    return shape.enumerated().map { axis, dimension in
      if let size = dimension.value { return size }
      if let recipe, recipe.count == shape.count { return recipe[axis] }
      return axis == 0 ? 1 : 640
    }
  }
}

/// Tensors to run a graph with when none are given: the same for the same name, shape and seed.
/// Throws `.limit` for one that takes more bytes than `limit`.
func syntheticTensor(
  _ name: String, _ element: ElementType, _ sizes: [Int], limit: Int, seed: UInt64 = 0
) throws -> Tensor {
  let byteCount = try Checked.byteCount(element, sizes)
  guard byteCount <= limit else {
    throw LigatureError(
      .limit,
      "the input '\(name)' of \(element)\(sizes) takes \(byteCount) bytes, \(byteCount - limit) more than the "
        + "memory limit of \(limit); raise the limit, or make it smaller with --shape")
  }
  var random = SplitMix64(name.utf8.reduce(seed ^ SplitMix64.step) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
  switch element {
  case .float32: return try filled { Float(random.next() >> 40) * 0x1p-24 }
  case .float64: return try filled { Double(random.next() >> 11) * 0x1p-53 }
  case .uint8: return try filled { UInt8(truncatingIfNeeded: random.next()) }
  default: return try Tensor(zeros: element, sizes)
  }
  func filled<Scalar>(_ scalar: () -> Scalar) throws -> Tensor {
    try unsafe Tensor(element, sizes) { bytes in
      for offset in stride(from: 0, to: bytes.count, by: Swift.MemoryLayout<Scalar>.stride) {
        unsafe bytes.storeBytes(of: scalar(), toByteOffset: offset, as: Scalar.self)
      }
    }
  }
}
