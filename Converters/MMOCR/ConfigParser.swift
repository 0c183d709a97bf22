import TensorCore

/// Reads assignments; whatever is no literal becomes `.unreadable` where it stands, and the rest stays readable.
struct ConfigParser {
  enum Statement {
    case assignment(String)
    case other(line: Int)
  }

  private let tokens: [ConfigTokens.Token]
  private var at = 0
  /// What has been assigned so far.
  private(set) var known: [String: ConfigValue] = [:]
  /// A short file can name a value again and again, and nest it deeper each time; what it names is measured.
  private var budget = 100_000
  private static let deepest = 60

  init(_ tokens: [ConfigTokens.Token]) { self.tokens = tokens }

  private var kind: ConfigTokens.Kind { at < tokens.count ? tokens[at].kind : .end }
  private var line: Int { at < tokens.count ? tokens[at].line : tokens.last?.line ?? 1 }
  private func isSign(_ text: String) -> Bool { kind == .sign(text) }
  private mutating func take(_ text: String) -> Bool {
    guard isSign(text) else { return false }
    at += 1
    return true
  }

  /// The next statement, `nil` at the end.
  mutating func statement() -> Statement? {
    while at < tokens.count, kind == .end { at += 1 }
    guard at < tokens.count else { return nil }
    let first = line
    if case .name(let name) = kind, at + 1 < tokens.count, tokens[at + 1].kind == .sign("="),
      at + 2 < tokens.count, tokens[at + 2].kind != .sign("=")
    {
      at += 2
      let value = expression()
      guard kind == .end else {
        while kind != .end { at += 1 }
        known[name] = .unreadable(line: first, "an expression that only Python can compute")
        return .assignment(name)
      }
      known[name] = value
      return .assignment(name)
    }
    while kind != .end { at += 1 }
    return .other(line: first)
  }

  // ── Expressions ─────────────────────────────────────────────────────────
  /// Up to a comma, a closing bracket or the end of the statement; what is not understood is skipped.
  private mutating func expression() -> ConfigValue {
    let first = line
    var value = sum()
    var depth = 0
    while kind != .end {
      if depth == 0, [",", ")", "]", "}", ":"].contains(where: isSign) { break }
      if ["(", "[", "{"].contains(where: isSign) { depth += 1 }
      if [")", "]", "}"].contains(where: isSign) { depth -= 1 }
      if case .unreadable = value {
      } else {
        value = .unreadable(line: first, "an expression that only Python can compute")
      }
      at += 1
    }
    return value
  }

  private mutating func sum() -> ConfigValue {
    var value = product()
    while isSign("+") || isSign("-") {
      let (isPlus, first) = (isSign("+"), line)
      at += 1
      value = combine(value, product(), line: first) {
        isPlus ? $0 + $1 : $0 - $1
      } whole: {
        isPlus ? $0.addingReportingOverflow($1) : $0.subtractingReportingOverflow($1)
      } other: { a, b in
        guard isPlus else { return nil }
        if let a = a.string, let b = b.string { return .string(a + b) }
        if let a = a.elements, let b = b.elements { return .list(a + b) }
        return nil
      }
    }
    return value
  }

  private mutating func product() -> ConfigValue {
    var value = primary()
    while isSign("*") {
      let first = line
      at += 1
      value = combine(value, primary(), line: first) {
        $0 * $1
      } whole: {
        $0.multipliedReportingOverflow(by: $1)
      } other: { _, _ in
        nil
      }
    }
    return value
  }

  private func combine(
    _ a: ConfigValue, _ b: ConfigValue, line: Int, _ real: (Double, Double) -> Double,
    whole: (Int, Int) -> (partialValue: Int, overflow: Bool), other: (ConfigValue, ConfigValue) -> ConfigValue?
  ) -> ConfigValue {
    if let a = a.integer, let b = b.integer {
      let result = whole(a, b)
      return result.overflow ? .unreadable(line: line, "a number too large") : .integer(result.partialValue)
    }
    if let a = a.number, let b = b.number { return .number(real(a, b)) }
    return other(a, b) ?? .unreadable(line: line, "an expression that only Python can compute")
  }

