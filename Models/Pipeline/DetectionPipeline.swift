public import Imaging
public import TensorCore

/// MMOCR's test pipeline of a detector: `Resize` with `keep_ratio`, normalisation, `Pad`.
public struct DetectionPipeline: Sendable {
  /// What a detector reads, and the way back.
  public struct Input: Sendable {
    /// `[1, C, H, W]`, sides multiples of the recipe's.
    public var tensor: Tensor
    /// Size of the page in the tensor, without the padding.
    public var width: Int
    public var height: Int
    /// Those sizes divided by the page's: `scale_factor`.
    public var scaleX: Float
    public var scaleY: Float
  }

  public let size: Recipe.KeepRatio
  private let preprocess: Recipe.Preprocess
  private let table: PixelTable

  /// Throws `.unsupported` for a recipe that resizes in another way, and what recipes that cannot be followed throw.
  public init(_ preprocess: Recipe.Preprocess) throws {
    guard case .keepRatio(let size) = preprocess.resize else {
      throw LigatureError(.unsupported, "the recipe has no 'keepRatio'")
    }
    try preprocess.validate()
    self.size = size
    self.preprocess = preprocess
    table = try preprocess.table()
  }

  /// - Parameter page: grey, RGB or RGBA.
  public func callAsFunction(_ page: Image) throws -> Input {
    let (width, height) = size.scaled(width: page.width, height: page.height)
    let image = try preprocess.ordered(page.resized(width: width, height: height))
    let tensor = try Image.tensor(
      of: [image], width: size.paddedSide(width), height: size.paddedSide(height), table)
    return Input(
      tensor: tensor, width: width, height: height, scaleX: Float(Double(width) / Double(page.width)),
      scaleY: Float(Double(height) / Double(page.height)))
  }
}

extension Recipe.KeepRatio {
  /// The size that a page is scaled to: mmcv's `rescale_size`. At least one pixel.
  package func scaled(width: Int, height: Int) -> (width: Int, height: Int) {
    let scale = min(
      Double(longSide) / Double(max(width, height)), Double(shortSide) / Double(min(width, height)))
    return (max(Int(Double(width) * scale + 0.5), 1), max(Int(Double(height) * scale + 0.5), 1))
  }

  /// The next multiple.
  public func paddedSide(_ side: Int) -> Int { (side + multipleOf - 1) / multipleOf * multipleOf }
}
