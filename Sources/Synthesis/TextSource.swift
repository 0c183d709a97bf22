internal import TensorCore

/// What a picture imitates.
public enum TextStyle: String, Sendable, CaseIterable {
  /// Signs, shop fronts and packages, photographed.
  case scene
  /// What tills and thermal printers print.
  case receipts
  /// Printed pages, scanned.
  case documents
  /// One of the others each time.
  case mixed
}

/// Makes texts: words and phrases of our own lists or the caller's, numbers, prices, dates, codes, invented names.
struct TextSource: Sendable {
  var words: [String]?
  var alphabet: Alphabet?
  var length: ClosedRange<Int>
  /// How often a text has several words, where a space is allowed.
  var phrases: Double

  /// A text that fits the alphabet and the length.
  func text(_ style: TextStyle, _ dice: inout Dice) -> String {
    for _ in 0..<16 {
      var text = proposal(style, &dice)
      if let alphabet { text = alphabet.filtered(text) }
      text = text.trimmed
      if length.contains(text.count) { return text }
      if text.count > length.upperBound, words == nil {
        text = String(text.prefix(length.upperBound)).trimmed
        if length.contains(text.count) { return text }
      }
    }
    // A dictionary of another script, or a length that no word has.
    return words.map { dice.pick($0) } ?? randomCharacters(&dice)
  }

  private var allowsSpaces: Bool { alphabet?.contains(" ") ?? true }

  private func proposal(_ style: TextStyle, _ dice: inout Dice) -> String {
    // On signs, words mostly stand alone.
    let share = style == .scene && words == nil ? phrases * 0.4 : phrases
    let count = allowsSpaces && dice.chance(share) ? 2 + dice.below(3) : 1
    if let words { return (0..<count).map { _ in dice.pick(words) }.joined(separator: " ") }
    if let alphabet, !alphabet.isLatin, dice.chance(0.9) { return randomCharacters(&dice) }
    switch style {
    case .receipts: return receiptText(count, &dice)
    case .documents: return documentText(count, &dice)
    case .scene, .mixed: return sceneText(count, &dice)
    }
  }

  private func sceneText(_ count: Int, _ dice: inout Dice) -> String {
    let casing = Casing.any(scene: true, &dice)
    return (0..<count).map { _ in
      switch dice.unit() {
      case ..<0.36: casing(dice.pick(EnglishWords.signs))
      case ..<0.62: casing(dice.pick(EnglishWords.common))
      case ..<0.75: casing(name(&dice))
      case ..<0.84: number(&dice)
      case ..<0.90: code(&dice)
      case ..<0.95: casing(punctuated(dice.pick(EnglishWords.common), &dice))
      default: casing(randomLetters(&dice))
      }
    }.joined(separator: " ")
  }

  private func documentText(_ count: Int, _ dice: inout Dice) -> String {
    let casing = Casing.any(scene: false, &dice)
    return (0..<count).map { _ in
      switch dice.unit() {
      case ..<0.7: casing(dice.pick(EnglishWords.common))
      case ..<0.8: casing(punctuated(dice.pick(EnglishWords.common), &dice))
      case ..<0.87: casing(name(&dice))
      default: number(&dice)
      }
    }.joined(separator: " ")
  }

  /// A word of a till's own language, or a number; a line of several where spaces are allowed.
  private func receiptText(_ count: Int, _ dice: inout Dice) -> String {
    if count == 1 {
      switch dice.unit() {
      case ..<0.30: return receiptWord(&dice)
      case ..<0.60: return price(&dice)
      case ..<0.67: return date(&dice)
      case ..<0.72: return time(&dice)
      case ..<0.80: return code(&dice)
      case ..<0.88: return number(&dice)
      case ..<0.93: return dice.pick(Self.marks)
      default: return Casing.any(scene: true, &dice)(dice.pick(EnglishWords.common))
      }
    }
    return receiptLine(count, &dice)
  }

  private static let marks = ["SR", "ZR", "%", "X", "*", ":", "RM", "$", "QTY", "S", "Z", "NO.", "@", "#", "PCS", "KG"]

  private func receiptWord(_ dice: inout Dice) -> String {
    let casing = Casing.any(scene: false, &dice)
    let word = casing(dice.pick(EnglishWords.receipts))
    return dice.chance(0.25) ? word + dice.pick([":", ":", ".", ",", "*", "#", " :"]) : word
  }

  func receiptLine(_ count: Int, _ dice: inout Dice) -> String {
    let casing = Casing.any(scene: false, &dice)
    func word(_ dice: inout Dice) -> String { casing(dice.pick(EnglishWords.receipts)) }
    switch dice.unit() {
    case ..<0.40: return (0..<count).map { _ in word(&dice) }.joined(separator: " ")
    case ..<0.52: return word(&dice) + dice.pick([" : ", ": ", ":", " "]) + price(&dice)
    case ..<0.60:
      return word(&dice) + " " + dice.pick(["NO", "No.", "ID", "no", "#"]) + dice.pick([": ", " : ", ".", " "])
        + code(&dice)
    case ..<0.68: return date(&dice) + " " + time(&dice)
    case ..<0.76: return "\(dice.within(1...20))" + dice.pick([" X ", " x ", "X ", " @ "]) + price(&dice)
    case ..<0.84:
      return dice.pick(["NO. ", "NO ", "No.", "Lot ", ""]) + "\(dice.within(1...399))" + dice.pick([", ", " "])
        + casing(name(&dice)) + " " + word(&dice)
    case ..<0.9:
      return dice.pick(["TEL", "Tel", "FAX", "Fax", "HP"]) + dice.pick([":", ": ", " : ", " "]) + phone(&dice)
    default: return "\(dice.within(10_000...99_999)) " + casing(name(&dice)) + " " + casing(name(&dice))
    }
  }

