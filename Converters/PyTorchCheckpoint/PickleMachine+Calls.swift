import TensorCore

/// The whole list of what a pickle may call. Each entry makes plain data from its arguments.
extension PickleMachine {
  private typealias Constructor = @Sendable (inout PickleMachine, String, [PickleReference]) throws -> PickleReference

  private static let constructors: [String: Constructor] = [
    "torch._utils._rebuild_tensor": { try $0.tensor($1, $2, 4...4) },
    "torch._utils._rebuild_tensor_v2": { try $0.tensor($1, $2, 6...7) },
    "torch._utils._rebuild_tensor_v3": { try $0.tensor($1, $2, 7...8) },
    "torch._utils._rebuild_parameter": { try $0.parameter($1, $2, 3) },
    "torch._utils._rebuild_parameter_with_state": { try $0.parameter($1, $2, 4) },
    "torch._tensor._rebuild_from_type_v2": { try $0.rebuilt($1, $2) },
    "torch.Size": { try $0.size($1, $2) },
    "torch.device": { try $0.inert($1, $2) },
    "torch.serialization._get_layout": { try $0.inert($1, $2) },
    "collections.OrderedDict": { try $0.dictionary($1, $2, isOrdered: true) },
    "collections.Counter": { try $0.dictionary($1, $2, isOrdered: false) },
    "collections.defaultdict": { try $0.defaultDictionary($1, $2) },
    "builtins.set": { try $0.set($1, $2) },
    "builtins.frozenset": { try $0.set($1, $2) },
    "builtins.bytes": { try $0.bytes($1, $2) },
    "builtins.bytearray": { try $0.bytes($1, $2) },
    "builtins.complex": { try $0.inert($1, $2) },
    "_codecs.encode": { try $0.encoded($1, $2) },
    "copyreg._reconstructor": { try $0.reconstructed($1, $2) },
    "numpy.dtype": { try $0.numpyType($1, $2) },
    "numpy.core.multiarray.scalar": { try $0.numpyScalar($1, $2) },
    "numpy.core.multiarray._reconstruct": { try $0.numpyArray($1, $2) },
    "numpy.core.numeric._frombuffer": { try $0.numpyBuffer($1, $2) },
  ]

  /// Modules that other versions of Python and NumPy name otherwise.
  private static let renamed = [
    ("__builtin__.", "builtins."), ("copy_reg.", "copyreg."), ("numpy._core.", "numpy.core."),
  ]

  private static func constructor(_ name: String) -> Constructor? {
    for (old, new) in renamed where name.hasPrefix(old) { return constructors[new + name.dropFirst(old.count)] }
    return constructors[name]
  }

  func refused(_ name: String) -> LigatureError {
    LigatureError(
      .unsupported,
      """
      the pickle calls '\(name)', which is not on the list of what is rebuilt; nothing was executed. \
      Do not load this file elsewhere unless you trust it; to use it, save its state_dict alone
      """)
  }

  /// What REDUCE asks for.
  mutating func call(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard let constructor = PickleMachine.constructor(name) else { throw refused(name) }
    return try constructor(&self, name, arguments)
  }

  /// What NEWOBJ, OBJ and INST ask for: an instance. A class that is not on the list gives an inert object, as long
  /// as it is not handed arguments, which is what a call in disguise does.
  mutating func create(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    if PickleMachine.constructor(name) != nil { return try call(name, arguments) }
    guard arguments.isEmpty else { throw refused(name) }
    return try heap.makeObject(PickleHeap.Object(className: name))
  }

  private func wrong(_ name: String, _ what: String) -> LigatureError {
    broken("'\(name)' gets \(what)")
  }

  // ── Tensors ───────────────────────────────────────────────────────────────

