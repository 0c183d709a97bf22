internal import FoundationEssentials
internal import TensorCore

// ── Reading and writing ─────────────────────────────────────────────────────
extension Recipe {
  /// Larger JSON is refused: recipes of the largest dictionaries take less.
  static let maximalByteCount = 8 << 20

  /// Reads and checks JSON. Throws `.format` when it is not a recipe, `.limit` when it is too large, `.numeric` when
  /// a value is out of its range.
  public init(json: String) throws {
    guard json.utf8.count <= Recipe.maximalByteCount else {
      throw LigatureError(
        .limit, "the recipe has \(json.utf8.count) bytes; at most \(Recipe.maximalByteCount) are read")
    }
    do {
      self = try JSONDecoder().decode(Recipe.self, from: Data(json.utf8))
    } catch let error as LigatureError {
      throw error
    } catch {
      throw LigatureError(.format, "the recipe is not understood: \(Recipe.explain(error))")
    }
    try validate()
  }

  /// The recipe in the metadata of a model file, or nil when there is none. Errors as `init(json:)`.
  public init?(metadata: [String: String]) throws {
    guard let json = metadata[Recipe.metadataKey] else { return nil }
    try self.init(json: json)
  }

  /// JSON with sorted keys: the same recipe always gives the same bytes.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  private static func explain(_ error: any Error) -> String {
    func place(_ context: DecodingError.Context) -> String {
      context.codingPath.isEmpty ? "" : " at '\(context.codingPath.map(\.stringValue).joined(separator: "."))'"
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context): return "'\(key.stringValue)' is missing" + place(context)
    case .typeMismatch(let type, let context): return "no \(type)" + place(context)
    case .valueNotFound(let type, let context): return "no \(type)" + place(context)
    case .dataCorrupted(let context): return context.debugDescription + place(context)
    default: return "\(error)"
    }
  }
}

private enum KindKey: String, CodingKey { case kind }

extension Recipe.Resize: Codable {
  public init(from decoder: any Decoder) throws {
    switch try decoder.container(keyedBy: KindKey.self).decode(String.self, forKey: .kind) {
    case "limitedSide": self = .limitedSide(try Recipe.LimitedSide(from: decoder))
    case "height": self = .height(try Recipe.LineHeight(from: decoder))
    case "fixed": self = .fixed(try Recipe.FixedSize(from: decoder))
    case "ResizeOCR": self = .resizeOCR(try Recipe.ResizeOCR(from: decoder))
    case "keepRatio": self = .keepRatio(try Recipe.KeepRatio(from: decoder))
    case let kind: throw Recipe.unknown(kind, "resize", "limitedSide, height, fixed, ResizeOCR, keepRatio")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .limitedSide(let value): try Recipe.encode("limitedSide", value, to: encoder)
    case .height(let value): try Recipe.encode("height", value, to: encoder)
    case .fixed(let value): try Recipe.encode("fixed", value, to: encoder)
    case .resizeOCR(let value): try Recipe.encode("ResizeOCR", value, to: encoder)
    case .keepRatio(let value): try Recipe.encode("keepRatio", value, to: encoder)
    }
  }
}

extension Recipe.Postprocess: Codable {
  public init(from decoder: any Decoder) throws {
    switch try decoder.container(keyedBy: KindKey.self).decode(String.self, forKey: .kind) {
    case "db": self = .db(try Recipe.DB(from: decoder))
    case "DBPostprocessor": self = .dbPostprocessor(try DBPostprocessor(from: decoder))
    case "ctc": self = .ctc(try Recipe.CTC(from: decoder))
    case "angle": self = .angle(try Recipe.Angle(from: decoder))
    case let kind: throw Recipe.unknown(kind, "postprocess", "db, DBPostprocessor, ctc, angle")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .db(let value): try Recipe.encode("db", value, to: encoder)
    case .dbPostprocessor(let value): try Recipe.encode("DBPostprocessor", value, to: encoder)
    case .ctc(let value): try Recipe.encode("ctc", value, to: encoder)
    case .angle(let value): try Recipe.encode("angle", value, to: encoder)
    }
  }
}

extension Recipe {
  fileprivate static func encode(_ kind: String, _ value: some Encodable, to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: KindKey.self)
    try container.encode(kind, forKey: .kind)
    try value.encode(to: encoder)
  }

  fileprivate static func unknown(_ kind: String, _ what: String, _ known: String) -> LigatureError {
    LigatureError(
      .unsupported, "the recipe's \(what) is of the unknown kind '\(kind.prefix(40))'; known are \(known)")
  }
}

extension KeyedDecodingContainer {
  /// What the key says, or the default where the key is missing.
  func decode<Value: Decodable>(_ key: Key, default value: Value) throws -> Value {
    try decodeIfPresent(Value.self, forKey: key) ?? value
  }
}
