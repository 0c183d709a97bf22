import FoundationEssentials
import GraphIR
import Operators
import TensorCore

/// Operators on texts. What only moves elements about needs none: see `Evaluator`.
enum StringKernels {
  static func register(in table: inout KernelTable) {
    table.register(StringConcat.self, onData: concatenate)
    table.register(StringSplit.self, onData: split)
    table.register(StringNormalizer.self, onData: normalize)
  }

  private static func input(_ inputs: [Datum?], _ index: Int) throws -> Tensor {
    guard index < inputs.count, let datum = inputs[index] else {
      throw LigatureError(.arity, "input \(index) is missing")
    }
    let tensor = try datum.tensor("input \(index)")
    guard tensor.element == .string else {
      throw LigatureError(.type, "input \(index) must be of strings, but is \(datum.summary)")
    }
    return tensor
  }

  private static func concatenate(_ op: StringConcat, _ inputs: [Datum?], _ context: DataContext) throws -> [Datum] {
    let (a, b) = (try input(inputs, 0), try input(inputs, 1))
    let shape = try broadcastShape([a.shape.map(Dimension.fixed), b.shape.map(Dimension.fixed)])?.compactMap(\.value)
    guard let shape else { throw LigatureError(.shape, "\(a.shape) and \(b.shape) do not broadcast") }
    let count = try Checked.elementCount(shape)
    try refuse(try Checked.multiply(count, 16), context)
    let (x, y) = (places(a.shape, in: shape), places(b.shape, in: shape))
    var bytes = 0
    var result: [String] = []
    result.reserveCapacity(count)
    for index in 0..<count {
      let (left, right) = (a.strings[x(index)], b.strings[y(index)])
      bytes = try Checked.add(bytes, left.utf8.count + right.utf8.count + 16)
      try refuse(bytes, context)
      result.append(left + right)
    }
    return [.tensor(try Tensor(strings: result, shape))]
  }

  /// Where an element of the broadcast shape lies in a tensor of that shape.
  private static func places(_ shape: [Int], in wide: [Int]) -> (Int) -> Int {
    let own = rowMajorStrides(shape)
    let strides = rowMajorStrides(wide)
    let offset = wide.count - shape.count
    return { index in
      var (rest, place) = (index, 0)
      for axis in wide.indices {
        let position = rest / strides[axis]
        rest -= position * strides[axis]
        if axis >= offset, shape[axis - offset] != 1 { place += position * own[axis - offset] }
      }
      return place
    }
  }

  private static func refuse(_ bytes: Int, _ context: DataContext) throws {
    guard bytes > context.byteLimit else { return }
    throw LigatureError(
      .limit, "the texts take more than the limit of \(context.byteLimit) bytes; raise the memory limit")
  }

  private static func split(_ op: StringSplit, _ inputs: [Datum?], _ context: DataContext) throws -> [Datum] {
    let x = try input(inputs, 0)
    let parts = x.strings.map { text -> [String] in
      let most = op.limit.map { max($0, 0) } ?? Int.max
      guard let delimiter = op.delimiter, !delimiter.isEmpty else { return words(text, most) }
      return pieces(text, delimiter, most)
    }
    let most = parts.map(\.count).max() ?? 0
    try refuse(try Checked.multiply(Checked.multiply(most, parts.count), 16), context)
    let filled = parts.flatMap { $0 + Array(repeating: "", count: most - $0.count) }
    return [
      .tensor(try Tensor(strings: filled, x.shape + [most])),
      .tensor(try Tensor(parts.map { Int64($0.count) }, x.shape)),
    ]
  }

  /// Cut at runs of white space; what is left after the last cut keeps its own.
  private static func words(_ text: String, _ most: Int) -> [String] {
    var result: [String] = []
    var rest = text[...].drop(while: \.isWhitespace)
    while !rest.isEmpty {
      guard result.count < most, let end = rest.firstIndex(where: \.isWhitespace) else {
        result.append(String(rest))
        break
      }
      result.append(String(rest[..<end]))
      rest = rest[end...].drop(while: \.isWhitespace)
    }
    return result
  }

  private static func pieces(_ text: String, _ delimiter: String, _ most: Int) -> [String] {
    guard !text.isEmpty else { return [] }
    var result: [String] = []
    var start = text.startIndex
    while result.count < most, let found = text[start...].firstRange(of: delimiter) {
      result.append(String(text[start..<found.lowerBound]))
      start = found.upperBound
    }
    return result + [String(text[start...])]
  }

  private static func normalize(_ op: StringNormalizer, _ inputs: [Datum?], _ context: DataContext) throws -> [Datum] {
    let x = try input(inputs, 0)
    guard x.shape.count == 1 || (x.shape.count == 2 && x.shape[0] == 1) else {
      throw LigatureError(.shape, "the input must be [n] or [1, n], but is \(x.shape)")
    }
    let stops = Set(op.isCaseSensitive ? op.stopWords : op.stopWords.map { $0.lowercased() })
    let kept = x.strings.filter { !stops.contains(op.isCaseSensitive ? $0 : $0.lowercased()) }
    let changed = kept.map { text in
      switch op.change {
      case .lower: text.lowercased()
      case .upper: text.uppercased()
      case .unchanged: text
      }
    }
    // A tensor of no words is one empty one.
    let words = changed.isEmpty ? [""] : changed
    return [.tensor(try Tensor(strings: words, x.shape.dropLast() + [words.count]))]
  }
}
