import TensorCore

/// How tensors that share memory are written.
public enum StorageSharing: Sendable {
  /// Every tensor gets a storage of its own.
  case separate
  /// Tensors of one type whose bytes overlap become views of one storage, so that PyTorch ties them again.
  case preserved
}

extension Checkpoint {
  /// Writes a checkpoint in PyTorch's zip format, as mmcv's `save_checkpoint` lays it out: `meta`, `state_dict` and
  /// `optimizer`. PyTorch loads it with `weights_only=True`, mmcv with `load_checkpoint`. The file appears in its
  /// place at once or not at all; equal content gives equal bytes.
  ///
  /// - Parameters:
  ///   - meta: plain data; `nil` leaves it out.
  ///   - optimizer: `state` and `param_groups`; `nil` leaves it out.
  /// - Throws: `.file` when it cannot be written, `.unsupported` for element types that PyTorch 1 lacks and for objects
  ///   and references that are no plain data.
  public static func write(
    stateDictionary: StateDictionary, meta: PythonDictionary? = nil, optimizer: PythonValue? = nil, to path: String,
    sharing: StorageSharing = .preserved
  ) throws {
    let value = value(stateDictionary: stateDictionary, meta: meta, optimizer: optimizer)
    try write(value, to: path, sharing: sharing)
  }

  /// Writes any value, such as a bare state_dict.
  public static func write(_ value: PythonValue, to path: String, sharing: StorageSharing = .preserved) throws {
    let content = try CheckpointContent(value, sharing: sharing)
    let file = try AtomicFile(path)
    var archive = unsafe ZipWriter { try unsafe file.write($0) }
    try content.write(to: &archive)
    try file.commit()
  }

  /// The bytes of a file.
  public static func encoded(_ value: PythonValue, sharing: StorageSharing = .preserved) throws -> [UInt8] {
    try encoded(value, sharing: sharing, wideFrom: Int(UInt32.max))
  }

  /// - Parameter wideFrom: where 64-bit fields begin.
  package static func encoded(
    _ value: PythonValue, sharing: StorageSharing = .preserved, wideFrom: Int
  ) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let content = try CheckpointContent(value, sharing: sharing)
    var archive = unsafe ZipWriter(wideFrom: wideFrom) { unsafe bytes.append(contentsOf: $0) }
    try content.write(to: &archive)
    return bytes
  }

  /// The value that a checkpoint of mmcv holds.
  public static func value(
    stateDictionary: StateDictionary, meta: PythonDictionary? = nil, optimizer: PythonValue? = nil
  ) -> PythonValue {
    let weights = stateDictionary.entries.map {
      (key: PythonValue.string($0.name), value: PythonValue.tensor(CheckpointTensor($0.tensor)))
    }
    var top = PythonDictionary()
    if let meta { top.entries.append((.string("meta"), .dictionary(meta))) }
    top.entries.append((.string("state_dict"), .dictionary(PythonDictionary(weights, isOrdered: true))))
    if let optimizer { top.entries.append((.string("optimizer"), optimizer)) }
    return .dictionary(top)
  }
}

/// The pickle and the storages of a file to be written.
private struct CheckpointContent {
  private let pickle: [UInt8]
  /// What each storage consists of, one tensor's bytes; its key is its index.
  private let storages: [Tensor]

  init(_ value: PythonValue, sharing: StorageSharing) throws {
    let planner = StoragePlanner()
    if sharing == .preserved {
      try planner.collect(value)
      planner.merge()
    }
    var writer = PickleWriter { try planner.place($0) }
    try writer.write(value)
    pickle = writer.finish()
    storages = planner.storages
  }

  func write(to archive: inout ZipWriter) throws {
    try archive.append("archive/data.pkl", pickle)
    try archive.append("archive/byteorder", Array("little".utf8))
    for (key, storage) in storages.enumerated() { try archive.append("archive/data/\(key)", parts: [storage]) }
    try archive.append("archive/version", Array("3\n".utf8))
    try archive.finish()
  }
}

/// Decides which tensors share a storage.
private final class StoragePlanner {
  private struct Memory: Hashable {
    var storage: ObjectIdentifier
    var element: ElementType
  }
  private struct Range {
    var start: Int
    var end: Int
    var storage: TensorStorage
    var key: Int?
  }

  /// The storages in the order of their keys.
  private(set) var storages: [Tensor] = []
  private var ranges: [Memory: [Range]] = [:]
  private var visited = 0

  private func memory(_ tensor: Tensor) -> Memory {
    Memory(storage: ObjectIdentifier(tensor.storage), element: tensor.element)
  }

  /// Notes the bytes of every tensor of a value.
  func collect(_ value: PythonValue, depth: Int = 0) throws {
    visited += 1
    // Shared parts are written out again each time, so their number has to be bounded.
    guard depth <= 256, visited <= 20_000_000 else {
      throw LigatureError(.limit, "the value to write has too many parts, or is nested deeper than 256 levels")
    }
    switch value {
    case .tensor(let described):
      let tensor = described.tensor
      guard tensor.byteCount > 0 else { return }
      let start = tensor.byteOffset
      ranges[memory(tensor), default: []].append(
        Range(start: start, end: start + tensor.byteCount, storage: tensor.storage))
    case .list(let items), .tuple(let items), .set(let items):
      for item in items { try collect(item, depth: depth + 1) }
    case .dictionary(let dictionary):
      for entry in dictionary.entries { try collect(entry.value, depth: depth + 1) }
    default: break
    }
  }

  /// Unites ranges that overlap.
  func merge() {
    for (memory, list) in ranges {
      var united: [Range] = []
      for range in list.sorted(by: { $0.start < $1.start }) {
        if let last = united.last, range.start < last.end {
          united[united.count - 1].end = max(last.end, range.end)
        } else {
          united.append(range)
        }
      }
      ranges[memory] = united
    }
  }

  func place(_ tensor: Tensor) throws -> PickleWriter.Place {
    let memory = memory(tensor)
    let width = tensor.element.byteSize
    guard let index = index(of: tensor, in: ranges[memory] ?? []), let range = ranges[memory]?[index],
      // Views that are shifted by a part of an element cannot share.
      (tensor.byteOffset - range.start) % width == 0, (range.end - range.start) % width == 0
    else {
      storages.append(tensor)
      return PickleWriter.Place(key: "\(storages.count - 1)", count: tensor.count, offset: 0)
    }
    let count = (range.end - range.start) / width
    let key = range.key ?? storages.count
    if range.key == nil {
      storages.append(try Tensor.view(tensor.element, [count], range.storage, byteOffset: range.start))
      ranges[memory]?[index].key = key
    }
    return PickleWriter.Place(key: "\(key)", count: count, offset: (tensor.byteOffset - range.start) / width)
  }

  /// The range that holds a tensor, by halving: ranges are sorted and apart.
  private func index(of tensor: Tensor, in list: [Range]) -> Int? {
    guard tensor.byteCount > 0 else { return nil }
    var (low, high) = (0, list.count)
    while low < high {
      let middle = (low + high) / 2
      if list[middle].end <= tensor.byteOffset { low = middle + 1 } else { high = middle }
    }
    guard low < list.count, list[low].start <= tensor.byteOffset else { return nil }
    return low
  }
}
