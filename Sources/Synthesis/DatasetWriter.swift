internal import Dispatch
internal import FoundationEssentials
public import Imaging
internal import Synchronization
internal import TensorCore

/// How the texts of word pictures are written: MMOCR's two forms.
public enum WordLabels: String, Sendable, CaseIterable {
  /// `labels.txt`: file, space, text.
  case txt
  /// `labels.jsonl`: `{"filename": …, "text": …}`
  case jsonl
}

/// How the regions of pages are written.
public enum PageLabels: String, Sendable, CaseIterable {
  /// `gt/gt_NAME.txt`: `x1,y1,x2,y2,x3,y3,x4,y4,text`; `###` where it is to be ignored.
  case icdar
  /// `labels.jsonl`: a picture a line, with its annotations.
  case jsonl
  /// `instances.json`: one file for all.
  case coco
}

/// Writes samples as a data set that others read: pictures into `images/`, labels beside it.
///
/// Labels come last and at once (ICDAR's, one file a picture, after their picture), so that a folder whose writing was
/// cut short is never taken for a whole one.
public struct DatasetWriter: Sendable {
  public var seed: UInt64 = 0
  /// The indices of the samples.
  public var samples: Range<Int>
  public var format = ImageFormat.png
  /// Of JPEG, from 1 to 100.
  public var quality = 90
  public var threads = 1
  private let folder: String

  private static let labelFiles = ["labels.txt", "labels.jsonl", "instances.json"]

  /// Makes the folder. Throws `.usage` for an empty range, `.file` when it cannot be made, and when it is not empty
  /// unless that is allowed; labels of an earlier run are then removed, pictures of the same names replaced.
  public init(folder: String, samples: Range<Int>, replacing: Bool = false) throws {
    guard !samples.isEmpty, samples.lowerBound >= 0 else {
      throw LigatureError(.usage, "no sample to write; give a count of 1 or more")
    }
    self.folder = folder
    self.samples = samples
    let manager = FileManager.default
    do {
      try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let old = try manager.contentsOfDirectory(atPath: folder)
      guard old.isEmpty || replacing else {
        throw LigatureError(.file, "'\(folder)' is not empty; name another folder, or add --force to write into it")
      }
      for name in old where Self.labelFiles.contains(name) { try manager.removeItem(atPath: "\(folder)/\(name)") }
      if old.contains("gt") {
        for name in try manager.contentsOfDirectory(atPath: "\(folder)/gt") where name.hasPrefix("gt_") {
          try manager.removeItem(atPath: "\(folder)/gt/\(name)")
        }
      }
    } catch let error as LigatureError {
      throw error
    } catch {
      throw LigatureError(.file, "cannot write to '\(folder)'; check its name and permissions", cause: error)
    }
  }

  /// - Parameter progress: is told, now and then and from this thread, how many samples are done.
  public func write(
    _ synthesizer: WordSynthesizer, labels: WordLabels, progress: (Int) -> Void = { _ in }
  ) throws {
    // Ten thousand pictures a folder: more makes some programs slow.
    let groups = samples.lowerBound / 10_000...(samples.upperBound - 1) / 10_000
    for group in groups { try makeFolder("images/\(group)") }
    let lines = try forEachSample(progress) { index in
      let (image, text) = try synthesizer.sample(index: index, seed: seed)
      let name = try save(image, index, in: "images/\(index / 10_000)")
      switch labels {
      case .txt: return "\(name) \(text)\n"
      case .jsonl: return try json(WordLine(filename: name, text: text)) + "\n"
      }
    }
    try finish(lines.joined(), labels == .txt ? "labels.txt" : "labels.jsonl")
  }

  public func write(
    _ synthesizer: PageSynthesizer, labels: PageLabels, progress: (Int) -> Void = { _ in }
  ) throws {
    try makeFolder("images")
    if labels == .icdar { try makeFolder("gt") }
    let pages = try forEachSample(progress) { index in
      let (image, regions) = try synthesizer.sample(index: index, seed: seed)
      let page = Page(
        id: index, name: try save(image, index, in: "images"), width: image.width, height: image.height, regions)
      guard labels == .icdar else { return page }
      try put(Array(page.icdar.utf8), "gt/gt_\(Self.stem(index)).txt")
      return nil
    }.compactMap { $0 }
    switch labels {
    case .icdar: break
    case .jsonl: try finish(pages.map { try json($0.line) + "\n" }.joined(), "labels.jsonl")
    case .coco:
      var instances: [Annotation] = []
      for page in pages {
        for annotation in page.annotations { instances.append(annotation.numbered(instances.count + 1, of: page.id)) }
      }
      let file = COCO(images: pages.map(\.picture), annotations: instances, categories: [.init(id: 1, name: "text")])
      try finish(try json(file) + "\n", "instances.json")
    }
  }

