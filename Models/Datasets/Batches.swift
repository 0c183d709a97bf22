internal import Imaging
public import TensorCore

/// The inputs of training steps, by number: any thread may make any of them.
public protocol BatchSource: Sendable {
  var samplesPerEpoch: Int { get }
  /// What a step learns from samples `first` ..< `first + count` of the stream.
  func batch(first: Int, count: Int) throws -> [String: Tensor]
}

/// Words for networks that learn by CTC: `image` float32 `[N, C, H, W]`, `targets` int64 `[N, S]`, `target_lengths`
/// int64 `[N]`.
public struct CTCBatches: BatchSource {
  private let mixture: SampleMixture<WordSample>
  private let pipeline: WordPipeline
  private let table: PixelTable
  private let convertor: CTCConvertor

  /// - Parameter recipe: how the trained model will read; training normalises and sizes pictures in the same way.
  /// - Throws: `.unsupported` for a recipe of another kind of model.
  public init(_ mixture: SampleMixture<WordSample>, recipe: Recipe, augmentation: WordAugmentation) throws {
    guard case .resizeOCR(let size) = recipe.preprocess.resize, case .ctc(let ctc) = recipe.postprocess,
      let dictionary = recipe.dictionary?.characters
    else { throw LigatureError(.unsupported, "training by CTC needs ResizeOCR, a CTC convertor and a dictionary") }
    self.mixture = mixture
    pipeline = try WordPipeline(size, isGrey: recipe.preprocess.channels == .grayscale, augmentation: augmentation)
    table = try recipe.preprocess.table()
    convertor = try CTCConvertor(ctc, dictionary: dictionary)
  }

  public var samplesPerEpoch: Int { mixture.samplesPerEpoch }

  public func batch(first: Int, count: Int) throws -> [String: Tensor] {
    var images: [Image] = []
    var texts: [String] = []
    for number in first..<first + count {
      var (sample, generator) = try mixture.sample(number)
      images.append(try pipeline(sample.image, &generator))
      texts.append(sample.text)
    }
    let targets = try convertor.str2tensor(texts)
    return [
      "image": try Image.tensor(of: images, width: pipeline.width, height: pipeline.size.height, table),
      "targets": targets.targets, "target_lengths": targets.lengths,
    ]
  }
}

/// Pages for DBNet: `image` float32 `[N, 3, S, S]` and the maps of `DBNetTargets`, float32 `[N, 1, S, S]`.
public struct DBNetBatches: BatchSource {
  private let mixture: SampleMixture<PageSample>
  private let pipeline: PagePipeline
  private let table: PixelTable
  private let targets: DBNetTargets

  public init(
    _ mixture: SampleMixture<PageSample>, recipe: Recipe, side: Int, augmentation: PageAugmentation,
    targets: DBNetTargets = DBNetTargets()
  ) throws {
    self.mixture = mixture
    self.targets = targets
    pipeline = PagePipeline(side: side, padding: recipe.preprocess.mean, augmentation: augmentation)
    table = try recipe.preprocess.table()
  }

  public var samplesPerEpoch: Int { mixture.samplesPerEpoch }

  public func batch(first: Int, count: Int) throws -> [String: Tensor] {
    var images: [Image] = []
    var maps: [DBNetTargets.Maps] = []
    for number in first..<first + count {
      var (page, generator) = try mixture.sample(number)
      let crop = try pipeline(page, &generator)
      images.append(crop.image)
      maps.append(
        try targets(
          polygons: crop.polygons, ignored: crop.ignoredPolygons, width: pipeline.side, height: pipeline.side))
    }
    var result = try DBNetTargets.tensors(maps)
    result["image"] = try Image.tensor(of: images, width: pipeline.side, height: pipeline.side, table)
    return result
  }
}
