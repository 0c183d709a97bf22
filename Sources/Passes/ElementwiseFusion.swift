public import GraphIR
import Operators
import TensorCore

/// Puts element-wise functions that follow each other into one operator, which makes each block of the result while it
/// stays in the first cache.
public struct ElementwiseFusion: Pass {
  public let name = "elementwise-fusion"
  public let summary = "Runs element-wise functions that follow each other in one pass over memory."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    // From the end: what a later group has taken is no sink any more.
    for id in graph.order.reversed() where graph.contains(id) {
      guard let group = Group(sink: id, graph) else { continue }
      let name = graph[id].name
      notes += group.notes
      guard group.members.count > 1 else { continue }
      let (op, inputs) = try group.program(graph)
      let absorbed = group.members.filter { $0 != id }.map { graph[$0].op.name.type }
      try graph.update(id, op: op, inputs: inputs)
      // From the readers to what they read.
      for member in group.members.reversed() where member != id { try graph.erase(member) }
      notes.append(PassNote(.changed, node: name, "takes over \(absorbed.joined(separator: ", "))"))
    }
    return notes
  }
}

/// Nodes that become one: a sink, and what only they read.
private struct Group {
  /// In an order in which they can run; the sink is the last.
  private(set) var members: [NodeID]
  private(set) var notes: [PassNote] = []

  init?(sink: NodeID, _ graph: Graph) {
    guard Group.function(graph[sink], graph) != nil, let output = graph[sink].outputs[0],
      graph[output].type.shape != nil
    else { return nil }
    members = [sink]
    let type = graph[output].type
    // Candidates are what members read; a round may make room for more.
    var grows = true
    while grows {
      grows = false
      for candidate in candidates(graph) where !members.contains(candidate) {
        guard let value = graph[candidate].outputs[0], Group.function(graph[candidate], graph) != nil else { continue }
        guard !graph.isOutput(value), graph.uses(of: value).allSatisfy(members.contains) else { continue }
        guard graph[value].type.isSurelyEqual(to: type) else {
          reject(candidate, "its shape \(graph[value].type) is not known to be that of \(graph[sink].name)", graph)
          continue
        }
        let grown = [candidate] + members
        guard fits(grown, graph) else {
          reject(candidate, "there are too many steps or inputs to fuse it as well", graph)
          continue
        }
        members = grown
        grows = true
      }
    }
    sort(graph)
  }

  private mutating func reject(_ id: NodeID, _ text: String, _ graph: Graph) {
    let note = PassNote(.rejected, node: graph[id].name, text)
    if !notes.contains(note) { notes.append(note) }
  }

  private func candidates(_ graph: Graph) -> [NodeID] {
    members.flatMap { Group.operands(graph[$0], graph) }.compactMap { graph.producer(of: $0) }
  }

  private func fits(_ members: [NodeID], _ graph: Graph) -> Bool {
    members.count <= FusedElementwise.mostSteps && Group.external(members, graph).count <= FusedElementwise.mostInputs
  }

  /// Operands before what reads them.
  private mutating func sort(_ graph: Graph) {
    var sorted: [NodeID] = []
    func visit(_ id: NodeID) {
      guard members.contains(id), !sorted.contains(id) else { return }
      for operand in Group.operands(graph[id], graph) {
        if let producer = graph.producer(of: operand) { visit(producer) }
      }
      sorted.append(id)
    }
    if let sink = members.last { visit(sink) }
    members = sorted
  }

  /// What the members read of others, each once.
  private static func external(_ members: [NodeID], _ graph: Graph) -> [ValueID] {
    var result: [ValueID] = []
    for operand in members.flatMap({ operands(graph[$0], graph) }) {
      if let producer = graph.producer(of: operand), members.contains(producer) { continue }
      if !result.contains(operand) { result.append(operand) }
    }
    return result
  }

  func program(_ graph: Graph) throws -> (FusedElementwise, [ValueID]) {
    let inputs = Group.external(members, graph)
    var places: [ValueID: Int] = [:]
    for (index, input) in inputs.enumerated() { places[input] = index }
    var steps: [FusedElementwise.Step] = []
    for id in members {
      guard let function = Group.function(graph[id], graph), let output = graph[id].outputs[0] else { continue }
      let operands = Group.operands(graph[id], graph).compactMap { places[$0] }
      places[output] = inputs.count + steps.count
      steps.append(FusedElementwise.Step(function, operands))
    }
    return (try FusedElementwise(inputs: inputs.count, steps: steps), inputs)
  }

  /// The tensors that a member computes with; bounds of Clip are numbers of its function.
  private static func operands(_ node: Node, _ graph: Graph) -> [ValueID] {
    Array(node.inputs.compactMap { $0 }.prefix(node.op is Binary ? 2 : 1))
  }

  private static func function(_ node: Node, _ graph: Graph) -> FusedElementwise.Function? {
    guard let output = node.outputs.first, let output, graph[output].type.element == .float32,
      node.inputs.allSatisfy({ $0.map { graph[$0].type.element == .float32 } ?? true })
    else { return nil }
    if let (_, low, high) = graph.clip(node) { return .clip(low, high) }
    if let op = node.op as? Unary { return FusedElementwise.canFuse(op.function) ? .unary(op) : nil }
    guard let op = node.op as? Binary, FusedElementwise.canFuse(op.function) else { return nil }
    return .binary(op.function)
  }
}
