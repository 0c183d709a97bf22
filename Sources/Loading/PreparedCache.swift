import CKernels
import CSystem
import FoundationEssentials
import Glibc
import GraphIR
import Kernels
import ONNXFormat
import Operators
import TensorCore

/// Prepared models on disk: for each a graph file, `KEY.onnx`, which passes have been over, and `KEY.packed` with its
/// weights as kernels want them.
///
/// The key is a digest of the model's bytes and of everything that preparing depends on: the processor, this program,
/// the options. Files are written beside their place and renamed, so that processes do not disturb each other; those
/// that are damaged are made again. Nothing that is read here is trusted more than a model is: the graph goes through
/// the same reader, and packed weights of another size than the kernel's are left aside.
///
/// The folder holds at most `limit` bytes: what was not used for longest goes first.
struct PreparedCache: Sendable {
  private let folder: String
  private let limit: Int
  private let log: (@Sendable (String) -> Void)?

  struct Entry: Sendable {
    fileprivate let key: [UInt8]
    fileprivate let path: String
    fileprivate var graphPath: String { path + ".onnx" }
    fileprivate var packedPath: String { path + ".packed" }
  }

  init(folder: String, limit: Int, log: (@Sendable (String) -> Void)?) {
    self.folder = folder
    self.limit = limit
    self.log = log
  }

  /// Where a model is kept; nil where the folder cannot be made. Throws `.file` when the model cannot be read.
  func entry(model path: String, variant: String) throws -> Entry? {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      log?("the cache '\(folder)' cannot be made, so that nothing is kept: \(error)")
      return nil
    }
    let parts = [
      "2", variant, "\(lig_cpu())", "\(LIG_PACKING_VERSION)", PreparedCache.program, try digest(path),
    ]
    let key = sha256(Array(parts.joined(separator: "\n").utf8))
    return Entry(key: key, path: folder + "/" + hexadecimal(key).prefix(40))
  }

  /// Which program this is: one that was built again may prepare in another way.
  private static let program = FileIdentity("/proc/self/exe")?.text ?? "unknown"
}

// ── The model's digest ──────────────────────────────────────────────────────
extension PreparedCache {
  /// The digest of a file's bytes. It is kept by what the system says of the file, so that it is not read each time.
  private func digest(_ path: String) throws -> String {
    let identity = FileIdentity(path)
    let note = identity.map { folder + "/" + hexadecimal(sha256(Array($0.text.utf8))).prefix(40) + ".digest" }
    if let note, let kept = try? TensorStorage(mapping: note), kept.byteCount == 64 {
      let text = unsafe kept.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
      if text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) { return text }
    }
    let storage = try TensorStorage(mapping: path)
    let digest = unsafe hexadecimal(storage.withUnsafeBytes { unsafe sha256($0) })
    storage.release(0..<storage.byteCount)
    // A file that changes again within the clock's step would look the same.
    if let note, let identity, identity.isOld, FileIdentity(path)?.text == identity.text {
      try? AtomicFile.write(Array(digest.utf8), to: note)
    }
    return digest
  }
}

/// What tells a file from others and from itself at other times. Nobody but the system sets the time of change.
private struct FileIdentity {
  let text: String
  private let changed: Int

  init?(_ path: String) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    changed = status.st_ctim.tv_sec
    text =
      "\(status.st_dev) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) "
      + "\(status.st_ctim.tv_sec).\(status.st_ctim.tv_nsec)"
  }

  var isOld: Bool { time(nil) - changed > 2 }
}

private func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
  unsafe [UInt8](unsafeUninitializedCapacity: 32) { digest, count in
    unsafe lig_sha256(bytes.baseAddress, bytes.count, digest.baseAddress)
    count = 32
  }
}

private func sha256(_ bytes: [UInt8]) -> [UInt8] { unsafe bytes.withUnsafeBytes { unsafe sha256($0) } }

private func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

