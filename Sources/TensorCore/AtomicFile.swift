import Foundation

/// A file that is written beside its place, forced to the disk and then renamed, so that readers (and maps of the old
/// content) never see half of it.
package final class AtomicFile {
  private let path: String
  private let temporary: String
  private var descriptor: Int32

  package init(_ path: String) throws {
    self.path = path
    temporary = "\(path).\(getpid())-\(UInt32.random(in: .min ... .max)).partial"
    descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); check the folder and its permissions")
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unsafe unlink(temporary)
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let count = unsafe Foundation.write(descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); make room and try again")
      }
      done += count
    }
  }

  /// Puts the file in its place.
  package func commit() throws {
    guard fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else {
      throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); make room and try again")
    }
    close(descriptor)
    descriptor = -1
    // The rename itself lasts once the folder is on the disk.
    let folder = (path as NSString).deletingLastPathComponent
    let directory = unsafe open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }

  /// Writes a whole file at once.
  package static func write(_ bytes: [UInt8], to path: String) throws {
    let file = try AtomicFile(path)
    try unsafe bytes.withUnsafeBytes { try unsafe file.write($0) }
    try file.commit()
  }
}
