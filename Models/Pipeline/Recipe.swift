internal import Foundation
internal import TensorCore

/// What a model file says about its own use: kept as JSON in the file's `metadata_props` under `Recipe.metadataKey`,
/// so that the file alone is enough to read with. Files are not trusted: a decoded recipe has been checked.
public struct Recipe: Codable, Sendable, Equatable {
  public static let metadataKey = "ligature.recipe"
  /// The version of this structure.
  public static let currentFormat = 1

  /// What a model does with a picture. Raw values are MMOCR's names where it has the task.
  public enum Task: String, Codable, Sendable {
    case detection = "textdet"
    case recognition = "textrecog"
    /// Which way up a line of text is.
    case angle = "textcls"
  }

  public var format: Int
  public var name: String
  public var task: Task
  public var architecture: String
  public var preprocess: Preprocess
  /// How a page is brought to a size that the pipeline works at. Only detectors have it.
  public var page: Page?
  public var postprocess: Postprocess
  public var dictionary: Dictionary?
  public var licence: String
  public var origin: Origin
}

extension Recipe {
  public enum Channels: String, Codable, Sendable {
    case rgb = "RGB"
    case bgr = "BGR"
  }

  /// From pixels to what the model reads. With `scale`, NumPy's float32 pixels and float64 statistics are followed;
  /// with `divisor`, all is single precision: pixel / divisor, minus mean, divided by std.
  public struct Preprocess: Codable, Sendable, Equatable {
    public var channels: Channels
    public var scale: Double?
    public var divisor: Double?
    public var mean: [Double]
    public var std: [Double]
    public var resize: Resize
  }

  public enum Resize: Sendable, Equatable {
    case limitedSide(LimitedSide)
    case height(LineHeight)
    case fixed(FixedSize)
  }

  /// A page whose shorter side must reach `limit` (`min`), or whose longer side must not pass it (`max`);
  /// both sides are then rounded to a multiple.
  public struct LimitedSide: Codable, Sendable, Equatable {
    public enum LimitType: String, Codable, Sendable { case min, max }
    public var limitType: LimitType
    public var limit: Int
    public var multipleOf: Int
  }

  /// Lines of one height, as wide as the widest of their batch and at least `width` pixels.
  public struct LineHeight: Codable, Sendable, Equatable {
    public var height: Int
    public var width: Int
    public var batch: Int
  }

  /// Lines of one height, cut down to `width` pixels or filled up to it.
  public struct FixedSize: Codable, Sendable, Equatable {
    public var height: Int
    public var width: Int
    public var batch: Int
  }

  /// Sides outside the limits are scaled to them; a page that is low, or much wider than high, gets black margins
  /// above and below, because detectors miss text that touches both edges.
  public struct Page: Codable, Sendable, Equatable {
    public var maximalSide: Int
    public var minimalSide: Int
    public var multipleOf: Int
    /// Pages up to this height get margins …
    public var letterboxHeight: Int
    /// … and pages more than this many times wider than high.
    public var letterboxRatio: Int
  }

  public enum Postprocess: Sendable, Equatable {
    case db(DB)
    case ctc(CTC)
    case angle(Angle)
  }

  /// Parameters of `DBPostprocessor`.
  public struct DB: Codable, Sendable, Equatable {
    public var threshold: Double
    public var boxThreshold: Double
    public var unclipRatio: Double
    public var maximalCandidates: Int
    public var minimalSide: Double
    public var dilation: Bool
  }

  /// Parameters of `CTCConvertor`, and the score below which a line is not reported.
  public struct CTC: Codable, Sendable, Equatable {
    public var blank: Int
    public var minimalScore: Double
  }

  /// The degrees that each class stands for, and the score above which a line is turned.
  public struct Angle: Codable, Sendable, Equatable {
    public var labels: [String]
    public var threshold: Double
  }

  /// The characters that classes stand for, without the blank: given here, or one a line in another entry of the
  /// file's metadata; `append` follows them.
  public struct Dictionary: Codable, Sendable, Equatable {
    public var characters: [String]?
    public var metadata: String?
    public var append: [String]?

    public init(characters: [String]? = nil, metadata: String? = nil, append: [String]? = nil) {
      self.characters = characters
      self.metadata = metadata
      self.append = append
    }
  }

  public struct Origin: Codable, Sendable, Equatable {
    public var project: String?
    public var package: String?
    public var version: String?
    public var file: String?
    public var sha256: String?
  }
}

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
    case let kind: throw Recipe.unknown(kind, "resize", "limitedSide, height, fixed")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .limitedSide(let value): try Recipe.encode("limitedSide", value, to: encoder)
    case .height(let value): try Recipe.encode("height", value, to: encoder)
    case .fixed(let value): try Recipe.encode("fixed", value, to: encoder)
    }
  }
}

extension Recipe.Postprocess: Codable {
  public init(from decoder: any Decoder) throws {
    switch try decoder.container(keyedBy: KindKey.self).decode(String.self, forKey: .kind) {
    case "db": self = .db(try Recipe.DB(from: decoder))
    case "ctc": self = .ctc(try Recipe.CTC(from: decoder))
    case "angle": self = .angle(try Recipe.Angle(from: decoder))
    case let kind: throw Recipe.unknown(kind, "postprocess", "db, ctc, angle")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .db(let value): try Recipe.encode("db", value, to: encoder)
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
