import TensorCore

/// A PyTorch checkpoint, read without Python and without executing anything.
///
/// Source: `torch.save` of PyTorch 0.4 to 2 (legacy and zip formats); `save_checkpoint`, `load_checkpoint` of mmcv 1.
public struct Checkpoint: Sendable {
  public enum Format: String, Sendable {
    case zip
    case legacy
  }

  public let format: Format
  /// Everything that the file holds.
  public let value: PythonValue
  /// The weights by name. `module.`, which wrappers for several GPUs put in front, is taken off as mmcv does.
  public let stateDictionary: StateDictionary
  /// The weights with their names and places as the file has them.
  public let storedTensors: [(name: String, tensor: CheckpointTensor)]

  /// mmcv's `meta`: epoch, configuration, classes …; empty for a bare state_dict.
  public var metadata: PythonDictionary { top?["meta"]?.dictionary ?? PythonDictionary() }

  /// The optimiser's `state` and `param_groups`, if there is one.
  public var optimizer: PythonValue? { top?["optimizer"] }

  /// Keys beside the weights; `nil` for a bare state_dict.
  public var topLevelKeys: [String]? { isBare ? nil : top?.entries.compactMap(\.key.string) }

  private let isBare: Bool
  private var top: PythonDictionary? { isBare ? nil : value.dictionary }

  /// Reads a file; its weights stay in it, mapped, wherever they are contiguous and aligned.
  ///
  /// - Throws: `.file` when it cannot be read, `.format` when it is damaged or no checkpoint, `.unsupported` when it
  ///   calls anything that is not on the list of what is rebuilt, `.limit` when a limit would be passed. Messages name
  ///   the file.
  public init(contentsOf path: String, limits: CheckpointLimits = CheckpointLimits()) throws {
    let storage = try TensorStorage(mapping: path)
    do {
      try self.init(storage, limits: limits)
    } catch let error as LigatureError {
      throw LigatureError(error.code, "'\(path)': \(error.message)", cause: error.cause)
    }
  }

  public init(bytes: [UInt8], limits: CheckpointLimits = CheckpointLimits()) throws {
    try self.init(TensorStorage(copying: bytes), limits: limits)
  }

  private init(_ storage: TensorStorage, limits: CheckpointLimits) throws {
    if ZipArchive.matches(storage) {
      format = .zip
      let file = try ZipCheckpoint(storage)
      var machine = PickleMachine(try file.pickle(limits: limits), limits: limits)
      let (root, end) = try machine.run()
      guard end == machine.end else { throw machine.broken("bytes follow its end") }
      value = try Checkpoint.value(machine, root, file, fileByteCount: storage.byteCount, limits)
    } else {
      try Checkpoint.refuseOthers(storage)
      format = .legacy
      let file = try LegacyCheckpoint(storage, limits: limits)
      value = try Checkpoint.value(file.machine, file.value, file, fileByteCount: storage.byteCount, limits)
    }
    (storedTensors, isBare) = try Checkpoint.tensors(value)
    stateDictionary = try Checkpoint.stripped(storedTensors)
  }

  private static func value(
    _ machine: PickleMachine, _ root: PickleReference, _ source: any StorageSource, fileByteCount: Int,
    _ limits: CheckpointLimits
  ) throws -> PythonValue {
    let tensors = try TensorBuilder(source, fileByteCount: fileByteCount, limits: limits)
    var values = ValueBuilder(machine.heap, tensors: tensors, limits: limits)
    return try values.value(root)
  }

  /// What people mistake for checkpoints gets a message of its own.
  private static func refuseOthers(_ storage: TensorStorage) throws {
    let head = unsafe storage.withUnsafeBytes { unsafe Array($0.prefix(512)) }
    func begins(_ text: String) -> Bool { head.starts(with: text.utf8) }
    guard !head.isEmpty else { throw LigatureError(.format, "the file is empty; obtain it again") }
    guard !begins("version https://git-lfs") else {
      throw LigatureError(.format, "the file is a Git LFS pointer, not the checkpoint itself; run `git lfs pull`")
    }
    let text = head.drop { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
    guard text.first != UInt8(ascii: "<") else {
      throw LigatureError(.format, "the file is a web page, no checkpoint; download it with the right address")
    }
    guard head.count < 262 || !Array(head[257..<262]).elementsEqual("ustar".utf8) else {
      throw LigatureError(
        .unsupported, "the file is in the tar format of PyTorch 0.1, which is not supported; save it again")
    }
  }
}

// ── What mmcv makes of it ───────────────────────────────────────────────────
extension Checkpoint {
  private static func tensors(
    _ value: PythonValue
  ) throws -> (entries: [(name: String, tensor: CheckpointTensor)], isBare: Bool) {
    guard case .dictionary(let top) = value else {
      throw LigatureError(
        .format, "the checkpoint holds a \(value.kind) at its top, not a dictionary of weights; save the state_dict")
    }
    guard let state = top["state_dict"] else { return (try entries(top, "the checkpoint"), true) }
    guard case .dictionary(let dictionary) = state else {
      throw LigatureError(
        .format, "the checkpoint's state_dict is a \(state.kind), not a dictionary; save the state_dict")
    }
    return (try entries(dictionary, "the state_dict"), false)
  }

  private static func entries(
    _ dictionary: PythonDictionary, _ what: String
  ) throws -> [(name: String, tensor: CheckpointTensor)] {
    try dictionary.entries.map { entry in
      guard case .string(let name) = entry.key else {
        throw LigatureError(.format, "\(what) has a key that is a \(entry.key.kind), not a name; save the state_dict")
      }
      guard case .tensor(let tensor) = entry.value else {
        throw LigatureError(
          .format, "\(what) holds under '\(name)' a \(entry.value.kind), not a tensor; save the state_dict alone")
      }
      return (name, tensor)
    }
  }

  private static func stripped(_ entries: [(name: String, tensor: CheckpointTensor)]) throws -> StateDictionary {
    let prefix = "module."
    return try StateDictionary(
      entries.map { ($0.name.hasPrefix(prefix) ? String($0.name.dropFirst(prefix.count)) : $0.name, $0.tensor.tensor) })
  }
}
