internal import Architectures
internal import TensorCore

/// The keys of one level of a recipe, asked for one by one; what nobody asked for is an error.
struct RecipeMap {
  let place: String
  private let name: String
  private var entries: [(key: String, value: RecipeTree)]
  private var known: Set<String> = []

  /// - Parameter name: the path of this level, as in `optimizer`; empty for the top.
  init(_ tree: RecipeTree, name: String) throws {
    guard case .map(let entries) = tree.content else {
      throw LigatureError(.format, "\(tree.place): '\(name)' must be keys and values")
    }
    self.entries = entries
    self.name = name
    place = tree.place
  }

  private func path(_ key: String) -> String { name.isEmpty ? key : "\(name).\(key)" }

  mutating func tree(_ key: String) -> RecipeTree? {
    known.insert(key)
    guard let value = entries.first(where: { $0.key == key })?.value else { return nil }
    if case .nothing = value.content { return nil }
    return value
  }

  var keys: [String] { entries.map(\.key) }

  /// Throws `.usage` for a key that nobody asked for, and names the one that was probably meant.
  func finish() throws {
    guard let stranger = entries.first(where: { !known.contains($0.key) }) else { return }
    let nearest = known.sorted().min { distance($0, stranger.key) < distance($1, stranger.key) }
    let all = known.sorted().joined(separator: ", ")
    throw LigatureError(
      .usage,
      "\(stranger.value.place): the key '\(path(stranger.key))' is not known"
        + (nearest.map { "; did you mean '\($0)'?" } ?? ";") + " Known are: \(all)")
  }

  // ── Typed values ──────────────────────────────────────────────────────────

  private mutating func scalar<Value>(_ key: String, _ wanted: String, _ convert: (String) -> Value?) throws -> Value? {
    guard let tree = tree(key) else { return nil }
    guard case .scalar(let text) = tree.content, let value = convert(text) else {
      throw LigatureError(.usage, "\(tree.place): '\(path(key))' must be \(wanted)\(RecipeMap.quoted(tree))")
    }
    return value
  }

  private static func quoted(_ tree: RecipeTree) -> String {
    if case .scalar(let text) = tree.content { return ", not '\(text.prefix(60))'" }
    return ""
  }

  mutating func text(_ key: String) throws -> String? { try scalar(key, "text") { $0 } }

  mutating func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
    try scalar(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
      Int(text.replacing("_", with: "")).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  mutating func number(_ key: String, in range: ClosedRange<Double>) throws -> Double? {
    try scalar(key, "a number from \(range.lowerBound) to \(range.upperBound)") { text in
      Double(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  mutating func flag(_ key: String) throws -> Bool? {
    try scalar(key, "true or false") { ["true": true, "yes": true, "false": false, "no": false][$0.lowercased()] }
  }

  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ key: String, _ type: Choice.Type = Choice.self
  ) throws -> Choice? {
    let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    return try scalar(key, "one of \(all)") { Choice(rawValue: $0) }
  }

  /// A list of numbers, all in the range.
  mutating func numbers(_ key: String, count: ClosedRange<Int>, in range: ClosedRange<Double>) throws -> [Double]? {
    guard let tree = tree(key) else { return nil }
    if case .list(let items) = tree.content, count.contains(items.count) {
      let values = items.compactMap { item -> Double? in
        if case .scalar(let text) = item.content { return Double(text) } else { return nil }
      }
      if values.count == items.count, values.allSatisfy(range.contains) { return values }
    }
    throw LigatureError(
      .usage,
      "\(tree.place): '\(path(key))' must be a list of \(count.lowerBound) to \(count.upperBound) numbers "
        + "from \(range.lowerBound) to \(range.upperBound)")
  }

  mutating func map(_ key: String) throws -> RecipeMap? {
    try tree(key).map { try RecipeMap($0, name: path(key)) }
  }

  mutating func maps(_ key: String) throws -> [RecipeMap]? {
    guard let tree = tree(key) else { return nil }
    guard case .list(let items) = tree.content else {
      throw LigatureError(.usage, "\(tree.place): '\(path(key))' must be a list, each entry with '-'")
    }
    return try items.enumerated().map { try RecipeMap($1, name: "\(path(key)).\($0)") }
  }

  /// All keys and values of a level as text: what an architecture's options are.
  mutating func texts(_ key: String) throws -> [String: String]? {
    guard let tree = tree(key) else { return nil }
    guard case .map(let entries) = tree.content else {
      throw LigatureError(.usage, "\(tree.place): '\(path(key))' must be keys and values")
    }
    return try Dictionary(
      uniqueKeysWithValues: entries.map { entry in
        guard case .scalar(let text) = entry.value.content else {
          throw LigatureError(.usage, "\(entry.value.place): '\(path(key)).\(entry.key)' must be a plain value")
        }
        return (entry.key, text)
      })
  }

  func missing(_ key: String, _ why: String) -> LigatureError {
    LigatureError(.usage, "\(place): the key '\(path(key))' is missing: \(why)")
  }

  func wrong(_ key: String, _ why: String) -> LigatureError {
    LigatureError(.usage, "\(place): '\(path(key))' \(why)")
  }
}

/// How unlike two keys are.
func distance(_ first: String, _ second: String) -> Int {
  TextComparison.editDistance(Array(first.utf8.prefix(100)), Array(second.utf8.prefix(100)))
}
