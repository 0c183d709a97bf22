import Foundation
import Imaging
import Synthesis
import TensorCore
import Testing

@Suite final class DatasetTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "ligature-\(UUID().uuidString)").path

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
  }

  private func writer(replacing: Bool = false) throws -> DatasetWriter {
    var writer = try DatasetWriter(folder: folder, samples: 9_998..<10_003, replacing: replacing)
    writer.seed = 3
    writer.threads = 3
    return writer
  }

  @Test func wordsAreReadBack() throws {
    let synthesizer = try WordSynthesizer()
    var told: [Int] = []
    try writer().write(synthesizer, labels: .txt) { told.append($0) }
    #expect(told.last == 5)
    let lines = try text("labels.txt").split(separator: "\n")
    #expect(lines.count == 5)
    for (line, index) in zip(lines, 9_998...) {
      let parts = line.split(separator: " ", maxSplits: 1)
      let sample = try synthesizer.sample(index: index, seed: 3)
      #expect(parts[0] == "images/\(index / 10_000)/\(index < 10_000 ? "000" : "00")\(index).png")
      #expect(String(parts[1]) == sample.text)
      #expect(try Image.load(path: "\(folder)/\(parts[0])") == sample.image)
    }
    // Not over what is there; with leave, old labels go before new ones come.
    #expect(throws: LigatureError.self) { try writer() }
    let again = try writer(replacing: true)
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/labels.txt"))
    try again.write(synthesizer, labels: .jsonl)
    struct Line: Decodable { var filename, text: String }
    let entries = try text("labels.jsonl").split(separator: "\n")
      .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
    #expect(entries.map { "\($0.filename) \($0.text)" } == lines.map(String.init))
  }

  private func pages() throws -> PageSynthesizer {
    var options = PageOptions()
    (options.width, options.height, options.style) = (200, 160, .receipts)
    return try PageSynthesizer(options)
  }

  @Test func pagesInICDARsForm() throws {
    let synthesizer = try pages()
    var writer = try writer()
    writer.format = .jpeg
    try writer.write(synthesizer, labels: .icdar)
    for index in 9_998..<10_003 {
      let stem = (index < 10_000 ? "000" : "00") + "\(index)"
      #expect(try Image.metadata(path: "\(folder)/images/\(stem).jpg").width == 200)
      let regions = try synthesizer.sample(index: index, seed: 3).regions
      let lines = try text("gt/gt_\(stem).txt").split(separator: "\n")
      #expect(lines.count == regions.count)
      for (line, region) in zip(lines, regions) {
        let fields = line.split(separator: ",", maxSplits: 8)
        let numbers = fields.prefix(8).compactMap { Float($0) }
        #expect(numbers == region.corners.points.flatMap { [$0.x.rounded(), $0.y.rounded()] })
        #expect(String(fields[8]) == (region.isIgnored ? "###" : region.text))
      }
    }
  }

  @Test(arguments: [PageLabels.jsonl, .coco]) func pagesAsJSON(_ labels: PageLabels) throws {
    struct Annotation: Decodable {
      var image_id: Int?
      var iscrowd: Int
      var bbox: [Double]
      var segmentation: [[Double]]
      var text: String
    }
    struct Line: Decodable {
      var file_name: String
      var height, width: Int
      var annotations: [Annotation]
    }
    struct File: Decodable {
      struct Picture: Decodable {
        var id: Int
        var file_name: String
      }
      var images: [Picture]
      var annotations: [Annotation]
    }
    let synthesizer = try pages()
    try writer().write(synthesizer, labels: labels)
    let samples = try (9_998..<10_003).map { try synthesizer.sample(index: $0, seed: 3) }
    let found: [[Annotation]]
    if labels == .jsonl {
      let lines = try text("labels.jsonl").split(separator: "\n")
        .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
      #expect(lines.allSatisfy { $0.width == 200 && $0.height == 160 })
      for (line, sample) in zip(lines, samples) {
        #expect(try Image.load(path: "\(folder)/\(line.file_name)") == sample.image)
      }
      found = lines.map(\.annotations)
    } else {
      let file = try JSONDecoder().decode(File.self, from: Data(text("instances.json").utf8))
      found = file.images.map { picture in file.annotations.filter { $0.image_id == picture.id } }
    }
    #expect(found.count == 5)
    for (annotations, sample) in zip(found, samples) {
      #expect(annotations.map(\.text) == sample.regions.map(\.text))
      #expect(annotations.map { $0.iscrowd == 1 } == sample.regions.map(\.isIgnored))
      for (annotation, region) in zip(annotations, sample.regions) {
        let corners = region.corners.points.flatMap { [Double($0.x), Double($0.y)] }
        #expect(zip(annotation.segmentation[0], corners).allSatisfy { abs($0 - $1) < 0.006 })
      }
    }
  }

  @Test func rangesAndFoldersThatCannotBe() throws {
    #expect(throws: LigatureError.self) { try DatasetWriter(folder: folder, samples: 3..<3) }
    #expect(throws: LigatureError.self) { try DatasetWriter(folder: "/dev/null/x", samples: 0..<3) }
    #expect(throws: LigatureError.self) { try BackgroundPictures.load(folder: "/no/such/folder") }
    #expect(throws: LigatureError.self) { try words(ofFileAt: "/no/such/file") }
  }

  @Test func brokenBackgroundsAreLeftOut() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data("no picture".utf8).write(to: URL(filePath: "\(folder)/a.jpg"))
    #expect(throws: LigatureError.self) { try BackgroundPictures.load(folder: folder) }
    try Image(width: 3000, height: 10, channels: 1, filledWith: 9).save(path: "\(folder)/b.png")
    let (pictures, problems) = try BackgroundPictures.load(folder: folder)
    #expect(pictures.map(\.width) == [1280] && problems.count == 1 && "\(problems[0])".contains("a.jpg"))
  }
}
