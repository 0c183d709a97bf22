public import GraphIR
import TensorCore

/// A product of tensors written with one letter an axis, as numpy's `einsum`: `bhid,bhjd->bhij`. A letter that the
/// result lacks is summed over; one that an operand has twice takes the diagonal; `...` stands for further axes, which
/// broadcast. Without `->` the result has the letters that occur once, in alphabetical order.
public struct Einsum: Operator {
  public static let names = [OperatorName("Einsum")]
  public var name: OperatorName { Einsum.names[0] }
  public let equation: String
  private let terms: [Term]
  /// `nil`: implicit.
  private let result: Term?

  /// Letters, and where `...` stands among them.
  private struct Term {
    var letters: [UInt8] = []
    var ellipsis: Int?
  }

  /// The equation with `...` written out. Axes of `...` are negative: -1 is the last one.
  package struct Labels: Equatable {
    package var operands: [[Int]]
    package var result: [Int]
  }

  public init(_ equation: String) throws {
    self.equation = equation
    let text = Array(equation.utf8.filter { $0 != UInt8(ascii: " ") })
    let arrow = text.indices.dropLast().first { text[$0] == UInt8(ascii: "-") && text[$0 + 1] == UInt8(ascii: ">") }
    terms = try text[..<(arrow ?? text.count)].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      .map { try Einsum.parse($0, equation) }
    result = try arrow.map { try Einsum.parse(text[($0 + 2)...], equation) }
    if let result {
      let known = Set(terms.flatMap(\.letters))
      guard Set(result.letters).count == result.letters.count, result.letters.allSatisfy(known.contains) else {
        throw LigatureError(
          .attribute, "the result of '\(equation)' must name each axis once, and only axes that an operand has")
      }
      guard result.ellipsis != nil || terms.allSatisfy({ $0.ellipsis == nil }) else {
        throw LigatureError(.attribute, "an operand of '\(equation)' has '...', hence the result needs it as well")
      }
    }
  }

  private static func parse(_ text: ArraySlice<UInt8>, _ equation: String) throws -> Term {
    var term = Term()
    var rest = text
    while let first = rest.first {
      let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first | 0x20)
      if isLetter {
        term.letters.append(first)
        rest = rest.dropFirst()
      } else if term.ellipsis == nil, rest.prefix(3).elementsEqual("...".utf8) {
        term.ellipsis = term.letters.count
        rest = rest.dropFirst(3)
      } else {
        throw LigatureError(
          .attribute, "the equation '\(equation)' is not valid: terms are letters and at most one '...' each")
      }
    }
    return term
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    guard let equation = try attributes.optionalString("equation") else {
      throw LigatureError(.attribute, "attribute 'equation' is missing")
    }
    try self.init(equation)
  }

  public var attributes: Attributes {
    var attributes = Attributes()
    attributes.set("equation", equation)
    return attributes
  }

  /// The labels of all axes, for operands of those ranks.
  package func labels(ranks: [Int]) throws -> Labels {
    guard ranks.count == terms.count else {
      throw LigatureError(.arity, "the equation '\(equation)' has \(terms.count) operands, the node \(ranks.count)")
    }
    var most = 0
    let operands = try zip(terms, ranks).map { term, rank -> [Int] in
      let hidden = rank - term.letters.count
      guard hidden == 0 || (hidden > 0 && term.ellipsis != nil) else {
        throw LigatureError(.rank, "'\(equation)' gives \(term.letters.count) axes to an operand of rank \(rank)")
      }
      most = max(most, hidden)
      return Einsum.expand(term, hidden)
    }
    if let result {
      return Labels(operands: operands, result: Einsum.expand(result, result.ellipsis == nil ? 0 : most))
    }
    var counts: [UInt8: Int] = [:]
    for letter in terms.flatMap(\.letters) { counts[letter, default: 0] += 1 }
    let single = counts.filter { $0.value == 1 }.keys.sorted()
    return Labels(operands: operands, result: Einsum.expand(Term(letters: single, ellipsis: 0), most))
  }

  private static func expand(_ term: Term, _ hidden: Int) -> [Int] {
    var labels = term.letters.map(Int.init)
    if let place = term.ellipsis { labels.insert(contentsOf: (0..<hidden).map { $0 - hidden }, at: place) }
    return labels
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    let inputs = try context.allInputs()
    let element = try sharedElement(inputs)
    try expect(element, in: .numbers, "the input")
    let ranks = inputs.compactMap(\.rank)
    guard ranks.count == inputs.count else { return [TensorType(element, nil)] }
    let labels = try labels(ranks: ranks)
    var sizes: [Int: Dimension] = [:]
    for (input, axes) in zip(inputs, labels.operands) {
      for (size, label) in zip(input.shape ?? [], axes) {
        guard let known = sizes[label] else {
          sizes[label] = size
          continue
        }
        sizes[label] = try broadcastShape([[known], [size]])?[0] ?? known
      }
    }
    return [TensorType(element, labels.result.map { sizes[$0] ?? 1 })]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    // All axes together: right for two operands, an upper limit for more.
    let types = context.inputs.compactMap { $0?.sizes }
    guard types.count == context.inputs.count, let labels = try? labels(ranks: types.map(\.count)) else {
      return .moving(context.inputs, outputs)
    }
    var sizes: [Int: Int] = [:]
    for (shape, axes) in zip(types, labels.operands) {
      for (size, label) in zip(shape, axes) { sizes[label] = max(sizes[label] ?? 0, size) }
    }
    let work = try? Checked.elementCount(Array(sizes.values))
    return .moving(context.inputs, outputs, multiplyAdds: work ?? 0)
  }
}
