internal import FoundationEssentials
internal import Imaging
internal import TensorCore

/// What an annotation file says of one picture.
struct PageRecord: Sendable {
  /// Relative to the folder of pictures.
  var image: String
  var place: String
  var instances: [TextInstance]
}

extension TextInstance {
  static let maximumPointCount = 4096
  static let maximumCoordinate = 1e6

  /// - Parameter coordinates: x and y in turn, of at least four points.
  init(coordinates: [Double], text: String?, isIgnored: Bool) throws {
    guard coordinates.count >= 8, coordinates.count % 2 == 0, coordinates.count <= 2 * TextInstance.maximumPointCount
    else { throw LigatureError(.format, "\(coordinates.count) numbers are no polygon of 4 points or more") }
    guard coordinates.allSatisfy({ abs($0) <= TextInstance.maximumCoordinate }) else {
      throw LigatureError(.numeric, "a polygon's coordinates lie outside \(TextInstance.maximumCoordinate) pixels")
    }
    let points = stride(from: 0, to: coordinates.count, by: 2).map {
      Point(Float(coordinates[$0]), Float(coordinates[$0 + 1]))
    }
    self.init(polygon: points, text: text, isIgnored: isIgnored || text == TextInstance.unreadable)
  }

  /// What ICDAR's annotations say of text that nobody can read.
  static let unreadable = "###"
}

/// The forms of page annotations that MMOCR 0.x and the tools around it write.
enum PageAnnotations {
  static let maximumInstanceCount = 100_000

  // ── ICDAR 2015 ────────────────────────────────────────────────────────────

  /// `gt_NAME.txt` for each picture NAME: lines of `x1,y1,x2,y2,x3,y3,x4,y4,text`, commas in the text included.
  static func icdar(_ folder: DataFolder, pictures: DataFolder, problems: DataProblems) throws -> [PageRecord] {
    var byStem: [String: String] = [:]
    for name in try pictures.names(endingIn: pictureSuffixes) {
      byStem[Path.stem(name)] = name
    }
    return try folder.names(endingIn: [".txt"]).compactMap { name in
      let place = Path.join(folder.path, name)
      do {
        let stem = Path.stem(name)
        let picture = stem.hasPrefix("gt_") ? String(stem.dropFirst(3)) : stem
        guard let image = byStem[picture] else {
          throw LigatureError(
            .file, "no picture '\(picture)' with an ending of \(pictureSuffixes) in '\(pictures.path)'")
        }
        var instances: [TextInstance] = []
        try AnnotationText.forEachLine(of: folder.resolve(name)) { _, line in
          instances.append(try icdar(line))
          try requireFew(instances.count)
        } failed: { number, error in
          try problems.record("\(place):\(number)", error)
        }
        return PageRecord(image: image, place: place, instances: instances)
      } catch {
        try problems.record(place, error)
        return nil
      }
    }
  }

  static let pictureSuffixes = [".jpg", ".jpeg", ".png", ".webp"]

  static func icdar(_ line: String) throws -> TextInstance {
    let fields = line.split(separator: ",", maxSplits: 8, omittingEmptySubsequences: false)
    let numbers = fields.prefix(8).compactMap { Double($0.trimmed) }
    guard numbers.count == 8 else {
      throw LigatureError(.format, "the line is not 'x1,y1,x2,y2,x3,y3,x4,y4,text': '\(line.prefix(80))'")
    }
    return try TextInstance(coordinates: numbers, text: fields.count > 8 ? String(fields[8]) : nil, isIgnored: false)
  }

  // ── JSON lines ────────────────────────────────────────────────────────────

  /// An annotation of a COCO-like file or of a line: `polygon`, or `segmentation` with one polygon, or `bbox`.
  private struct Annotation: Decodable {
    var polygon: [Double]?
    var segmentation: [[Double]]?
    var bbox: [Double]?
    var text: String?
    var iscrowd: Int?
    var ignore: Int?
    var imageID: Int?

    enum CodingKeys: String, CodingKey {
      case polygon, segmentation, bbox, text, iscrowd, ignore
      case imageID = "image_id"
    }

