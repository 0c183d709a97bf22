import GraphIR
import Operators
import Runtime
import TensorCore

/// Lets the backward pass compute activations again instead of keeping them, so that a step takes less memory.
///
/// Forward nodes are copied; backward nodes read the copies. A session runs a copy right before its first reader, so
/// that what lies between is free while the rest of the forward pass runs. The copies compute what the originals
/// computed, hence with the same bits.
///
/// What to drop is chosen among two families of proposals, the cheapest that stays below the limit: the results of cheap
/// nodes (element-wise, normalisation, pooling; first those that free most bytes for their cost), or everything inside
/// of stretches of the forward pass, of which only what crosses their ends is kept.
struct Recomputation {
  private let original: Graph
  private let shapes: [[Int]]
  private let makeSession: (Graph) throws -> Session
  private let forward: Forward

  /// - Parameters:
  ///   - loss: what the forward pass ends with.
  ///   - shapes: of the inputs, in order.
  init(
    _ graph: Graph, loss: ValueID, shapes: [[Int]],
    makeSession: @escaping (Graph) throws -> Session
  ) throws {
    original = graph
    self.shapes = shapes
    self.makeSession = makeSession
    forward = Forward(graph, loss, try makeSession(graph).forecast(shapes).steps)
  }

  private struct Candidate {
    let graph: Graph
    let need: Int
    let cost: Double
  }

  /// The cheapest graph that takes at most `limit` bytes for arena and state together.
  ///
  /// - Throws: `.limit`, saying how many bytes are missing, when no proposal does.
  func graph(below limit: Int) throws -> Graph {
    var best: Candidate?
    var least = Int.max
    for dropped in forward.proposals() {
      let candidate = try evaluate(dropped)
      least = min(least, candidate.need)
      if candidate.need <= limit, candidate.cost < best?.cost ?? .infinity { best = candidate }
    }
    guard let best else {
      throw LigatureError(
        .limit,
        "a step with inputs of \(shapes.map(\.description).joined(separator: ", ")) needs at least \(least) bytes even when "
          + "activations are computed again, \(least - limit) more than the memory limit of \(limit); raise the limit, "
          + "or make the batch smaller")
    }
    return best.graph
  }

  private func evaluate(_ dropped: Set<ValueID>) throws -> Candidate {
    var writer = CopyWriter(original, forward, dropped)
    try writer.rewrite()
    let memory = try makeSession(writer.graph).memoryUse(shapes)
    return Candidate(
      graph: writer.graph, need: try Checked.add(memory.arena, memory.state), cost: writer.cost)
  }
}

/// The forward pass as far as it matters here.
private struct Forward {
  let graph: Graph
  /// The nodes up to the one that makes the loss, in the order in which they run.
  let order: [NodeID]
  let nodes: Set<NodeID>
  /// Nodes that run at all: the others are settled while planning.
  let running: Set<NodeID>
  private let bytes: [ValueID: Int]
  let cost: [NodeID: Double]
  /// Results that stand for the bytes of another one.
  private var root: [ValueID: ValueID] = [:]

  init(_ graph: Graph, _ loss: ValueID, _ steps: [ForecastStep]) {
    self.graph = graph
    // What differentiation and the optimiser append comes later than what makes the loss.
    let all = graph.order
    let end = graph.producer(of: loss).flatMap(all.firstIndex) ?? -1
    order = Array(all[...end])
    nodes = Set(order)
    running = Set(steps.map(\.node))
    bytes = Dictionary(
      steps.flatMap { $0.results.map { ($0.value, $0.byteCount) } }, uniquingKeysWith: { first, _ in first })
    // Memory traffic weighs about as much as five multiplications a byte.
    cost = Dictionary(
      steps.map {
        ($0.node, Double($0.cost.multiplyAdds) + 5 * Double($0.cost.bytesRead) + 5 * Double($0.cost.bytesWritten))
      },
      uniquingKeysWith: { first, _ in first })
    for id in order where isView(id) {
      if let input = graph[id].inputs.first, let input, let output = graph[id].outputs.first, let output {
        root[output] = root[input] ?? input
      }
    }
  }

  func isView(_ id: NodeID) -> Bool { graph[id].op.traits.contains(.isView) }

  func mayRepeat(_ id: NodeID) -> Bool {
    graph[id].op.traits.isDisjoint(with: [.isImpure, .hasDataDependentShape]) && graph[id].captures.isEmpty
  }

  /// Few operations an element: not worth keeping when memory is short.
  private func isCheap(_ id: NodeID) -> Bool {
    switch graph[id].op {
    case is Conv, is ConvTranspose, is DeformConv, is MatMul, is Gemm, is Recurrent, is Einsum, is CTCLoss: false
    default: true
    }
  }

