import Foundation
import Imaging
import TensorCore
import TensorFiles

/// Numbers that MMOCR 0.6.3 gives, in the files that `Fixtures/mmocr/cut.py` took from parity bundles. With
/// `LIGATURE_REFERENCE` set to a folder of whole bundles, those are used instead.
struct Reference {
  let folder: URL

  static let root: URL =
    ProcessInfo.processInfo.environment["LIGATURE_REFERENCE"].map { URL(filePath: $0) }
    ?? Fixtures.root.appending(path: "mmocr")

  /// Those of the named bundles that are there; at least one is.
  static func bundles(_ names: String...) throws -> [Reference] {
    let found = names.map { Reference($0) }.filter { FileManager.default.fileExists(atPath: $0.folder.path) }
    guard !found.isEmpty else { throw LigatureError(.file, "none of \(names) is in '\(root.path)'") }
    return found
  }

  init(_ name: String) { folder = Reference.root.appending(path: name) }

  /// JSON with MMOCR's names in camel case.
  func json<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Value.self, from: Data(contentsOf: folder.appending(path: name)))
  }

  func tensors(_ name: String) throws -> [String: Tensor] {
    try SafeTensors(contentsOf: folder.appending(path: name).path).tensors
  }
}

/// A flat list x0, y0, x1, y1, … as an outline.
func outline(_ coordinates: some Sequence<Double>) -> Polygon {
  let values = Array(coordinates)
  return stride(from: 0, to: values.count - 1, by: 2).map { Point(Float(values[$0]), Float(values[$0 + 1])) }
}

/// The largest difference of a coordinate between two outlines, over all cyclic shifts of the corners; infinite for
/// outlines of different lengths.
func difference(_ a: Polygon, _ b: Polygon) -> Float {
  guard a.count == b.count, !a.isEmpty else { return a.count == b.count ? 0 : .infinity }
  return a.indices.map { shift in
    zip(a.indices, b).map { index, corner in
      let other = a[(index + shift) % a.count]
      return max(abs(other.x - corner.x), abs(other.y - corner.y))
    }.reduce(0, max)
  }.reduce(.infinity, min)
}
