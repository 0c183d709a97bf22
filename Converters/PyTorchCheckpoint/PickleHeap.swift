import TensorCore

/// A place in a `PickleHeap`.
typealias PickleReference = Int32

/// Everything a pickle made, flat: values refer to each other by index, so that sharing and cycles cost nothing and
/// nothing recurses when it is freed.
struct PickleHeap {
  enum Node {
    case none
    case boolean(Bool)
    case integer(Int)
    case bigInteger([UInt8])
    case float(Double)
    case string(String)
    case bytes([UInt8])
    /// Index into `lists`.
    case list(Int)
    case tuple([PickleReference])
    /// Index into `tables`; its values are unused.
    case set(Int)
    /// Index into `tables`.
    case dictionary(Int)
    /// A module and a name in it.
    case global(String)
    /// Index into `storages`.
    case storage(Int)
    /// Index into `tensors`.
    case tensor(Int)
    case numpyType(NumpyType)
    /// Index into `objects`.
    case object(Int)
  }

  struct Table {
    var keys: [PickleReference] = []
    var values: [PickleReference] = []
    var places: [Key: Int] = [:]
    var isOrdered = false

    /// As in Python, a key that is there keeps its place and gets the new value.
    mutating func set(_ place: Key, key: PickleReference, value: PickleReference) {
      if let found = places[place] {
        values[found] = value
      } else {
        places[place] = keys.count
        keys.append(key)
        values.append(value)
      }
    }
  }

  /// What the persistent id of a storage says.
  struct Storage {
    /// `nil` for untyped bytes.
    var element: ElementType?
    var key: String
    /// Elements, bytes when untyped.
    var count: Int
    /// Where the view of old files starts in the storage, in elements; 0 otherwise.
    var offset = 0
    /// Elements of the whole storage that the file must hold.
    var total: Int
  }

  struct TensorView {
    var source: Source
    var element: ElementType
    var offset: Int
    var sizes: [Int]
    var strides: [Int]
    var requiresGradient: Bool
    var isParameter = false

    enum Source {
      /// Index into `storages`.
      case storage(Int)
      /// NumPy's arrays carry their bytes; row-major unless `isFortranOrder`.
      case bytes([UInt8], isBigEndian: Bool)
    }
  }

  struct Object {
    var className: String
    var arguments: [PickleReference] = []
    var state: PickleReference?
    var items: [PickleReference] = []
    var table = Table()
  }

  private(set) var nodes: [Node] = []
  var lists: [[PickleReference]] = []
  var tables: [Table] = []
  var storages: [Storage] = []
  var tensors: [TensorView] = []
  var objects: [Object] = []

  private let limits: CheckpointLimits
  private var made = 0
  private var textBytes = 0

  init(limits: CheckpointLimits) { self.limits = limits }

  subscript(reference: PickleReference) -> Node { nodes[Int(reference)] }

  // ── Paying ────────────────────────────────────────────────────────────────

  /// Charges objects or container entries.
  mutating func charge(_ count: Int = 1) throws {
    made += count
    guard made <= limits.objectCount else {
      throw LigatureError(
        .limit,
        "the pickle makes more than \(limits.objectCount) objects; raise the limit 'nodes' if it is trusted"
      )
    }
  }

  /// Charges bytes of texts; call before making them.
  mutating func chargeText(_ count: Int) throws {
    textBytes = try Checked.add(textBytes, count)
    guard textBytes <= limits.textByteCount else {
      throw LigatureError(
        .limit,
        """
        the pickle makes more than \(limits.textByteCount) bytes of texts; \
        raise the limit 'bytes' if it is trusted
        """
      )
    }
  }

  // ── Making ────────────────────────────────────────────────────────────────

  mutating func make(_ node: Node) throws -> PickleReference {
    try charge()
    nodes.append(node)
    return PickleReference(truncatingIfNeeded: nodes.count - 1)
  }

  mutating func replace(_ reference: PickleReference, by node: Node) { nodes[Int(reference)] = node }

  mutating func makeList(_ items: [PickleReference]) throws -> PickleReference {
    try charge(items.count)
    lists.append(items)
    return try make(.list(lists.count - 1))
  }

  mutating func makeTuple(_ items: [PickleReference]) throws -> PickleReference {
    try charge(items.count)
    return try make(.tuple(items))
  }

  mutating func makeDictionary(isOrdered: Bool = false) throws -> PickleReference {
    tables.append(Table(isOrdered: isOrdered))
    return try make(.dictionary(tables.count - 1))
  }

  mutating func makeSet(_ items: [PickleReference]) throws -> PickleReference {
    tables.append(Table())
    let index = tables.count - 1
    for item in items { try setEntry(ofTable: index, key: item, value: item) }
    return try make(.set(index))
  }

  mutating func makeObject(_ object: Object) throws -> PickleReference {
    try charge(object.arguments.count)
    objects.append(object)
    return try make(.object(objects.count - 1))
  }

