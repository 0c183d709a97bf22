internal import TensorCore

/// The characters that a recogniser knows: generated text holds no others.
public struct Alphabet: Sendable, Equatable {
  public let characters: [Character]
  private let members: Set<Character>
  /// A dictionary of one case only (MMOCR's `DICT36`) stands for both: such recognisers fold the case of labels.
  private let ignoresCase: Bool

  /// Throws `.usage` when there are none.
  public init(_ characters: some Sequence<Character>) throws {
    var seen: Set<Character> = []
    self.characters = characters.filter { !$0.isNewline && seen.insert($0).inserted }
    guard !self.characters.isEmpty else {
      throw LigatureError(.usage, "the dictionary has no characters; write one a line, or name DICT36 or DICT90")
    }
    let hasLower = self.characters.contains(where: \.isLowercase)
    ignoresCase = hasLower != self.characters.contains(where: \.isUppercase)
    members = ignoresCase ? seen.union(seen.flatMap { $0.uppercased() + $0.lowercased() }) : seen
  }

  private static let digits = "0123456789"
  private static let lower = "abcdefghijklmnopqrstuvwxyz"
  private static let punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]_`~"

  /// MMOCR's dictionaries by name (`DICT36`, `DICT37`, `DICT90`, `DICT91`), or a file with one character a line.
  public init(named name: String) throws {
    switch name.uppercased() {
    case "DICT36": try self.init(Self.digits + Self.lower)
    case "DICT37": try self.init(Self.digits + Self.lower + " ")
    case "DICT90": try self.init(Self.digits + Self.lower + Self.lower.uppercased() + Self.punctuation)
    case "DICT91": try self.init(Self.digits + Self.lower + Self.lower.uppercased() + Self.punctuation + " ")
    default: try self.init(try textLines(ofFileAt: name, what: "the dictionary").flatMap { $0 })
    }
  }

  public func contains(_ character: Character) -> Bool { members.contains(character) }

  /// The text without what is not in the set.
  func filtered(_ text: String) -> String { String(text.filter(contains)) }
}

/// The words of a list, one a line.
public func words(ofFileAt path: String) throws -> [String] { try textLines(ofFileAt: path, what: "a list of words") }

/// The lines of a UTF-8 file of at most 64 MiB, without those that are empty.
private func textLines(ofFileAt path: String, what: String) throws -> [String] {
  let storage = try TensorStorage(mapping: path)
  let text = try unsafe storage.withUnsafeBytes { bytes in
    guard bytes.count <= 64 << 20 else {
      throw LigatureError(.limit, "'\(path)' has \(bytes.count) bytes; \(what) may have \(64 << 20)")
    }
    guard let text = unsafe String(validating: bytes, as: UTF8.self) else {
      throw LigatureError(.format, "'\(path)' is not UTF-8; convert it first")
    }
    return text
  }
  return text.split(whereSeparator: \.isNewline).map(String.init)
}
