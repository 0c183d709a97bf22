internal import TensorCore

/// The characters that a recogniser's classes stand for, in class order: MMOCR's `dict_type` and `dict_file`.
/// A character is one Unicode scalar, as in Python.
public struct CharacterDictionary: Sendable, Equatable {
  public let characters: [String]

  /// Digits and small letters.
  public static let dict36 = CharacterDictionary(unchecked: digits + small)
  /// `dict36` and the space.
  public static let dict37 = CharacterDictionary(unchecked: digits + small + " ")
  /// Digits, small and capital letters, and 28 of ASCII's symbols: without `^`, `{`, `|`, `}` and the space.
  public static let dict90 = CharacterDictionary(unchecked: digits + small + small.uppercased() + symbols)
  /// `dict90` and the space.
  public static let dict91 = CharacterDictionary(unchecked: digits + small + small.uppercased() + symbols + " ")

  private static let digits = "0123456789"
  private static let small = "abcdefghijklmnopqrstuvwxyz"
  private static let symbols = "!\"#$%&'()*+,-./:;<=>?@[\\]_`~"

  private init(unchecked text: String) { characters = text.unicodeScalars.map { String($0) } }

  /// MMOCR's `dict_list`. Throws `.format` for an entry that is not one scalar, or comes twice.
  public init(_ characters: [String]) throws {
    var seen: Set<Unicode.Scalar> = []
    for (index, character) in characters.enumerated() {
      guard let scalar = character.unicodeScalars.first, character.unicodeScalars.count == 1 else {
        throw LigatureError(.format, "entry \(index) of the dictionary is '\(character.prefix(40))', not one character")
      }
      guard seen.insert(scalar).inserted else {
        throw LigatureError(.format, "entry \(index) of the dictionary, '\(character)', was there before; remove it")
      }
    }
    self.characters = characters
  }

  /// The text of a `dict_file`: one character a line; empty lines are skipped. Errors as `init(_:)`.
  public init(lines text: String) throws {
    try self.init(Recipe.Dictionary.lines(of: text).filter { !$0.isEmpty })
  }

  /// By MMOCR's name: `DICT36`, `DICT37`, `DICT90`, `DICT91`.
  public init(named name: String) throws {
    switch name {
    case "DICT36": self = .dict36
    case "DICT37": self = .dict37
    case "DICT90": self = .dict90
    case "DICT91": self = .dict91
    default:
      throw LigatureError(
        .unsupported, "there is no dictionary '\(name.prefix(40))'; known are DICT36, DICT37, DICT90 and DICT91")
    }
  }
}
