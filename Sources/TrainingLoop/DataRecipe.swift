internal import Architectures
internal import TensorCore

/// Where samples come from: one entry of `data` in a recipe.
struct DataRecipe: Sendable {
  enum Form: Sendable, Equatable {
    case words(WordFormat)
    case pages(PageFormat)
    case synthetic
  }

  /// A part of a set that is cut off by chance, the same for the same seed.
  struct Split: Sendable, Equatable {
    var fold: Int
    var folds: Int
    var seed: UInt64
    /// Everything but the fold.
    var isTraining: Bool
  }

  var name: String
  var form: Form
  var annotations: String?
  var images: String?
  /// How many samples of an epoch come from it; nil: all of it, `repeats` times.
  var samples: Int?
  var repeats: Double
  var split: Split?
  var unknown: TextFilter.Unknown
  /// Longer texts, in characters as they are annotated, are left out.
  var maximumLength: Int?
  var followsLinks: Bool
  var tolerance: Double
  /// For `synthetic`.
  var options: [String: String]
  var place: String

  /// All of a set, as it is.
  init(name: String, form: Form, annotations: String, images: String) {
    self.name = name
    self.form = form
    self.annotations = annotations
    self.images = images
    repeats = 1
    unknown = .remove
    followsLinks = false
    tolerance = 0.1
    options = [:]
    place = name
  }

  private enum Side: String, CaseIterable { case training, validation }

  /// - Parameter root: what relative paths start from; nil for the current folder.
  init(_ map: RecipeMap, root: String?) throws {
    var map = map
    place = map.place
    let formats = WordFormat.allCases.map(\.rawValue) + PageFormat.allCases.map(\.rawValue) + ["synthetic"]
    guard let format = try map.text("format") else {
      throw map.missing("format", "one of \(formats.joined(separator: ", "))")
    }
    if let words = WordFormat(rawValue: format) {
      form = .words(words)
    } else if let pages = PageFormat(rawValue: format) {
      form = .pages(pages)
    } else if format == "synthetic" {
      form = .synthetic
    } else {
      throw map.wrong("format", "must be one of \(formats.joined(separator: ", ")), not '\(format.prefix(40))'")
    }
    func rooted(_ path: String?) -> String? {
      guard let path, let root, !path.hasPrefix("/") else { return path }
      return root.hasSuffix("/") ? root + path : root + "/" + path
    }
    annotations = rooted(try map.text("annotations"))
    images = rooted(try map.text("images"))
    name = try map.text("name") ?? annotations ?? format
    samples = try map.integer("samples", in: 1...1 << 40)
    repeats = try map.number("repeat", in: 1e-6...1e6) ?? 1
    unknown = try map.choice("unknown_characters") ?? .remove
    maximumLength = try map.integer("max_length", in: 1...1_000_000)
    followsLinks = try map.flag("follow_links") ?? false
    tolerance = try map.number("tolerance", in: 0...1) ?? 0.1
    options = try map.texts("options") ?? [:]
    split = try map.map("split").map { try DataRecipe.split($0) }
    try map.finish()
    try check(map)
  }

  private static func split(_ map: RecipeMap) throws -> Split {
    var map = map
    let folds = try map.integer("folds", in: 2...1_000_000) ?? 10
    let split = Split(
      fold: try map.integer("fold", in: 0...folds - 1) ?? 0, folds: folds,
      seed: UInt64(try map.integer("seed", in: 0...Int.max) ?? 0),
      isTraining: (try map.choice("side", Side.self) ?? .training) == .training)
    try map.finish()
    return split
  }

  private func check(_ map: RecipeMap) throws {
    if form == .synthetic {
      guard samples != nil else { throw map.missing("samples", "how many synthetic samples an epoch has") }
      guard annotations == nil, images == nil, split == nil else {
        throw LigatureError(.usage, "\(place): synthetic samples have neither annotations, images nor a split")
      }
      return
    }
    guard annotations != nil else {
      throw map.missing("annotations", "the file or folder that says what is to be read")
    }
    guard options.isEmpty else {
      throw LigatureError(.usage, "\(place): only synthetic samples take 'options'")
    }
    if case .pages = form, images == nil { throw map.missing("images", "the folder that the pictures lie in") }
  }
}
