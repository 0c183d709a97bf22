public import TensorCore

/// A value of a pickle, as plain data: nothing of what it described has been executed.
///
/// Parts that a pickle refers to several times are shared, so a small file can describe a very large tree:
/// walk it with a bound.
public enum PythonValue: Sendable {
  case none
  case boolean(Bool)
  case integer(Int)
  /// An integer beyond 64 bits: two's complement, little-endian.
  case bigInteger([UInt8])
  case float(Double)
  case string(String)
  case bytes([UInt8])
  case list([PythonValue])
  case tuple([PythonValue])
  case set([PythonValue])
  case dictionary(PythonDictionary)
  case tensor(CheckpointTensor)
  /// A class, function or constant that is only named, such as `torch.float32`.
  case reference(String)
  /// An object of a class that is not rebuilt.
  indirect case object(PythonObject)
}

/// A dictionary in the order of its insertions.
public struct PythonDictionary: Sendable {
  public var entries: [(key: PythonValue, value: PythonValue)]
  /// Whether it is (and is written as) `collections.OrderedDict`.
  public var isOrdered: Bool

  public init(_ entries: [(key: PythonValue, value: PythonValue)] = [], isOrdered: Bool = false) {
    self.entries = entries
    self.isOrdered = isOrdered
  }

  /// A dictionary with text keys.
  public init(_ entries: KeyValuePairs<String, PythonValue>) {
    self.init(entries.map { (.string($0.key), $0.value) })
  }

  public var count: Int { entries.count }

  /// The value of a text key, found by going through the entries.
  public subscript(key: String) -> PythonValue? {
    for entry in entries { if case .string(key) = entry.key { return entry.value } }
    return nil
  }

  /// The value of an integer key.
  public subscript(key: Int) -> PythonValue? {
    for entry in entries { if case .integer(key) = entry.key { return entry.value } }
    return nil
  }
}

/// What a pickle said about an object of an unknown class.
public struct PythonObject: Sendable {
  /// Module and name: `mmcv.utils.config.ConfigDict`.
  public var className: String
  public var arguments: [PythonValue]
  /// What its attributes would have been set from.
  public var state: PythonValue
  /// What would have been appended, for subclasses of list.
  public var items: [PythonValue]
  /// What would have been set, for subclasses of dict.
  public var entries: PythonDictionary
}

/// A tensor with what the file said about its place.
public struct CheckpointTensor: Sendable {
  /// Contiguous values: a view of the file where it can be, else a copy.
  public var tensor: Tensor
  /// Strides in elements as stored; `tensor` itself is row-major.
  public var strides: [Int]
  /// Where it starts in its storage, in elements.
  public var storageOffset: Int
  /// The storage it is a view of; tensors with the same key share memory in PyTorch.
  public var storageKey: String
  public var requiresGradient: Bool
  /// Whether it is an `nn.Parameter`.
  public var isParameter: Bool

  /// A tensor that is to be written.
  public init(_ tensor: Tensor, requiresGradient: Bool = false, isParameter: Bool = false) {
    self.init(
      tensor: tensor, strides: rowMajorStrides(tensor.shape), storageOffset: 0, storageKey: "",
      requiresGradient: requiresGradient, isParameter: isParameter)
  }

  init(
    tensor: Tensor, strides: [Int], storageOffset: Int, storageKey: String, requiresGradient: Bool, isParameter: Bool
  ) {
    self.tensor = tensor
    self.strides = strides
    self.storageOffset = storageOffset
    self.storageKey = storageKey
    self.requiresGradient = requiresGradient
    self.isParameter = isParameter
  }
}

extension PythonValue {
  /// What it is, in Python's words, for messages.
  public var kind: String {
    switch self {
    case .none: "None"
    case .boolean: "bool"
    case .integer, .bigInteger: "int"
    case .float: "float"
    case .string: "str"
    case .bytes: "bytes"
    case .list: "list"
    case .tuple: "tuple"
    case .set: "set"
    case .dictionary: "dict"
    case .tensor: "Tensor"
    case .reference(let name): name
    case .object(let object): "object of \(object.className)"
    }
  }

  public var string: String? { if case .string(let text) = self { text } else { nil } }
  public var integer: Int? { if case .integer(let number) = self { number } else { nil } }
  public var boolean: Bool? { if case .boolean(let truth) = self { truth } else { nil } }
  public var dictionary: PythonDictionary? { if case .dictionary(let entries) = self { entries } else { nil } }
  public var tensor: Tensor? { if case .tensor(let found) = self { found.tensor } else { nil } }

  /// A float, or an integer as one.
  public var float: Double? {
    switch self {
    case .float(let number): number
    case .integer(let number): Double(number)
    default: nil
    }
  }

  /// The elements of a list or tuple.
  public var elements: [PythonValue]? {
    switch self {
    case .list(let items), .tuple(let items): items
    default: nil
    }
  }
}
