public import TensorCore

/// From class probabilities along a line to text (Graves et al., Connectionist Temporal Classification, 2006;
/// MMOCR's `CTCConvertor`): the best class of each step, repetitions merged, blanks dropped.
public struct CTCConvertor: Sendable {
  public struct Text: Sendable, Equatable {
    public var text: String
    /// Mean probability of the characters kept; 0 for an empty line.
    public var score: Double
  }

  /// Text of each class; empty for the blank.
  public let classes: [String]
  public let blank: Int

  /// - Parameter dictionary: characters in class order, without the blank, which is put in at `blank`.
  public init(dictionary: [String], blank: Int) throws {
    guard (0...dictionary.count).contains(blank) else {
      throw LigatureError(.numeric, "the blank is class \(blank), but there are only \(dictionary.count + 1) classes")
    }
    var classes = dictionary
    classes.insert("", at: blank)
    self.classes = classes
    self.blank = blank
  }

  /// - Parameter probabilities: float32 `[N, T, C]`, C the number of classes.
  /// - Returns: N texts.
  public func decode(_ probabilities: Tensor) throws -> [Text] {
    guard probabilities.element == .float32, probabilities.shape.count == 3 else {
      throw LigatureError(
        .shape, "CTC decodes float32[N, T, C], not \(probabilities.element)\(probabilities.shape)")
    }
    let (lines, steps, width) = (probabilities.shape[0], probabilities.shape[1], probabilities.shape[2])
    guard width == classes.count else {
      throw LigatureError(
        .shape,
        "the recogniser gives \(width) classes, its dictionary has \(classes.count) with the blank; "
          + "the file needs the dictionary that it was trained with")
    }
    return unsafe probabilities.withUnsafeBytes { bytes in
      let values = unsafe bytes.assumingMemoryBound(to: Float.self)
      return (0..<lines).map { line in
        let start = line * steps * width
        return unsafe decodeLine(UnsafeBufferPointer(rebasing: values[start..<start + steps * width]), steps)
      }
    }
  }

  private func decodeLine(_ values: UnsafeBufferPointer<Float>, _ steps: Int) -> Text {
    var text = ""
    var sum = 0.0
    var kept = 0
    var previous = -1
    for step in 0..<steps {
      let row = unsafe UnsafeBufferPointer(rebasing: values[step * classes.count..<(step + 1) * classes.count])
      let best = unsafe firstMaximum(row)
      defer { previous = best }
      guard best != previous, best != blank else { continue }
      text += classes[best]
      sum += unsafe Double(row[best])
      kept += 1
    }
    return Text(text: text, score: kept == 0 ? 0 : sum / Double(kept))
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
