internal import TensorCore

/// How well texts were read: MMOCR 0.x's counts (`count_matches`) and what follows from them (`eval_ocr_metric`).
/// Texts are compared scalar by scalar: what is equal only after normalisation differs.
public struct RecognitionMetrics: Sendable, Equatable {
  /// Characters of the texts, in small letters and without symbols.
  public private(set) var gtCharNum = 0
  public private(set) var predCharNum = 0
  public private(set) var truePositiveCharNum = 0
  public private(set) var gtWordNum = 0
  /// Texts that are equal, …
  public private(set) var matchWordNum = 0
  /// … but for capital letters, …
  public private(set) var matchWordIgnoreCase = 0
  /// … and but for symbols.
  public private(set) var matchWordIgnoreCaseSymbol = 0
  private var distanceSum = 0.0

  public init() {}

  public init(predictions: some Sequence<String>, truths: some Sequence<String>) {
    for (prediction, truth) in zip(predictions, truths) { add(prediction: prediction, truth: truth) }
  }

  public mutating func add(prediction: String, truth: String) {
    let (read, right) = (Array(prediction.unicodeScalars), Array(truth.unicodeScalars))
    let (smallRead, smallRight) = (TextComparison.lowered(prediction), TextComparison.lowered(truth))
    let (plainRead, plainRight) = (smallRead.filter(TextComparison.isKept), smallRight.filter(TextComparison.isKept))
    gtWordNum += 1
    if read == right { matchWordNum += 1 }
    if smallRead == smallRight { matchWordIgnoreCase += 1 }
    if plainRead == plainRight { matchWordIgnoreCaseSymbol += 1 }
    let longest = max(plainRead.count, plainRight.count, 1)
    distanceSum += Double(TextComparison.editDistance(plainRead, plainRight)) / Double(longest)
    gtCharNum += plainRight.count
    predCharNum += plainRead.count
    truePositiveCharNum += TextComparison.matchingCharacters(plainRead, plainRight)
  }

  /// Mean of edit distance / length of the longer text; 0 without texts.
  public var ned: Double { distanceSum / Double(max(gtWordNum, 1)) }

  private static let epsilon = 1e-8
  private func share(_ count: Int, of total: Int) -> Double {
    Double(count) / (RecognitionMetrics.epsilon + Double(total))
  }

  public var wordAccuracy: Double { share(matchWordNum, of: gtWordNum) }
  public var wordAccuracyIgnoreCase: Double { share(matchWordIgnoreCase, of: gtWordNum) }
  public var wordAccuracyIgnoreCaseSymbol: Double { share(matchWordIgnoreCaseSymbol, of: gtWordNum) }
  public var charRecall: Double { share(truePositiveCharNum, of: gtCharNum) }
  public var charPrecision: Double { share(truePositiveCharNum, of: predCharNum) }

  /// All under MMOCR's names, rounded to four places as it prints them.
  public var values: [(name: String, value: Double)] {
    [
      ("char_recall", charRecall), ("char_precision", charPrecision), ("word_acc", wordAccuracy),
      ("word_acc_ignore_case", wordAccuracyIgnoreCase),
      ("word_acc_ignore_case_symbol", wordAccuracyIgnoreCaseSymbol), ("1-N.E.D", 1 - ned),
    ].map { ($0.0, Double(printed($0.1, "%.4f")) ?? $0.1) }
  }
}

/// Comparing texts as MMOCR does.
public enum TextComparison {
  static func lowered(_ text: String) -> [Unicode.Scalar] { Array(text.lowercased().unicodeScalars) }

  /// ASCII letters and digits, the commonest Chinese characters, and `^`: MMOCR's expression spells it out by accident.
  static func isKept(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "A"..."Z", "a"..."z", "0"..."9", "^", "\u{4e00}"..."\u{9fa5}": true
    default: false
    }
  }

  /// Insertions, deletions and replacements that turn one text into the other (Levenshtein).
  public static func editDistance<Element: Equatable>(_ a: [Element], _ b: [Element]) -> Int {
    var row = Array(0...b.count)
    for (i, left) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, right) in b.enumerated() {
        let cost = diagonal + (left == right ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(cost, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }

  /// `cal_true_positive_char`.
  public static func matchingCharacters(prediction: String, truth: String) -> Int {
    matchingCharacters(Array(prediction.unicodeScalars), Array(truth.unicodeScalars))
  }

  /// Sum of the matching blocks that Python's `difflib.SequenceMatcher(None, a, b)` finds: the longest common run
  /// (the first in `a`, then the first in `b`), then the same to its left and to its right. What makes up more than
  /// one per cent of a `b` of 200 and more starts no run.
  static func matchingCharacters(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
    var places: [Unicode.Scalar: [Int]] = [:]
    for (index, scalar) in b.enumerated() { places[scalar, default: []].append(index) }
    if b.count >= 200 {
      let popular = b.count / 100 + 1
      for (scalar, found) in places where found.count > popular { places[scalar] = nil }
    }
    var total = 0
    var pending = [(a.indices, b.indices)]
    while let (rangeA, rangeB) = pending.popLast() {
      let run = longestRun(a, rangeA, b, rangeB, places)
      guard run.length > 0 else { continue }
      total += run.length
      pending.append((rangeA.lowerBound..<run.a, rangeB.lowerBound..<run.b))
      pending.append((run.a + run.length..<rangeA.upperBound, run.b + run.length..<rangeB.upperBound))
    }
    return total
  }

  private static func longestRun(
    _ a: [Unicode.Scalar], _ rangeA: Range<Int>, _ b: [Unicode.Scalar], _ rangeB: Range<Int>,
    _ places: [Unicode.Scalar: [Int]]
  ) -> (a: Int, b: Int, length: Int) {
    var best = (a: rangeA.lowerBound, b: rangeB.lowerBound, length: 0)
    /// Lengths of the runs that end at the last character of `a`, by their place in `b`.
    var lengths: [Int: Int] = [:]
    for i in rangeA {
      var next: [Int: Int] = [:]
      for j in places[a[i]] ?? [] where rangeB.contains(j) {
        let length = (lengths[j - 1] ?? 0) + 1
        next[j] = length
        if length > best.length { best = (i - length + 1, j - length + 1, length) }
      }
      lengths = next
    }
    // Popular characters start no run, but lengthen one.
    while best.a > rangeA.lowerBound, best.b > rangeB.lowerBound, a[best.a - 1] == b[best.b - 1] {
      best = (best.a - 1, best.b - 1, best.length + 1)
    }
    while best.a + best.length < rangeA.upperBound, best.b + best.length < rangeB.upperBound,
      a[best.a + best.length] == b[best.b + best.length]
    {
      best.length += 1
    }
    return best
  }
}