// ── Graphs ──────────────────────────────────────────────────────────────────
extension PreparedCache {
  /// The prepared model; nil where it is not kept, or damaged.
  func graph(_ entry: Entry) -> Model? {
    guard unsafe access(entry.graphPath, F_OK) == 0 else { return nil }
    do {
      let model = try Model(contentsOf: entry.graphPath, operators: .standard)
      guard model.checksum != nil, model.externalFiles.isEmpty else {
        throw LigatureError(.format, "'\(entry.graphPath)' is not one of the cache's files")
      }
      // The time of last use, which decides what goes first.
      unsafe utimensat(AT_FDCWD, entry.graphPath, nil, 0)
      return model
    } catch {
      log?("prepared again, since what the cache kept cannot be used: \(error)")
      return nil
    }
  }

  func write(_ model: Model, _ entry: Entry) {
    do {
      try model.write(to: entry.graphPath)
      trim()
    } catch {
      log?("not kept in the cache: \(error)")
    }
  }
}

// ── Size ────────────────────────────────────────────────────────────────────
extension PreparedCache {
  /// The files of one model.
  private struct Kept {
    var paths: [String] = []
    var byteCount = 0
    var lastUse = timespec()
  }

  /// Removes what was not used for longest until the rest fits the limit. Whoever has removed files mapped keeps them.
  fileprivate func trim() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    var kept: [Substring: Kept] = [:]
    for name in names {
      let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      // Others may keep their files here.
      guard parts.count == 2, parts[0].utf8.count == 40, ["onnx", "packed", "digest"].contains(parts[1]) else {
        continue
      }
      var status = stat()
      guard unsafe lstat(folder + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      var item = kept[parts[0]] ?? Kept()
      item.paths.append(folder + "/" + name)
      item.byteCount += max(Int(status.st_size), 4096)
      let time = status.st_mtim
      if (item.lastUse.tv_sec, item.lastUse.tv_nsec) < (time.tv_sec, time.tv_nsec) { item.lastUse = time }
      kept[parts[0]] = item
    }
    var total = kept.values.reduce(0) { $0 + $1.byteCount }
    let oldest = kept.values.sorted {
      ($0.lastUse.tv_sec, $0.lastUse.tv_nsec) < ($1.lastUse.tv_sec, $1.lastUse.tv_nsec)
    }
    for item in oldest where total > limit {
      for path in item.paths { unsafe unlink(path) }
      total -= item.byteCount
    }
  }
}

// ── Packed weights ──────────────────────────────────────────────────────────
extension PreparedCache {
  /// The packed weights of a prepared model, as far as they are kept and whole.
  func packed(_ entry: Entry, of model: Model) -> [PackedConstants.Packed] {
    guard unsafe access(entry.packedPath, F_OK) == 0 else { return [] }
    // Its checksum was the only use of the model's own weights so far, and for packed ones it stays that.
    for value in model.graph.values { value.tensor?.releaseFilePages() }
    do {
      let items = try PackedFile.read(entry.packedPath, key: entry.key)
      return items.compactMap { item in
        guard let id = model.graph.value(named: item.name), let source = model.graph[id].tensor else { return nil }
        return PackedConstants.Packed(source: source, form: item.form, packed: item.tensor)
      }
    } catch {
      log?("packed again, since what the cache kept cannot be used: \(error)")
      return []
    }
  }

  /// Writes what a session packs. A few times at most: inputs of ever new sizes seldom need ever new forms.
  struct Keeper {
    let cache: PreparedCache
    let entry: Entry
    var made: Int
    private var writesLeft = 4

    init(cache: PreparedCache, entry: Entry, made: Int) {
      (self.cache, self.entry, self.made) = (cache, entry, made)
    }

    mutating func keep(_ packed: PackedConstants, of graph: Graph) {
      let count = packed.madeCount
      guard count > made, writesLeft > 0 else { return }
      made = count
      writesLeft -= 1
      var names: [PackedFile.Place: String] = [:]
      for value in graph.values {
        if let tensor = value.tensor { names[PackedFile.Place(tensor)] = value.name }
      }
      // What was made of intermediate constants has no name to be found by again.
      let items = packed.contents.compactMap { item in
        names[PackedFile.Place(item.source)].map { PackedFile.Item(name: $0, form: item.form, tensor: item.packed) }
      }
      do {
        try PackedFile.write(items, key: entry.key, to: entry.packedPath)
        cache.trim()
      } catch {
        cache.log?("not kept in the cache: \(error)")
      }
    }
  }
}