    func instance() throws -> TextInstance {
      let isIgnored = (iscrowd ?? 0) != 0 || (ignore ?? 0) != 0
      if let points = polygon ?? segmentation?.first {
        if let segmentation, segmentation.count > 1, polygon == nil {
          throw LigatureError(.unsupported, "an instance of \(segmentation.count) polygons; text is one polygon each")
        }
        return try TextInstance(coordinates: points, text: text, isIgnored: isIgnored)
      }
      guard let bbox, bbox.count == 4 else {
        throw LigatureError(.format, "an annotation has neither polygon, segmentation nor a bbox of 4 numbers")
      }
      let (x, y, right, bottom) = (bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3])
      return try TextInstance(
        coordinates: [x, y, right, y, right, bottom, x, bottom], text: text, isIgnored: isIgnored)
    }
  }

  private struct Line: Decodable {
    var fileName: String
    var annotations: [Annotation]

    enum CodingKeys: String, CodingKey {
      case fileName = "file_name"
      case annotations
    }
  }

  /// One picture a line: `{"file_name", "height", "width", "annotations": […]}`.
  static func lines(_ path: String, problems: DataProblems) throws -> [PageRecord] {
    var records: [PageRecord] = []
    let decoder = JSONDecoder()
    try AnnotationText.forEachLine(of: path) { number, text in
      let line: Line
      do {
        line = try decoder.decode(Line.self, from: Data(text.utf8))
      } catch {
        throw LigatureError(.format, #"the line is not {"file_name": …, "annotations": […]}"#, cause: error)
      }
      try requireFew(line.annotations.count)
      let place = "\(path):\(number)"
      records.append(
        PageRecord(image: line.fileName, place: place, instances: try instances(line.annotations, place, problems)))
    } failed: { number, error in
      try problems.record("\(path):\(number)", error)
    }
    return records
  }

  private static func instances(
    _ annotations: [Annotation], _ place: String, _ problems: DataProblems
  ) throws -> [TextInstance] {
    try annotations.enumerated().compactMap { index, annotation in
      do {
        return try annotation.instance()
      } catch {
        try problems.record("\(place), annotation \(index)", error)
        return nil
      }
    }
  }

  private static func requireFew(_ count: Int) throws {
    guard count <= maximumInstanceCount else {
      throw LigatureError(.limit, "a page with more than \(maximumInstanceCount) pieces of text")
    }
  }

  // ── COCO ──────────────────────────────────────────────────────────────────

  private struct COCO: Decodable {
    struct Picture: Decodable {
      var id: Int
      var fileName: String

      enum CodingKeys: String, CodingKey {
        case id
        case fileName = "file_name"
      }
    }
    var images: [Picture]
    var annotations: [Annotation]
  }

  /// One file for all pictures: `{"images": […], "annotations": […]}`.
  static func coco(_ path: String, problems: DataProblems) throws -> [PageRecord] {
    let file: COCO
    do {
      file = try JSONDecoder().decode(COCO.self, from: AnnotationText.bytes(of: path))
    } catch let error as DecodingError {
      throw LigatureError(.format, "'\(path)' is not COCO's {\"images\": […], \"annotations\": […]}", cause: error)
    }
    var ofImage: [Int: [(index: Int, annotation: Annotation)]] = [:]
    let known = Set(file.images.map(\.id))
    for (index, annotation) in file.annotations.enumerated() {
      guard let id = annotation.imageID, known.contains(id) else {
        try problems.record(
          "\(path), annotation \(index)",
          LigatureError(.format, "its image_id \(annotation.imageID.map { "\($0)" } ?? "") is none of the images'"))
        continue
      }
      ofImage[id, default: []].append((index, annotation))
    }
    return try file.images.map { picture in
      let annotations = ofImage[picture.id] ?? []
      try requireFew(annotations.count)
      let instances = try annotations.compactMap { index, annotation -> TextInstance? in
        do {
          return try annotation.instance()
        } catch {
          try problems.record("\(path), annotation \(index)", error)
          return nil
        }
      }
      return PageRecord(image: picture.fileName, place: "\(path), image \(picture.id)", instances: instances)
    }
  }

  // ── labelme ───────────────────────────────────────────────────────────────

  private struct LabelMe: Decodable {
    struct Shape: Decodable {
      var label: String
      var points: [[Double]]
      var shapeType: String?

      enum CodingKeys: String, CodingKey {
        case label, points
        case shapeType = "shape_type"
      }
    }
    var imagePath: String
    var shapes: [Shape]
  }

  /// A folder with one `.json` a picture. Of `imagePath` only the last component counts: labelme writes where the
  /// picture lay on somebody's disk.
  static func labelme(_ folder: DataFolder, problems: DataProblems) throws -> [PageRecord] {
    try folder.names(endingIn: [".json"]).compactMap { name in
      let place = Path.join(folder.path, name)
      do {
        let file = try JSONDecoder().decode(
          LabelMe.self, from: AnnotationText.bytes(of: folder.resolve(name), limit: 256 << 20))
        try requireFew(file.shapes.count)
        let instances = try file.shapes.enumerated().compactMap { index, shape -> TextInstance? in
          do {
            return try instance(shape)
          } catch {
            try problems.record("\(place), shape \(index)", error)
            return nil
          }
        }
        let image = file.imagePath.replacing("\\", with: "/")
        return PageRecord(image: Path.name(image), place: place, instances: instances)
      } catch {
        try problems.record(place, error)
        return nil
      }
    }
  }

  private static func instance(_ shape: LabelMe.Shape) throws -> TextInstance {
    guard shape.points.allSatisfy({ $0.count == 2 }) else {
      throw LigatureError(.format, "a point is not a pair of numbers")
    }
    var points = shape.points
    if shape.shapeType == "rectangle", points.count == 2 {
      let (a, b) = (points[0], points[1])
      points = [[a[0], a[1]], [b[0], a[1]], [b[0], b[1]], [a[0], b[1]]]
    }
    return try TextInstance(coordinates: points.flatMap(\.self), text: shape.label, isIgnored: false)
  }
}
