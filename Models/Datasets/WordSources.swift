internal import Dispatch
internal import FoundationEssentials
internal import Imaging
internal import Synchronization
internal import TensorCore

/// The forms that word sets come in.
public enum WordFormat: String, Sendable, CaseIterable {
  /// `file text` lines.
  case txt
  /// `{"filename", "text"}` lines.
  case jsonl
  /// An LMDB with pictures and labels, or with labels alone.
  case lmdb
}

/// Words that lie in picture files or in an LMDB.
public struct WordSource: SampleSource {
  private enum Store: Sendable {
    case files(DataFolder)
    case database(WordDatabase)
  }

  public let problems: DataProblems
  private let annotations: String
  private let entries: [WordEntry]
  private let store: Store

  /// Reads the annotations; pictures are read when they are asked for.
  /// - Parameters:
  ///   - annotations: the word list, or the LMDB.
  ///   - pictures: where the list's files lie; not used by an LMDB with pictures.
  ///   - filter: texts as they are to be learned; what it refuses is left out without being a problem.
  /// - Throws: `.file`, `.format`, or `.limit` when the set cannot be used, or too much of it is broken.
  public init(
    _ format: WordFormat, annotations: String, pictures: DataFolder?, problems: DataProblems,
    filter: @Sendable (String) -> String?
  ) throws {
    self.problems = problems
    self.annotations = annotations
    var found: [WordEntry]
    if format == .lmdb {
      let database = try WordDatabase(annotations)
      found = try WordSource.entries(of: database, problems)
      store = try database.hasImages ? .database(database) : .files(WordSource.required(pictures, annotations))
    } else {
      store = try .files(WordSource.required(pictures, annotations))
      found = try WordList.read(annotations, isJSON: format == .jsonl, problems: problems)
    }
    let total = found.count + problems.count
    found = found.compactMap { entry in
      filter(entry.text).map { WordEntry(file: entry.file, text: $0, line: entry.line) }
    }
    entries = found
    try problems.finish(usable: entries.count, total: total)
  }

  private static func required(_ pictures: DataFolder?, _ annotations: String) throws -> DataFolder {
    guard let pictures else {
      throw LigatureError(.usage, "'\(annotations)' names picture files; say with 'images' in which folder they lie")
    }
    return pictures
  }

  private static func entries(of database: WordDatabase, _ problems: DataProblems) throws -> [WordEntry] {
    try (0..<database.count).compactMap { index in
      do {
        let label = try database.label(index)
        return WordEntry(file: label.file ?? "", text: label.text, line: index)
      } catch {
        try problems.record(database.place(index), error)
        return nil
      }
    }
  }

  public var name: String { problems.name }
  public var count: Int? { entries.count }

  public func sample(_ index: Int) throws -> WordSample {
    let entry = entries[index]
    switch store {
    case .files(let folder):
      return WordSample(image: try Image.load(path: folder.resolve(entry.file)), text: entry.text)
    case .database(let database):
      return WordSample(image: try Image.decode(database.image(entry.line)), text: entry.text)
    }
  }

  public func place(_ index: Int) -> String {
    if case .database(let database) = store { return database.place(entries[index].line) }
    return "\(annotations):\(entries[index].line)"
  }
}

/// The lines of annotated pages, cut out once when the set is opened and kept in memory.
public struct LineSource: SampleSource {
  private struct Cut: Sendable {
    var sample: WordSample
    var page: Int
    var instance: Int
  }

  public let problems: DataProblems
  private let cuts: [Cut]
  private let pages: [String]

  /// More than this many bytes of cut pixels are refused.
  public static let maximumByteCount = 4 << 30

