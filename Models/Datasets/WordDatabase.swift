internal import CLMDB
internal import FoundationEssentials
internal import Glibc
internal import TensorCore

/// An LMDB of MMOCR 0.x, opened for reading: `num-samples`, `label-%09d` (from 1) and, where the pictures are inside,
/// `image-%09d`. Without pictures a label is a line of a word list. The oldest form has `total_number` and lines under
/// `0`, `1`, ….
///
/// LMDB trusts its files: a truncated one is refused here, one that was altered on purpose is not found out.
@safe final class WordDatabase: @unchecked Sendable {
  let path: String
  private let environment: OpaquePointer
  private let table: MDB_dbi
  let count: Int
  let hasImages: Bool
  private let isOldest: Bool

  static let maximumValueByteCount = 256 << 20
  static let maximumCount = 1 << 30

  /// - Parameter path: the folder with `data.mdb`, or such a file itself.
  init(_ path: String) throws {
    self.path = path
    var isFolder = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw LigatureError(.file, "cannot open '\(path)': it is missing; name the folder of an LMDB")
    }
    let file = isFolder ? Path.join(path, "data.mdb") : path
    let size = try TensorStorage(mapping: file).byteCount
    guard size >= 8192 else { throw LigatureError(.format, "'\(file)' is no LMDB: it has only \(size) bytes") }
    var opened: OpaquePointer?
    unsafe try WordDatabase.check(mdb_env_create(&opened), path)
    guard let environment = unsafe opened else { throw LigatureError(.limit, "no memory for the LMDB '\(path)'") }
    unsafe self.environment = environment
    do {
      let flags = UInt32(MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS) | (isFolder ? 0 : UInt32(MDB_NOSUBDIR))
      unsafe try WordDatabase.check(mdb_env_open(environment, path, flags, 0o444), path)
      unsafe try WordDatabase.requireWhole(environment, fileSize: size, path)
      var table: MDB_dbi = 0
      unsafe try WordDatabase.read(environment, path) { unsafe mdb_dbi_open($0, nil, 0, &table) }
      self.table = table
      let get = { (key: String) in try unsafe WordDatabase.value(environment, table, key, path) }
      let counted = try get("num-samples")
      isOldest = counted == nil
      guard let digits = try counted ?? get("total_number"),
        let count = Int(String(decoding: digits, as: UTF8.self)), (1...WordDatabase.maximumCount).contains(count)
      else { throw LigatureError(.format, "the LMDB '\(path)' has neither num-samples nor total_number") }
      self.count = count
      hasImages = try get(WordDatabase.key("image", 0)) != nil
    } catch {
      unsafe mdb_env_close(environment)
      throw error
    }
  }

  deinit { unsafe mdb_env_close(environment) }

  /// The text of entry `index` (from 0) and its picture's bytes or, where pictures lie outside, the name of the file.
  func label(_ index: Int) throws -> (file: String?, text: String) {
    let key = isOldest ? "\(index)" : WordDatabase.key("label", index)
    guard let bytes = try value(key) else { throw LigatureError(.format, "the key '\(key)' is missing") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw LigatureError(.format, "the value of '\(key)' is not UTF-8")
    }
    if hasImages { return (nil, text) }
    let entry = try text.hasPrefix("{") ? WordList.parse(json: text) : WordList.parse(text)
    return (entry.file, entry.text)
  }

  func image(_ index: Int) throws -> [UInt8] {
    let key = WordDatabase.key("image", index)
    guard let bytes = try value(key) else { throw LigatureError(.format, "the key '\(key)' is missing") }
    return bytes
  }

  func place(_ index: Int) -> String { "\(path):\(isOldest ? "\(index)" : WordDatabase.key("label", index))" }

  private func value(_ key: String) throws -> [UInt8]? { try unsafe WordDatabase.value(environment, table, key, path) }

  private static func key(_ what: String, _ index: Int) -> String {
    let digits = "\(index + 1)"
    return "\(what)-\(String(repeating: "0", count: max(9 - digits.count, 0)))\(digits)"
  }

  // ── Towards LMDB ──────────────────────────────────────────────────────────

  private static func value(
    _ environment: OpaquePointer, _ table: MDB_dbi, _ key: String, _ path: String
  ) throws -> [UInt8]? {
    var result: [UInt8]?
    var bytes = Array(key.utf8)
    try unsafe read(environment, path) { transaction in
      unsafe bytes.withUnsafeMutableBytes { buffer in
        var name = unsafe MDB_val(mv_size: buffer.count, mv_data: buffer.baseAddress)
        var found = unsafe MDB_val()
        let status = unsafe mdb_get(transaction, table, &name, &found)
        if status == MDB_NOTFOUND { return 0 }
        guard status == 0 else { return status }
        guard unsafe found.mv_size <= maximumValueByteCount else { return EFBIG }
        result = unsafe [UInt8](UnsafeRawBufferPointer(start: found.mv_data, count: found.mv_size))
        return 0
      }
    }
    return result
  }

  private static func read(_ environment: OpaquePointer, _ path: String, _ body: (OpaquePointer) -> Int32) throws {
    var begun: OpaquePointer?
    unsafe try check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun), path)
    guard let transaction = unsafe begun else { throw LigatureError(.limit, "no memory to read '\(path)'") }
    let status = unsafe body(transaction)
    // A handle that was opened stays open only when its transaction is committed.
    let end = unsafe mdb_txn_commit(transaction)
    try check(status == 0 ? end : status, path)
  }

  /// LMDB maps its file: pages past the end would end the program when they are touched.
  private static func requireWhole(_ environment: OpaquePointer, fileSize: Int, _ path: String) throws {
    var information = unsafe MDB_envinfo()
    var statistics = MDB_stat()
    unsafe try check(mdb_env_info(environment, &information), path)
    unsafe try check(mdb_env_stat(environment, &statistics), path)
    let pages = unsafe try Checked.add(Int(clamping: information.me_last_pgno), 1)
    let needed = try Checked.multiply(pages, Int(statistics.ms_psize), "the size of '\(path)'")
    guard needed <= fileSize else {
      throw LigatureError(
        .format, "the LMDB '\(path)' is truncated: it has \(fileSize) of \(needed) bytes; copy it again")
    }
  }

  private static func check(_ status: Int32, _ path: String) throws {
    guard status != 0 else { return }
    throw LigatureError(.format, "the LMDB '\(path)' cannot be read: \(unsafe String(cString: mdb_strerror(status)))")
  }
}
