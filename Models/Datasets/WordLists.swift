internal import FoundationEssentials
internal import TensorCore

/// A line of a word list: a file and its text.
struct WordEntry: Sendable, Equatable {
  var file: String
  var text: String
  var line: Int
}

/// Word lists as MMOCR 0.x reads them.
enum WordList {
  /// `file text`: the text is everything after the first space or tab, spaces included.
  static func parse(_ line: String) throws -> (file: String, text: String) {
    guard let gap = line.firstIndex(where: { $0 == " " || $0 == "\t" }), gap > line.startIndex else {
      throw LigatureError(.format, "the line is not 'file text': '\(line.prefix(80))'")
    }
    return (String(line[..<gap]), String(line[line.index(after: gap)...]))
  }

  private struct Line: Decodable {
    var filename: String
    var text: String
  }

  /// `{"filename": …, "text": …}`
  static func parse(json line: String) throws -> (file: String, text: String) {
    do {
      let entry = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
      return (entry.filename, entry.text)
    } catch {
      throw LigatureError(.format, #"the line is not {"filename": "…", "text": "…"}"#, cause: error)
    }
  }

  /// All entries that are whole; `problems` notes the others.
  static func read(_ path: String, isJSON: Bool, problems: DataProblems) throws -> [WordEntry] {
    var entries: [WordEntry] = []
    try AnnotationText.forEachLine(of: path) { number, line in
      let (file, text) = try isJSON ? parse(json: line) : parse(line)
      entries.append(WordEntry(file: file, text: text, line: number))
    } failed: { number, error in
      try problems.record("\(path):\(number)", error)
    }
    return entries
  }
}

/// Which texts a recogniser can learn, and how they are brought to its alphabet.
public struct TextFilter: Sendable {
  public enum Unknown: String, Sendable, CaseIterable {
    /// Characters outside the alphabet are dropped from the text.
    case remove
    /// Texts with such characters are left out.
    case skip
  }

  private let alphabet: Set<Unicode.Scalar>
  private let foldsCase: Bool
  private let unknown: Unknown
  private let steps: Int

  /// - Parameters:
  ///   - alphabet: the dictionary. Where it has no capital letters, texts are lower-cased, as MMOCR's convertors do.
  ///   - steps: columns that the network gives (T): a text must fit with a blank between equal neighbours.
  public init(alphabet: [String], unknown: Unknown, steps: Int) {
    // A class is one scalar, as in Python.
    self.alphabet = Set(alphabet.compactMap { $0.unicodeScalars.count == 1 ? $0.unicodeScalars.first : nil })
    foldsCase = !self.alphabet.contains { $0.properties.isUppercase }
    self.unknown = unknown
    self.steps = steps
  }

  /// The text to learn, or nil when the sample is to be left out.
  public func callAsFunction(_ text: String) -> String? {
    var scalars = Array((foldsCase ? text.lowercased() : text).unicodeScalars)
    if scalars.contains(where: { !alphabet.contains($0) }) {
      guard unknown == .remove else { return nil }
      scalars.removeAll { !alphabet.contains($0) }
    }
    // A dictionary may hold the space; at the ends nobody can see it.
    while scalars.last == " " { scalars.removeLast() }
    scalars.removeFirst(scalars.prefix { $0 == " " }.count)
    let repeats = zip(scalars, scalars.dropFirst()).count { $0 == $1 }
    guard !scalars.isEmpty, scalars.count + repeats <= steps else { return nil }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    return String(result)
  }
}
