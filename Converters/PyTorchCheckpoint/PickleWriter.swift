import TensorCore

/// Writes values as pickle protocol 2, with only the operations that PyTorch's `weights_only` loader takes.
///
/// Equal values give equal bytes.
struct PickleWriter {
  /// A tensor's place: key and size of its storage in elements, and its own offset there.
  struct Place {
    var key: String
    var count: Int
    var offset: Int
  }

  private(set) var bytes: [UInt8] = [0x80, 2]
  /// Texts and names that were written once, by their memo index.
  private var memo: [String: Int] = [:]
  private let place: (Tensor) throws -> Place
  private var depth = 0

  /// - Parameter place: called for every tensor in the order of writing.
  init(place: @escaping (Tensor) throws -> Place) { self.place = place }

  mutating func write(_ value: PythonValue) throws {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 256 else { throw LigatureError(.limit, "the value to write is nested deeper than 256 levels") }
    switch value {
    case .none: put(.none)
    case .boolean(let truth): put(truth ? .newTrue : .newFalse)
    case .integer(let number): put(integer: number)
    case .bigInteger(let digits):
      guard digits.count < 256 else {
        throw LigatureError(.unsupported, "an integer of \(digits.count) bytes is not written")
      }
      put(.long1)
      bytes += [UInt8(digits.count)] + digits
    case .float(let number):
      put(.binFloat)
      bytes.put(number.bitPattern.bigEndian)
    case .string(let text): try put(text: text)
    case .bytes(let content): try put(content)
    case .list(let items):
      put(.emptyList)
      try batches(items, .append, .appends) { try $0.write($1) }
    case .tuple(let items): try put(tuple: items)
    case .set(let items):
      put(global: "__builtin__", "set")
      try put(tuple: [.list(items)])
      put(.reduce)
    case .dictionary(let dictionary): try put(dictionary)
    case .tensor(let tensor): try put(tensor)
    case .reference(let name):
      guard let dot = name.lastIndex(of: "."), name.hasPrefix("torch.") else { throw refused(name) }
      put(global: String(name[..<dot]), String(name[name.index(after: dot)...]))
    case .object(let object): throw refused(object.className)
    }
  }

  mutating func finish() -> [UInt8] {
    put(.stop)
    return bytes
  }

  private func refused(_ name: String) -> LigatureError {
    LigatureError(
      .unsupported, "'\(name)' is not written: a checkpoint made here holds plain data and tensors; leave it out")
  }

  // ── Parts ─────────────────────────────────────────────────────────────────

  private mutating func put(_ operation: PickleOperation) { bytes.append(operation.rawValue) }

  private mutating func put(integer number: Int) {
    if let small = UInt8(exactly: number) {
      put(.binInt1)
      bytes.append(small)
    } else if let medium = UInt16(exactly: number) {
      put(.binInt2)
      bytes.put(medium)
    } else if let large = Int32(exactly: number) {
      put(.binInt)
      bytes.put(large)
    } else {
      let digits = PickleInteger.bytes(number)
      put(.long1)
      bytes += [UInt8(digits.count)] + digits
    }
  }

  private mutating func put(text: String) throws {
    if recall("t" + text) { return }
    let content = Array(text.utf8)
    guard let length = UInt32(exactly: content.count) else {
      throw LigatureError(.limit, "a text of \(content.count) bytes is too long for a pickle")
    }
    put(.binUnicode)
    bytes.put(length)
    bytes += content
    // Long texts hardly ever occur twice.
    if content.count <= 64 { remember("t" + text) }
  }

  /// Protocol 2 has no bytes: they are spelled as the encoding of a Latin-1 text.
  private mutating func put(_ content: [UInt8]) throws {
    put(global: "_codecs", "encode")
    put(.binUnicode)
    let text = Array(String(String.UnicodeScalarView(content.map { UnicodeScalar($0) })).utf8)
    guard let length = UInt32(exactly: text.count) else {
      throw LigatureError(.limit, "\(content.count) bytes are too many for a pickle")
    }
    bytes.put(length)
    bytes += text
    try put(text: "latin1")
    put(.tuple2)
    put(.reduce)
  }

  private mutating func put(global module: String, _ name: String) {
    let key = "g\(module)\n\(name)"
    if recall(key) { return }
    put(.global)
    bytes += Array("\(module)\n\(name)\n".utf8)
    remember(key)
  }

  private mutating func recall(_ key: String) -> Bool {
    guard let index = memo[key] else { return false }
    put(memo: index, .binGet, .longBinGet)
    return true
  }

  private mutating func remember(_ key: String) {
    let index = memo.count
    memo[key] = index
    put(memo: index, .binPut, .longBinPut)
  }

  private mutating func put(memo index: Int, _ short: PickleOperation, _ long: PickleOperation) {
    if let small = UInt8(exactly: index) {
      put(short)
      bytes.append(small)
    } else {
      put(long)
      bytes.put(UInt32(truncatingIfNeeded: index))
    }
  }

  private mutating func put(tuple items: [PythonValue]) throws {
    switch items.count {
    case 0: put(.emptyTuple)
    case 1...3:
      for item in items { try write(item) }
      put(items.count == 1 ? .tuple1 : items.count == 2 ? .tuple2 : .tuple3)
    default:
      put(.mark)
      for item in items { try write(item) }
      put(.tuple)
    }
  }

  private mutating func put(_ dictionary: PythonDictionary) throws {
    if dictionary.isOrdered {
      put(global: "collections", "OrderedDict")
      put(.emptyTuple)
      put(.reduce)
    } else {
      put(.emptyDict)
    }
    try batches(dictionary.entries, .setItem, .setItems) {
      try $0.write($1.key)
      try $0.write($1.value)
    }
  }

  /// Python's own batches of 1000 keep its loader's stack short.
  private mutating func batches<Item>(
    _ items: [Item], _ single: PickleOperation, _ several: PickleOperation,
    _ body: (inout PickleWriter, Item) throws -> Void
  ) throws {
    for start in stride(from: 0, to: items.count, by: 1000) {
      let batch = items[start..<min(start + 1000, items.count)]
      if batch.count > 1 { put(.mark) }
      for item in batch { try body(&self, item) }
      put(batch.count > 1 ? several : single)
    }
  }

  private mutating func put(_ described: CheckpointTensor) throws {
    let tensor = described.tensor
    if described.isParameter { put(global: "torch._utils", "_rebuild_parameter") }
    put(global: "torch._utils", "_rebuild_tensor_v2")
    guard let storage = TorchType.storageName(tensor.element) else {
      throw LigatureError(.unsupported, "PyTorch 1 has no storage for \(tensor.element); convert the tensor first")
    }
    let place = try place(tensor)
    put(.mark)
    put(.mark)
    try put(text: "storage")
    put(global: "torch", storage)
    try put(text: place.key)
    try put(text: "cpu")
    put(integer: place.count)
    put(.tuple)
    put(.binPersid)
    put(integer: place.offset)
    try put(tuple: tensor.shape.map { .integer($0) })
    try put(tuple: rowMajorStrides(tensor.shape).map { .integer($0) })
    put(described.requiresGradient && !described.isParameter ? .newTrue : .newFalse)
    try put(PythonDictionary(isOrdered: true))
    put(.tuple)
    put(.reduce)
    guard described.isParameter else { return }
    put(described.requiresGradient ? .newTrue : .newFalse)
    try put(PythonDictionary(isOrdered: true))
    put(.tuple3)
    put(.reduce)
  }
}
