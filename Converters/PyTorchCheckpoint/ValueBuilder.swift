import TensorCore

/// Makes the values that users see of a machine's heap, without recursion and each shared part once.
struct ValueBuilder {
  private let heap: PickleHeap
  private let limits: CheckpointLimits
  private var tensors: TensorBuilder
  private var done: [PickleReference: (value: PythonValue, depth: Int)] = [:]

  init(_ heap: PickleHeap, tensors: TensorBuilder, limits: CheckpointLimits) {
    self.heap = heap
    self.tensors = tensors
    self.limits = limits
  }

  /// - Throws: `.limit` when values are nested too deeply, `.format` when one contains itself.
  mutating func value(_ root: PickleReference) throws -> PythonValue {
    var path = [root]
    var open: Set<PickleReference> = []
    while let current = path.last {
      if done[current] != nil {
        path.removeLast()
        continue
      }
      let children = heap.children(current)
      if open.insert(current).inserted {
        for child in children where done[child] == nil {
          guard !open.contains(child) else {
            throw LigatureError(.format, "a \(heap.kind(child)) of the pickle contains itself; save the weights alone")
          }
          path.append(child)
        }
        // Exactly the values on the way down are open, so their number is the depth.
        guard open.count <= limits.nesting else { throw tooDeep() }
        continue
      }
      let depth = children.reduce(0) { max($0, done[$1]?.depth ?? 0) } + 1
      guard depth <= limits.nesting else { throw tooDeep() }
      done[current] = (try make(current), depth)
      open.remove(current)
      path.removeLast()
    }
    return try finished(root)
  }

  private func tooDeep() -> LigatureError {
    LigatureError(
      .limit,
      """
      the pickle is nested deeper than \(limits.nesting) levels; \
      raise the limit 'nesting' if the file is trusted
      """
    )
  }

  private func finished(_ reference: PickleReference) throws -> PythonValue {
    guard let found = done[reference] else { throw LigatureError(.format, "a part of the pickle is missing") }
    return found.value
  }

  private mutating func make(_ reference: PickleReference) throws -> PythonValue {
    switch heap[reference] {
    case .none: return .none
    case .boolean(let truth): return .boolean(truth)
    case .integer(let number): return .integer(number)
    case .bigInteger(let bytes): return .bigInteger(bytes)
    case .float(let number): return .float(number)
    case .string(let text): return .string(text)
    case .bytes(let bytes): return .bytes(bytes)
    case .list(let index): return .list(try heap.lists[index].map(finished))
    case .tuple(let items): return .tuple(try items.map(finished))
    case .set(let index): return .set(try heap.tables[index].keys.map(finished))
    case .dictionary(let index): return .dictionary(try dictionary(heap.tables[index]))
    case .global(let name): return .reference(name)
    case .numpyType(let type): return .reference("numpy.dtype.\(type.code)")
    case .storage(let index):
      return .object(
        PythonObject(
          className: "torch.Storage", arguments: [.string(heap.storages[index].key)], state: .none, items: [],
          entries: PythonDictionary()))
    case .tensor(let index): return .tensor(try tensors.tensor(heap.tensors[index], in: heap))
    case .object(let index):
      let object = heap.objects[index]
      return .object(
        PythonObject(
          className: object.className, arguments: try object.arguments.map(finished),
          state: try object.state.map(finished) ?? .none, items: try object.items.map(finished),
          entries: try dictionary(object.table)))
    }
  }

  private func dictionary(_ table: PickleHeap.Table) throws -> PythonDictionary {
    PythonDictionary(
      try zip(table.keys, table.values).map { (key: try finished($0), value: try finished($1)) },
      isOrdered: table.isOrdered)
  }
}
