import Foundation
import Imaging
import TensorCore

/// The results of OpenCV, Pillow, pyclipper and shapely that `Tests/Fixtures/imaging/generate.py` wrote.
struct Fixtures {
  struct Entry: Decodable {
    var type: String
    var shape: [Int]
    var offset: Int
  }

  struct Missing: Error, CustomStringConvertible {
    var description: String
  }

  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures/imaging")

  private let entries: [String: Entry]
  private let blob: [UInt8]

  init() throws {
    let index = try Data(contentsOf: Self.folder.appendingPathComponent("cases.json"))
    entries = try JSONDecoder().decode([String: Entry].self, from: index)
    blob = [UInt8](try Data(contentsOf: Self.folder.appendingPathComponent("cases.bin")))
  }

  /// Names that begin so, in order. Throws when there are none, so that no test passes by testing nothing.
  func names(_ prefix: String) throws -> [String] {
    let found = entries.keys.filter { $0.hasPrefix(prefix) }.sorted()
    guard !found.isEmpty else { throw Missing(description: "no fixture begins with \(prefix)") }
    return found
  }

  func shape(_ name: String) throws -> [Int] { try entry(name).shape }

  func bytes(_ name: String) throws -> [UInt8] { try values(name, "uint8") }
  func integers(_ name: String) throws -> [Int32] { try values(name, "int32") }
  func floats(_ name: String) throws -> [Float] { try values(name, "float32") }
  func doubles(_ name: String) throws -> [Double] { try values(name, "float64") }

  /// `[height, width]` or `[height, width, channels]`.
  func image(_ name: String) throws -> Image { try raster(name, bytes(name)) }
  func floatImage(_ name: String) throws -> FloatImage { try raster(name, floats(name)) }

  /// Ragged lists of pixel positions.
  func outlines(_ name: String) throws -> [Contour] {
    try cut(name, integers(name)).map { $0.map { PixelPoint($0, $1) } }
  }
  func polygons(_ name: String) throws -> [Polygon] {
    try cut(name, floats(name)).map { $0.map { Point($0, $1) } }
  }

  /// A sample file.
  func file(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: Self.folder.appendingPathComponent("samples/\(name)")))
  }
  static func samples() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("samples").path).sorted()
  }

  // ── Inside ────────────────────────────────────────────────────────────────

  private func entry(_ name: String) throws -> Entry {
    guard let entry = entries[name] else { throw Missing(description: "there is no fixture \(name)") }
    return entry
  }

  private func values<Scalar: TensorScalar>(_ name: String, _ type: String) throws -> [Scalar] {
    let entry = try entry(name)
    guard entry.type == type else { throw Missing(description: "\(name) is \(entry.type), not \(type)") }
    let size = MemoryLayout<Scalar>.size
    return unsafe blob.withUnsafeBytes { bytes in
      (0..<entry.shape.reduce(1, *)).map {
        unsafe bytes.loadUnaligned(fromByteOffset: entry.offset + $0 * size, as: Scalar.self)
      }
    }
  }

  private func raster<Scalar>(_ name: String, _ pixels: [Scalar]) throws -> Raster<Scalar> {
    let shape = try shape(name)
    return try Raster(width: shape[1], height: shape[0], channels: shape.count == 3 ? shape[2] : 1, pixels: pixels)
  }

  private func cut<Number>(_ name: String, _ numbers: [Number]) throws -> [[(Number, Number)]] {
    var start = 0
    return try integers("\(name).ends").map(Int.init).map { end in
      defer { start = end }
      return (start..<end).map { (numbers[2 * $0], numbers[2 * $0 + 1]) }
    }
  }
}