  /// - Parameters:
  ///   - isGrey: keeps one channel: a third of the memory.
  ///   - height: taller cuts are shrunk to this many rows.
  public init(
    _ source: any SampleSource<PageSample>, isGrey: Bool, height: Int = 64, threads: Int,
    filter: @escaping @Sendable (String) -> String?
  ) throws {
    problems = source.problems
    let count = source.count ?? 0
    pages = (0..<count).map { source.place($0) }
    let results = Mutex<(cuts: [[Cut]], byteCount: Int, failure: (any Error)?)>(
      ([[Cut]](repeating: [], count: count), 0, nil))
    let problems = problems
    inParallel(count, threads: threads) { page in
      guard results.withLock({ $0.failure == nil }) else { return }
      do {
        let cuts = try LineSource.cuts(source, page, isGrey, height, problems, filter)
        try results.withLock { state in
          state.cuts[page] = cuts
          state.byteCount += cuts.reduce(0) { $0 + $1.sample.image.pixels.count }
          guard state.byteCount <= LineSource.maximumByteCount else {
            throw LigatureError(
              .limit,
              "the lines of '\(source.name)' take more than \(LineSource.maximumByteCount) bytes; "
                + "cut them into files, or into an LMDB")
          }
        }
      } catch {
        results.withLock { state in if state.failure == nil { state.failure = error } }
      }
    }
    let (cuts, failure) = results.withLock { ($0.cuts.flatMap(\.self), $0.failure) }
    if let failure { throw failure }
    self.cuts = cuts
    try problems.finish(usable: cuts.count, total: cuts.count + problems.count)
  }

  private static func cuts(
    _ source: any SampleSource<PageSample>, _ page: Int, _ isGrey: Bool, _ height: Int, _ problems: DataProblems,
    _ filter: (String) -> String?
  ) throws -> [Cut] {
    let sample: PageSample
    do {
      sample = try source.sample(page)
    } catch {
      try problems.record(source.place(page), error)
      return []
    }
    return try sample.instances.enumerated().compactMap { index, instance in
      guard !instance.isIgnored, let text = instance.text.flatMap(filter) else { return nil }
      do {
        var image = try sample.image.cut(instance.polygon)
        if isGrey { image = try image.grey() }
        if image.height > height {
          let width = max(1, (image.width * height + image.height / 2) / image.height)
          image = try image.resized(width: width, height: height, interpolation: .area)
        }
        return Cut(sample: WordSample(image: image, text: text), page: page, instance: index)
      } catch {
        try problems.record("\(source.place(page)), annotation \(index)", error)
        return nil
      }
    }
  }

  public var name: String { problems.name }
  public var count: Int? { cuts.count }
  public func sample(_ index: Int) throws -> WordSample { cuts[index].sample }
  public func place(_ index: Int) -> String { "\(pages[cuts[index].page]), annotation \(cuts[index].instance)" }
  public func group(_ index: Int) -> Int { cuts[index].page }
}

extension Image {
  /// What lies in a polygon: a quadrilateral made level, of another polygon its bounding box.
  func cut(_ polygon: Polygon) throws -> Image {
    let xs = polygon.map(\.x)
    let ys = polygon.map(\.y)
    guard let left = xs.min(), let right = xs.max(), let top = ys.min(), let bottom = ys.max(), left < Float(width),
      top < Float(height), right > 0, bottom > 0, right - left >= 2, bottom - top >= 2
    else { throw LigatureError(.format, "the polygon has no area inside the picture of \(width)x\(height)") }
    let isLevel = polygon.allSatisfy { point in
      min(point.x - left, right - point.x) < 1.5 && min(point.y - top, bottom - point.y) < 1.5
    }
    guard polygon.count == 4, !isLevel else {
      let (x, y) = (Int(left.rounded()), Int(top.rounded()))
      return try cropped(
        x: x, y: y, width: Int(right.rounded()) - x + 1, height: Int(bottom.rounded()) - y + 1)
    }
    let quad = try Quadrilateral(polygon)
    let (a, b, c, d) = quad.corners
    let cutWidth = max(2, Int(max(a.distance(to: b), d.distance(to: c)).rounded()))
    let cutHeight = max(2, Int(max(a.distance(to: d), b.distance(to: c)).rounded()))
    guard cutWidth <= 2 * (width + height), cutHeight <= 2 * (width + height) else {
      throw LigatureError(.format, "the polygon is larger than the picture of \(width)x\(height)")
    }
    let target = Quadrilateral(x: 0, y: 0, width: Float(cutWidth), height: Float(cutHeight))
    return try warpedPerspective(
      Homography(from: quad, to: target), width: cutWidth, height: cutHeight, border: .replicate)
  }
}

/// Calls `body` with 0 ..< count on a few threads, and waits.
package func inParallel(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let next = Atomic(0)
  let workers = max(1, min(threads, count))
  DispatchQueue.concurrentPerform(iterations: workers) { _ in
    while true {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      body(index)
    }
  }
}