  /// (storage, offset, size, stride[, requires_grad, hooks[, dtype][, metadata]])
  private mutating func tensor(
    _ name: String, _ arguments: [PickleReference], _ arity: ClosedRange<Int>
  ) throws -> PickleReference {
    guard arity.contains(arguments.count) else { throw wrong(name, "\(arguments.count) arguments") }
    guard case .storage(let storage) = heap[arguments[0]] else {
      throw wrong(name, "a \(heap.kind(arguments[0])) where its storage should be")
    }
    guard let offset = heap.integer(arguments[1]) else { throw wrong(name, "an offset that is no integer") }
    let sizes = try integers(name, arguments[2], "sizes")
    let strides = try integers(name, arguments[3], "strides")
    var requiresGradient = false
    if arguments.count > 4 {
      guard let flag = heap.boolean(arguments[4]) else { throw wrong(name, "a requires_grad that is no boolean") }
      requiresGradient = flag
    }
    let hasType = arity.lowerBound == 7
    var element = heap.storages[storage].element
    if hasType { element = try elementType(name, arguments[6]) }
    // Flags such as `conj` and `neg` would change what the bytes mean.
    if arguments.count == arity.upperBound, arity.count == 2, let last = arguments.last, !heap.isNone(last) {
      guard let metadata = heap.dictionary(last), metadata.keys.isEmpty else {
        throw LigatureError(
          .unsupported,
          "a tensor of the pickle has flags (conjugate or negative view); save it after .resolve_conj().resolve_neg()")
      }
    }
    guard let element else { throw wrong(name, "an untyped storage without a dtype") }
    let view = PickleHeap.TensorView(
      source: .storage(storage), element: element, offset: offset, sizes: sizes, strides: strides,
      requiresGradient: requiresGradient)
    try TensorExtent.check(view, storage: heap.storages[storage], limits: limits)
    return try make(view)
  }

  private mutating func make(_ view: PickleHeap.TensorView) throws -> PickleReference {
    try heap.charge(view.sizes.count)
    heap.tensors.append(view)
    return try heap.make(.tensor(heap.tensors.count - 1))
  }

  private func integers(_ name: String, _ reference: PickleReference, _ what: String) throws -> [Int] {
    guard let items = heap.tuple(reference) ?? heap.list(reference) else {
      throw wrong(name, "\(what) that are no tuple")
    }
    guard items.count <= limits.rank else {
      throw LigatureError(
        .limit, "a tensor of the pickle has \(items.count) dimensions, at most \(limits.rank) are read")
    }
    return try items.map {
      guard let number = heap.integer($0) else { throw wrong(name, "\(what) that are no integers") }
      return number
    }
  }

  private func elementType(_ name: String, _ reference: PickleReference) throws -> ElementType {
    guard case .global(let type) = heap[reference] else { throw wrong(name, "a dtype that is none") }
    guard let element = TorchType.element(dtype: type) else {
      throw LigatureError(
        .unsupported, "a tensor of the pickle is of type \(type), which is not supported; convert it to float32 first")
    }
    return element
  }

  /// (tensor, requires_grad, hooks[, state])
  private mutating func parameter(
    _ name: String, _ arguments: [PickleReference], _ arity: Int
  ) throws -> PickleReference {
    guard arguments.count == arity else { throw wrong(name, "\(arguments.count) arguments") }
    guard case .tensor(let index) = heap[arguments[0]] else {
      throw wrong(name, "a \(heap.kind(arguments[0])) where its tensor should be")
    }
    guard let requiresGradient = heap.boolean(arguments[1]) else {
      throw wrong(name, "a requires_grad that is no boolean")
    }
    var view = heap.tensors[index]
    view.isParameter = true
    view.requiresGradient = requiresGradient
    return try make(view)
  }

  /// (function, class, arguments, state): a tensor with attributes of its own, which are dropped.
  private mutating func rebuilt(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count == 4, case .global(let function) = heap[arguments[0]],
      case .global(let type) = heap[arguments[1]], let inner = heap.tuple(arguments[2])
    else { throw wrong(name, "arguments that do not fit") }
    guard function.hasPrefix("torch._utils._rebuild_") else { throw refused(function) }
    guard type == "torch.Tensor" || type == "torch.nn.parameter.Parameter" else { throw refused(type) }
    return try call(function, inner)
  }

