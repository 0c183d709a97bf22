import TensorCore

/// The words of a configuration written in Python.
enum ConfigTokens {
  enum Kind: Equatable {
    case name(String)
    case number(ConfigValue)
    case string(String)
    /// A string that would be computed (`f'…'`).
    case computed
    /// One character, or `**`.
    case sign(String)
    /// The end of a statement; there is none within brackets.
    case end
  }
  struct Token: Equatable {
    var kind: Kind
    var line: Int
    /// Whether it is the first of a line that starts at the margin.
    var startsStatement = false
  }

  static func tokens(of text: String) throws -> [Token] {
    var scanner = Scanner(Array(text.unicodeScalars))
    try scanner.run()
    return scanner.tokens
  }

  private struct Scanner {
    private let text: [Unicode.Scalar]
    private var at = 0
    private var line = 1
    private var brackets: [(sign: Unicode.Scalar, line: Int)] = []
    private(set) var tokens: [Token] = []

    init(_ text: [Unicode.Scalar]) { self.text = text }

    private func peek(_ offset: Int = 0) -> Unicode.Scalar? { at + offset < text.count ? text[at + offset] : nil }

    private mutating func add(_ kind: Kind, line: Int) {
      let first = tokens.last.map { $0.kind == .end } ?? true
      tokens.append(Token(kind: kind, line: line, startsStatement: first))
    }

    mutating func run() throws {
      while let c = peek() {
        switch c {
        case "\n":
          if brackets.isEmpty, tokens.last?.kind != .end { add(.end, line: line) }
          line += 1
          at += 1
        case "\\" where peek(1) == "\n":
          line += 1
          at += 2
        case "#":
          while let c = peek(), c != "\n" { at += 1 }
        case "'", "\"": try string(prefix: "")
        case _ where c.properties.isXIDStart || c == "_": try name()
        case "0"..."9": number()
        case "." where peek(1).map { ("0"..."9").contains($0) } ?? false: number()
        case _ where c.properties.isWhitespace: at += 1
        default: try sign(c)
        }
      }
      if let open = brackets.last {
        throw LigatureError(.format, "the bracket '\(open.sign)' of line \(open.line) is not closed")
      }
      add(.end, line: line)
    }

    private mutating func sign(_ c: Unicode.Scalar) throws {
      switch c {
      case "(", "[", "{":
        guard brackets.count < 60 else {
          throw LigatureError(.limit, "line \(line) is nested deeper than 60 brackets")
        }
        brackets.append((c, line))
      case ")", "]", "}":
        let pairs: [Unicode.Scalar: Unicode.Scalar] = [")": "(", "]": "[", "}": "{"]
        guard let open = brackets.popLast(), open.sign == pairs[c] else {
          throw LigatureError(.format, "line \(line) closes a bracket '\(c)' that was not opened")
        }
      default: break
      }
      let double = c == "*" && peek(1) == "*"
      add(.sign(double ? "**" : String(c)), line: line)
      at += double ? 2 : 1
    }

    private mutating func name() throws {
      let start = at
      while let c = peek(), c.properties.isXIDContinue { at += 1 }
      let word = String(String.UnicodeScalarView(text[start..<at]))
      let isPrefix = word.count <= 2 && word.lowercased().allSatisfy { "rbuf".contains($0) }
      if isPrefix, let c = peek(), c == "'" || c == "\"" { return try string(prefix: word.lowercased()) }
      add(.name(word), line: line)
    }

    private mutating func number() {
      let start = at
      while let c = peek() {
        let isExponentSign = (c == "-" || c == "+") && (text[at - 1] == "e" || text[at - 1] == "E") && at > start
        guard c.properties.isXIDContinue || c == "." || isExponentSign else { break }
        at += 1
      }
      let word = String(String.UnicodeScalarView(text[start..<at])).replacing("_", with: "")
      if let value = Int(word) {
        add(.number(.integer(value)), line: line)
      } else if let value = Double(word) {
        add(.number(.number(value)), line: line)
      } else {
        add(.computed, line: line)
      }
    }

    private mutating func string(prefix: String) throws {
      let (quote, first) = (text[at], line)
      let isLong = peek(1) == quote && peek(2) == quote
      at += isLong ? 3 : 1
      var content = String.UnicodeScalarView()
      while true {
        guard let c = peek(), isLong || c != "\n" else {
          throw LigatureError(.format, "the string of line \(first) is not closed")
        }
        if c == quote, !isLong || (peek(1) == quote && peek(2) == quote) { break }
        at += 1
        if c == "\n" { line += 1 }
        if c == "\\", !prefix.contains("r"), let next = peek() {
          at += 1
          escape(next, &content)
        } else {
          content.append(c)
        }
      }
      at += isLong ? 3 : 1
      add(prefix.contains("f") ? .computed : .string(String(content)), line: first)
    }

    private mutating func escape(_ c: Unicode.Scalar, _ content: inout String.UnicodeScalarView) {
      let lengths: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]
      switch c {
      case "n": content.append("\n")
      case "t": content.append("\t")
      case "r": content.append("\r")
      case "\\", "'", "\"": content.append(c)
      case "\n": line += 1
      case "x", "u", "U":
        let digits = text[at..<min(at + (lengths[c] ?? 0), text.count)]
        if let code = UInt32(String(String.UnicodeScalarView(digits)), radix: 16), let scalar = Unicode.Scalar(code) {
          content.append(scalar)
          at += digits.count
        } else {
          content.append(contentsOf: ["\\", c])
        }
      default: content.append(contentsOf: ["\\", c])
      }
    }
  }
}
