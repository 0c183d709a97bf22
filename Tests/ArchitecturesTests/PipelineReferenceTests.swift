import Architectures
import Imaging
import TensorCore
import Testing

/// From bytes of a picture to what a recogniser reads, against MMOCR's test pipelines.
@Suite struct PipelineReferenceTests {
  private struct File: Decodable {
    struct Resize: Decodable {
      var height: Int, minWidth: Int?, maxWidth: Int?, keepAspectRatio: Bool, widthDivisor: Int, padValue: Int
    }
    struct Normalize: Decodable { var mean: [Double], std: [Double], of: String }
    struct Steps: Decodable {
      var image: String, rotationsWhenHigherThanWide: [Int], resize: Resize, normalize: Normalize
    }
    struct Metas: Decodable { var resizeShape: [Int], validRatio: Double? }
    struct Case: Decodable {
      var image: String, rotation: Int, output: String, shape: [Int], slices: [Int], imgMetas: Metas
    }
    struct Widths: Decodable { var rows: [[Double]] }
    var testPipeline: Steps, cases: [Case], widths: Widths
  }

  private func pipeline(_ steps: File.Steps) throws -> RecognitionPipeline {
    let isWhole = steps.normalize.of.contains("0..255")
    return try RecognitionPipeline(
      Recipe.Preprocess(
        channels: steps.image == "grayscale" ? .grayscale : isWhole ? .rgb : .bgr, divisor: isWhole ? nil : 255,
        normalize: isWhole ? .mmdet : nil, mean: steps.normalize.mean, std: steps.normalize.std,
        resize: .resizeOCR(
          Recipe.ResizeOCR(
            height: steps.resize.height, minWidth: steps.resize.minWidth, maxWidth: steps.resize.maxWidth,
            keepAspectRatio: steps.resize.keepAspectRatio, widthDivisor: steps.resize.widthDivisor,
            padValue: steps.resize.padValue, rotations: steps.rotationsWhenHigherThanWide))))
  }

  @Test func linesEqualTheReference() throws {
    let names = ["crnn", "crnn_tps", "sar", "satrn", "nrtr", "robustscanner", "master", "abinet", "segocr"]
    var checked = 0
    for bundle in names.map({ Reference($0) }) {
      guard let file: File = try? bundle.json("pipeline.json") else { continue }
      let tensors = try bundle.tensors("pipeline.safetensors")
      let pipeline = try pipeline(file.testPipeline)
      for example in file.cases {
        let what = "\(bundle.folder.lastPathComponent) \(example.output)"
        let input = try #require(tensors[example.image])
        let image = try picture(input)
        let view = try #require(pipeline.views(of: image).first { $0.rotation == example.rotation }, "\(what)")
        #expect(view.width == example.imgMetas.resizeShape[1], "\(what)")
        if let ratio = example.imgMetas.validRatio { #expect(view.validRatio == ratio, "\(what)") }
        let made = try pipeline.tensor([view])
        #expect(made.shape == [1] + example.shape, "\(what)")
        try check(made, tensors, example.output, example.slices, what)
        checked += 1
      }
    }
    #expect(checked >= 4)
  }

  /// Recorded pictures are in OpenCV's order.
  private func picture(_ tensor: Tensor) throws -> Image {
    let image = try Image(
      width: tensor.shape[1], height: tensor.shape[0], channels: tensor.shape.count == 3 ? tensor.shape[2] : 1,
      pixels: tensor.scalars())
    return image.swappingRedAndBlue()
  }

  /// Every n-th element by dimension, the last row, and the length of the whole.
  private func check(
    _ made: Tensor, _ expected: [String: Tensor], _ name: String, _ steps: [Int], _ what: String
  ) throws {
    let (values, shape) = (try made.floats(), Array(made.shape.dropFirst()))
    let indices = (0..<3).map { Array(stride(from: 0, to: shape[$0], by: steps[$0])) }
    let sampled = indices[0].flatMap { channel in
      indices[1].flatMap { row in indices[2].map { values[(channel * shape[1] + row) * shape[2] + $0] } }
    }
    #expect(sampled == (try #require(expected[name]).floats()), "\(what)")
    let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    #expect(abs(Float(norm) - (try #require(expected["\(name).norm"]).floats()[0])) <= 1e-6 * Float(norm), "\(what)")
    let last = try #require(expected["\(name).last_rows"])
    let lastRows = (0..<shape[0]).flatMap { channel in
      (0..<shape[2]).map { values[(channel * shape[1] + shape[1] - 1) * shape[2] + $0] }
    }
    #expect(lastRows == (try last.floats()), "\(what)")
  }

  @Test func widthsEqualTheReference() throws {
    for bundle in [Reference("crnn"), Reference("sar"), Reference("satrn"), Reference("master")] {
      guard let file: File = try? bundle.json("pipeline.json") else { continue }
      let size = try pipeline(file.testPipeline).size
      for row in file.widths.rows {
        let width = size.width(ofWidth: Int(row[1]), height: Int(row[0]))
        #expect(Double(width) == row[2])
        #expect(Double(size.keepAspectRatio ? max(width, size.maxWidth ?? 0) : width) == row[3])
      }
    }
  }

  /// Colour PNG files become grey by libpng's formula, arrays by OpenCV's.
  @Test func greyFilesEqualTheReference() throws {
    let tensors = try Reference("crnn").tensors("pipeline.safetensors")
    for name in ["wide", "tall", "long", "small"] {
      let image = try picture(try #require(tensors["in.\(name)"]))
      let grey = try Image.decodeGrey(image.encoded(as: .png))
      #expect(try grey.pixels == #require(tensors["in.\(name).gray"]).scalars(as: UInt8.self))
      #expect(try grey != image.grey())
    }
  }

  @Test func pagesAreScaledAndPadded() throws {
    let pipeline = try DetectionPipeline(Recipe.dbnet().preprocess)
    for (page, scaled, shape) in [
      ([1280, 720], [1308, 736], [1, 3, 736, 1312]), ([600, 1000], [736, 1227], [1, 3, 1248, 736]),
      ([3000, 100], [1333, 44], [1, 3, 64, 1344]),
    ] {
      let input = try pipeline(Image(width: page[0], height: page[1], channels: 3, filledWith: 255))
      #expect([input.width, input.height] == scaled)
      #expect(input.tensor.shape == shape)
      #expect(input.scaleX == Float(Double(scaled[0]) / Double(page[0])))
      let values = try input.tensor.floats()
      // White, by red's mean and deviation; zeros in the padding.
      #expect(values[0] == Float(Double(255 - Float(123.675)) * (1 / Double(Float(58.395)))))
      #expect(scaled[0] % 32 == 0 || values[scaled[0]] == 0)
    }
  }
}
