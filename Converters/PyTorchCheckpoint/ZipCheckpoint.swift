import TensorCore

/// PyTorch's zip format (since 1.6): `<folder>/data.pkl`, `<folder>/data/<key>` with raw storages, `<folder>/version`,
/// and since 2.1 `<folder>/byteorder`.
struct ZipCheckpoint: StorageSource {
  private let archive: ZipArchive
  private let folder: String
  let isBigEndian: Bool

  init(_ storage: TensorStorage) throws {
    archive = try ZipArchive(storage)
    let pickles = archive.entries.keys.filter { $0.split(separator: "/").count == 2 && $0.hasSuffix("/data.pkl") }
    guard let pickle = pickles.first else {
      throw LigatureError(.format, "the zip archive holds no data.pkl: it is no PyTorch checkpoint; check the path")
    }
    guard pickles.count == 1 else {
      throw LigatureError(
        .format,
        "the zip archive holds \(pickles.count) checkpoints (\(pickles.sorted().joined(separator: ", "))); keep one")
    }
    folder = String(pickle.dropLast("data.pkl".count))
    guard archive.entries[folder + "constants.pkl"] == nil else {
      throw LigatureError(
        .unsupported, "the file is a TorchScript program, not a checkpoint; save its state_dict instead")
    }
    if let version = try ZipCheckpoint.shortText(archive, folder + "version") {
      guard let number = Int(version), (1...10).contains(number) else {
        throw LigatureError(.unsupported, "the checkpoint's format version is '\(version)', known are 1 to 10")
      }
    }
    switch try ZipCheckpoint.shortText(archive, folder + "byteorder") {
    case nil, "little": isBigEndian = false
    case "big": isBigEndian = true
    case .some(let order):
      throw LigatureError(
        .format, "the checkpoint's byte order is '\(order)', neither little nor big; obtain the file again")
    }
  }

  private static func shortText(_ archive: ZipArchive, _ name: String) throws -> String? {
    guard let entry = archive.entries[name] else { return nil }
    guard entry.size <= 64 else {
      throw LigatureError(.format, "the entry '\(name)' has \(entry.size) bytes; obtain the file again")
    }
    let (storage, start) = try archive.contents(entry)
    var cursor = try ByteCursor(storage, from: start, to: start + entry.size, what: "the entry '\(name)'")
    return String(try cursor.text(entry.size).filter { !$0.isWhitespace })
  }

  /// The pickle's bytes.
  func pickle(limits: CheckpointLimits) throws -> ByteCursor {
    guard let entry = archive.entries[folder + "data.pkl"] else { throw ZipArchive.broken("data.pkl is not there") }
    guard entry.size <= limits.pickleByteCount else {
      throw LigatureError(
        .limit,
        """
        the pickle has \(entry.size) bytes, at most \(limits.pickleByteCount) are read; \
        raise the limit 'bytes' if the file is trusted
        """)
    }
    let (storage, start) = try archive.contents(entry)
    return try ByteCursor(storage, from: start, to: start + entry.size, what: "the pickle")
  }

  func bytes(key: String, byteCount: Int, scalar: Int) throws -> (storage: TensorStorage, start: Int, isCopy: Bool) {
    guard let entry = archive.entries["\(folder)data/\(key)"] else {
      throw LigatureError(.format, "the storage '\(key)' is not in the archive; obtain the file again")
    }
    // PyTorch counts in scalars, so a storage may have a fraction of one more.
    guard entry.size >= byteCount, entry.size - byteCount < scalar else {
      throw LigatureError(
        .format, "the storage '\(key)' has \(entry.size) bytes where \(byteCount) are expected; obtain the file again")
    }
    let (storage, start) = try archive.contents(entry)
    return (storage, start, entry.method != Zip.stored)
  }
}