  // ── Storages ──────────────────────────────────────────────────────────────

  /// ('storage', type, key, location, count[, view]); the location is only a hint.
  mutating func storage(_ id: PickleReference) throws -> PickleReference {
    guard let parts = heap.tuple(id), parts.count == 5 || parts.count == 6, let kind = heap.string(parts[0]) else {
      if let parts = heap.tuple(id), let first = parts.first, heap.string(first) == "module" {
        throw LigatureError(
          .unsupported, "the file holds a whole module with its source code; save its state_dict alone")
      }
      throw broken("a persistent id is a \(heap.kind(id)), not the tuple that names a storage")
    }
    guard kind == "storage", case .global(let type) = heap[parts[1]], let key = heap.string(parts[2]),
      let count = heap.integer(parts[4])
    else { throw broken("a persistent id names no storage") }
    guard let element = TorchType.element(storage: type) else {
      throw LigatureError(
        .unsupported, "a storage of the pickle is of type \(type), which is not supported; convert it to float32 first")
    }
    guard count >= 0 else { throw broken("the storage '\(key)' has \(count) elements") }
    guard !key.contains("/"), !key.contains("\\"), !key.isEmpty else {
      throw broken("the storage key '\(key)' is a path")
    }
    _ = try Checked.multiply(count, element?.byteSize ?? 1, "the byte size of the storage '\(key)'")
    var storage = PickleHeap.Storage(element: element, key: key, count: count, total: count)
    if parts.count == 6, !heap.isNone(parts[5]) {
      guard let view = heap.tuple(parts[5]), view.count == 3, let offset = heap.integer(view[1]),
        let size = heap.integer(view[2]), offset >= 0, size >= 0, try Checked.add(offset, size) <= count
      else { throw broken("the storage '\(key)' has a view that does not fit") }
      storage.offset = offset
      storage.count = size
    }
    heap.storages.append(storage)
    return try heap.make(.storage(heap.storages.count - 1))
  }

  // ── Containers and small objects ──────────────────────────────────────────

  private mutating func size(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count == 1, let items = heap.tuple(arguments[0]) ?? heap.list(arguments[0]) else {
      throw wrong(name, "arguments that do not fit")
    }
    return try heap.makeTuple(items)
  }

  /// Kept as it is described.
  private mutating func inert(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    try heap.makeObject(PickleHeap.Object(className: name, arguments: arguments))
  }

  /// Empty, from pairs (as Python 2 wrote it), or from another dictionary.
  private mutating func dictionary(
    _ name: String, _ arguments: [PickleReference], isOrdered: Bool
  ) throws -> PickleReference {
    let made = try heap.makeDictionary(isOrdered: isOrdered)
    guard case .dictionary(let table) = heap[made], let first = arguments.first else { return made }
    guard arguments.count == 1 else { throw wrong(name, "\(arguments.count) arguments") }
    if let source = heap.dictionary(first) {
      for (key, value) in zip(source.keys, source.values) {
        try heap.setEntry(ofTable: table, key: key, value: value)
      }
    } else if let pairs = heap.list(first) ?? heap.tuple(first) {
      for pair in pairs {
        guard let items = heap.tuple(pair) ?? heap.list(pair), items.count == 2 else {
          throw wrong(name, "entries that are no pairs")
        }
        try heap.setEntry(ofTable: table, key: items[0], value: items[1])
      }
    } else {
      throw wrong(name, "a \(heap.kind(first))")
    }
    return made
  }

  private mutating func defaultDictionary(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count <= 2 else { throw wrong(name, "\(arguments.count) arguments") }
    return try dictionary(name, Array(arguments.dropFirst()), isOrdered: false)
  }

