internal import TensorCore

// Every number that sizes memory or divides is bounded here, once, so that the stages need not ask again.
extension Recipe {
  static let sides = 1...32_768
  static let batches = 1...256

  /// Throws `.format`, `.numeric` or `.limit` for a recipe that no stage could follow.
  func validate() throws {
    guard format == Recipe.currentFormat else {
      throw LigatureError(
        .unsupported, "the recipe has format \(format), this program reads \(Recipe.currentFormat); update it")
    }
    try preprocess.validate()
    try page?.validate()
    try postprocess.validate()
    try dictionary?.validate()
    switch (task, postprocess, preprocess.resize) {
    case (.detection, .db, .limitedSide), (.recognition, .ctc, .height), (.angle, .angle, .fixed): break
    case (.detection, .dbPostprocessor, .keepRatio), (.recognition, .ctc, .resizeOCR): break
    default:
      throw LigatureError(
        .unsupported, "the recipe's task '\(task.rawValue)' does not go with its resize and postprocess kinds")
    }
  }

  static func require<Value: Comparable>(_ value: Value, in range: ClosedRange<Value>, _ name: String) throws {
    guard range.contains(value) else {
      throw LigatureError(
        .numeric, "the recipe's \(name) is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)")
    }
  }
}

extension Recipe.Preprocess {
  func validate() throws {
    guard mean.count == channels.count, std.count == channels.count else {
      throw LigatureError(
        .format,
        "the recipe has \(mean.count) means and \(std.count) deviations; \(channels.rawValue) takes "
          + "\(channels.count) of each")
    }
    for value in mean { try Recipe.require(value, in: -1e6...1e6, "mean") }
    for value in std { try Recipe.require(abs(value), in: 1e-6...1e6, "std (without its sign)") }
    switch (scale, divisor, normalize) {
    case (let scale?, nil, nil): try Recipe.require(scale, in: 1e-6...1e6, "scale")
    case (nil, let divisor?, nil): try Recipe.require(divisor, in: 1e-6...1e6, "divisor")
    case (nil, nil, .mmdet?): break
    default: throw LigatureError(.format, "the recipe's preprocess takes either a scale, a divisor or 'normalize'")
    }
    switch resize {
    case .limitedSide(let value):
      try Recipe.require(value.limit, in: Recipe.sides, "resize.limit")
      try Recipe.require(value.multipleOf, in: 1...1024, "resize.multipleOf")
    case .height(let value): try Recipe.validate(value.height, value.width, value.batch)
    case .fixed(let value): try Recipe.validate(value.height, value.width, value.batch)
    case .resizeOCR(let value): try value.validate()
    case .keepRatio(let value):
      try Recipe.require(value.longSide, in: Recipe.sides, "resize.longSide")
      try Recipe.require(value.shortSide, in: Recipe.sides, "resize.shortSide")
      try Recipe.require(value.multipleOf, in: 1...1024, "resize.multipleOf")
    }
  }
}

extension Recipe.ResizeOCR {
  func validate() throws {
    try Recipe.validate(height, maxWidth ?? minWidth ?? 1, batch)
    try Recipe.require(minWidth ?? 1, in: Recipe.sides, "resize.minWidth")
    try Recipe.require(widthDivisor, in: 1...1024, "resize.widthDivisor")
    try Recipe.require(padValue, in: 0...255, "resize.padValue")
    guard keepAspectRatio || maxWidth != nil else {
      throw LigatureError(.format, "the recipe's ResizeOCR keeps no proportions, so that it needs a maxWidth")
    }
    guard !rotations.isEmpty, Set(rotations).count == rotations.count,
      rotations.allSatisfy([0, 90, 180, 270].contains)
    else {
      throw LigatureError(
        .unsupported, "the recipe's rotations are \(rotations.prefix(8)); known are 0, 90, 180 and 270, each once")
    }
  }
}

extension Recipe {
  fileprivate static func validate(_ height: Int, _ width: Int, _ batch: Int) throws {
    try require(height, in: 1...4096, "resize.height")
    try require(width, in: sides, "resize.width")
    try require(batch, in: batches, "resize.batch")
  }
}

extension Recipe.Page {
  func validate() throws {
    try Recipe.require(maximalSide, in: Recipe.sides, "page.maximalSide")
    try Recipe.require(minimalSide, in: 1...maximalSide, "page.minimalSide")
    try Recipe.require(multipleOf, in: 1...1024, "page.multipleOf")
    try Recipe.require(letterboxHeight, in: 0...maximalSide, "page.letterboxHeight")
    try Recipe.require(letterboxRatio, in: 1...Recipe.sides.upperBound, "page.letterboxRatio")
  }
}

extension Recipe.Postprocess {
  func validate() throws {
    switch self {
    case .db(let value):
      try Recipe.require(value.threshold, in: 0...1, "postprocess.threshold")
      try Recipe.require(value.boxThreshold, in: 0...1, "postprocess.boxThreshold")
      try Recipe.require(value.unclipRatio, in: 0...100, "postprocess.unclipRatio")
      try Recipe.require(value.maximalCandidates, in: 1...100_000, "postprocess.maximalCandidates")
      try Recipe.require(value.minimalSide, in: 0...1e6, "postprocess.minimalSide")
    case .dbPostprocessor(let value): try value.validate()
    case .ctc(let value):
      try Recipe.require(value.blank, in: 0...(1 << 24), "postprocess.blank")
      try Recipe.require(value.minimalScore, in: 0...1, "postprocess.minimalScore")
    case .angle(let value):
      try Recipe.require(value.labels.count, in: 1...360, "number of labels")
      try Recipe.require(value.threshold, in: 0...1, "postprocess.threshold")
      guard value.labels.allSatisfy({ $0 == "0" || $0 == "180" }) else {
        throw LigatureError(
          .unsupported, "an angle classifier's labels are '0' and '180', not \(value.labels.prefix(8))")
      }
    }
  }
}

extension Recipe.Dictionary {
  /// More entries than Unicode has characters are a mistake.
  static let maximalCount = 1 << 21

  func validate() throws {
    guard (characters == nil) != (metadata == nil) else {
      throw LigatureError(
        .format, "the recipe's dictionary takes either 'characters' or the name of a 'metadata' entry")
    }
    let count = (characters?.count ?? 0) + (append?.count ?? 0)
    try Recipe.require(count, in: 0...Recipe.Dictionary.maximalCount, "number of characters")
  }

  /// The characters, from the recipe or from the file's other metadata. Throws `.format` when that entry is missing,
  /// `.limit` when it is too long.
  public func resolved(_ fileMetadata: [String: String]) throws -> [String] {
    if let characters { return characters + (append ?? []) }
    let key = metadata ?? ""
    guard let text = fileMetadata[key] else {
      throw LigatureError(.format, "the recipe takes its dictionary from the metadata '\(key)', which the file lacks")
    }
    guard text.utf8.count <= Recipe.maximalByteCount else {
      throw LigatureError(
        .limit, "the dictionary in the metadata '\(key)' is larger than \(Recipe.maximalByteCount) bytes")
    }
    return Recipe.Dictionary.lines(of: text) + (append ?? [])
  }

  /// One entry a line. Scalars are split, not characters: to Swift a line feed and a mark that follows it are one.
  package static func lines(of text: String) -> [String] {
    var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      String(String.UnicodeScalarView(line.last == "\r" ? line.dropLast() : line))
    }
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}
