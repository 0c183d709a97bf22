internal import Architectures
internal import Imaging
internal import Synthesis
internal import TensorCore

/// Words drawn while training: another one for every number, without end.
struct SyntheticWords: SampleSource {
  let problems: DataProblems
  private let synthesizer: WordSynthesizer
  private let accept: @Sendable (String) -> String?
  private let seed: UInt64

  init(
    _ data: DataRecipe, dictionary: [String], accept: @escaping @Sendable (String) -> String?, problems: DataProblems
  ) throws {
    var reader = OptionReader(data)
    var options = WordOptions()
    options.height = try reader.integer("height", 8...512) ?? 48
    options.style = try reader.choice("style") ?? .mixed
    options.length = try (reader.integer("min_length", 1...1000) ?? 1)...(reader.integer("max_length", 1...1000) ?? 20)
    options.phrases = try reader.number("phrases", 0...1) ?? options.phrases
    options.words = try reader.words("words")
    options.fonts = reader.fonts("fonts")
    options.backgrounds = try reader.backgrounds("backgrounds", problems)
    seed = UInt64(try reader.integer("seed", 0...Int.max) ?? 0)
    options.alphabet = try Alphabet(dictionary.joined())
    try reader.finish()
    synthesizer = try WordSynthesizer(options)
    self.accept = accept
    self.problems = problems
  }

  var name: String { problems.name }
  var count: Int? { nil }
  func place(_ index: Int) -> String { "synthetic word \(index)" }

  func sample(_ index: Int) throws -> WordSample {
    for attempt in 0..<50 {
      let (image, text) = try synthesizer.sample(index: index, seed: seed &+ UInt64(attempt) &<< 48)
      if let label = accept(text) { return WordSample(image: image, text: label) }
    }
    throw LigatureError(
      .usage, "50 words in a row are too long for the network's columns; give a smaller max_length under 'options'")
  }
}

/// The options of a synthetic source, with the place that they come from.
struct OptionReader {
  private let data: DataRecipe
  private var known: Set<String> = []

  init(_ data: DataRecipe) { self.data = data }

  private func wrong(_ key: String, _ wanted: String) -> LigatureError {
    LigatureError(
      .usage, "\(data.place): the option '\(key)' must be \(wanted), not '\(data.options[key]?.prefix(60) ?? "")'")
  }

  mutating func integer(_ key: String, _ range: ClosedRange<Int>) throws -> Int? {
    known.insert(key)
    guard let text = data.options[key] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw wrong(key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  mutating func number(_ key: String, _ range: ClosedRange<Double>) throws -> Double? {
    known.insert(key)
    guard let text = data.options[key] else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw wrong(key, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(_ key: String) throws -> Choice? {
    known.insert(key)
    guard let text = data.options[key] else { return nil }
    guard let value = Choice(rawValue: text) else {
      throw wrong(key, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return value
  }

  mutating func text(_ key: String) -> String? {
    known.insert(key)
    return data.options[key]
  }

  /// The pictures of a folder that text is drawn on; what is no picture there is noted.
  mutating func backgrounds(_ key: String, _ problems: DataProblems) throws -> [Image] {
    guard let folder = text(key) else { return [] }
    let (pictures, broken) = try BackgroundPictures.load(folder: folder)
    for problem in broken { problems.tell("\(problem)") }
    return pictures
  }

  /// A folder of fonts, or one font file; all of the system by default.
  mutating func fonts(_ key: String) -> FontSelection { text(key).map { .folder($0) } ?? .system }

  /// A file with a word a line.
  mutating func words(_ key: String) throws -> [String]? {
    known.insert(key)
    guard let path = data.options[key] else { return nil }
    let storage = try TensorStorage(mapping: path)
    guard storage.byteCount <= 256 << 20 else {
      throw LigatureError(.limit, "'\(path)' has more than 256 MiB of words")
    }
    let text = unsafe storage.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    return text.split(whereSeparator: \.isNewline).map { String($0) }
  }

  func finish() throws {
    guard let stranger = data.options.keys.sorted().first(where: { !known.contains($0) }) else { return }
    let nearest = known.sorted().min { distance($0, stranger) < distance($1, stranger) } ?? ""
    throw LigatureError(
      .usage,
      "\(data.place): the option '\(stranger)' is not known; did you mean '\(nearest)'? "
        + "Known are: \(known.sorted().joined(separator: ", "))")
  }
}