  private mutating func set(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count <= 1 else { throw wrong(name, "\(arguments.count) arguments") }
    guard let first = arguments.first else { return try heap.makeSet([]) }
    guard let items = heap.list(first) ?? heap.tuple(first) else { throw wrong(name, "a \(heap.kind(first))") }
    return try heap.makeSet(items)
  }

  /// (), (bytes) or (text, encoding)
  private mutating func bytes(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    switch arguments.count {
    case 0: return try heap.make(.bytes([]))
    case 1:
      guard case .bytes(let bytes) = heap[arguments[0]] else { throw wrong(name, "a \(heap.kind(arguments[0]))") }
      return try heap.make(.bytes(bytes))
    default: return try encoded(name, arguments)
    }
  }

  /// (text, encoding): how protocol 2 spells bytes.
  private mutating func encoded(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count == 2, let text = heap.string(arguments[0]), let encoding = heap.string(arguments[1]) else {
      throw wrong(name, "arguments that do not fit")
    }
    try heap.chargeText(text.utf8.count)
    switch encoding.lowercased() {
    case "utf-8", "utf8": return try heap.make(.bytes(Array(text.utf8)))
    case "latin1", "latin-1", "iso-8859-1":
      return try heap.make(
        .bytes(
          try text.unicodeScalars.map {
            guard let byte = UInt8(exactly: $0.value) else { throw wrong(name, "a text that is not Latin-1") }
            return byte
          }))
    default: throw wrong(name, "the encoding '\(encoding.prefix(40))'")
    }
  }

  /// (class, base, state): how protocols 0 and 1 make objects.
  private mutating func reconstructed(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count == 3, case .global(let className) = heap[arguments[0]],
      case .global = heap[arguments[1]]
    else { throw wrong(name, "arguments that do not fit") }
    let isPlain = heap.isNone(arguments[2])
    return try inert(className, isPlain ? [] : [arguments[2]])
  }

  // ── BUILD ─────────────────────────────────────────────────────────────────

  /// Gives an object its state. Attributes of dictionaries (`_metadata` of a state_dict) are dropped.
  mutating func build(_ target: PickleReference, _ state: PickleReference) throws {
    switch heap[target] {
    case .dictionary:
      if heap.isNone(state) { return }
      guard let attributes = heap.dictionary(state) else {
        throw broken("the attributes of a dictionary are a \(heap.kind(state))")
      }
      for key in attributes.keys {
        guard let name = heap.string(key) else { throw broken("an attribute's name is a \(heap.kind(key))") }
        guard !name.hasPrefix("__") else { throw refused("collections.OrderedDict.\(name)") }
      }
    case .numpyType(let type): heap.replace(target, by: .numpyType(try numpyType(type, state: state)))
    case .object(let index) where heap.objects[index].className == "numpy.ndarray":
      try buildArray(target, index, state)
    case .object(let index): heap.objects[index].state = state
    default: throw broken("it gives attributes to a \(heap.kind(target))")
    }
  }
}

// ── NumPy ───────────────────────────────────────────────────────────────────
extension PickleMachine {
  /// (code, align, copy); the byte order follows by BUILD.
  private mutating func numpyType(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard let first = arguments.first, arguments.count <= 3, let code = heap.string(first) else {
      throw wrong(name, "arguments that do not fit")
    }
    return try heap.make(.numpyType(NumpyType(code: code)))
  }

  /// (version, byte order, …)
  private func numpyType(_ type: NumpyType, state: PickleReference) throws -> NumpyType {
    guard let parts = heap.tuple(state), parts.count >= 5, let order = heap.string(parts[1]) else {
      throw wrong("numpy.dtype", "a state that does not fit")
    }
    var result = type
    result.isBigEndian = order == ">"
    // Types with parts are no plain numbers.
    if !heap.isNone(parts[2]) || !heap.isNone(parts[3]) { result.element = nil }
    return result
  }

