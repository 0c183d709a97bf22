import Architectures
import Imaging
import TensorCore
import Testing

/// Pictures that are numbers.
private struct Numbers: SampleSource {
  let problems = DataProblems(name: "numbers")
  let count: Int?
  var name: String { "numbers" }
  func sample(_ index: Int) throws -> Int { index }
  func place(_ index: Int) -> String { "\(index)" }
}

@Suite struct PipelineTests {
  @Test func epochsAreComplete() throws {
    let mixture = try SampleMixture<Int>(
      [
        .init(Numbers(count: 5), samplesPerEpoch: 10), .init(Numbers(count: 30), samplesPerEpoch: 10),
        .init(Numbers(count: nil), samplesPerEpoch: 4),
      ], seed: 3)
    #expect(mixture.samplesPerEpoch == 24)
    let epochs = try (0..<3).map { epoch in try (0..<24).map { try mixture.sample(epoch * 24 + $0).sample } }
    #expect(epochs[0] != epochs[1])
    // Each of the five twice an epoch; of the thirty, ten an epoch and all in three; numbers without end go on.
    let all = epochs.flatMap(\.self)
    var counts = Dictionary(all.map { ($0, 1) }, uniquingKeysWith: +)
    for number in 0..<5 { counts[number, default: 0] -= 6 }
    for number in 0..<30 { counts[number, default: 0] -= 1 }
    for number in 0..<12 { counts[number, default: 0] -= 1 }
    #expect(counts.values.allSatisfy { $0 == 0 })
    // Any sample may be asked for alone, and draws the same numbers.
    var (sample, generator) = try mixture.sample(31)
    #expect(sample == epochs[1][7])
    var (_, again) = try mixture.sample(31)
    #expect(generator.next() == again.next())
  }

  @Test func splitsDoNotOverlap() throws {
    let parts = try (0..<4).map {
      try SourceSelection(Numbers(count: 200), fold: $0, of: 4, seed: 1, isExcluded: false)
    }
    let numbers = try parts.map { part in try Set((0..<(part.count ?? 0)).map { try part.sample($0) }) }
    #expect(numbers.reduce(0) { $0 + $1.count } == 200)
    #expect(numbers.reduce(Set()) { $0.union($1) } == Set(0..<200))
    let rest = try SourceSelection(Numbers(count: 200), fold: 0, of: 4, seed: 1, isExcluded: true)
    let training = try Set((0..<(rest.count ?? 0)).map { try rest.sample($0) })
    #expect(training == Set(0..<200).subtracting(numbers[0]))
  }

  @Test func wordsWithoutAugmentation() throws {
    let image = try gradient(width: 57, height: 21)
    var generator = CounterGenerator(1)
    let plain = try WordPipeline(Recipe.ResizeOCR(height: 32, maxWidth: 100, keepAspectRatio: false), isGrey: true)
    #expect(try plain(image, &generator) == image.resized(width: 100, height: 32))
    let kept = try WordPipeline(
      Recipe.ResizeOCR(height: 32, minWidth: 32, maxWidth: 100, widthDivisor: 4), isGrey: true)
    let result = try kept(image, &generator)
    #expect(result.width == 100 && result[99, 5] == 0)
    #expect(try result.cropped(x: 0, y: 0, width: 88, height: 32) == image.resized(width: 88, height: 32))
  }

  @Test func wordsWithAugmentation() throws {
    var all = WordAugmentation()
    (all.rotation, all.perspective, all.margin, all.blur) = (5, 0.1, 0.1, 1)
    (all.resolution, all.noise, all.contrast, all.brightness, all.inversion) = (0.3, 10, 0.3, 20, 0.1)
    let pipeline = try WordPipeline(
      Recipe.ResizeOCR(height: 32, maxWidth: 100, keepAspectRatio: false), isGrey: true, augmentation: all)
    let image = try gradient(width: 300, height: 90)
    let results = try (0..<20).map { index -> Image in
      var generator = CounterGenerator(UInt64(index))
      return try pipeline(image, &generator)
    }
    #expect(Set(results.map(\.pixels)).count == 20)
    #expect(results.allSatisfy { $0.width == 100 && $0.height == 32 && $0.channels == 1 })
    var generator = CounterGenerator(4)
    #expect(try pipeline(image, &generator) == results[4])
    // With next to nothing to change, it is what a plain change of size gives, nearly.
    var slight = WordAugmentation()
    slight.rotation = 1e-6
    let still = try WordPipeline(
      Recipe.ResizeOCR(height: 32, maxWidth: 100, keepAspectRatio: false), isGrey: true, augmentation: slight)
    let ramp = (0..<80 * 24).map { (index: Int) -> UInt8 in UInt8(index % 80 * 2 + index / 80 * 3) }
    let soft = try Image(width: 80, height: 24, channels: 1, pixels: ramp)
    let (warped, resized) = (try still(soft, &generator), try soft.resized(width: 100, height: 32))
    #expect(zip(warped.pixels, resized.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 3 })
  }

