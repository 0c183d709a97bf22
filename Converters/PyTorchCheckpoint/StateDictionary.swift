import FoundationEssentials
public import TensorCore
public import TensorFiles

/// Named tensors in their order: parameters and buffers as `state_dict()` gives them.
public struct StateDictionary: Sendable {
  public private(set) var names: [String] = []
  private var tensors: [String: Tensor] = [:]

  public init() {}

  /// Throws when a name occurs twice.
  public init(_ entries: [(name: String, tensor: Tensor)]) throws {
    for (name, tensor) in entries {
      guard tensors[name] == nil else {
        throw LigatureError(.usage, "there are two tensors named '\(name)'; keep one")
      }
      self[name] = tensor
    }
  }

  public var count: Int { names.count }

  /// A new name goes to the end; `nil` removes.
  public subscript(name: String) -> Tensor? {
    get { tensors[name] }
    set {
      if let newValue {
        if tensors.updateValue(newValue, forKey: name) == nil { names.append(name) }
      } else if tensors.removeValue(forKey: name) != nil {
        names.removeAll { $0 == name }
      }
    }
  }

  public var entries: [(name: String, tensor: Tensor)] {
    names.compactMap { name in tensors[name].map { (name, $0) } }
  }

  /// Scalars of all tensors together.
  public var parameterCount: Int { tensors.values.reduce(0) { $0 + $1.count } }

  /// The averages that mmcv's `EMAHook` keeps: for a tensor `a.b.c`, the buffer `ema_a_b_c`, under the name `a.b.c`.
  public var movingAverages: StateDictionary {
    var found = StateDictionary()
    for name in names { found[name] = tensors["ema_" + name.replacing(".", with: "_")] }
    return found
  }
}

// ── Safetensors ─────────────────────────────────────────────────────────────
extension StateDictionary {
  /// `.safetensors` sorts by name; this entry of its metadata keeps the order.
  private static let orderKey = "ligature.order"

  /// Takes the order that `safeTensors(metadata:)` kept, else sorts by name with numbers by value.
  public init(_ file: SafeTensors) {
    let kept = file.metadata[StateDictionary.orderKey].flatMap {
      try? JSONDecoder().decode([String].self, from: Data($0.utf8))
    }
    let order = kept.flatMap { Set($0) == Set(file.tensors.keys) ? $0 : nil }
    let sorted = order ?? file.tensors.keys.sorted(by: precedesByNumbers)
    for name in sorted { self[name] = file.tensors[name] }
  }

  public func safeTensors(metadata: [String: String] = [:]) throws -> SafeTensors {
    var all = metadata
    all[StateDictionary.orderKey] = String(decoding: try JSONEncoder().encode(names), as: UTF8.self)
    return SafeTensors(tensors, metadata: all)
  }
}
