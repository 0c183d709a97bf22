import TensorCore

/// Python's pickle machine, restricted: it makes plain data and never calls anything. What would be a call in Python
/// is looked up in a short list of constructors (`PickleMachine+Calls.swift`); everything else is refused by name.
///
/// Source: the documentation of Python's `pickle` and `pickletools`, protocols 0 to 5.
struct PickleMachine {
  var heap: PickleHeap
  private var cursor: ByteCursor
  private var stack: [PickleReference] = []
  /// Heights of the stack where a mark stands.
  private var marks: [Int] = []
  private var memo: [Int: PickleReference] = [:]
  let limits: CheckpointLimits

  /// Ready to run one pickle; a legacy file holds several in a row.
  init(_ cursor: ByteCursor, limits: CheckpointLimits) {
    self.cursor = cursor
    self.limits = limits
    heap = PickleHeap(limits: limits)
  }

  /// Runs to the end of the pickle.
  ///
  /// - Returns: the value it leaves, and where its last byte is.
  mutating func run() throws -> (value: PickleReference, end: Int) {
    while true {
      let place = cursor.position
      let code = try cursor.byte()
      guard let operation = PickleOperation(rawValue: code) else {
        throw LigatureError(
          .format,
          "\(cursor.what) has an unknown operation 0x\(String(code, radix: 16)) at byte \(place); obtain the file again"
        )
      }
      if operation == .stop {
        let value = try pop()
        guard stack.isEmpty, marks.isEmpty else { throw broken("values are left over at its end") }
        return (value, cursor.position)
      }
      try perform(operation)
    }
  }

  /// Where the bytes end that it was given.
  var end: Int { cursor.end }

  func broken(_ what: String) -> LigatureError {
    LigatureError(.format, "\(cursor.what) is damaged: \(what) (before byte \(cursor.position)); obtain the file again")
  }

  // ── The stack ─────────────────────────────────────────────────────────────

  private mutating func push(_ reference: PickleReference) throws {
    // Values may be pushed again and again from the memo.
    guard stack.count < limits.objectCount else {
      throw LigatureError(.limit, "\(cursor.what) keeps more than \(limits.objectCount) values on its stack")
    }
    stack.append(reference)
  }

  private mutating func push(_ node: PickleHeap.Node) throws { try push(try heap.make(node)) }

  /// Nothing below the last mark may be taken.
  private mutating func pop() throws -> PickleReference {
    guard stack.count > marks.last ?? 0, let last = stack.popLast() else { throw broken("its stack is empty") }
    return last
  }

  private func top() throws -> PickleReference {
    guard stack.count > marks.last ?? 0, let last = stack.last else { throw broken("its stack is empty") }
    return last
  }

  /// Everything above the last mark, which goes too.
  private mutating func popToMark() throws -> [PickleReference] {
    guard let mark = marks.popLast() else { throw broken("a mark is missing") }
    let items = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return items
  }

  private mutating func pushMark() throws {
    // A level of nesting takes at most four marks: container, call, arguments, argument.
    guard marks.count < 4 * limits.nesting else {
      throw LigatureError(
        .limit,
        """
        \(cursor.what) is nested deeper than \(limits.nesting) levels; \
        raise the limit 'nesting' if it is trusted
        """
      )
    }
    marks.append(stack.count)
  }

  // ── Operations ────────────────────────────────────────────────────────────

  private mutating func perform(_ operation: PickleOperation) throws {
    switch operation {
    case .stop: break
    case .mark: try pushMark()
    case .pop:
      // POP takes a mark when one is on top.
      if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
    case .popMark: _ = try popToMark()
    case .duplicate: try push(try top())
    case .proto:
      let version = try cursor.byte()
      guard version <= 5 else {
        throw LigatureError(
          .unsupported, "\(cursor.what) is of pickle protocol \(version); save it with protocol 2 to 5")
      }
    case .frame:
      let length: UInt64 = try cursor.number()
      guard length <= UInt64(cursor.remaining) else { throw broken("a frame reaches past its end") }
    case .none: try push(.none)
    case .newTrue: try push(.boolean(true))
    case .newFalse: try push(.boolean(false))
    case .int, .long, .float, .binInt, .binInt1, .binInt2, .long1, .long4, .binFloat: try number(operation)
    case .string, .binString, .shortBinString, .unicode, .binUnicode, .shortBinUnicode, .binUnicode8, .binBytes,
      .shortBinBytes, .binBytes8, .byteArray8:
      try text(operation)
    case .emptyList, .emptyTuple, .emptyDict, .emptySet, .list, .tuple, .tuple1, .tuple2, .tuple3, .dict, .frozenSet:
      try container(operation)
    case .append: try extend([try pop()])
    case .appends: try extend(try popToMark())
    case .setItem:
      let value = try pop()
      try setEntries([try pop(), value])
    case .setItems: try setEntries(try popToMark())
    case .addItems:
      let items = try popToMark()
      guard case .set(let index) = heap[try top()] else { throw broken("items are added to what is no set") }
      for item in items { try heap.setEntry(ofTable: index, key: item, value: item) }
    case .put, .binPut, .longBinPut, .memoize, .get, .binGet, .longBinGet: try remember(operation)
    case .global, .stackGlobal, .inst, .obj, .newObj, .newObjEx, .reduce, .build, .persid, .binPersid:
      try refer(operation)
    case .ext1, .ext2, .ext4:
      throw LigatureError(
        .unsupported, "\(cursor.what) uses an extension registry, which is not supported; save the weights alone")
    case .nextBuffer, .readonlyBuffer:
      throw LigatureError(
        .unsupported, "\(cursor.what) refers to buffers outside it, which are not there; save the weights alone")
    }
  }

