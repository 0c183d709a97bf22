// What MMOCR's test pipelines need beyond the first recipes, and recipes of whole architectures.

extension Recipe {
  /// MMOCR's `ResizeOCR`, and `MultiRotateAugOCR` around it: lines of one height. With `keepAspectRatio`, as wide as
  /// their proportions say, rounded to a multiple of `widthDivisor`, within the limits, and filled at the right up to
  /// `maxWidth`; without, exactly `maxWidth` wide.
  public struct ResizeOCR: Codable, Sendable, Equatable {
    public var height: Int
    public var minWidth: Int?
    /// Nil: no limit, and no padding; lines of different widths are then never read together.
    public var maxWidth: Int?
    public var keepAspectRatio: Bool
    /// 1 / `width_downsample_ratio`.
    public var widthDivisor: Int
    /// Grey level of the padding, before normalisation.
    public var padValue: Int
    /// Degrees anticlockwise in which pictures higher than wide are tried; the surest answer wins.
    public var rotations: [Int]
    /// Lines that are read together at most.
    public var batch: Int

    public init(
      height: Int, minWidth: Int? = nil, maxWidth: Int? = nil, keepAspectRatio: Bool = true, widthDivisor: Int = 16,
      padValue: Int = 0, rotations: [Int] = [0], batch: Int = 8
    ) {
      self.height = height
      self.minWidth = minWidth
      self.maxWidth = maxWidth
      self.keepAspectRatio = keepAspectRatio
      self.widthDivisor = widthDivisor
      self.padValue = padValue
      self.rotations = rotations
      self.batch = batch
    }

    public init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      self.init(
        height: try values.decode(Int.self, forKey: .height),
        minWidth: try values.decodeIfPresent(Int.self, forKey: .minWidth),
        maxWidth: try values.decodeIfPresent(Int.self, forKey: .maxWidth),
        keepAspectRatio: try values.decode(.keepAspectRatio, default: true),
        widthDivisor: try values.decode(.widthDivisor, default: 16),
        padValue: try values.decode(.padValue, default: 0),
        rotations: try values.decode(.rotations, default: [0]),
        batch: try values.decode(.batch, default: 8))
    }
  }

  /// MMDetection's `Resize` with `keep_ratio`, and `Pad` with a `size_divisor`: as large as fits both limits, whichever
  /// side is the longer, then filled with zeros (after normalisation) at the right and below up to a multiple.
  public struct KeepRatio: Codable, Sendable, Equatable {
    public var longSide: Int
    public var shortSide: Int
    public var multipleOf: Int

    public init(longSide: Int, shortSide: Int, multipleOf: Int = 32) {
      self.longSide = longSide
      self.shortSide = shortSide
      self.multipleOf = multipleOf
    }
  }
}

// ── Whole architectures ─────────────────────────────────────────────────────
extension Recipe {
  /// MMOCR's test pipeline of CRNN (`textrecog/crnn/crnn_academic_dataset.py`): grey lines 32 pixels high, as wide as
  /// their proportions say. The model reads `[N, 1, 32, W]` and gives logits `[N, T, C]`.
  /// - Parameter dictionary: characters in class order, without the blank (class 0) and `<UKN>`.
  public static func crnn(
    name: String = "CRNN", dictionary: [String] = CharacterDictionary.dict36.characters, lower: Bool = true,
    withUnknown: Bool = false, minimalScore: Double = 0, licence: String = "unknown", origin: Origin = Origin()
  ) -> Recipe {
    Recipe(
      name: name, task: .recognition, architecture: "CRNN",
      preprocess: Preprocess(
        channels: .grayscale, normalize: .mmdet, mean: [127], std: [127],
        resize: .resizeOCR(ResizeOCR(height: 32, minWidth: 32))),
      postprocess: .ctc(CTC(minimalScore: minimalScore, logits: true, lower: lower, withUnknown: withUnknown)),
      dictionary: Dictionary(characters: dictionary), licence: licence, origin: origin)
  }

  /// MMOCR's test pipeline of DBNet. The model reads `[N, 3, H, W]`; its first output is the probability map.
  ///
  /// The defaults are those of `dbnet_r18_fpnc_1200e_icdar2015.py`; for `dbnet_r50dcnv2_fpnc_1200e_icdar2015.py` take
  /// `scale: (4068, 1024), mean: [122.67891434, 116.66876762, 104.00698793]`.
  /// - Parameters:
  ///   - scale: the limits of the longer and the shorter side (`img_scale`).
  ///   - mean: of red, green and blue, 0…255.
  public static func dbnet(
    name: String = "DBNet", postprocessor: DBPostprocessor = DBPostprocessor(),
    scale: (long: Int, short: Int) = (1333, 736),
    mean: [Double] = [123.675, 116.28, 103.53], std: [Double] = [58.395, 57.12, 57.375], licence: String = "unknown",
    origin: Origin = Origin()
  ) -> Recipe {
    Recipe(
      name: name, task: .detection, architecture: "DBNet",
      preprocess: Preprocess(
        channels: .rgb, normalize: .mmdet, mean: mean, std: std,
        resize: .keepRatio(KeepRatio(longSide: max(scale.long, scale.short), shortSide: min(scale.long, scale.short)))),
      postprocess: .dbPostprocessor(postprocessor), licence: licence, origin: origin)
  }
}