  /// Python 2 had one type for texts and bytes.
  private func rawBytes(_ reference: PickleReference) -> [UInt8]? {
    switch heap[reference] {
    case .bytes(let bytes): bytes
    case .string(let text): Array(text.utf8)
    default: nil
    }
  }

  /// (dtype, bytes): becomes a plain number.
  private mutating func numpyScalar(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count == 2, case .numpyType(let type) = heap[arguments[0]] else {
      throw wrong(name, "arguments that do not fit")
    }
    guard let element = type.element, element != .complex64, element != .complex128 else {
      return try inert(name, [arguments[1]])
    }
    guard let bytes = rawBytes(arguments[1]), bytes.count == element.byteSize else {
      throw wrong(name, "bytes that do not make a \(element)")
    }
    let tensor = try Tensor(
      element, [], storage: TensorStorage(copying: type.isBigEndian ? bytes.reversed() : bytes))
    switch element {
    case .bool: return try heap.make(.boolean(bytes[0] != 0))
    case .uint64:
      let value = try tensor.scalars(as: UInt64.self)[0]
      return try heap.make(Int(exactly: value).map { .integer($0) } ?? .bigInteger(bytes + [0]))
    case .float64: return try heap.make(.float(try tensor.scalars(as: Double.self)[0]))
    case .float32, .float16: return try heap.make(.float(Double(try tensor.floats()[0])))
    default: return try heap.make(.integer(try tensor.integers()[0]))
    }
  }

  /// (class, shape, type): an empty array that BUILD fills.
  private mutating func numpyArray(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count == 3, case .global("numpy.ndarray") = heap[arguments[0]] else {
      throw wrong(name, "a class other than numpy.ndarray")
    }
    return try inert("numpy.ndarray", [])
  }

  /// (version, shape, dtype, is_fortran, bytes)
  private mutating func buildArray(_ target: PickleReference, _ index: Int, _ state: PickleReference) throws {
    guard let parts = heap.tuple(state), parts.count == 5, case .numpyType(let type) = heap[parts[2]],
      let isFortran = heap.boolean(parts[3])
    else { throw wrong("numpy.ndarray", "a state that does not fit") }
    guard let element = type.element, let bytes = rawBytes(parts[4]) else {
      // Arrays of texts or objects stay as they are described.
      heap.objects[index].state = state
      return
    }
    let view = try arrayView("numpy.ndarray", element, type.isBigEndian, parts[1], bytes, isFortran: isFortran)
    heap.tensors.append(view)
    heap.replace(target, by: .tensor(heap.tensors.count - 1))
  }

  /// (bytes, dtype, shape, order)
  private mutating func numpyBuffer(_ name: String, _ arguments: [PickleReference]) throws -> PickleReference {
    guard arguments.count == 4, let bytes = rawBytes(arguments[0]), case .numpyType(let type) = heap[arguments[1]],
      let order = heap.string(arguments[3])
    else { throw wrong(name, "arguments that do not fit") }
    guard let element = type.element else { return try inert(name, [arguments[2]]) }
    return try make(
      try arrayView(name, element, type.isBigEndian, arguments[2], bytes, isFortran: order == "F"))
  }

  private func arrayView(
    _ name: String, _ element: ElementType, _ isBigEndian: Bool, _ shape: PickleReference, _ bytes: [UInt8],
    isFortran: Bool
  ) throws -> PickleHeap.TensorView {
    let sizes = try integers(name, shape, "sizes")
    guard try Checked.byteCount(element, sizes) == bytes.count else {
      throw wrong(name, "\(bytes.count) bytes for \(element)\(sizes)")
    }
    let strides = isFortran ? Array(rowMajorStrides(sizes.reversed()).reversed()) : rowMajorStrides(sizes)
    return PickleHeap.TensorView(
      source: .bytes(bytes, isBigEndian: isBigEndian), element: element, offset: 0, sizes: sizes, strides: strides,
      requiresGradient: false)
  }
}