  private mutating func number(_ operation: PickleOperation) throws {
    switch operation {
    case .binInt: try push(.integer(Int(try cursor.number(Int32.self))))
    case .binInt1: try push(.integer(Int(try cursor.byte())))
    case .binInt2: try push(.integer(Int(try cursor.number(UInt16.self))))
    case .long1: try pushInteger(try cursor.bytes(Int(try cursor.byte())))
    case .long4:
      let length: Int32 = try cursor.number()
      guard length >= 0 else { throw broken("an integer has a negative length") }
      guard Int(length) <= cursor.remaining else { throw broken("an integer is longer than what is left") }
      try heap.chargeText(Int(length))
      try pushInteger(try cursor.bytes(Int(length)))
    case .binFloat:
      let bits = UInt64(bigEndian: UInt64(littleEndian: try cursor.number(UInt64.self)))
      try push(.float(Double(bitPattern: bits)))
    case .float:
      let text = String(decoding: try cursor.line(), as: UTF8.self)
      guard let number = Double(text) else { throw broken("'\(text.prefix(40))' is no number") }
      try push(.float(number))
    default:
      var text = String(decoding: try cursor.line(), as: UTF8.self)
      // Before protocol 2, booleans were integers with a leading zero.
      if operation == .int, text == "00" || text == "01" { return try push(.boolean(text == "01")) }
      if operation == .long, text.last == "L" { text.removeLast() }
      guard let bytes = PickleInteger.bytes(decimal: text) else { throw broken("'\(text.prefix(40))' is no integer") }
      try pushInteger(bytes)
    }
  }

  /// - Parameter bytes: two's complement, little-endian; nothing is 0.
  private mutating func pushInteger(_ bytes: [UInt8]) throws {
    if let number = PickleInteger.value(bytes) {
      try push(.integer(number))
    } else {
      try push(.bigInteger(bytes))
    }
  }

  private mutating func text(_ operation: PickleOperation) throws {
    switch operation {
    case .string:
      let line = try cursor.line(longest: limits.textByteCount)
      try heap.chargeText(line.count)
      guard let bytes = PickleText.unquoted(line) else { throw broken("a text has no quotes around it") }
      try pushOldString(bytes)
    case .unicode:
      let line = try cursor.line(longest: limits.textByteCount)
      try heap.chargeText(line.count)
      guard let text = PickleText.unicode(line) else { throw broken("a text has a broken escape") }
      try push(.string(text))
    case .binString:
      let length: Int32 = try cursor.number()
      guard length >= 0 else { throw broken("a text has a negative length") }
      try pushOldString(try textBytes(UInt64(length)))
    case .shortBinString: try pushOldString(try textBytes(UInt64(try cursor.byte())))
    case .binBytes: try push(.bytes(try textBytes(UInt64(try cursor.number(UInt32.self)))))
    case .shortBinBytes: try push(.bytes(try textBytes(UInt64(try cursor.byte()))))
    case .binBytes8, .byteArray8: try push(.bytes(try textBytes(try cursor.number(UInt64.self))))
    case .binUnicode: try pushText(UInt64(try cursor.number(UInt32.self)))
    case .shortBinUnicode: try pushText(UInt64(try cursor.byte()))
    default: try pushText(try cursor.number(UInt64.self))
    }
  }

  private mutating func textBytes(_ length: UInt64) throws -> [UInt8] {
    guard length <= UInt64(cursor.remaining) else {
      throw broken("a text of \(length) bytes does not fit into the \(cursor.remaining) that are left")
    }
    try heap.chargeText(Int(length))
    return try cursor.bytes(Int(length))
  }

  private mutating func pushText(_ length: UInt64) throws {
    guard let text = String(validating: try textBytes(length), as: UTF8.self) else {
      throw broken("a text is not UTF-8")
    }
    try push(.string(text))
  }

  /// Python 2 had one type for texts and bytes.
  private mutating func pushOldString(_ bytes: [UInt8]) throws {
    if let text = String(validating: bytes, as: UTF8.self) {
      try push(.string(text))
    } else {
      try push(.bytes(bytes))
    }
  }