  // ── Dictionaries ──────────────────────────────────────────────────────────

  mutating func setEntry(ofTable index: Int, key: PickleReference, value: PickleReference) throws {
    try charge()
    tables[index].set(try place(of: key), key: key, value: value)
  }

  mutating func setEntry(ofObject index: Int, key: PickleReference, value: PickleReference) throws {
    try charge()
    objects[index].table.set(try place(of: key), key: key, value: value)
  }

  private func place(of key: PickleReference) throws -> Key {
    var budget = 1000
    return try self.key(key, &budget)
  }

  /// A key by which Python's equality holds: 1, 1.0 and True are the same.
  enum Key: Hashable {
    case none
    case integer(Int)
    case bigInteger([UInt8])
    case float(UInt64)
    case string(String)
    case bytes([UInt8])
    case tuple([Key])
    case global(String)
    case identity(PickleReference)
  }

  /// - Parameter budget: parts that a key may still have; tuples in tuples could be expanded without end.
  private func key(_ reference: PickleReference, _ budget: inout Int) throws -> Key {
    budget -= 1
    guard budget > 0 else { throw LigatureError(.limit, "the pickle has a dictionary key of more than 1000 parts") }
    switch self[reference] {
    case .none: return .none
    case .boolean(let truth): return .integer(truth ? 1 : 0)
    case .integer(let number): return .integer(number)
    case .bigInteger(let bytes): return .bigInteger(bytes)
    case .float(let number):
      if let whole = Int(exactly: number) { return .integer(whole) }
      return .float(number.bitPattern)
    // Swift takes texts as equal that differ in bytes (é and e with an accent); Python does not.
    case .string(let text):
      return text.utf8.allSatisfy { $0 < 0x80 } ? .string(text) : .bytes([0xFF] + Array(text.utf8))
    case .bytes(let bytes): return .bytes([0] + bytes)
    case .tuple(let items): return .tuple(try items.map { try key($0, &budget) })
    case .global(let name): return .global(name)
    case .storage, .tensor, .numpyType, .object: return .identity(reference)
    case .list, .set, .dictionary:
      throw LigatureError(.format, "the pickle uses a \(kind(reference)) as a dictionary key; obtain the file again")
    }
  }

  /// What it is, in Python's words.
  func kind(_ reference: PickleReference) -> String {
    switch self[reference] {
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
    case .global(let name): name
    case .storage: "storage"
    case .tensor: "Tensor"
    case .numpyType: "numpy.dtype"
    case .object(let index): objects[index].className
    }
  }

  // ── Reading ───────────────────────────────────────────────────────────────

  func integer(_ reference: PickleReference) -> Int? {
    if case .integer(let number) = self[reference] { number } else { nil }
  }
  func boolean(_ reference: PickleReference) -> Bool? {
    if case .boolean(let truth) = self[reference] { truth } else { nil }
  }
  func string(_ reference: PickleReference) -> String? {
    if case .string(let text) = self[reference] { text } else { nil }
  }
  func isNone(_ reference: PickleReference) -> Bool { if case .none = self[reference] { true } else { false } }
  func tuple(_ reference: PickleReference) -> [PickleReference]? {
    if case .tuple(let items) = self[reference] { items } else { nil }
  }
  func dictionary(_ reference: PickleReference) -> Table? {
    if case .dictionary(let index) = self[reference] { tables[index] } else { nil }
  }
  func list(_ reference: PickleReference) -> [PickleReference]? {
    if case .list(let index) = self[reference] { lists[index] } else { nil }
  }

  /// Everything that a value refers to directly.
  func children(_ reference: PickleReference) -> [PickleReference] {
    switch self[reference] {
    case .list(let index): return lists[index]
    case .tuple(let items): return items
    case .set(let index): return tables[index].keys
    case .dictionary(let index): return tables[index].keys + tables[index].values
    case .object(let index):
      let object = objects[index]
      return object.arguments + object.items + object.table.keys + object.table.values
        + (object.state.map { [$0] } ?? [])
    default: return []
    }
  }
}

/// NumPy's element types as far as they have a counterpart.
struct NumpyType {
  /// NumPy's letter and size: `f4`.
  var code: String
  /// `nil` for texts, dates, records and objects.
  var element: ElementType?
  var isBigEndian = false

  private static let elements: [String: ElementType] = [
    "b1": .bool, "i1": .int8, "u1": .uint8, "i2": .int16, "u2": .uint16, "i4": .int32, "u4": .uint32, "i8": .int64,
    "u8": .uint64, "f2": .float16, "f4": .float32, "f8": .float64, "c8": .complex64, "c16": .complex128,
  ]

  init(code: String) {
    self.code = code
    var bare = code
    if let order = code.first, "<>=|".contains(order) {
      bare.removeFirst()
      isBigEndian = order == ">"
    }
    element = NumpyType.elements[bare]
  }
}
