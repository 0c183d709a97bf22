public import GraphIR
import Operators
import TensorCore

/// Makes queries, keys and values of one tensor by one matrix product, where attention reads them: it reads each where
/// it lies, so nothing is copied to take them apart.
public struct QKVMerging: NodePass {
  public let name = "qkv-merging"
  public let summary = "Makes queries, keys and values of the same tensor by one matrix product."

  public init() {}

  public func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting {
    guard let attention = graph[id].op as? FusedAttention else { return .none }
    switch try projections(id, attention, graph) {
    case .none: return .none
    case .rejected(let reason): return .rejected(reason)
    case .found(let group):
      try merge(group, id, attention, &graph)
      return .changed("\(group.count) of its operands are made by one product")
    }
  }

  private enum Result {
    case none
    case rejected(String)
    case found([Projection])
  }

  /// `Reshape(x · weights + bias)`, which gives `[…, heads, depth]`.
  private struct Projection {
    /// Input of the attention: 0 for q, 1 for k, 2 for v.
    let place: Int
    let x: ValueID
    let weights: Tensor
    let bias: Tensor?
    /// As the Reshape has it.
    let shape: [Int]
    let reshape: NodeID
  }

  private func projections(_ id: NodeID, _ attention: FusedAttention, _ graph: Graph) throws -> Result {
    let all = try (0..<3).compactMap { try projection($0, id, attention, graph) }
    for first in all {
      let group = all.filter { $0.x == first.x }
      guard group.count > 1 else { continue }
      guard group.allSatisfy({ $0.weights.shape == first.weights.shape && $0.shape == first.shape }) else {
        return .rejected("its projections differ in size")
      }
      guard group.allSatisfy({ ($0.bias == nil) == (first.bias == nil) }) else {
        return .rejected("some of its projections have a bias, others none")
      }
      return .found(group)
    }
    return .none
  }

  private func projection(
    _ place: Int, _ id: NodeID, _ attention: FusedAttention, _ graph: Graph
  ) throws -> Projection? {
    let layout = [attention.query, attention.key, attention.value][place]
    guard layout.fixed.isEmpty, let operand = graph[id].inputs[place], let reshape = graph.producer(of: operand),
      graph.soleUse(of: operand) == id, (graph[reshape].op as? Reshape)?.allowZero == false,
      let shape = try graph.constant(graph[reshape].inputs[1])?.integers(), shape.count >= 3,
      let y = graph[reshape].inputs[0], graph.soleUse(of: y) == reshape, let product = graph.producer(of: y)
    else { return nil }
    let node = graph[product]
    let fused = node.op as? FusedMatMul
    guard node.op is MatMul || fused != nil, node.inputs.count <= 3, let x = node.inputs[0],
      let weights = graph.constant(node.inputs[1]), weights.element == .float32, weights.shape.count == 2,
      fused.map({ $0.epilogue == .none && $0.alpha == 1 && !$0.transposesA && !$0.transposesB }) ?? true
    else { return nil }
    let biasValue = node.inputs.count > 2 ? node.inputs[2] : nil
    let bias = graph.constant(biasValue)
    let (heads, depth) = (shape[shape.count - 2], shape[shape.count - 1])
    guard (biasValue == nil) == (bias == nil), heads > 0, depth > 0,
      try Checked.multiply(heads, depth) == weights.shape[1]
    else { return nil }
    return Projection(place: place, x: x, weights: weights, bias: bias, shape: shape, reshape: reshape)
  }

  private func merge(_ group: [Projection], _ id: NodeID, _ attention: FusedAttention, _ graph: inout Graph) throws {
    let first = group[0]
    let base = graph[first.reshape].name + ".merged"
    var inputs: [ValueID?] = [
      first.x,
      try graph.addConstant(graph.freshName(base + ".weights"), sideBySide(group.map(\.weights))),
    ]
    if first.bias != nil {
      let bias = try group.flatMap { try $0.bias?.floats() ?? [] }
      inputs.append(try graph.addConstant(graph.freshName(base + ".bias"), Tensor(bias, [bias.count])))
    }
    let product = try graph.append(FusedMatMul(), inputs, name: base + ".product")
    let axis = first.shape.count - 2
    let shape = first.shape[..<axis] + [group.count] + first.shape[axis...]
    let sizes = try graph.addConstant(
      graph.freshName(base + ".shape"), Tensor(shape.map(Int64.init), [shape.count]))
    let merged = try graph.append(Reshape(), [product, sizes], name: base)
    var layouts = [attention.query, attention.key, attention.value]
    var operands = graph[id].inputs
    for (index, part) in group.enumerated() {
      layouts[part.place].axes = layouts[part.place].axes.map { $0 >= axis ? $0 + 1 : $0 }
      layouts[part.place].fixed = [axis, index]
      operands[part.place] = merged
    }
    let op = try FusedAttention(
      scale: attention.scale, query: layouts[0], key: layouts[1], value: layouts[2], result: attention.result)
    try graph.update(id, op: op, inputs: operands)
  }

  /// Matrices of the same size as one of as many rows.
  private func sideBySide(_ parts: [Tensor]) throws -> Tensor {
    let (rows, rowBytes) = (parts[0].shape[0], 4 * parts[0].shape[1])
    return try unsafe Tensor(.float32, [rows, parts[0].shape[1] * parts.count]) { bytes in
      for (index, part) in parts.enumerated() {
        unsafe part.withUnsafeBytes { from in
          for row in 0..<rows {
            let to = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[((row * parts.count + index) * rowBytes)...])
            unsafe to.copyMemory(
              from: UnsafeRawBufferPointer(rebasing: from[(row * rowBytes)..<((row + 1) * rowBytes)]))
          }
        }
      }
    }
  }
}
