import TensorCore

/// PyTorch's format before 1.6: five pickles (magic number, version, system, the value, the storages' keys), then for
/// each key an element count and raw little-endian data.
struct LegacyCheckpoint: StorageSource {
  private static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

  private let storage: TensorStorage
  private var places: [String: (start: Int, byteCount: Int)] = [:]
  /// The machine that ran the value's pickle, and the value.
  let machine: PickleMachine
  let value: PickleReference

  /// Storages are little-endian whatever machine wrote them.
  var isBigEndian: Bool { false }

  init(_ storage: TensorStorage, limits: CheckpointLimits) throws {
    self.storage = storage
    var position = 0
    func run(_ what: String) throws -> (machine: PickleMachine, value: PickleReference) {
      let end = min(storage.byteCount, position + limits.pickleByteCount)
      let cursor = try ByteCursor(storage, from: position, to: end, what: what)
      var machine = PickleMachine(cursor, limits: limits)
      let result = try machine.run()
      position = result.end
      return (machine, result.value)
    }
    let header = try run("the header")
    guard case .bigInteger(let bytes) = header.machine.heap[header.value], LegacyCheckpoint.isMagic(bytes) else {
      throw LigatureError(
        .format, "the file does not begin with PyTorch's magic number: it is no checkpoint; check the path")
    }
    let version = try run("the header")
    guard version.machine.heap.integer(version.value) == 1001 else {
      throw LigatureError(.unsupported, "the checkpoint's legacy version is not 1001; save it with a PyTorch since 0.4")
    }
    let system = try run("the header")
    try LegacyCheckpoint.check(system.machine.heap, system.value)
    (machine, value) = try run("the pickle")
    let keys = try run("the list of storages")
    guard let list = keys.machine.heap.list(keys.value) else {
      throw LigatureError(
        .format, "the list of storages is a \(keys.machine.heap.kind(keys.value)); obtain the file again")
    }
    let names = try list.map {
      guard let key = keys.machine.heap.string($0) else {
        throw LigatureError(
          .format, "the list of storages holds a \(keys.machine.heap.kind($0)); obtain the file again")
      }
      return key
    }
    try locate(names, from: position)
  }

  private static func isMagic(_ bytes: [UInt8]) -> Bool {
    // A sign byte of zero may follow.
    bytes == magic || bytes == magic + [0]
  }

  private static func check(_ heap: PickleHeap, _ system: PickleReference) throws {
    guard let table = heap.dictionary(system) else {
      throw LigatureError(.format, "the header's system information is a \(heap.kind(system)); obtain the file again")
    }
    for (key, value) in zip(table.keys, table.values) where heap.string(key) == "little_endian" {
      guard heap.boolean(value) == true else {
        throw LigatureError(
          .unsupported, "the checkpoint was written on a big-endian machine; save it again on a little-endian one")
      }
    }
  }

  /// Walks over the storages. How wide their elements are, only the pickle says.
  private mutating func locate(_ keys: [String], from start: Int) throws {
    var sizes: [String: (count: Int, width: Int)] = [:]
    for storage in machine.heap.storages {
      let described = (count: storage.total, width: storage.element?.byteSize ?? 1)
      if let known = sizes[storage.key], known != described {
        throw LigatureError(.format, "the storage '\(storage.key)' is described in two ways; obtain the file again")
      }
      sizes[storage.key] = described
    }
    var cursor = try ByteCursor(storage, from: start, to: storage.byteCount, what: "the data of the storages")
    for key in keys {
      guard let described = sizes[key] else {
        throw LigatureError(.format, "the file holds a storage '\(key)' that nothing refers to; obtain the file again")
      }
      let count: Int64 = try cursor.number()
      guard count == described.count else {
        throw LigatureError(
          .format,
          "the storage '\(key)' has \(count) elements where \(described.count) are expected; obtain the file again")
      }
      let byteCount = try Checked.multiply(described.count, described.width, "the byte size of a storage")
      guard byteCount <= cursor.remaining else {
        throw LigatureError(
          .format,
          """
          the storage '\(key)' has \(byteCount) bytes, the file only \(cursor.remaining) more: the download was \
          probably cut off; obtain the file again
          """)
      }
      guard places.updateValue((cursor.position, byteCount), forKey: key) == nil else {
        throw LigatureError(.format, "the file holds two storages '\(key)'; obtain the file again")
      }
      try cursor.skip(byteCount)
    }
    guard cursor.remaining == 0 else {
      throw LigatureError(.format, "\(cursor.remaining) bytes follow the last storage; obtain the file again")
    }
  }

  func bytes(key: String, byteCount: Int, scalar: Int) throws -> (storage: TensorStorage, start: Int, isCopy: Bool) {
    guard let place = places[key], place.byteCount == byteCount else {
      throw LigatureError(.format, "the storage '\(key)' is not in the file; obtain the file again")
    }
    return (storage, place.start, false)
  }
}