  private mutating func container(_ operation: PickleOperation) throws {
    switch operation {
    case .emptyList: try push(try heap.makeList([]))
    case .emptyTuple: try push(.tuple([]))
    case .emptyDict: try push(try heap.makeDictionary())
    case .emptySet: try push(try heap.makeSet([]))
    case .list: try push(try heap.makeList(try popToMark()))
    case .tuple: try push(try heap.makeTuple(try popToMark()))
    case .frozenSet: try push(try heap.makeSet(try popToMark()))
    case .dict:
      let items = try popToMark()
      try push(try heap.makeDictionary())
      try setEntries(items)
    default:
      let count = operation == .tuple1 ? 1 : operation == .tuple2 ? 2 : 3
      var items: [PickleReference] = []
      for _ in 0..<count { items.append(try pop()) }
      try push(try heap.makeTuple(items.reversed()))
    }
  }

  private mutating func extend(_ items: [PickleReference]) throws {
    let target = try top()
    try heap.charge(items.count)
    switch heap[target] {
    case .list(let index): heap.lists[index] += items
    case .object(let index): heap.objects[index].items += items
    default: throw broken("items are appended to a \(heap.kind(target))")
    }
  }

  private mutating func setEntries(_ items: [PickleReference]) throws {
    guard items.count % 2 == 0 else { throw broken("a dictionary key has no value") }
    let target = try top()
    for index in stride(from: 0, to: items.count, by: 2) {
      switch heap[target] {
      case .dictionary(let table): try heap.setEntry(ofTable: table, key: items[index], value: items[index + 1])
      case .object(let object): try heap.setEntry(ofObject: object, key: items[index], value: items[index + 1])
      default: throw broken("entries are set in a \(heap.kind(target))")
      }
    }
    if items.isEmpty {
      switch heap[target] {
      case .dictionary, .object: break
      default: throw broken("entries are set in a \(heap.kind(target))")
      }
    }
  }

  private mutating func remember(_ operation: PickleOperation) throws {
    switch operation {
    case .put: try store(at: try decimalIndex())
    case .binPut: try store(at: Int(try cursor.byte()))
    case .longBinPut: try store(at: Int(try cursor.number(UInt32.self)))
    case .memoize: try store(at: memo.count)
    case .get: try recall(try decimalIndex())
    case .binGet: try recall(Int(try cursor.byte()))
    default: try recall(Int(try cursor.number(UInt32.self)))
    }
  }

  private mutating func decimalIndex() throws -> Int {
    guard let index = Int(String(decoding: try cursor.line(), as: UTF8.self)), index >= 0 else {
      throw broken("a memo index is no number")
    }
    return index
  }

  private mutating func store(at index: Int) throws {
    if memo.updateValue(try top(), forKey: index) == nil { try heap.charge() }
  }

  private mutating func recall(_ index: Int) throws {
    guard let reference = memo[index] else { throw broken("it recalls the value \(index), which it never stored") }
    try push(reference)
  }

  // ── Names, calls and storages ─────────────────────────────────────────────

  private mutating func refer(_ operation: PickleOperation) throws {
    switch operation {
    case .global: try push(.global(try globalName()))
    case .stackGlobal:
      let (name, module) = (try pop(), try pop())
      guard let name = heap.string(name), let module = heap.string(module) else {
        throw broken("a class is named by what is no text")
      }
      try heap.chargeText(module.utf8.count + name.utf8.count)
      try push(.global("\(module).\(name)"))
    case .inst:
      let name = try globalName()
      try push(try create(name, try popToMark()))
    case .obj:
      let items = try popToMark()
      guard let first = items.first else { throw broken("an object has no class") }
      try push(try create(try callable(first), Array(items.dropFirst())))
    case .newObj, .newObjEx:
      let keywords = operation == .newObjEx ? try pop() : nil
      guard let arguments = heap.tuple(try pop()) else { throw broken("the arguments of a class are no tuple") }
      let name = try callable(try pop())
      if let keywords {
        guard let table = heap.dictionary(keywords) else { throw broken("the arguments of a class are no dictionary") }
        guard table.keys.isEmpty else { throw refused(name) }
      }
      try push(try create(name, arguments))
    case .reduce:
      guard let arguments = heap.tuple(try pop()) else { throw broken("the arguments of a call are no tuple") }
      let name = try callable(try pop())
      try push(try call(name, arguments))
    case .build:
      let state = try pop()
      try build(try top(), state)
    case .persid:
      let text = String(decoding: try cursor.line(), as: UTF8.self)
      throw LigatureError(
        .unsupported,
        """
        the pickle names a storage by the text '\(text.prefix(40))', as protocol 0 does, \
        which PyTorch cannot load either; save it with protocol 2
        """
      )
    default:
      let id = try pop()
      try push(try storage(id))
    }
  }

  private mutating func globalName() throws -> String {
    let module = try cursor.line()
    let name = try cursor.line()
    try heap.chargeText(module.count + name.count)
    guard let module = String(validating: module, as: UTF8.self), let name = String(validating: name, as: UTF8.self)
    else { throw broken("the name of a class is not UTF-8") }
    return "\(module).\(name)"
  }

  private func callable(_ reference: PickleReference) throws -> String {
    guard case .global(let name) = heap[reference] else {
      throw broken("it calls a \(heap.kind(reference)), which is no function")
    }
    return name
  }
}
