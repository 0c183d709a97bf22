import Foundation
import Imaging
import Synchronization

/// A folder of its own, gone with its last reference.
final class Folder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "ligature-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func callAsFunction(_ name: String) -> String { path + "/" + name }

  @discardableResult
  func write(_ text: String, _ name: String) throws -> String { try write(Array(text.utf8), name) }

  @discardableResult
  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    let target = self(name)
    try FileManager.default.createDirectory(
      atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(filePath: target))
    return target
  }
}

/// What a data set reports while it is read.
final class Reports: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }
  var callback: @Sendable (String) -> Void { { [self] text in lines.withLock { $0.append(text) } } }
}

/// A grey picture whose pixels say where they are.
func gradient(width: Int, height: Int) throws -> Image {
  try Image(
    width: width, height: height, channels: 1,
    pixels: (0..<width * height).map { UInt8(($0 % width * 7 + $0 / width * 3) % 256) })
}

/// A dark RGB page with a bright quadrilateral for each outline.
func page(width: Int, height: Int, _ outlines: [Polygon]) throws -> Image {
  var page = try Image(width: width, height: height, channels: 3, filledWith: 20)
  for outline in outlines {
    try page.fill(polygon: outline.map { try PixelPoint(truncating: $0) }, value: [240, 240, 240])
  }
  return page
}
