import Glibc

/// A file that is written beside its place, forced to the disk and then renamed, so that readers (and maps of the old
/// content) never see half of it. Until then it has no name where the file system can do that: nothing is left behind
/// even when the program is killed.
package final class AtomicFile {
  private let path: String
  private let temporary: String
  private var descriptor: Int32
  private var hasName: Bool

  /// - Parameter followingLinks: whether a symbolic link of that name is written through. Not for a name that nobody
  ///   chose, such as that of external data: who may make links in the folder would choose what is overwritten.
  ///   The link itself is replaced then.
  /// - Throws: `.file` when nothing can be written there, or something other than a file has that name.
  package init(_ path: String, followingLinks: Bool = true) throws {
    let target = followingLinks ? try AtomicFile.resolved(path) : try AtomicFile.unresolved(path)
    self.path = target
    temporary = "\(target).\(getpid())-\(UInt32.random(in: .min ... .max)).partial"
    // Linux's O_TMPFILE, which C's header hides from Swift.
    let unnamed = 0o20_000_000 | O_DIRECTORY
    descriptor = unsafe open(AtomicFile.folder(of: target), O_WRONLY | O_CLOEXEC | unnamed, 0o666)
    hasName = descriptor < 0
    if hasName { descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else {
      throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); check the folder and its permissions")
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    if hasName { unsafe unlink(temporary) }
  }

  /// The file behind symbolic links. Renaming over a device or a pipe would replace it.
  private static func resolved(_ path: String) throws -> String {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return path }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw LigatureError(.file, "cannot write '\(path)': it is there and not a regular file; name another")
    }
    guard let real = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
  }

  /// The name itself. Throws for what is there and neither a file nor a link.
  private static func unresolved(_ path: String) throws -> String {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return path }
    guard [S_IFREG, S_IFLNK].contains(status.st_mode & S_IFMT) else {
      throw LigatureError(.file, "cannot write '\(path)': it is there and not a regular file; name another")
    }
    return path
  }

  private static func folder(of path: String) -> String {
    let folder = Path.folder(of: path)
    return folder.isEmpty ? "." : folder
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let count = unsafe Glibc.write(descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); make room and try again")
      }
      done += count
    }
  }

  /// Puts the file in its place.
  package func commit() throws {
    guard fsync(descriptor) == 0, giveName(), unsafe rename(temporary, path) == 0 else {
      throw LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); make room and try again")
    }
    close(descriptor)
    descriptor = -1
    // The rename itself lasts once the folder is on the disk.
    let directory = unsafe open(AtomicFile.folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }

  private func giveName() -> Bool {
    if hasName { return true }
    hasName = unsafe linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0
    return hasName
  }

  /// Writes a whole file at once.
  package static func write(_ bytes: [UInt8], to path: String) throws {
    let file = try AtomicFile(path)
    try unsafe bytes.withUnsafeBytes { try unsafe file.write($0) }
    try file.commit()
  }
}
