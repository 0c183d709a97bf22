public import GraphIR
import Operators
import TensorCore

/// Computes once what several nodes compute alike: equal operators with equal attributes on the same values.
public struct CommonSubexpressions: Pass {
  public let name = "common-subexpressions"
  public let summary = "Computes once what several nodes compute from the same values."

  public init() {}

  private struct Key: Hashable {
    let type: ObjectIdentifier
    let name: OperatorName
    let attributes: [String]
    let inputs: [ValueID?]
    let outputCount: Int
  }

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    var known: [Key: NodeID] = [:]
    for id in graph.order {
      let node = graph[id]
      guard let key = key(node) else { continue }
      guard let first = known[key] else {
        known[key] = id
        continue
      }
      let twin = graph[first]
      if node.op is Opaque {
        notes.append(PassNote(.rejected, node: node.name, "looks like \(twin.name), but the operator is not known"))
        continue
      }
      guard node.op.traits.isDisjoint(with: .isImpure) else {
        notes.append(PassNote(.rejected, node: node.name, "looks like \(twin.name), but two runs of it may differ"))
        continue
      }
      guard zip(node.outputs, twin.outputs).allSatisfy({ $0 == nil || $1 != nil }) else {
        notes.append(
          PassNote(.rejected, node: node.name, "\(twin.name) is the same, but leaves out one of its results"))
        continue
      }
      for case (let output?, let same?) in zip(node.outputs, twin.outputs) { try graph.replace(output, with: same) }
      try graph.erase(id)
      notes.append(PassNote(.changed, node: node.name, "is computed by \(twin.name) already"))
    }
    return notes
  }

  /// What equal nodes share; nil for nodes with sub-graphs, and for those that take nothing in.
  private func key(_ node: Node) -> Key? {
    guard node.captures.isEmpty, !node.inputs.isEmpty else { return nil }
    let attributes = node.op.attributes
    var texts: [String] = []
    for name in attributes.sortedNames {
      guard let attribute = attributes[name], let text = spelled(attribute) else { return nil }
      texts.append("\(name)=\(text)")
    }
    var inputs = node.inputs
    // a + b and b + a are the same to the bit; sums of three are not.
    if node.op.traits.contains(.isCommutative), inputs.count == 2 {
      inputs.sort { ($0?.index ?? -1) < ($1?.index ?? -1) }
    }
    return Key(
      type: ObjectIdentifier(type(of: node.op)), name: node.op.name, attributes: texts, inputs: inputs,
      outputCount: node.outputs.count)
  }

  private func spelled(_ attribute: Attribute) -> String? {
    switch attribute {
    case .int(let value): return "\(value)"
    case .float(let value): return "\(value.bitPattern)"
    case .string(let text): return text
    case .ints(let values): return "\(values)"
    case .floats(let values): return "\(values.map(\.bitPattern))"
    case .strings(let texts): return "\(texts)"
    case .tensor(let tensor):
      guard tensor.element != .string, tensor.byteCount <= 1024 else { return nil }
      return "\(tensor.element)\(tensor.shape)\(unsafe tensor.withUnsafeBytes { unsafe Array($0) })"
    case .tensors, .graph, .graphs, .opaque: return nil
    }
  }
}
