internal import CDeflate
internal import TensorCore

/// Whether a file whose checksum does not fit is read.
public enum ChecksumPolicy: Sendable {
  /// Damaged files are refused.
  case verified
  /// For making a new checksum after another program changed the file.
  case ignored
}

/// Every model file that we write ends with a metadata entry that holds the CRC-32 of all its other bytes. A flipped
/// bit in a weight still gives a valid file, of a model that reads a little worse: only this finds it.
///
/// Other programs write such files without it, which is fine, except where our own metadata tell that it was there.
enum Checksum {
  static let key = "ligature.checksum"
  /// The same for the bytes of the tensors outside the file.
  static let externalKey = "ligature.checksum.external"
  /// Only we write metadata of this prefix.
  private static let ours = "ligature."

  static func isChecksum(_ key: String) -> Bool { key == Checksum.key || key == externalKey }

  static func text(_ crc: UInt32) -> String {
    let digits = String(crc, radix: 16)
    return "crc32:" + String(repeating: "0", count: 8 - digits.count) + digits
  }

  /// What verifying found.
  struct Found {
    var file: String?
    var external: String?
  }

  /// Throws `.format` when the bytes do not fit the checksum in them, or the checksum is gone.
  static func verify(_ storage: TensorStorage, _ policy: ChecksumPolicy) throws -> Found {
    try unsafe storage.withUnsafeBytes { bytes in
      var found = Found()
      var isOurs = false
      let kept = try unsafe MetadataEdit.fieldsToKeep(bytes) { entryKey, value in
        isOurs = isOurs || entryKey.hasPrefix(ours)
        if entryKey == externalKey { found.external = value }
        guard entryKey == key else { return true }
        found.file = value
        return false
      }
      guard policy == .verified else { return found }
      guard let expected = found.file else {
        guard !isOurs else { throw damaged("it bears metadata of ours, but no checksum") }
        return found
      }
      var crc = CRC32()
      for range in kept { unsafe crc.append(UnsafeRawBufferPointer(rebasing: bytes[range])) }
      guard text(crc.value) == expected else { throw damaged("its bytes do not fit its checksum") }
      return found
    }
  }

  /// Throws `.format` when tensors outside the file are not those that it was written with.
  static func verify(external storages: [TensorStorage], _ expected: String?, _ policy: ChecksumPolicy) throws {
    guard policy == .verified, let expected else { return }
    var crc = CRC32()
    for storage in storages { unsafe storage.withUnsafeBytes { unsafe crc.append($0) } }
    guard text(crc.value) == expected else { throw damaged("the tensors beside it do not fit its checksum") }
  }

  private static func damaged(_ what: String) -> LigatureError {
    LigatureError(
      .format,
      "\(what): the file is damaged, or another program changed it; fetch or convert it again "
        + "(or, if the change was meant, accept it with 'ligature annotate --reseal')")
  }
}

/// CRC-32 as in PNG and zip, by libdeflate, which uses the CPU's carry-less multiplication.
package struct CRC32 {
  package private(set) var value: UInt32 = 0

  package init() {}

  package mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    value = unsafe libdeflate_crc32(value, base, bytes.count)
  }
}