  /// Wherever a page is moved to, its text is where its outlines say.
  @Test func outlinesFollowTheirPixels() throws {
    let outlines: [Polygon] = [
      [Point(40, 30), Point(120, 30), Point(120, 60), Point(40, 60)],
      [Point(200, 90), Point(280, 110), Point(272, 150), Point(192, 130)],
      [Point(60, 170), Point(140, 170), Point(140, 200), Point(60, 200)],
    ]
    let sample = PageSample(
      image: try page(width: 320, height: 240, outlines),
      instances: outlines.enumerated().map { TextInstance(polygon: $1, text: "\($0)", isIgnored: $0 == 2) })
    // Where a small crop is enlarged, so is the pixel by which outlines and pixels may differ.
    var augmentation = PageAugmentation()
    augmentation.minimalCropSide = 0.5
    let pipeline = PagePipeline(side: 320, padding: [90, 90, 90], augmentation: augmentation)
    var seen = 0
    for seed in 0..<40 {
      var generator = CounterGenerator(UInt64(seed))
      let crop = try pipeline(sample, &generator)
      #expect(crop.image.width == 320 && crop.image.height == 320)
      var again = CounterGenerator(UInt64(seed))
      #expect(try pipeline(sample, &again) == crop)
      // Paint where the outlines say, a little smaller and a little larger, and compare.
      var expected = try Image(width: 320, height: 320, channels: 1)
      for instance in crop.instances {
        let pixels = try instance.polygon.map { try PixelPoint(truncating: $0) }
        try expected.fill(polygon: pixels, value: [255])
      }
      let (inner, outer) = (try expected.eroded(width: 7, height: 7), try expected.dilated(width: 7, height: 7))
      let grey = try crop.image.grey()
      // What a crop cuts off an ignored text reaches into the padding below or beside it.
      let isPadding = grey.pixels.map { (70...120).contains($0) }
      let width = 1 + ((0..<320).last { x in !(0..<320).allSatisfy { isPadding[$0 * 320 + x] } } ?? 0)
      let height = 1 + ((0..<320).last { y in !isPadding[y * 320..<(y + 1) * 320].allSatisfy(\.self) } ?? 0)
      var (wrong, inside) = (0, 0)
      for (index, pixel) in grey.pixels.enumerated() where index % 320 < width && index / 320 < height {
        if inner.pixels[index] > 0 {
          inside += 1
          if pixel < 130 { wrong += 1 }
        } else if outer.pixels[index] == 0, pixel > 130 {
          wrong += 1
        }
      }
      #expect(wrong <= (inside + 100) / 100, "seed \(seed): \(wrong) of \(inside)")
      if inside > 0 { seen += 1 }
      #expect(
        crop.ignoredPolygons.count <= 1 && crop.polygons.count + crop.ignoredPolygons.count == crop.instances.count)
    }
    #expect(seen > 30)
  }

  @Test func pagesWithoutText() throws {
    let sample = PageSample(image: try page(width: 50, height: 40, []), instances: [])
    var generator = CounterGenerator(1)
    let crop = try PagePipeline(side: 64, padding: [0, 0, 0])(sample, &generator)
    #expect(crop.instances.isEmpty && crop.image.width == 64)
  }

  @Test func batchesDoNotDependOnWhoMakesThem() throws {
    let folder = try Folder()
    var list = ""
    for index in 0..<6 {
      try folder.write(gradient(width: 20 + index, height: 12).encoded(as: .png), "\(index).png")
      list += "\(index).png word\(index)\n"
    }
    let path = try folder.write(list, "label.txt")
    let words = try WordSource(
      .txt, annotations: path, pictures: DataFolder(folder.path), problems: DataProblems(name: "words"), filter: { $0 })
    var augmentation = WordAugmentation()
    (augmentation.rotation, augmentation.noise) = (5, 10)
    var recipe = Recipe.crnn()
    recipe.preprocess.resize = .resizeOCR(Recipe.ResizeOCR(height: 32, maxWidth: 64, keepAspectRatio: false))
    let batches = try CTCBatches(
      SampleMixture([.init(words, samplesPerEpoch: 6)], seed: 2), recipe: recipe, augmentation: augmentation)
    let first = try batches.batch(first: 4, count: 4)
    #expect(first["image"]?.shape == [4, 1, 32, 64])
    #expect(first["targets"]?.shape == [4, 5] && first["target_lengths"]?.shape == [4])
    let alone = try (4..<8).flatMap { try batches.batch(first: $0, count: 1)["image"]?.floats() ?? [] }
    #expect(try first["image"]?.floats() == alone)
  }
}
