public import TensorCore

/// Between texts and the classes that attention decoders predict one after the other: MMOCR's `AttnConvertor`, and
/// its `ABIConvertor`, which pads targets otherwise.
public struct AttnConvertor: Sendable {
  /// How targets are made of a text.
  public enum Padding: Sendable {
    /// Start, characters, end; cut to `maxSeqLen`, so that a long text has no end.
    case attn
    /// Characters, of which there are at most `maxSeqLen` - 1, and end; start before that for the padded form.
    case abi
  }

  public struct Targets: Sendable {
    /// `[N]` of classes: for `attn` the characters alone, for `abi` with the end.
    public var targets: [[Int]]
    /// int64 `[N, maxSeqLen]`, filled up with `<PAD>`.
    public var padded: Tensor
  }

  /// Text of each class: the characters, `<UKN>` if there is one, `<BOS/EOS>` once or twice, `<PAD>`.
  public var classes: [String] { table.classes }
  public let startIndex: Int
  public let endIndex: Int
  public let paddingIndex: Int
  public let maxSeqLen: Int
  private let padding: Padding
  private let table: LabelTable

  /// - Parameters:
  ///   - dictionary: characters in class order.
  ///   - maxSeqLen: classes of a padded target.
  ///   - startEndSame: whether one class is both the start and the end.
  /// - Throws: `.numeric` for a `maxSeqLen` below 1.
  public init(
    dictionary: [String], padding: Padding = .attn, withUnknown: Bool = true, lower: Bool = false,
    maxSeqLen: Int = 40, startEndSame: Bool = true
  ) throws {
    guard maxSeqLen >= 1 else { throw LigatureError(.numeric, "maxSeqLen is \(maxSeqLen); it must be at least 1") }
    let ends = [String](repeating: "<BOS/EOS>", count: startEndSame ? 1 : 2)
    table = LabelTable(
      dictionary: dictionary, after: (withUnknown ? [LabelTable.unknown] : []) + ends + ["<PAD>"], lower: lower)
    paddingIndex = table.classes.count - 1
    endIndex = paddingIndex - 1
    startIndex = startEndSame ? endIndex : endIndex - 1
    self.maxSeqLen = maxSeqLen
    self.padding = padding
  }

  /// Classes of the characters of a text. Throws `.format` for a character that is not in the dictionary, where
  /// there is no `<UKN>`.
  public func str2idx(_ text: String) throws -> [Int] { try table.str2idx(text) }

  /// Targets of a batch. Errors as `str2idx`.
  public func str2tensor(_ texts: [String]) throws -> Targets {
    var targets = try texts.map { try str2idx($0) }
    let sequences: [[Int]]
    switch padding {
    case .attn: sequences = targets.map { [startIndex] + $0 + [endIndex] }
    case .abi:
      targets = targets.map { Array($0.prefix(maxSeqLen - 1)) + [endIndex] }
      sequences = targets.map { [startIndex] + $0 }
    }
    let padded = sequences.flatMap { sequence in
      let kept = sequence.prefix(maxSeqLen)
      return kept.map { Int64($0) } + [Int64](repeating: Int64(paddingIndex), count: maxSeqLen - kept.count)
    }
    return Targets(targets: targets, padded: try Tensor(padded, [texts.count, maxSeqLen]))
  }

  /// - Parameter scores: float32 `[N, T, C]`, probabilities or whatever the decoder gives; C may lack the last
  ///   classes, which are then never predicted.
  /// - Returns: N texts.
  public func decode(_ scores: Tensor) throws -> [RecognizedText] {
    try tensor2idx(scores).map { try table.text($0) }
  }

  /// The classes kept, for each of N lines: up to the end, without `<PAD>`.
  public func tensor2idx(_ scores: Tensor) throws -> [LabelIndices] {
    let least = min(max(endIndex, 1), classes.count)
    let lines = try LineScores(scores, classes: least...classes.count, "an attention decoder")
    return (0..<lines.lines).map { index in
      unsafe lines.line(index) { values in
        var line = LabelIndices()
        for step in 0..<lines.steps {
          let row = unsafe UnsafeBufferPointer(rebasing: values[step * lines.classes..<(step + 1) * lines.classes])
          let best = unsafe firstMaximum(row)
          if best == paddingIndex { continue }
          if best == endIndex { break }
          line.indices.append(best)
          unsafe line.scores.append(Double(row[best]))
        }
        return line
      }
    }
  }

  public func idx2str(_ indices: [Int]) throws -> String { try table.idx2str(indices) }
}