  private mutating func primary() -> ConfigValue {
    let first = line
    switch kind {
    case .number(let value):
      at += 1
      return value
    case .string:
      var text = ""
      while case .string(let part) = kind {
        text += part
        at += 1
      }
      return .string(text)
    case .computed:
      at += 1
      return .unreadable(line: first, "a string or number that only Python can compute")
    case .sign("-"):
      at += 1
      guard !isSign("-") else { return .unreadable(line: first, "an expression that only Python can compute") }
      switch primary() {
      case .integer(let value): return value == .min ? .unreadable(line: first, "a number too large") : .integer(-value)
      case .number(let value): return .number(-value)
      case let other: return .unreadable(line: first, "minus \(other.kind)")
      }
    case .sign("["): return list(closing: "]")
    case .sign("("): return parenthesized()
    case .sign("{"): return braces()
    case .name(let name): return named(name)
    default: return .unreadable(line: first, "an expression that only Python can compute")
    }
  }

  private mutating func named(_ name: String) -> ConfigValue {
    let first = line
    at += 1
    switch name {
    case "None": return .none
    case "True": return .boolean(true)
    case "False": return .boolean(false)
    case "dict" where isSign("("): return keywords()
    default: break
    }
    guard !isSign("("), !isSign("."), !isSign("[") else {
      return .unreadable(line: first, "the result of '\(name)'")
    }
    guard let value = known[name] else { return .unreadable(line: first, "'\(name)', which is not assigned here") }
    guard budget > 0, depth(value) <= ConfigParser.deepest else { return .unreadable(line: first, "too large") }
    return value
  }

  /// How deep a value is nested; what it looks at counts against the budget.
  private mutating func depth(_ value: ConfigValue) -> Int {
    budget -= 1
    guard budget > 0 else { return ConfigParser.deepest + 1 }
    var deepest = 0
    switch value {
    case .list(let items): for item in items { deepest = max(deepest, depth(item)) }
    case .dictionary(let entries): for entry in entries { deepest = max(deepest, depth(entry.value)) }
    default: break
    }
    return deepest + 1
  }

  // ── Brackets ────────────────────────────────────────────────────────────
  private mutating func list(closing: String) -> ConfigValue {
    at += 1
    var items: [ConfigValue] = []
    while kind != .end, !isSign(closing) {
      let before = at
      items.append(expression())
      if !take(","), at == before { at += 1 }
    }
    _ = take(closing)
    return .list(items)
  }

  /// A tuple, or an expression in parentheses.
  private mutating func parenthesized() -> ConfigValue {
    at += 1
    var items: [ConfigValue] = []
    var isTuple = isSign(")")
    while kind != .end, !isSign(")") {
      let before = at
      items.append(expression())
      if take(",") { isTuple = true } else if at == before { at += 1 }
    }
    _ = take(")")
    if !isTuple, let only = items.first { return only }
    return .list(items)
  }

  /// `dict(a=1, **b)`.
  private mutating func keywords() -> ConfigValue {
    at += 1
    var entries: [ConfigValue.Entry] = []
    while kind != .end, !isSign(")") {
      let before = at
      if take("**") {
        if case .dictionary(let more) = expression() { entries += more }
      } else if case .name(let key) = kind, at + 1 < tokens.count, tokens[at + 1].kind == .sign("=") {
        at += 2
        entries.append(.init(key, expression()))
      } else {
        _ = expression()
      }
      if !take(","), at == before { at += 1 }
    }
    _ = take(")")
    return .dictionary(entries)
  }

  /// `{'a': 1}`, or `{{_base_.name}}`, by which a file takes a value from another.
  private mutating func braces() -> ConfigValue {
    let first = line
    at += 1
    if isSign("{") {
      var depth = 1
      while kind != .end, depth > 0 {
        if isSign("{") { depth += 1 }
        if isSign("}") { depth -= 1 }
        at += 1
      }
      return .unreadable(line: first, "taken from a file that _base_ lists")
    }
    var entries: [ConfigValue.Entry] = []
    while kind != .end, !isSign("}") {
      let before = at
      let key = expression()
      if take(":") {
        let value = expression()
        if let key = key.string { entries.append(.init(key, value)) }
      }
      if !take(","), at == before { at += 1 }
    }
    _ = take("}")
    return .dictionary(entries)
  }
}
