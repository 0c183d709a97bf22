internal import Synchronization
internal import TensorCore

/// Which fonts text is drawn with.
public enum FontSelection: Sendable, Hashable {
  /// Every one that fontconfig knows.
  case system
  /// Those in a folder and the folders in it, or one file.
  case folder(String)
  /// Those of the system whose family is named, whatever the case of letters; `Roboto` names `Roboto Condensed` too.
  case families([String])
}

/// The usable fonts of a selection. Opened once for all threads and samples: fonts cannot change while they run.
final class FontCatalog: Sendable {
  /// Groups of equal probability, so that a family of fifty faces does not push aside one of a single face.
  struct Family: Sendable {
    let name: String
    let faces: [Font]
    var isMonospaced: Bool { faces[0].isMonospaced }
  }
  let families: [Family]
  let monospaced: [Family]
  let fonts: [Font]

  private static let catalogs = Mutex<[FontSelection: FontCatalog]>([:])

  /// Throws `.file` when there is not one usable font.
  static func open(_ selection: FontSelection) throws -> FontCatalog {
    try catalogs.withLock { catalogs in
      if let known = catalogs[selection] { return known }
      let catalog = try FontCatalog(selection)
      catalogs[selection] = catalog
      return catalog
    }
  }

  private init(_ selection: FontSelection) throws {
    var fonts: [Font]
    switch selection {
    case .system: fonts = try Font.installed()
    case .folder(let path): fonts = try Font.inside(path)
    case .families(let names):
      let wanted = names.map { $0.lowercased() }
      fonts = try Font.installed().filter { font in
        let family = font.family.lowercased()
        return wanted.contains { family == $0 || family.hasPrefix($0 + " ") }
      }
    }
    // Fonts for other scripts often hold the Latin letters of a common one; once is enough.
    var seen: Set<UInt64> = []
    fonts = fonts.filter { seen.insert($0.fingerprint).inserted }
    guard !fonts.isEmpty else { throw FontCatalog.nothing(selection) }
    self.fonts = fonts
    families = Dictionary(grouping: fonts) { $0.family }.sorted { $0.key < $1.key }
      .map { Family(name: $0.key, faces: $0.value) }
    monospaced = families.filter(\.isMonospaced)
  }

  private static func nothing(_ selection: FontSelection) -> LigatureError {
    switch selection {
    case .system:
      LigatureError(.file, "no usable font is installed; install some, such as the Debian package fonts-dejavu-core")
    case .folder(let path):
      LigatureError(.file, "'\(path)' holds no usable font; name a folder or file with TrueType or OpenType fonts")
    case .families(let names):
      LigatureError(
        .file, "no usable font of the family \(names.joined(separator: ", ")) is installed; fc-list shows what is")
    }
  }

  /// A font that has all the characters, the same for the same dice; nil when there is none.
  func font(for text: String, monospaced share: Double, _ dice: inout Dice) -> Font? {
    let isMonospaced = !monospaced.isEmpty && dice.chance(share)
    let hasSmall = text.contains(where: \.isLowercase)
    for _ in 0..<12 {
      // Families with many faces are those that most things are printed in.
      let font =
        isMonospaced
        ? dice.pick(dice.pick(monospaced).faces)
        : dice.chance(0.4) ? dice.pick(fonts) : dice.pick(dice.pick(families).faces)
      if font.has(text), !(font.isUnicase && hasSmall) { return font }
    }
    let start = dice.below(fonts.count)
    return (fonts[start...] + fonts[..<start]).first { $0.has(text) && !($0.isUnicase && hasSmall) }
  }

  func covers(_ text: String) -> Bool {
    let hasSmall = text.contains(where: \.isLowercase)
    return fonts.contains { $0.has(text) && !($0.isUnicase && hasSmall) }
  }

  /// Those of a caller's words that can be drawn; throws `.usage` when there is none.
  func usable(_ words: [String], alphabet: Alphabet?, length: ClosedRange<Int>) throws -> [String] {
    let usable = words.filter { word in
      length.contains(word.count) && word.contains { $0 != " " }
        && (alphabet.map { alphabet in word.allSatisfy(alphabet.contains) } ?? true) && covers(word)
    }
    guard !usable.isEmpty else {
      throw LigatureError(
        .usage,
        "none of the \(words.count) words can be drawn: they are empty, too long, not of the dictionary, or no "
          + "font has their characters; install fonts for their script")
    }
    return usable
  }
}
