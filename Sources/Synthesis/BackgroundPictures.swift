internal import FoundationEssentials
public import Imaging
internal import TensorCore

/// Pictures to draw text on.
public enum BackgroundPictures {
  private static let (limit, longestSide) = (400, 1280)

  /// The pictures in a folder and the folders in it, at most 400 of them, evenly chosen, at most 1280 pixels a side.
  /// - Returns: them, and what is wrong with those that cannot be read.
  /// Throws `.file` when not one can be read.
  public static func load(folder: String) throws -> (pictures: [Image], problems: [any Error]) {
    let endings: Set<String> = ["jpg", "jpeg", "png", "webp"]
    let names = ((try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? [])
      .filter { endings.contains(URL(filePath: $0).pathExtension.lowercased()) }.sorted()
    let step = Double(max(names.count, 1)) / Double(min(max(names.count, 1), limit))
    let chosen = (0..<min(names.count, limit)).map { names[Int(Double($0) * step)] }
    var (pictures, problems): ([Image], [any Error]) = ([], [])
    for name in chosen {
      do {
        let picture = try Image.load(path: folder + "/" + name).rgb()
        let scale = Double(longestSide) / Double(max(picture.width, picture.height))
        let (width, height) = (Double(picture.width) * scale, Double(picture.height) * scale)
        pictures.append(
          scale >= 1
            ? picture
            : try picture.resized(width: max(Int(width), 1), height: max(Int(height), 1), interpolation: .area))
      } catch { problems.append(error) }
    }
    guard !pictures.isEmpty else {
      throw LigatureError(
        .file, "'\(folder)' holds no picture that can be read; name a folder with JPEG, PNG or WebP files",
        cause: problems.first)
    }
    return (pictures, problems)
  }
}