  // ── Pieces ────────────────────────────────────────────────────────────────

  /// A name that no list has, such as `Kanova` or `Belmart`.
  func name(_ dice: inout Dice) -> String {
    var text = dice.pick(EnglishWords.syllables)
    for _ in 0..<dice.below(3) { text += dice.pick(EnglishWords.syllables) }
    return text + dice.pick(EnglishWords.endings)
  }

  func price(_ dice: inout Dice) -> String {
    let whole = dice.chance(0.75) ? dice.within(0...99) : dice.within(100...1999)
    let cents = dice.below(100)
    let digits = "\(whole).\(cents < 10 ? "0" : "")\(cents)"
    return dice.pick(weighted: [("", 6), ("RM", 1), ("RM ", 0.4), ("$", 1.5), ("£", 0.2), ("€", 0.2), ("-", 0.4)])
      + digits
  }

  func date(_ dice: inout Dice) -> String {
    let (day, month, year) = (dice.within(1...31), dice.within(1...12), dice.within(1990...2030))
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    let mark = dice.pick(["/", "/", "-", "."])
    switch dice.below(4) {
    case 0: return "\(two(day))\(mark)\(two(month))\(mark)\(year)"
    case 1: return "\(two(day))\(mark)\(two(month))\(mark)\(two(year % 100))"
    case 2: return "\(year)\(mark)\(two(month))\(mark)\(two(day))"
    default: return "\(two(day))\(mark)\(months[month - 1])\(mark)\(year)"
    }
  }

  func time(_ dice: inout Dice) -> String {
    let parts = (0..<(dice.chance(0.5) ? 2 : 3)).map { dice.below($0 == 0 ? 24 : 60) }
    let text = parts.map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    return text + (dice.chance(0.3) ? dice.pick(["AM", "PM", "am", "pm"]) : "")
  }

  func digits(_ count: Int, _ dice: inout Dice) -> String {
    String((0..<count).map { _ in Character(UnicodeScalar(UInt8(48 + dice.below(10)))) })
  }

  func phone(_ dice: inout Dice) -> String {
    let number = digits(dice.within(2...3), &dice) + "-" + digits(dice.within(6...8), &dice)
    return dice.pick(["", "+6", "(", "0"]).appending(number, closing: true)
  }

  private func number(_ dice: inout Dice) -> String {
    switch dice.below(8) {
    case 0...2: return "\(dice.below(dice.pick([10, 100, 1000, 10_000])))"
    case 3: return digits(dice.within(2...6), &dice)
    case 4: return "\(dice.within(1...100))%"
    case 5: return "\(dice.below(100))-\(digits(2, &dice))"
    case 6: return dice.chance(0.5) ? time(&dice) : phone(&dice)
    default: return price(&dice)
    }
  }

  private func code(_ dice: inout Dice) -> String {
    let letters = String((0..<dice.within(0...3)).map { _ in Character(UnicodeScalar(UInt8(65 + dice.below(26)))) })
    let mark = dice.pick(["", "", "", "-", "/", ":"])
    let tail = digits(dice.within(1...(dice.chance(0.3) ? 12 : 6)), &dice)
    return letters.isEmpty ? tail : dice.chance(0.85) ? letters + mark + tail : tail + mark + letters
  }

  private func punctuated(_ word: String, _ dice: inout Dice) -> String {
    switch dice.below(9) {
    case 0, 1: word + ","
    case 2, 3: word + "."
    case 4: word + "!"
    case 5: "(" + word + ")"
    case 6: word + "-" + dice.pick(EnglishWords.common)
    case 7: word + dice.pick(["'s", "'S", "?", ":", ";"])
    default: dice.pick(["\"", "'", "#", "@", "&"]) + word
    }
  }

  private func randomLetters(_ dice: inout Dice) -> String {
    String((0..<dice.within(1...6)).map { _ in Character(UnicodeScalar(UInt8(97 + dice.below(26)))) })
  }

  private func randomCharacters(_ dice: inout Dice) -> String {
    let pool = alphabet?.characters.filter { $0 != " " } ?? []
    guard !pool.isEmpty else { return String(randomLetters(&dice).prefix(length.upperBound)) }
    let count = dice.within(length.lowerBound...min(length.upperBound, max(length.lowerBound, 8)))
    return String((0..<count).map { _ in dice.pick(pool) })
  }
}

/// How capitals are used in one text.
enum Casing: Sendable {
  case upper, title, lower

  static func any(scene: Bool, _ dice: inout Dice) -> Casing {
    scene
      ? dice.pick(weighted: [(.upper, 55), (.title, 27), (.lower, 18)])
      : dice.pick(weighted: [(.upper, 45), (.title, 35), (.lower, 20)])
  }

  func callAsFunction(_ text: String) -> String {
    switch self {
    case .upper: text.uppercased()
    case .title: text.prefix(1).uppercased() + text.dropFirst()
    case .lower: text.lowercased()
    }
  }
}

extension Alphabet {
  /// It has most of the letters that the built-in words are made of.
  var isLatin: Bool { "etaoinsrhldcum".filter(contains).count >= 12 }
}

extension String {
  fileprivate var trimmed: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }

  /// A bracket in front is closed behind.
  fileprivate func appending(_ text: String, closing: Bool) -> String {
    self + text + (self == "(" && closing ? ")" : "")
  }
}
