public import Imaging
internal import TensorCore

/// A picture of one word or line, and what it says.
public struct WordSample: Sendable, Equatable {
  /// Grey or RGB.
  public var image: Image
  public var text: String

  public init(image: Image, text: String) {
    self.image = image
    self.text = text
  }
}

/// A piece of text on a page.
public struct TextInstance: Sendable, Equatable {
  /// At least four points, clockwise from the top left of the text, in pixels.
  public var polygon: Polygon
  /// Nil where only the place is known.
  public var text: String?
  /// Not to be learned and not to be counted: unreadable (`###`, `iscrowd`).
  public var isIgnored: Bool

  public init(polygon: Polygon, text: String? = nil, isIgnored: Bool = false) {
    self.polygon = polygon
    self.text = text
    self.isIgnored = isIgnored
  }
}

/// A page with its text.
public struct PageSample: Sendable, Equatable {
  /// RGB.
  public var image: Image
  public var instances: [TextInstance]

  public init(image: Image, instances: [TextInstance]) {
    self.image = image
    self.instances = instances
  }
}

/// Samples by number. Everything that it gives depends on the number alone, so that any thread may ask for any.
public protocol SampleSource<Sample>: Sendable {
  associatedtype Sample: Sendable
  /// What messages call it.
  var name: String { get }
  /// Positive; nil for a generator that has a sample for every number.
  var count: Int? { get }
  /// - Throws: when that sample cannot be made; the source as a whole goes on.
  func sample(_ index: Int) throws -> Sample
  /// Where a sample comes from, as in `labels.txt:12`.
  func place(_ index: Int) -> String
  /// Samples of one group belong together, such as the lines of one page: a split does not tear them apart.
  func group(_ index: Int) -> Int
  /// What is broken in it.
  var problems: DataProblems { get }
}

extension SampleSource {
  public func group(_ index: Int) -> Int { index }

  /// The sample, or the next one that can be made. Throws when too many are broken.
  package func sampleOrNext(_ index: Int) throws -> Sample {
    var index = index
    for _ in 0..<100 {
      do {
        return try sample(index)
      } catch {
        try problems.record(place(index), error)
        index += 1
        if let count { index %= count }
      }
    }
    throw LigatureError(.format, "'\(name)': 100 samples in a row are broken, up to \(place(index)); check the data")
  }
}

/// Any source with only a part of its samples, such as a validation split.
public struct SourceSelection<Source: SampleSource>: SampleSource {
  let source: Source
  private let indices: [Int]

  /// Each group of samples belongs to one side by chance, the same for the same seed.
  /// - Parameter part: `fold` of `folds`: those samples (`isExcluded`: all others).
  public init(_ source: Source, fold: Int, of folds: Int, seed: UInt64, isExcluded: Bool) throws {
    self.source = source
    guard let count = source.count, folds > 1, (0..<folds).contains(fold) else {
      throw LigatureError(
        .usage, "'\(source.name)': a split needs a finite source and a fold below its number of folds")
    }
    indices = (0..<count).filter { index in
      var generator = CounterGenerator(seed, UInt64(source.group(index)), 0x73_706C_6974)
      return (generator.integer(below: folds) == fold) != isExcluded
    }
    guard !indices.isEmpty else { throw LigatureError(.usage, "'\(source.name)': the split leaves no sample") }
  }

  public var name: String { source.name }
  public var count: Int? { indices.count }
  public var problems: DataProblems { source.problems }
  public func sample(_ index: Int) throws -> Source.Sample { try source.sample(indices[index]) }
  public func place(_ index: Int) -> String { source.place(indices[index]) }
  public func group(_ index: Int) -> Int { source.group(indices[index]) }
}
