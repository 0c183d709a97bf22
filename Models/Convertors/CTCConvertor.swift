public import TensorCore

/// Between texts and the classes along a line (Graves et al., Connectionist Temporal Classification, 2006; MMOCR's
/// `CTCConvertor`). Reading: the best class of each step, repetitions merged, blanks dropped.
public struct CTCConvertor: Sendable {
  public typealias Text = RecognizedText

  /// What training reads: `targets` int64 `[N, S]`, S the longest text and at least 1, filled up with the blank, and
  /// `lengths` int64 `[N]`.
  public struct Targets: Sendable {
    public var targets: Tensor
    public var lengths: Tensor
  }

  static let blankText = "<BLK>"

  /// Text of each class; `<BLK>` for the blank, `<UKN>` for the unknown character.
  public var classes: [String] { table.classes }
  public let blank: Int
  /// Whether softmax is still to be taken of what is decoded.
  public let isLogits: Bool
  private let table: LabelTable

  /// - Parameters:
  ///   - dictionary: characters in class order, without the blank, which is put in at `blank`.
  ///   - withUnknown: whether a class `<UKN>` follows the characters.
  ///   - lower: whether texts are written in small letters before they become targets.
  ///   - isLogits: whether `decode` is given logits and not probabilities.
  public init(
    dictionary: [String], blank: Int = 0, withUnknown: Bool = false, lower: Bool = false, isLogits: Bool = false
  ) throws {
    guard (0...dictionary.count).contains(blank) else {
      throw LigatureError(.numeric, "the blank is class \(blank), but there are only \(dictionary.count + 1) classes")
    }
    guard !withUnknown || blank == 0 else {
      throw LigatureError(.unsupported, "with <UKN>, the blank is class 0, not \(blank)")
    }
    self.blank = blank
    self.isLogits = isLogits
    if blank == 0 {
      table = LabelTable(
        dictionary: dictionary, before: [CTCConvertor.blankText], after: withUnknown ? [LabelTable.unknown] : [],
        lower: lower)
    } else {
      var classes = dictionary
      classes.insert(CTCConvertor.blankText, at: blank)
      table = LabelTable(dictionary: classes, lower: lower)
    }
  }

  /// As the recipe of a recogniser says.
  public init(_ parameters: Recipe.CTC, dictionary: [String]) throws {
    try self.init(
      dictionary: dictionary, blank: parameters.blank, withUnknown: parameters.withUnknown, lower: parameters.lower,
      isLogits: parameters.logits)
  }

  // ── Towards training ──────────────────────────────────────────────────────

  /// Classes of the characters of a text. Throws `.format` for a character that is not in the dictionary, where
  /// there is no `<UKN>`.
  public func str2idx(_ text: String) throws -> [Int] { try table.str2idx(text) }

  /// Targets of a batch. Errors as `str2idx`. An empty text is allowed here; the loss refuses it.
  public func str2tensor(_ texts: [String]) throws -> Targets {
    let rows = try texts.map { try str2idx($0) }
    let width = max(rows.map(\.count).max() ?? 0, 1)
    let padded = rows.flatMap { $0.map { Int64($0) } + [Int64](repeating: Int64(blank), count: width - $0.count) }
    return Targets(
      targets: try Tensor(padded, [texts.count, width]),
      lengths: try Tensor(rows.map { Int64($0.count) }, [texts.count]))
  }

  /// Steps that a text needs at least: one for each character, and one for the blank between two equal ones. With
  /// fewer, its loss is infinite; a text without characters has none.
  public func neededSteps(_ text: String) throws -> Int {
    let indices = try str2idx(text)
    return indices.count + zip(indices, indices.dropFirst()).count { $0 == $1 }
  }

  // ── Towards text ──────────────────────────────────────────────────────────

  /// - Parameters:
  ///   - scores: float32 `[N, T, C]`, C the number of classes: logits or probabilities, as `isLogits` says.
  ///   - validRatios: the part of each line's width that is no padding; only the steps that it covers are read.
  /// - Returns: N texts.
  public func decode(_ scores: Tensor, validRatios: [Double]? = nil) throws -> [Text] {
    try tensor2idx(scores, validRatios: validRatios).map { try table.text($0) }
  }

  /// The classes kept, for each of N lines. Parameters as `decode`.
  /// - Parameter topK: how many of the best classes of each step are given besides; 0 for none.
  public func tensor2idx(_ scores: Tensor, validRatios: [Double]? = nil, topK: Int = 0) throws -> [LabelIndices] {
    let lines = try LineScores(scores, classes: classes.count...classes.count, "CTC")
    if let validRatios, validRatios.count != lines.lines {
      throw LigatureError(.shape, "\(validRatios.count) valid ratios for \(lines.lines) lines")
    }
    return try (0..<lines.lines).map { index in
      let steps = try LineScores.validSteps(lines.steps, ratio: validRatios?[index])
      return unsafe lines.line(index) { unsafe decodeLine($0, steps, topK) }
    }
  }

  public func idx2str(_ indices: [Int]) throws -> String { try table.idx2str(indices) }

  private func decodeLine(_ values: UnsafeBufferPointer<Float>, _ steps: Int, _ topK: Int) -> LabelIndices {
    var line = LabelIndices(indices: [], scores: [])
    var previous = -1
    for step in 0..<steps {
      let row = unsafe UnsafeBufferPointer(rebasing: values[step * classes.count..<(step + 1) * classes.count])
      let best = unsafe firstMaximum(row)
      defer { previous = best }
      guard best != previous, best != blank else { continue }
      let probabilities = unsafe isLogits ? softmax(row) : Array(row)
      line.indices.append(best)
      line.scores.append(Double(probabilities[best]))
      guard topK > 0 else { continue }
      let order = Array(probabilities.indices).stablySorted { probabilities[$0] > probabilities[$1] }.prefix(topK)
      line.best.append(Array(order))
      line.bestScores.append(order.map { Double(probabilities[$0]) })
    }
    return line
  }
}
