internal import TensorCore

/// YAML as it was written: scalars are text until somebody asks for a number.
struct RecipeTree: Sendable {
  enum Content: Sendable {
    case scalar(String)
    case list([RecipeTree])
    case map([(key: String, value: RecipeTree)])
    case nothing
  }

  var content: Content
  /// The line in the file, or where else it comes from.
  var place: String

  // ── Limits ────────────────────────────────────────────────────────────────
  // Recipes are written by people. The parser goes one call deeper with each level, and aliases multiply.
  static let maximumByteCount = 1 << 20
  static let maximumLineLength = 2000
  static let maximumNodeCount = 50_000
  static let maximumDepth = 60

  /// - Parameter name: what messages call the text.
  /// - Throws: `.format` for what is no YAML, `.limit` past the limits.
  init(yaml text: String, name: String) throws {
    guard text.utf8.count <= RecipeTree.maximumByteCount else {
      throw LigatureError(
        .limit, "'\(name)' has \(text.utf8.count) bytes, a recipe at most \(RecipeTree.maximumByteCount)")
    }
    let brackets = text.utf8.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
    let longest = text.utf8.split(separator: UInt8(ascii: "\n")).map(\.count).max() ?? 0
    guard brackets <= RecipeTree.maximumLineLength, longest <= RecipeTree.maximumLineLength else {
      throw LigatureError(
        .limit,
        "'\(name)' has a line of \(longest) bytes and \(brackets) brackets; "
          + "recipes have at most \(RecipeTree.maximumLineLength) of either")
    }
    let document: YAMLDocument?
    do {
      document = try YAMLDocument(text)
    } catch let error as LigatureError {
      throw LigatureError(error.code, "'\(name)' is not YAML: \(error.message)")
    }
    guard let document else { throw LigatureError(.format, "'\(name)' is empty; see Models/Recipes for recipes") }
    var count = 0
    try self.init(YAMLDocument.root, document, name, depth: 0, &count)
  }

  private init(_ number: Int, _ document: YAMLDocument, _ name: String, depth: Int, _ count: inout Int) throws {
    count += 1
    guard count <= RecipeTree.maximumNodeCount, depth <= RecipeTree.maximumDepth else {
      throw LigatureError(.limit, "'\(name)' is nested too deeply, or repeats itself by aliases too often")
    }
    guard let (node, line) = document.node(number) else { throw LigatureError(.format, "'\(name)' lacks a part") }
    place = "\(name):\(line)"
    switch node {
    case .scalar(let text, let isPlain):
      let isNothing = isPlain && ["", "~", "null", "Null", "NULL"].contains(text)
      content = isNothing ? .nothing : .scalar(text)
    case .sequence(let items):
      content = .list(try items.map { try RecipeTree($0, document, name, depth: depth + 1, &count) })
    case .mapping(let pairs):
      var entries: [(key: String, value: RecipeTree)] = []
      for (key, value) in pairs {
        guard case .scalar(let text, _)? = document.node(key)?.node else {
          throw LigatureError(.format, "\(place): a key that is no text")
        }
        guard !entries.contains(where: { $0.key == text }) else {
          throw LigatureError(.format, "\(place): the key '\(text)' is there twice; remove one")
        }
        entries.append((text, try RecipeTree(value, document, name, depth: depth + 1, &count)))
      }
      content = .map(entries)
    }
  }
}

// ── Changes on the command line ─────────────────────────────────────────────
extension RecipeTree {
  /// Sets a value as `--set` has it: `optimizer.lr=0.01`, `data.0.repeat=2`. The value is YAML.
  mutating func set(_ assignment: String) throws {
    guard let equals = assignment.firstIndex(of: "="), equals > assignment.startIndex else {
      throw LigatureError(.usage, "--set takes key=value, as in optimizer.lr=0.01, not '\(assignment)'")
    }
    let path = assignment[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let text = String(assignment[assignment.index(after: equals)...])
    var value =
      text.isEmpty
      ? RecipeTree(nothingAt: "--set") : try RecipeTree(yaml: text, name: "--set \(path.joined(separator: "."))")
    value.place = "--set \(path.joined(separator: "."))"
    try set(path[...], to: value)
  }

  private init(nothingAt place: String) {
    content = .nothing
    self.place = place
  }

  private mutating func set(_ path: ArraySlice<String>, to value: RecipeTree) throws {
    guard let key = path.first else {
      self = value
      return
    }
    switch content {
    case .map(var entries):
      if let index = entries.firstIndex(where: { $0.key == key }) {
        try entries[index].value.set(path.dropFirst(), to: value)
      } else {
        var made = RecipeTree(nothingAt: value.place)
        try made.set(path.dropFirst(), to: value)
        entries.append((key, made))
      }
      content = .map(entries)
    case .list(var items):
      guard let index = Int(key), items.indices.contains(index) else {
        throw LigatureError(
          .usage, "\(value.place): '\(key)' is no entry of the list there, which has \(items.count), numbered from 0")
      }
      try items[index].set(path.dropFirst(), to: value)
      content = .list(items)
    case .nothing:
      content = .map([])
      try set(path, to: value)
    case .scalar(let text):
      throw LigatureError(.usage, "\(value.place): '\(key)' lies below the plain value '\(text.prefix(40))'")
    }
  }
}
