import FoundationEssentials
import PyTorchCheckpoint
import TensorCore
import TensorFiles

/// What `ligature inspect` shows of a file of weights: a PyTorch checkpoint or `.safetensors`.
struct CheckpointReport: Codable {
  struct Entry: Codable {
    var name: String
    var element: String
    var shape: [Int]
    /// Where the tensor lies in its storage, in elements; PyTorch's files only.
    var strides: [Int]?
    var storageOffset: Int?
    var storage: String?
  }

  var file: String
  var byteCount: Int
  var format: String
  /// Keys beside the weights; absent for a bare state_dict.
  var keys: [String]?
  var tensorCount: Int
  var parameters: Int
  var parameterBytes: Int
  var tensors: [Entry]
  var metadata: [String: String]
  /// Parameters that the optimiser has a state for.
  var optimizerStates: Int?

  private static let suffixes: Set = ["pth", "pt", "ckpt", "bin", "safetensors"]

  /// `nil` when the name is not that of a file of weights.
  init?(contentsOf path: String, limits: Limits = Limits()) throws {
    let suffix = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
    guard Self.suffixes.contains(suffix) else { return nil }
    let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    if suffix == "safetensors" {
      let file = try SafeTensors(contentsOf: path)
      let state = StateDictionary(file)
      self.init(
        file: path, byteCount: size ?? 0, format: "safetensors",
        tensors: state.entries.map { Entry(name: $0.name, element: "\($0.tensor.element)", shape: $0.tensor.shape) },
        metadata: file.metadata, all: state.entries.map(\.tensor))
    } else {
      let checkpoint = try Checkpoint(contentsOf: path, limits: CheckpointLimits(limits))
      let entries = checkpoint.storedTensors.map { name, found in
        Entry(
          name: name, element: "\(found.tensor.element)", shape: found.tensor.shape, strides: found.strides,
          storageOffset: found.storageOffset, storage: found.storageKey)
      }
      var metadata: [String: String] = [:]
      for entry in checkpoint.metadata.entries { metadata[entry.key.text(32)] = entry.value.text(1 << 20) }
      self.init(
        file: path, byteCount: size ?? 0, format: "PyTorch \(checkpoint.format.rawValue)", tensors: entries,
        metadata: metadata, all: checkpoint.storedTensors.map(\.tensor.tensor))
      keys = checkpoint.topLevelKeys
      optimizerStates = checkpoint.optimizer?.dictionary?["state"]?.dictionary?.count
    }
  }

  private init(
    file: String, byteCount: Int, format: String, tensors: [Entry], metadata: [String: String], all: [Tensor]
  ) {
    self.file = file
    self.byteCount = byteCount
    self.format = format
    self.tensors = tensors
    self.metadata = metadata
    tensorCount = all.count
    parameters = all.reduce(0) { $0 + $1.count }
    parameterBytes = all.reduce(0) { $0 + $1.byteCount }
  }

  var text: String {
    var lines = ["\(file)  \(ByteCount(bytes: byteCount))", "format      \(format)"]
    if let keys { lines.append("keys        \(keys.joined(separator: ", "))") }
    lines.append("tensors     \(tensorCount)")
    lines.append("parameters  \(parameters.grouped) (\(ByteCount(bytes: parameterBytes)))")
    if let optimizerStates { lines.append("optimizer   state of \(optimizerStates) parameters") }
    if !metadata.isEmpty { lines.append("meta") }
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      let flat = value.replacing("\n", with: "⏎")
      lines.append("  \(key): \(flat.count > 160 ? "\(flat.prefix(160))… (\(value.count) characters)" : flat)")
    }
    guard !tensors.isEmpty else { return lines.joined(separator: "\n") }
    var table = TextTable([("tensor", .left), ("type", .left), ("shape", .left)])
    for tensor in tensors {
      table.append([tensor.name, tensor.element, "[\(tensor.shape.map(String.init).joined(separator: ", "))]"])
    }
    return (lines + [table.text]).joined(separator: "\n")
  }
}

extension PythonValue {
  /// As text of about that many characters at most; values may be far larger than their file.
  fileprivate func text(_ longest: Int) -> String {
    var result = ""
    append(to: &result, longest)
    return result.count > longest ? result.prefix(longest) + "…" : result
  }

  private func append(to result: inout String, _ longest: Int) {
    guard result.utf8.count <= longest else { return }
    func append(_ items: [PythonValue], _ brackets: (String, String)) {
      result += brackets.0
      for (index, item) in items.enumerated() where result.utf8.count <= longest {
        if index > 0 { result += ", " }
        item.append(to: &result, longest)
      }
      result += brackets.1
    }
    switch self {
    case .none: result += "None"
    case .boolean(let truth): result += truth ? "True" : "False"
    case .integer(let number): result += "\(number)"
    case .float(let number): result += "\(number)"
    case .string(let text): result += text
    case .bytes(let bytes): result += "\(bytes.count) bytes"
    case .list(let items): append(items, ("[", "]"))
    case .tuple(let items): append(items, ("(", ")"))
    case .set(let items): append(items, ("{", "}"))
    case .tensor(let found): result += "Tensor \(found.tensor.element)\(found.tensor.shape)"
    case .dictionary(let dictionary):
      result += "{"
      for (index, entry) in dictionary.entries.enumerated() where result.utf8.count <= longest {
        if index > 0 { result += ", " }
        entry.key.append(to: &result, longest)
        result += ": "
        entry.value.append(to: &result, longest)
      }
      result += "}"
    case .bigInteger, .reference, .object: result += kind
    }
  }
}
