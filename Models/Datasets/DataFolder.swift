internal import FoundationEssentials
internal import Glibc
internal import TensorCore

/// A folder that a data set's files must lie in: names come from annotation files, which anybody may have written.
public struct DataFolder: Sendable {
  /// As the user named it.
  public let path: String
  private let root: String
  private let followsLinks: Bool

  /// - Parameter followingLinks: whether symbolic links may lead out of the folder.
  /// - Throws: `.file` when there is no such folder.
  public init(_ path: String, followingLinks: Bool = false) throws {
    self.path = path
    followsLinks = followingLinks
    guard let real = DataFolder.real(path) else {
      throw LigatureError(.file, "cannot open the folder '\(path)': \(systemErrorText()); check its name")
    }
    var isFolder = false
    guard FileManager.default.fileExists(atPath: real, isDirectory: &isFolder), isFolder else {
      throw LigatureError(.file, "'\(path)' is not a folder; name the one that the pictures lie in")
    }
    root = real
  }

  /// The path of a file inside. Throws `.format` for names that lead out, `.file` for what is not there.
  func resolve(_ name: String) throws -> String {
    guard !name.isEmpty, !name.contains("\0"), !name.hasPrefix("/") else {
      throw LigatureError(.format, "'\(name.prefix(200))' is no path inside the data folder '\(path)'")
    }
    guard !name.split(separator: "/").contains("..") else {
      throw LigatureError(.format, "'\(name.prefix(200))' leads out of the data folder '\(path)'; '..' is not followed")
    }
    let joined = Path.join(path, name)
    guard let real = DataFolder.real(joined) else {
      throw LigatureError(.file, "'\(joined)' is missing or cannot be opened (\(systemErrorText()))")
    }
    guard followsLinks || real.hasPrefix(root == "/" ? root : root + "/") else {
      throw LigatureError(
        .format, "'\(joined)' is a link out of the data folder; copy the file, or set follow_links in the recipe")
    }
    return joined
  }

  private static func real(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  /// Names of files directly inside, sorted. Throws `.file` when the folder cannot be listed.
  func names(endingIn suffixes: [String]) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path)
        .filter { name in suffixes.contains { name.lowercased().hasSuffix($0) } }.sorted()
    } catch {
      throw LigatureError(.file, "cannot list '\(path)'; check its permissions", cause: error)
    }
  }
}

/// Text files of annotations: a map of the file, cut into lines.
enum AnnotationText {
  static let maximumByteCount = 4 << 30
  static let maximumLineCount = 100_000_000
  static let maximumLineByteCount = 64 << 20

  /// Calls `body` with each line that holds more than white space, and its number from 1. A byte order mark and
  /// carriage returns are dropped.
  static func forEachLine(
    of path: String, _ body: (Int, String) throws -> Void, failed: (Int, any Error) throws -> Void
  )
    throws
  {
    let storage = try TensorStorage(mapping: path)
    guard storage.byteCount <= maximumByteCount else {
      throw LigatureError(.limit, "'\(path)' has \(storage.byteCount) bytes, more than \(maximumByteCount); split it")
    }
    try unsafe storage.withUnsafeBytes { bytes in
      var start = unsafe bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
      var number = 0
      while start < bytes.count {
        let rest = unsafe bytes[start...]
        let end = unsafe rest.firstIndex(of: 0x0A) ?? bytes.count
        number += 1
        guard number <= maximumLineCount else {
          throw LigatureError(.limit, "'\(path)' has more than \(maximumLineCount) lines; split it")
        }
        do {
          if let line = try unsafe text(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) {
            try body(number, line)
          }
        } catch {
          try failed(number, error)
        }
        start = end + 1
      }
    }
  }

  /// A line without its carriage return, or nil for a blank one.
  private static func text(_ bytes: UnsafeRawBufferPointer) throws -> String? {
    guard bytes.count <= maximumLineByteCount else {
      throw LigatureError(.limit, "the line has \(bytes.count) bytes, more than \(maximumLineByteCount)")
    }
    let blank: Set<UInt8> = [0x20, 0x09, 0x0D]
    guard unsafe bytes.contains(where: { !blank.contains($0) }) else { return nil }
    let length = unsafe bytes.last == 0x0D ? bytes.count - 1 : bytes.count
    guard let text = unsafe String(validating: bytes[..<length], as: UTF8.self) else {
      throw LigatureError(.format, "the line is not UTF-8; convert the file")
    }
    return text
  }

  /// A whole file, such as JSON.
  static func bytes(of path: String, limit: Int = 1 << 30) throws -> Data {
    let storage = try TensorStorage(mapping: path)
    guard storage.byteCount <= limit else {
      throw LigatureError(.limit, "'\(path)' has \(storage.byteCount) bytes, more than \(limit); split it")
    }
    return unsafe storage.withUnsafeBytes { unsafe Data($0) }
  }
}
