public import TensorCore

/// From maps of character classes to text: MMOCR's `SegConvertor`. Connected regions of anything but the background
/// are characters, read from left to right.
public struct SegConvertor: Sendable {
  /// Text of each class: `<BG>`, the characters, `<UKN>` if there is one.
  public var classes: [String] { table.classes }
  private let table: LabelTable

  /// Regions whose most frequent class has fewer pixels are noise.
  private static let minimalPixels = 20

  /// - Parameter dictionary: characters in class order, without the background, which is class 0.
  public init(dictionary: [String], withUnknown: Bool = true, lower: Bool = false) {
    table = LabelTable(
      dictionary: dictionary, before: ["<BG>"], after: withUnknown ? [LabelTable.unknown] : [], lower: lower)
  }

  /// Classes of the characters of a text. Throws `.format` for a character that is not in the dictionary, where
  /// there is no `<UKN>`.
  public func str2idx(_ text: String) throws -> [Int] { try table.str2idx(text) }

  /// - Parameters:
  ///   - scores: float32 `[N, C, H, W]`, C the number of classes.
  ///   - validRatios: the part of each picture's width that is no padding.
  /// - Returns: N texts. The score of a character is the share of its region that has its class; `<UKN>` has a score
  ///   but no text.
  public func decode(_ scores: Tensor, validRatios: [Double]? = nil) throws -> [RecognizedText] {
    guard scores.element == .float32, scores.shape.count == 4, scores.shape[1] == classes.count else {
      throw LigatureError(
        .shape,
        "the label convertor of segmentations decodes float32[N, \(classes.count), H, W], "
          + "not \(scores.element)\(scores.shape)")
    }
    let (count, height, width) = (scores.shape[0], scores.shape[2], scores.shape[3])
    let ratios = validRatios ?? [Double](repeating: 1, count: count)
    guard ratios.count == count, ratios.allSatisfy({ (0...1).contains($0) }) else {
      throw LigatureError(.shape, "\(count) pictures need as many valid ratios, each in 0...1")
    }
    let values = try scores.floats()
    return ratios.enumerated().map { index, ratio in
      let planes = values[index * classes.count * height * width..<(index + 1) * classes.count * height * width]
      // One column more than is valid: so it is in MMOCR.
      let columns = min(Int(Double(width) * ratio + 1), width)
      let map = ClassMap(best: Array(planes), classes.count, height, width, columns)
      let regions = map.regions().compactMap { $0.character(minimalPixels: SegConvertor.minimalPixels) }
        .stablySorted { $0.x < $1.x }
      let found = regions.map(\.score)
      return RecognizedText(
        text: regions.map { classes[$0.index] == LabelTable.unknown ? "" : classes[$0.index] }.joined(),
        score: found.isEmpty ? 0 : found.reduce(0, +) / Double(found.count), scores: found)
    }
  }
}

/// The best class of each pixel.
private struct ClassMap {
  private let classes: [Int]
  private let height: Int
  private let width: Int

  /// - Parameter scores: `[C, H, W]`, of which the first columns count.
  init(best scores: [Float], _ count: Int, _ height: Int, _ fullWidth: Int, _ columns: Int) {
    self.height = height
    width = columns
    classes = (0..<height * columns).map { pixel in
      let place = pixel / columns * fullWidth + pixel % columns
      return (1..<count).reduce(0) { best, index in
        scores[index * height * fullWidth + place] > scores[best * height * fullWidth + place] ? index : best
      }
    }
  }

  struct Region {
    /// Pixels by class.
    var counts: [Int: Int] = [:]
    var size = 0
    var sumX = 0

    /// The most frequent class, the lower of equally frequent ones; nil for too few pixels.
    func character(minimalPixels: Int) -> (index: Int, score: Double, x: Double)? {
      guard let most = counts.max(by: { ($0.value, -$0.key) < ($1.value, -$1.key) }), most.value >= minimalPixels
      else { return nil }
      return (most.key, Double(most.value) / Double(size), Double(sumX) / Double(size))
    }
  }

  /// Neighbours by side or corner, whatever their class, in the order of their first pixels.
  func regions() -> [Region] {
    var isSeen = classes.map { $0 == 0 }
    var regions: [Region] = []
    for start in classes.indices where !isSeen[start] {
      var region = Region()
      var pending = [start]
      isSeen[start] = true
      while let pixel = pending.popLast() {
        let (x, y) = (pixel % width, pixel / width)
        region.counts[classes[pixel], default: 0] += 1
        region.size += 1
        region.sumX += x
        for row in max(y - 1, 0)...min(y + 1, height - 1) {
          for column in max(x - 1, 0)...min(x + 1, width - 1) where !isSeen[row * width + column] {
            isSeen[row * width + column] = true
            pending.append(row * width + column)
          }
        }
      }
      regions.append(region)
    }
    return regions
  }
}
