internal import CSynthesis
internal import FoundationEssentials
internal import TensorCore

/// One face of a font file, ready to be shaped. Nothing in it changes: threads share it.
@safe final class Font: @unchecked Sendable {
  let file: String
  let family: String
  let style: String
  let weight: Int
  let isSlanted: Bool
  let isMonospaced: Bool
  private let handle: OpaquePointer
  /// Small letters look like capitals: such a font shows capitals only.
  private(set) var isUnicase = false
  /// From the base line, in ems, y downwards: the tops of `H` and `x`, and the bottom of `p`.
  private(set) var (capitalTop, smallTop, bottom): (Float, Float, Float) = (-0.7, -0.5, 0.2)
  /// What its letters look like; equal for the same drawings under other names.
  private(set) var fingerprint: UInt64 = 0

  /// Nil for a font that cannot be read, or that has no Latin letters.
  fileprivate init?(_ entry: ligature_font_entry) {
    guard let handle = unsafe ligature_font_open(entry.file, entry.index) else { return nil }
    unsafe self.handle = handle
    file = unsafe String(cString: entry.file)
    family = unsafe String(cString: entry.family)
    style = unsafe String(cString: entry.style)
    weight = Int(unsafe entry.weight)
    isSlanted = unsafe entry.is_slanted != 0
    isMonospaced = unsafe entry.is_monospaced != 0
    guard measure() else { return nil }
  }

  deinit { unsafe ligature_font_close(handle) }

  func has(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { unsafe $0 == " " || ligature_font_has(handle, $0.value) != 0 }
  }

  /// A line of text with its base line at 0, in ems.
  func outline(_ text: String, spacing: Double = 0) throws -> Outline {
    var text = text
    return try text.withUTF8 { bytes in
      var result = unsafe ligature_outline()
      defer { unsafe ligature_outline_release(&result) }
      let message = unsafe bytes.withMemoryRebound(to: CChar.self) {
        unsafe ligature_outline_shape(handle, $0.baseAddress, $0.count, spacing, &result)
      }
      if let message = unsafe message {
        throw LigatureError(.limit, "text cannot be set in '\(file)': \(unsafe String(cString: message))")
      }
      return unsafe Outline(result)
    }
  }

  /// False when its letters have no ink or absurd sizes, as in damaged files and fonts of blanks.
  private func measure() -> Bool {
    let pairs = ["aA", "eE", "gG", "rR", "nN"]
    guard has("AEGRNHaegrnxp0."), let letters = try? outline("Hxpaegrn0AEGRN.") else { return false }
    let glyphs = letters.glyphs.filter(\.hasInk)
    guard glyphs.count == 15, glyphs.allSatisfy({ $0.isSane }) else { return false }
    (capitalTop, smallTop, bottom) = (glyphs[0].top, glyphs[1].top, max(glyphs[2].bottom, 0))
    // Letters in frames, as in fonts of keys and playing cards: their full stop is as tall as they are.
    guard glyphs[14].bottom - glyphs[14].top < -0.6 * capitalTop else { return false }
    // Steps of 1/256 em: the same drawing in other units, or renamed, is the same.
    fingerprint = letters.points.reduce(0xCBF2_9CE4_8422_2325) { hash, value in
      (hash ^ UInt64(bitPattern: Int64((value * 256).rounded()))) &* 0x100_0000_01B3
    }
    isUnicase = pairs.allSatisfy { pair in
      guard let small = try? outline(String(pair.prefix(1))), let capital = try? outline(String(pair.suffix(1)))
      else { return false }
      return small.verbs == capital.verbs
    }
    return capitalTop < -0.2 && smallTop < -0.1
  }
}

extension Font {
  /// All usable fonts that fontconfig knows, in an order that depends on nothing but their names.
  static func installed() throws -> [Font] {
    try unsafe list("the system") { unsafe ligature_fonts_list(&$0) }.sorted(by: precedes)
  }

  /// Those in a folder and the folders in it, or in one file; files that hold none are passed over.
  static func inside(_ path: String) throws -> [Font] {
    var isFolder = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw LigatureError(.file, "there is no font file or folder '\(path)'")
    }
    guard isFolder else { return try faces(of: path).sorted(by: precedes) }
    let endings: Set<String> = ["ttf", "otf", "ttc", "otc"]
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []
    let fonts = names.filter { endings.contains(URL(filePath: $0).pathExtension.lowercased()) }
    return try fonts.flatMap { try faces(of: path + "/" + $0) }.sorted(by: precedes)
  }

  private static func faces(of file: String) throws -> [Font] {
    try unsafe list("'\(file)'") { unsafe ligature_fonts_list_file(file, &$0) }
  }

  private static func precedes(_ a: Font, _ b: Font) -> Bool {
    (a.family, a.style, a.file) < (b.family, b.style, b.file)
  }

  private static func list(
    _ place: String, _ read: (inout ligature_font_list) -> UnsafePointer<CChar>?
  ) throws -> [Font] {
    var list = unsafe ligature_font_list()
    defer { unsafe ligature_fonts_release(&list) }
    if let message = unsafe read(&list) {
      throw LigatureError(.file, "the fonts of \(place) cannot be listed: \(unsafe String(cString: message))")
    }
    return unsafe UnsafeBufferPointer(start: list.entries, count: list.count).compactMap { unsafe Font($0) }
  }
}
