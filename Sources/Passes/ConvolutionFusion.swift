public import GraphIR
import Operators
import TensorCore

/// Lets a convolution add a residual, apply the activation and scale by the numbers that follow it while it writes
/// its result; a transposed one all but the residual.
public struct ConvolutionFusion: Pass {
  public let name = "convolution-fusion"
  public let summary = "Fuses a residual addition, an activation and scaling into the convolution before them."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      if let op = graph[id].op as? Conv {
        if op.name == Conv.standardName { notes += try fuseResidual(id, op, &graph) }
        notes += try fuseEpilogue(id, &graph)
      } else if graph[id].op is ConvTranspose {
        notes += try fuseEpilogue(id, &graph)
      }
    }
    return notes
  }

  private func fuseResidual(_ id: NodeID, _ op: Conv, _ graph: inout Graph) throws -> [PassNote] {
    let node = graph[id]
    guard let output = node.outputs[0] else { return [] }
    switch ResidualMatch.find(after: id, output, graph) {
    case .none: return []
    case .rejected(let note): return [note]
    case .found(let match):
      let name = graph[match.addition].name
      let bias = node.inputs.count > 2 ? node.inputs[2] : nil
      try graph.update(
        id, op: Conv(fused: op.window, Epilogue.none), inputs: [node.inputs[0], node.inputs[1], bias, match.other])
      try match.remove(from: &graph, readersOf: output)
      return [PassNote(.changed, node: name, "is added by \(node.name)")]
    }
  }

  private func fuseEpilogue(_ id: NodeID, _ graph: inout Graph) throws -> [PassNote] {
    let node = graph[id]
    guard let output = node.outputs[0] else { return [] }
    let before = (node.op as? Conv)?.epilogue ?? (node.op as? ConvTranspose)?.epilogue ?? .none
    let match = EpilogueMatch(after: id, output, before, addsResidual: node.op is Conv, graph)
    guard !match.absorbed.isEmpty else { return match.notes }
    let op: any Operator
    switch node.op {
    case let conv as Conv: op = Conv(fused: conv.window, match.epilogue)
    case let conv as ConvTranspose: op = try ConvTranspose(fusing: match.epilogue, into: conv)
    default: return []
    }
    try graph.update(id, op: op, inputs: node.inputs)
    try match.remove(from: &graph, readersOf: output)
    return match.notes
  }
}
