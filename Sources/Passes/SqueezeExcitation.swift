public import GraphIR
import Operators
import TensorCore

/// `x + x * g` with one `g` a channel becomes `x * (1 + g)`: one pass over memory less, and what makes `g` can add the
/// 1 while it writes.
public struct SqueezeExcitation: Pass {
  public let name = "squeeze-excitation"
  public let summary = "Turns x + x * gate into x * (1 + gate), where the gate is one number a channel."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard let match = match(id, graph) else { continue }
      let name = graph[id].name
      if let reason = match.reason {
        notes.append(PassNote(.rejected, node: name, reason))
        continue
      }
      let one = try graph.addConstant(graph.freshName(graph[match.gate].name + ".one"), Tensor([Float(1)], []))
      let more = try graph.append(Binary(.add), [match.gate, one], name: name.isEmpty ? "" : name + "/gate")
      try graph.update(id, op: Binary(.mul), inputs: [match.x, more])
      try graph.erase(match.product)
      notes.append(PassNote(.changed, node: name, "its gate takes over the addition"))
    }
    return notes
  }

  private struct Match {
    let x: ValueID
    let gate: ValueID
    let product: NodeID
    var reason: String?
  }

  private func match(_ id: NodeID, _ graph: Graph) -> Match? {
    guard (graph[id].op as? Binary)?.function == .add, let a = graph[id].inputs[0], let b = graph[id].inputs[1],
      let sum = graph[id].outputs[0], graph[sum].type.element == .float32
    else { return nil }
    for (x, y) in [(a, b), (b, a)] {
      guard let (product, factors) = graph.binary(y, .mul), let place = factors.firstIndex(of: x),
        let gate = factors[1 - place], gate != x
      else { continue }
      var match = Match(x: x, gate: gate, product: product)
      if graph.soleUse(of: y) != id {
        match.reason = "the product is read by others, too"
      } else if !isPerChannel(graph[gate].type) {
        match.reason = "the gate \(graph[gate].type) is not known to be one number a channel"
      } else if !graph[x].type.isSurelyEqual(to: graph[sum].type) {
        match.reason = "the gate changes the shape"
      }
      return match
    }
    return nil
  }

  private func isPerChannel(_ type: TensorType) -> Bool {
    guard let shape = type.shape, shape.count >= 3 else { return false }
    return shape.dropFirst(2).allSatisfy { $0.value == 1 }
  }
}
