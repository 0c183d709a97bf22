internal import Imaging
internal import TensorCore

extension Recipe.Preprocess {
  /// What the model reads for each value of a pixel.
  func table() throws -> PixelTable {
    if let scale { return try PixelTable(scale: Float(scale), mean: mean, standardDeviation: std) }
    if normalize == .mmdet {
      return PixelTable(channels: mean.count) { value, channel in
        let centred = Float(value) - Float(self.mean[channel])
        return Float(Double(centred) * (1 / Double(Float(self.std[channel]))))
      }
    }
    let (divisor, mean, std) = (Float(divisor ?? 1), mean.map { Float($0) }, std.map { Float($0) })
    return PixelTable(channels: mean.count) { value, channel in
      (Float(value) / divisor - mean[channel]) / std[channel]
    }
  }

  /// A picture, RGB or grey, with the channels that the model was trained with.
  func ordered(_ image: Image) throws -> Image {
    switch channels {
    case .rgb: try image.rgb()
    case .bgr: try image.rgb().swappingRedAndBlue()
    case .grayscale: try image.grey()
    }
  }
}

extension Recipe {
  /// The nearest multiple, halves to the even one, and at least one: detectors halve their maps several times.
  static func roundedToMultiple(_ side: Int, _ multiple: Int) -> Int {
    max(Int((Double(side) / Double(multiple)).rounded(.toNearestOrEven)), 1) * multiple
  }
}

extension Image {
  /// At the given height, as wide as its proportions say (rounded up) but no wider than `limit`.
  func scaledLine(height: Int, atMost limit: Int) throws -> Image {
    let proportional = (Double(height) * (Double(self.width) / Double(self.height))).rounded(.up)
    let width = proportional > Double(limit) ? limit : Int(proportional)
    return try resized(width: max(width, 1), height: height)
  }

  /// Width divided by height.
  var aspectRatio: Double { Double(width) / Double(height) }
}
