import GraphIR
import TensorCore

/// Which values are state, in what order nodes run, and how the results that replace the state get there.
///
/// A run has two halves. The first computes, and writes no state; the second, the commit, writes. Results that are all
/// that a node gives, and that nobody reads but other writers of state, are written straight into the state's storage
/// by the kernel that makes them, in the second half; the others are computed in the arena and copied at its end.
struct StateSchedule {
  /// The states in the order of the updates: value to place in the store.
  let places: [ValueID: Int]
  let byteCounts: [Int]
  /// All nodes, each after what it reads and after all other readers of the state that it overwrites.
  let order: [NodeID]
  /// Where in `order` the commit starts.
  let commit: Int
  /// Results that kernels write into a state's storage.
  let written: [ValueID: Int]
  /// Results that are copied into a state's storage at the end.
  let copied: [(from: ValueID, to: Int)]

  /// No state.
  init(order: [NodeID]) {
    places = [:]
    byteCounts = []
    self.order = order
    commit = order.count
    written = [:]
    copied = []
  }

  /// - Throws: `.usage` for updates that contradict the graph or each other, `.type` for a result of another type.
  init(_ graph: Graph, _ updates: [StateUpdate]) throws {
    var places: [ValueID: Int] = [:]
    for (index, update) in updates.enumerated() {
      try StateSchedule.check(graph, update)
      guard places.updateValue(index, forKey: update.state) == nil else {
        throw LigatureError(.usage, "the state '\(graph[update.state].name)' is updated twice; name one result for it")
      }
    }
    self.places = places
    byteCounts = updates.map { graph[$0.state].tensor?.byteCount ?? 0 }
    let analysis = StateAnalysis(graph, places)
    for update in updates where update.next != update.state {
      if let source = analysis.root[update.next] {
        throw LigatureError(
          .unsupported,
          "the state '\(graph[update.state].name)' is to become the old '\(graph[source].name)'; put an operator that "
            + "computes (Add of 0, …) between them")
      }
    }
    for (output, name) in zip(graph.outputs, graph.outputNames) {
      guard let state = analysis.root[output] else { continue }
      throw LigatureError(
        .unsupported,
        "the output '\(name)' is the state '\(graph[state].name)' as it was before the run, which the run overwrites; "
          + "read the state from the session, or let the output be what replaces it")
    }
    let late = analysis.lateNodes(updates)
    let all = graph.order
    order = all.filter { !late.contains($0) } + all.filter(late.contains)
    commit = order.count - late.count
    var written: [ValueID: Int] = [:]
    var copied: [(from: ValueID, to: Int)] = []
    for (index, update) in updates.enumerated() where update.next != update.state {
      if written[update.next] == nil, analysis.writesInPlace(update, late) {
        written[update.next] = index
      } else {
        copied.append((update.next, index))
      }
    }
    (self.written, self.copied) = (written, copied)
  }

  private static func check(_ graph: Graph, _ update: StateUpdate) throws {
    let (state, next) = (graph[update.state], graph[update.next])
    guard case .parameter(let tensor) = state.role else {
      throw LigatureError(.usage, "'\(state.name)' cannot be state, because it is no parameter of the graph")
    }
    guard tensor.element.byteSize > 0 else {
      throw LigatureError(.unsupported, "the state '\(state.name)' is a \(tensor.element) tensor")
    }
    guard next.type.isCompatible(with: state.type) else {
      throw LigatureError(
        .type, "the state '\(state.name)' is \(state.type), but '\(next.name)', which replaces it, is \(next.type)")
    }
  }
}

/// Who reads what of the state.
private struct StateAnalysis {
  let graph: Graph
  /// The state that a value shows the bytes of: itself, or views of it.
  private(set) var root: [ValueID: ValueID] = [:]
  /// The nodes that read a state, directly or through views.
  private var readers: [ValueID: Set<NodeID>] = [:]
  private let order: [NodeID]

  init(_ graph: Graph, _ places: [ValueID: Int]) {
    self.graph = graph
    order = graph.order
    for state in places.keys { root[state] = state }
    for id in order {
      let node = graph[id]
      if node.op.traits.contains(.isView), let input = node.inputs.first, let input, let state = root[input] {
        for case let output? in node.outputs.prefix(1) { root[output] = state }
      } else {
        for operand in node.operands { if let state = root[operand] { readers[state, default: []].insert(id) } }
      }
    }
  }

  /// Whether the kernel that makes `update.next` may write over the state, as far as that node itself is concerned.
  private func mayOverwrite(_ update: StateUpdate) -> NodeID? {
    guard case .result(let id, let slot) = graph[update.next].role else { return nil }
    let node = graph[id]
    guard node.op.traits.isDisjoint(with: [.isView, .hasDataDependentShape]) else { return nil }
    let replaceable = node.op.reusableInputs(output: slot)
    for (index, input) in node.inputs.enumerated() {
      guard let input, root[input] == update.state else { continue }
      guard input == update.state, replaceable.contains(index) else { return nil }
    }
    return node.captures.contains { root[$0] == update.state } ? nil : id
  }

  /// The nodes that run in the commit: those that write state in place, and what lies between them.
  func lateNodes(_ updates: [StateUpdate]) -> Set<NodeID> {
    var writers: [(node: NodeID, update: StateUpdate)] = updates.compactMap { update in
      mayOverwrite(update).map { ($0, update) }
    }
    while true {
      let late = sink(Set(writers.map(\.node)))
      // A state that another node of the commit reads is copied instead: nothing says which of them runs first.
      let kept = writers.filter { writer in
        late.contains(writer.node)
          && readers[writer.update.state, default: []].isDisjoint(with: late.subtracting([writer.node]))
      }
      if kept.count == writers.count { return late }
      writers = kept
    }
  }

  /// Of these nodes those on whose results nothing else depends, and the nodes between them.
  private func sink(_ writers: Set<NodeID>) -> Set<NodeID> {
    // Nodes all of whose results end in writers.
    var sinking = Set<NodeID>()
    for id in order.reversed() {
      let users = graph[id].outputs.compactMap { $0 }.flatMap(graph.uses)
      guard users.allSatisfy(sinking.contains), writers.contains(id) || !users.isEmpty else { continue }
      sinking.insert(id)
    }
    var late = Set<NodeID>()
    for id in order where sinking.contains(id) {
      let followsWriter = graph[id].operands.contains { graph.producer(of: $0).map(late.contains) ?? false }
      if writers.contains(id) || followsWriter { late.insert(id) }
    }
    return late
  }

  func writesInPlace(_ update: StateUpdate, _ late: Set<NodeID>) -> Bool {
    guard let node = mayOverwrite(update), late.contains(node) else { return false }
    return readers[update.state, default: []].isDisjoint(with: late.subtracting([node]))
  }
}
