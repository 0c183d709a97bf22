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

  /// Not checked: what is to be written into a file is read back with `init(json:)` first, which checks.
  public init(
    name: String, task: Task, architecture: String, preprocess: Preprocess, page: Page? = nil,
    postprocess: Postprocess, dictionary: Dictionary? = nil, licence: String, origin: Origin
  ) {
    format = Recipe.currentFormat
    self.name = name
    self.task = task
    self.architecture = architecture
    self.preprocess = preprocess
    self.page = page
    self.postprocess = postprocess
    self.dictionary = dictionary
    self.licence = licence
    self.origin = origin
  }
}

extension Recipe {
  public enum Channels: String, Codable, Sendable {
    case rgb = "RGB"
    case bgr = "BGR"
    /// One channel.
    case grayscale

    var count: Int { self == .grayscale ? 1 : 3 }
  }

  /// How pixels of 0…255 are normalised, where neither a scale nor a divisor says so.
  public enum Normalization: String, Codable, Sendable {
    /// MMDetection's: mean and std in single precision; pixel minus mean in single, times 1 / std in double precision.
    case mmdet = "Normalize"
  }

  /// From pixels to what the model reads. With `scale`, NumPy's float32 pixels and float64 statistics are followed;
  /// with `divisor`, all is single precision: pixel / divisor, minus mean, divided by std (MMOCR's `NormalizeOCR`
  /// with the divisor 255); `normalize` names another rule. Exactly one of the three is given, and one mean and
  /// deviation for each channel, in the channels' order.
  public struct Preprocess: Codable, Sendable, Equatable {
    public var channels: Channels
    public var scale: Double?
    public var divisor: Double?
    public var normalize: Normalization?
    public var mean: [Double]
    public var std: [Double]
    public var resize: Resize

    public init(
      channels: Channels, scale: Double? = nil, divisor: Double? = nil, normalize: Normalization? = nil,
      mean: [Double], std: [Double], resize: Resize
    ) {
      self.channels = channels
      self.scale = scale
      self.divisor = divisor
      self.normalize = normalize
      self.mean = mean
      self.std = std
      self.resize = resize
    }
  }

  public enum Resize: Sendable, Equatable {
    case limitedSide(LimitedSide)
    case height(LineHeight)
    case fixed(FixedSize)
    case resizeOCR(ResizeOCR)
    case keepRatio(KeepRatio)
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
    case dbPostprocessor(DBPostprocessor)
    case ctc(CTC)
    case angle(Angle)
  }

  /// Parameters of `PaddleDBPostprocessor`.
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
    /// Whether the model gives logits, on which softmax is still to be taken, and not probabilities.
    public var logits: Bool
    /// Whether texts are written in small letters before they become training targets.
    public var lower: Bool
    /// Whether a class `<UKN>` follows the dictionary.
    public var withUnknown: Bool

    public init(
      blank: Int = 0, minimalScore: Double = 0, logits: Bool = false, lower: Bool = false, withUnknown: Bool = false
    ) {
      self.blank = blank
      self.minimalScore = minimalScore
      self.logits = logits
      self.lower = lower
      self.withUnknown = withUnknown
    }

    public init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      blank = try values.decode(Int.self, forKey: .blank)
      minimalScore = try values.decode(Double.self, forKey: .minimalScore)
      logits = try values.decode(.logits, default: false)
      lower = try values.decode(.lower, default: false)
      withUnknown = try values.decode(.withUnknown, default: false)
    }
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

    public init(
      project: String? = nil, package: String? = nil, version: String? = nil, file: String? = nil,
      sha256: String? = nil
    ) {
      self.project = project
      self.package = package
      self.version = version
      self.file = file
      self.sha256 = sha256
    }
  }
}
