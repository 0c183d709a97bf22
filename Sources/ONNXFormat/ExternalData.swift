import Glibc
internal import TensorCore

/// Tensor data in files beside a model. Only regular files inside the model's own folder are opened: no absolute
/// paths, no `..`, no symbolic links.
final class ExternalData {
  private let folder: String
  private var mapped: [String: TensorStorage] = [:]
  private static let mostFiles = 4096

  /// - Parameter folder: the folder of the model file.
  init(folder: String) { self.folder = folder.isEmpty ? "." : folder }

  /// The files that tensors were found in so far, by name.
  var files: [(name: String, storage: TensorStorage)] {
    mapped.sorted { $0.key < $1.key }.map { (name: $0.key, storage: $0.value) }
  }

  /// The tensor that these `external_data` entries place.
  func tensor(_ element: ElementType, _ shape: [Int], _ entries: [WireEntry]) throws -> Tensor {
    var location = ""
    var offset = 0
    var length: Int?
    for entry in entries {
      switch entry.key {
      case "location": location = entry.value
      case "offset": offset = try ExternalData.size(entry)
      case "length": length = try ExternalData.size(entry)
      default: continue
      }
    }
    guard element.byteSize > 0 else { throw LigatureError(.format, "\(element) data cannot be external") }
    let needed = try Checked.byteCount(element, shape)
    if let length, length != needed {
      throw LigatureError(.format, "its external data has \(length) bytes, but \(element)\(shape) takes \(needed)")
    }
    do {
      return try Tensor.view(element, shape, try storage(location), byteOffset: offset)
    } catch let error as LigatureError where error.code == .format {
      throw LigatureError(
        .format, "'\(location)' is too short: \(error.message); put the complete file beside the model")
    }
  }

  private static func size(_ entry: WireEntry) throws -> Int {
    guard let value = Int(entry.value), value >= 0 else {
      throw LigatureError(.format, "external data has the \(entry.key) '\(entry.value)', which is not a size")
    }
    return value
  }

  private func storage(_ location: String) throws -> TensorStorage {
    if let known = mapped[location] { return known }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard !location.isEmpty, !location.utf8.contains(0), parts.allSatisfy({ !$0.isEmpty && $0 != ".." }) else {
      throw LigatureError(
        .file, "external data '\(location)' lies outside the model's folder; only files inside it are read")
    }
    // Each takes one of the maps that the system grants a process; without them nothing else works either.
    guard mapped.count < ExternalData.mostFiles else {
      throw LigatureError(
        .limit, "its tensors lie in more than \(ExternalData.mostFiles) files; write them to one")
    }
    let storage = try TensorStorage(mapping: try open(parts, location), name: location)
    mapped[location] = storage
    return storage
  }

  /// Opens folder after folder without following links, so that nothing can be swapped in between.
  private func open(_ parts: [String], _ location: String) throws -> Int32 {
    var descriptor = unsafe Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw LigatureError(.file, "cannot open the folder '\(folder)': \(systemErrorText())")
    }
    for (index, part) in parts.enumerated() {
      let kind = index == parts.count - 1 ? O_NONBLOCK : O_DIRECTORY
      let next = unsafe openat(descriptor, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind)
      let problem = next < 0 ? (errno == ELOOP ? "symbolic links are not followed" : systemErrorText()) : ""
      close(descriptor)
      guard next >= 0 else {
        throw LigatureError(
          .file, "cannot open external data '\(location)' in '\(folder)': \(problem); put the file there")
      }
      descriptor = next
    }
    return descriptor
  }
}