  /// Sets of values to be dropped, each worth a try.
  func proposals() -> [Set<ValueID>] {
    let views = Set(order.filter { isView($0) && mayRepeat($0) }.flatMap { graph[$0].outputs.compactMap { $0 } })
    var result: [Set<ValueID>] = []
    var cheap: [(node: NodeID, bytes: Int, gain: Double)] = []
    for id in order where isCheap(id) && mayRepeat(id) && !isView(id) && running.contains(id) {
      let bytes = size(of: id)
      if bytes > 0 { cheap.append((id, bytes, Double(bytes) / (cost[id] ?? 1))) }
    }
    cheap.sort { $0.gain > $1.gain }
    let total = cheap.reduce(0) { $0 + $1.bytes }
    for quarter in 1...4 {
      var chosen = views
      var sum = 0
      for item in cheap where quarter == 4 || sum < total / 4 * quarter {
        sum += item.bytes
        chosen.formUnion(graph[item.node].outputs.compactMap { $0 })
      }
      result.append(chosen)
    }
    for count in [2, 3, 4, 5, 6, 8, 10, 12, 16, 24] { result.append(inside(stretches: count).union(views)) }
    return result
  }

  private func size(of id: NodeID) -> Int { graph[id].outputs.compactMap { $0.flatMap { bytes[$0] } }.reduce(0, +) }

  /// What is made in one stretch of the forward pass and read in no later one; the last stretch is kept whole.
  private func inside(stretches count: Int) -> Set<ValueID> {
    let total = order.reduce(0) { $0 + size(of: $1) }
    var stretch: [NodeID: Int] = [:]
    var sum = 0
    for id in order {
      stretch[id] = min(sum / max(total / count, 1), count - 1)
      sum += size(of: id)
    }
    var lastReader: [ValueID: Int] = [:]
    for id in order where running.contains(id) && !isView(id) {
      for operand in graph[id].operands {
        let value = root[operand] ?? operand
        lastReader[value] = max(lastReader[value] ?? 0, stretch[id] ?? 0)
      }
    }
    var dropped = Set<ValueID>()
    for id in order where mayRepeat(id) {
      guard let own = stretch[id], own < count - 1 else { continue }
      for case let output? in graph[id].outputs where lastReader[output] ?? 0 <= own { dropped.insert(output) }
    }
    return dropped
  }
}

/// Copies the nodes whose results are dropped, and lets backward nodes read the copies.
private struct CopyWriter {
  private(set) var graph: Graph
  /// What the copies take, in the unit of `Forward.cost`.
  private(set) var cost = 0.0
  private let forward: Forward
  private let dropped: Set<ValueID>
  private var copies: [ValueID: ValueID] = [:]

  init(_ graph: Graph, _ forward: Forward, _ dropped: Set<ValueID>) {
    self.graph = graph
    self.forward = forward
    self.dropped = dropped
  }

  mutating func rewrite() throws {
    for id in graph.order where !forward.nodes.contains(id) && readsBytes(id) {
      let node = graph[id]
      let wanted = node.inputs.compactMap { $0 }.filter(dropped.contains)
      guard !wanted.isEmpty else { continue }
      for value in wanted { try copy(value) }
      try graph.update(id, op: node.op, inputs: node.inputs.map { $0.map { copies[$0] ?? $0 } })
    }
  }

  private func readsBytes(_ id: NodeID) -> Bool {
    forward.running.contains(id) || graph[id].op.traits.contains(.isView)
  }

  /// Makes the copy of a dropped value, and of all dropped values that it is computed from.
  private mutating func copy(_ value: ValueID) throws {
    var stack = [value]
    while let top = stack.last {
      guard copies[top] == nil, let id = graph.producer(of: top) else {
        stack.removeLast()
        continue
      }
      let missing = graph[id].inputs.compactMap { $0 }.filter { dropped.contains($0) && copies[$0] == nil }
      guard missing.isEmpty else {
        stack += missing
        continue
      }
      stack.removeLast()
      let node = graph[id]
      let names = node.outputs.map { output -> String? in
        guard let output, dropped.contains(output) else { return nil }
        return graph.freshName(graph[output].name + ".again")
      }
      let inputs = node.inputs.map { $0.map { copies[$0] ?? $0 } }
      let results = try graph.append(node.op, inputs, name: node.name + ".again", outputs: names)
      for case (let old?, let new?) in zip(node.outputs, results) { copies[old] = new }
      cost += forward.cost[id] ?? 0
    }
  }
}