  // ── Inside ────────────────────────────────────────────────────────────────

  private static func stem(_ index: Int) -> String {
    let digits = String(index)
    return String(repeating: "0", count: max(7 - digits.count, 0)) + digits
  }

  /// - Returns: its name relative to the folder.
  private func save(_ image: Image, _ index: Int, in group: String) throws -> String {
    let name = "\(group)/\(Self.stem(index)).\(format == .jpeg ? "jpg" : "png")"
    try put(try image.encoded(as: format, quality: quality), name)
    return name
  }

  private func makeFolder(_ name: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    } catch {
      throw LigatureError(.file, "cannot make the folder '\(folder)/\(name)'; check its permissions", cause: error)
    }
  }

  /// Without waiting for the disk: labels, which make the pictures count, do that.
  private func put(_ bytes: [UInt8], _ name: String) throws {
    do {
      try Data(bytes).write(to: URL(filePath: "\(folder)/\(name)"))
    } catch {
      throw LigatureError(.file, "cannot write '\(folder)/\(name)'; make room and try again", cause: error)
    }
  }

  private func finish(_ text: String, _ name: String) throws {
    try AtomicFile.write(Array(text.utf8), to: "\(folder)/\(name)")
  }

  /// Makes all samples on several threads; what they give is in the order of their indices.
  private func forEachSample<Result: Sendable>(
    _ progress: (Int) -> Void, _ make: @Sendable (Int) throws -> Result
  ) throws -> [Result] {
    var results: [Result] = []
    results.reserveCapacity(samples.count)
    let batch = max(threads, 1) * 32
    for first in stride(from: samples.lowerBound, to: samples.upperBound, by: batch) {
      let indices = first..<min(first + batch, samples.upperBound)
      let made = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
      let workers = max(min(threads, indices.count), 1)
      DispatchQueue.concurrentPerform(iterations: workers) { worker in
        for index in stride(from: indices.lowerBound + worker, to: indices.upperBound, by: workers) {
          let result = Swift.Result { try make(index) }
          made.withLock { $0[index] = result }
        }
      }
      let found = made.withLock { $0 }
      for index in indices { if let result = found[index] { results.append(try result.get()) } }
      progress(results.count)
    }
    return results
  }
}

// ── Forms ───────────────────────────────────────────────────────────────────

private struct WordLine: Encodable {
  var filename: String
  var text: String
}

private struct Annotation: Encodable {
  var id: Int?
  var image_id: Int?
  var iscrowd: Int
  var category_id = 1
  var bbox: [Double]
  var area: Double
  var segmentation: [[Double]]
  var text: String

  init(_ region: TextRegion) {
    func rounded(_ value: Float) -> Double { (Double(value) * 100).rounded() / 100 }
    let box = region.corners.bounds
    iscrowd = region.isIgnored ? 1 : 0
    bbox = [rounded(box.left), rounded(box.top), rounded(box.width), rounded(box.height)]
    area = rounded(region.corners.area)
    segmentation = [region.corners.points.flatMap { [rounded($0.x), rounded($0.y)] }]
    text = region.text
  }

  func numbered(_ id: Int, of image: Int) -> Annotation {
    var copy = self
    (copy.id, copy.image_id) = (id, image)
    return copy
  }
}

private struct Page: Sendable {
  struct Picture: Encodable {
    var id: Int
    var file_name: String
    var height: Int
    var width: Int
  }
  struct Line: Encodable {
    var file_name: String
    var height: Int
    var width: Int
    var annotations: [Annotation]
  }
  let id: Int
  let name: String
  let width: Int
  let height: Int
  let regions: [TextRegion]

  init(id: Int, name: String, width: Int, height: Int, _ regions: [TextRegion]) {
    (self.id, self.name, self.width, self.height, self.regions) = (id, name, width, height, regions)
  }

  var annotations: [Annotation] { regions.map { Annotation($0) } }
  var picture: Picture { Picture(id: id, file_name: name, height: height, width: width) }
  var line: Line { Line(file_name: name, height: height, width: width, annotations: annotations) }

  var icdar: String {
    regions.map { region in
      let corners = region.corners.points.map { "\(Int($0.x.rounded())),\(Int($0.y.rounded()))" }
      return corners.joined(separator: ",") + "," + (region.isIgnored ? "###" : region.text) + "\n"
    }.joined()
  }
}

private struct COCO: Encodable {
  struct Category: Encodable {
    var id: Int
    var name: String
  }
  var images: [Page.Picture]
  var annotations: [Annotation]
  var categories: [Category]
}

private func json(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
