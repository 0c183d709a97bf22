import GraphIR
import Kernels
import TensorCore

/// Makes plans: infers all sizes, folds what follows from sizes, prepares kernels, lays out memory.
struct Planner {
  let graph: Graph
  let evaluator: Evaluator
  let packed: PackedConstants
  let states: StateSchedule
  /// Whether plans shall say what lies where, for whoever shows it.
  var wantsMap = false
  /// Results of at most this many bytes are computed while planning when all operands are known,
  static let foldLimit = 16 << 20
  /// and of at most this many together: a plan keeps them, beside what `limits.memory` bounds.
  static let totalFoldLimit = 64 << 20

  /// What planning knows of each value so far.
  private struct Knowledge {
    var sizes: [ValueID: TensorType] = [:]
    var tensors: [ValueID: Tensor] = [:]
    /// Bytes that folding may still make.
    var bytesLeft = Planner.totalFoldLimit
  }

  /// - Parameters:
  ///   - nodes: in topological order.
  ///   - entries: the values that are there before the first step, with their sizes.
  ///   - known: contents of values that earlier planning settled.
  func plan(
    _ nodes: ArraySlice<NodeID>, entries: [(value: ValueID, type: TensorType)], known: [ValueID: Tensor],
    planCapacity: Int
  ) throws -> Plan {
    // All weights are packed when this ends.
    defer { TensorStorage.releaseScratch() }
    var knowledge = Knowledge()
    knowledge.tensors = known
    for entry in entries { knowledge.sizes[entry.value] = entry.type }
    for state in states.places.keys { knowledge.sizes[state] = graph[state].type }
    var scheduled: [(node: NodeID, outputs: [TensorType])] = []
    var stop: Int?
    var commit: Int?
    for index in nodes.indices {
      let id = nodes[index]
      if index == states.commit { commit = scheduled.count }
      do {
        guard let types = try settle(id, &knowledge) else {
          stop = index
          break
        }
        if !types.isEmpty { scheduled.append((id, types)) }
      } catch let error as LigatureError {
        throw error.at(node: label(id))
      }
    }
    if let stop, !states.places.isEmpty {
      throw LigatureError(
        .unsupported,
        "the sizes of its results depend on values, which a graph with state cannot wait for; compute what is trained "
          + "with sizes that follow from the inputs' (a mask instead of a selection)", node: label(nodes[stop]))
    }
    let tail = stop.map {
      Plan.Tail(
        node: nodes[$0], rest: nodes[($0 + 1)...], known: knowledge.tensors,
        // The plans after the plans after a plan must stay few.
        cache: PlanCache(capacity: planCapacity), planCapacity: max(planCapacity / 4, 1))
    }
    let exits = exits(tail)
    let (early, late) = live(scheduled, commit ?? scheduled.count, exits)
    var assembly = Assembly(
      planner: self, entries: entries.map(\.value), sizes: knowledge.sizes, known: knowledge.tensors, exits: exits)
    return try assembly.assemble(
      early + late, commit: early.count, tail: tail,
      entries: entries.map {
        Plan.Entry(value: $0.value, element: $0.type.element, shape: $0.type.sizes ?? [])
      })
  }

  /// Without the nodes whose results nobody reads any more, because their readers were settled while planning.
  private func live(
    _ scheduled: [(node: NodeID, outputs: [TensorType])], _ commit: Int, _ exits: [ValueID]
  ) -> (early: [(node: NodeID, outputs: [TensorType])], late: [(node: NodeID, outputs: [TensorType])]) {
    var needed = Set(exits).union(states.written.keys)
    var isLive = [Bool](repeating: false, count: scheduled.count)
    for index in scheduled.indices.reversed() {
      let node = graph[scheduled[index].node]
      isLive[index] =
        node.op.traits.contains(.isImpure) || node.outputs.contains { $0.map(needed.contains) ?? false }
      if isLive[index] { needed.formUnion(node.operands) }
    }
    let kept = scheduled.indices.filter { isLive[$0] }
    return (kept.filter { $0 < commit }.map { scheduled[$0] }, kept.filter { $0 >= commit }.map { scheduled[$0] })
  }

