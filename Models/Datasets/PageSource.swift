internal import FoundationEssentials
internal import Imaging
internal import TensorCore

/// The forms that annotated pages come in.
public enum PageFormat: String, Sendable, CaseIterable {
  /// A folder of ICDAR 2015's `gt_NAME.txt`.
  case icdar2015
  /// One JSON file with `images` and `annotations`.
  case coco
  /// JSON lines of `file_name` and `annotations`.
  case lines
  /// A folder of labelme's JSON files.
  case labelme
}

/// Pages that lie in picture files.
public struct PageSource: SampleSource {
  public let problems: DataProblems
  private let records: [PageRecord]
  private let pictures: DataFolder

  /// Reads the annotations; pictures are read when they are asked for.
  /// - Throws: `.file`, `.format` or `.limit` when the set cannot be used, or too much of it is broken.
  public init(_ format: PageFormat, annotations: String, pictures: DataFolder, problems: DataProblems) throws {
    self.problems = problems
    self.pictures = pictures
    switch format {
    case .icdar2015:
      records = try PageAnnotations.icdar(DataFolder(annotations), pictures: pictures, problems: problems)
    case .coco: records = try PageAnnotations.coco(annotations, problems: problems)
    case .lines: records = try PageAnnotations.lines(annotations, problems: problems)
    case .labelme: records = try PageAnnotations.labelme(DataFolder(annotations), problems: problems)
    }
    // A broken annotation costs its piece of text, not the page: both count towards the tolerance.
    let pieces = records.reduce(0) { $0 + max($1.instances.count, 1) }
    try problems.finish(usable: records.count, total: pieces + problems.count)
  }

  public var name: String { problems.name }
  public var count: Int? { records.count }
  public func place(_ index: Int) -> String { records[index].place }

  public func sample(_ index: Int) throws -> PageSample {
    let record = records[index]
    let image = try Image.load(path: pictures.resolve(record.image)).rgb()
    return PageSample(image: image, instances: record.instances)
  }
}
