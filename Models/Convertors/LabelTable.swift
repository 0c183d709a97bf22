internal import Glibc
internal import TensorCore

/// Characters to class indices and back: what all of MMOCR's convertors share (`BaseConvertor`).
struct LabelTable: Sendable {
  /// Text of each class.
  let classes: [String]
  let unknownIndex: Int?
  let lower: Bool
  private let indices: [Unicode.Scalar: Int]

  static let unknown = "<UKN>"

  /// - Parameters:
  ///   - dictionary: text of the classes that stand for characters, in class order.
  ///   - before, after: classes with other meanings, on both sides of the characters; `<UKN>` among `after` makes
  ///     unknown characters that class.
  init(dictionary: [String], before: [String] = [], after: [String] = [], lower: Bool) {
    classes = before + dictionary + after
    unknownIndex = after.firstIndex(of: LabelTable.unknown).map { before.count + dictionary.count + $0 }
    self.lower = lower
    // Only single scalars can be met in a text. Of equal ones the first counts.
    let characters = dictionary.enumerated().compactMap { index, text -> (Unicode.Scalar, Int)? in
      guard let scalar = text.unicodeScalars.first, text.unicodeScalars.count == 1 else { return nil }
      return (scalar, index + before.count)
    }
    indices = Swift.Dictionary(characters) { first, _ in first }
  }

  /// Classes of the characters of a text (`str2idx`). Throws `.format` for an unknown one where there is no `<UKN>`.
  func str2idx(_ text: String) throws -> [Int] {
    let scalars = lower ? text.lowercased().unicodeScalars : text.unicodeScalars
    return try scalars.map { scalar in
      guard let index = indices[scalar] ?? unknownIndex else {
        throw LigatureError(
          .format,
          "the character '\(scalar)' of '\(text.prefix(100))' is not in the dictionary; give one that has it, or use "
            + "a convertor with <UKN>")
      }
      return index
    }
  }

  /// The texts of classes, one after the other (`idx2str`). Throws `.numeric` for an index outside.
  func idx2str(_ indices: [Int]) throws -> String {
    try indices.map { index in
      guard classes.indices.contains(index) else {
        throw LigatureError(.numeric, "class \(index) is none of the convertor's \(classes.count)")
      }
      return classes[index]
    }.joined()
  }

  func text(_ line: LabelIndices) throws -> RecognizedText {
    let sum = line.scores.reduce(0, +)
    return RecognizedText(
      text: try idx2str(line.indices), score: line.scores.isEmpty ? 0 : sum / Double(line.scores.count),
      scores: line.scores)
  }
}

/// `[N, T, C]`, read line by line: what decodes takes logits or probabilities from.
struct LineScores {
  let (lines, steps, classes): (Int, Int, Int)
  private let tensor: Tensor

  /// Throws `.shape` unless it is float32 `[N, T, C]` with that many classes.
  init(_ tensor: Tensor, classes expected: ClosedRange<Int>, _ what: String) throws {
    guard tensor.element == .float32, tensor.shape.count == 3 else {
      throw LigatureError(.shape, "\(what) decodes float32[N, T, C], not \(tensor.element)\(tensor.shape)")
    }
    (lines, steps, classes) = (tensor.shape[0], tensor.shape[1], tensor.shape[2])
    guard expected.contains(classes) else {
      throw LigatureError(
        .shape,
        "the recogniser gives \(classes) classes, its convertor has \(expected.upperBound); "
          + "the file needs the dictionary that it was trained with")
    }
    self.tensor = tensor
  }

  /// The scores of one line, `[T, C]` row-major.
  func line<Result>(_ index: Int, _ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
    try unsafe tensor.withUnsafeBytes { bytes in
      let values = unsafe bytes.assumingMemoryBound(to: Float.self)
      let start = index * steps * classes
      return try unsafe body(UnsafeBufferPointer(rebasing: values[start..<start + steps * classes]))
    }
  }

  /// Steps that are read: as many as the valid part of the line covers, in double precision, as MMOCR does.
  static func validSteps(_ steps: Int, ratio: Double?) throws -> Int {
    guard let ratio else { return steps }
    guard ratio.isFinite, (0...1).contains(ratio) else {
      throw LigatureError(.numeric, "a line's valid ratio is \(ratio); it must lie in 0...1")
    }
    return min(steps, Int((Double(steps) * ratio).rounded(.up)))
  }
}

/// Index of the largest value, the first of equal ones. NaN is never the largest, unless nothing else is there.
func firstMaximum(_ values: UnsafeBufferPointer<Float>) -> Int {
  var best = 0
  var largest = -Float.infinity
  for index in values.indices where unsafe values[index] > largest {
    unsafe largest = values[index]
    best = index
  }
  return best
}

/// exp(x - max) over its sum: one row.
func softmax(_ row: UnsafeBufferPointer<Float>) -> [Float] {
  let largest = unsafe row.max() ?? 0
  let powers = unsafe row.map { Float(exp(Double($0 - largest))) }
  let sum = Float(powers.reduce(0.0) { $0 + Double($1) })
  return powers.map { $0 / sum }
}