  func label(_ id: NodeID) -> String { "\(graph[id].name) (\(graph[id].op.name))" }

  /// Infers one node. Returns the types of its outputs if it must run, nothing if all of them are now known
  /// constants, and `nil` if their sizes depend on values that only running can tell.
  private func settle(_ id: NodeID, _ knowledge: inout Knowledge) throws -> [TensorType]? {
    let node = graph[id]
    let tensors = node.inputs.map { $0.flatMap { tensor($0, knowledge) } }
    let context = InferenceContext(
      inputs: node.inputs.map { $0.map { type($0, knowledge) } }, constants: tensors,
      contents: node.inputs.map { _ in nil }, outputCount: node.outputs.count)
    // What is given counts as what is computed: kernels walk along axes beside a 0 as well.
    for type in context.inputs { try evaluator.budget.limits.elementCount(type?.sizes ?? []) }
    if node.op.traits.contains(.hasDataDependentShape) { return nil }
    // Texts have no place in an arena.
    if context.inputs.contains(where: { $0?.element == .string }) { return nil }
    let (types, contents) = try Graph.infer(node.op, context, node: "")
    guard types.prefix(node.outputs.count).allSatisfy({ $0.sizes != nil && $0.element.byteSize > 0 }) else {
      return nil
    }
    for type in types.prefix(node.outputs.count) { try evaluator.budget.limits.elementCount(type.sizes ?? []) }
    if let contents, node.outputs.count == 1, let output = node.outputs[0],
      let tensor = try constant(contents, types[0])
    {
      knowledge.tensors[output] = tensor
      return []
    }
    if let folded = try fold(node, tensors, types, &knowledge.bytesLeft) {
      for case (let output?, let tensor) in zip(node.outputs, folded) { knowledge.tensors[output] = tensor }
      return []
    }
    for case (let output?, let type) in zip(node.outputs, types) { knowledge.sizes[output] = type }
    return Array(types.prefix(node.outputs.count))
  }

  private func fold(
    _ node: Node, _ tensors: [Tensor?], _ types: [TensorType], _ bytesLeft: inout Int
  ) throws -> [Tensor]? {
    guard !node.op.traits.contains(.isImpure), node.captures.isEmpty else { return nil }
    for (input, tensor) in zip(node.inputs, tensors) where input != nil && tensor == nil { return nil }
    var bytes = 0
    for type in types.prefix(node.outputs.count) {
      bytes = try Checked.add(bytes, Checked.byteCount(type.element, type.sizes ?? []))
    }
    guard bytes <= Planner.foldLimit, bytes <= bytesLeft else { return nil }
    bytesLeft -= bytes
    return try evaluator.evaluate(node.op, tensors, outputCount: node.outputs.count)
  }

  private func constant(_ contents: [Dimension], _ type: TensorType) throws -> Tensor? {
    let values = contents.compactMap(\.value)
    guard values.count == contents.count, let sizes = type.sizes else { return nil }
    switch type.element {
    case .int64: return try Tensor(values.map(Int64.init), sizes)
    case .int32:
      let narrow = values.compactMap { Int32(exactly: $0) }
      return narrow.count == values.count ? try Tensor(narrow, sizes) : nil
    default: return nil
    }
  }

  private func tensor(_ id: ValueID, _ knowledge: Knowledge) -> Tensor? {
    knowledge.tensors[id] ?? (states.places[id] == nil ? graph[id].tensor : nil)
  }

  private func type(_ id: ValueID, _ knowledge: Knowledge) -> TensorType {
    if let tensor = tensor(id, knowledge) { return TensorType(tensor.element, sizes: tensor.shape) }
    return knowledge.sizes[id] ?? graph[id].type
  }

  /// The values that must survive the plan: the outputs, what replaces state, and what the tail reads.
  private func exits(_ tail: Plan.Tail?) -> [ValueID] {
    var exits = graph.outputs + states.copied.map(\.from)
    if let tail {
      exits += graph[tail.node].operands
      for id in tail.rest { exits += graph[id].operands }
    }
    var seen = Set<ValueID>()
    return exits.filter { graph[$0].tensor?.element != .string && seen.insert($0).inserted }
  }
}
