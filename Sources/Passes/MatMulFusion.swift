public import GraphIR
import Operators
import TensorCore

/// Lets a matrix product add a bias and a residual, apply the activation and scale by the numbers that follow it while
/// it writes its result.
public struct MatMulFusion: Pass {
  public let name = "matmul-fusion"
  public let summary =
    "Fuses a bias, a residual addition, an activation and scaling into the matrix product before them."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard var product = Product(id, graph) else { continue }
      guard product.reason == nil else {
        if let reason = product.reason, product.isFollowed(graph) {
          notes.append(PassNote(.rejected, node: graph[id].name, reason))
        }
        continue
      }
      if product.bias == nil, product.residual == nil { notes += try fuseBias(&product, &graph) }
      if product.residual == nil, product.op.epilogue == .none {
        notes += try fuseResidual(&product, &graph)
      }
      let match = EpilogueMatch(after: id, product.output, product.op.epilogue, addsResidual: true, graph)
      notes += match.notes
      guard !match.absorbed.isEmpty else { continue }
      product.op = product.op.with(match.epilogue)
      try product.update(&graph)
      try match.remove(from: &graph, readersOf: product.output)
    }
    return notes
  }

  private func fuseBias(_ product: inout Product, _ graph: inout Graph) throws -> [PassNote] {
    let output = product.output
    guard product.op.epilogue == .none, let next = graph.soleUse(of: output),
      (graph[next].op as? Binary)?.function == .add, let sum = graph[next].outputs[0],
      let other = graph[next].inputs.first(where: { $0 != output }), let other,
      let columns = graph[output].type.shape?.last?.value, columns != 1, let bias = graph.constant(other),
      bias.element == .float32, bias.count == columns, bias.shape.last == columns
    else { return [] }
    let name = graph[next].name
    guard graph[sum].type.isSurelyEqual(to: graph[output].type) else {
      return [PassNote(.rejected, node: name, "it changes the shape")]
    }
    let isRow = bias.shape.count == 1
    product.bias =
      isRow
      ? other : try graph.addConstant(graph.freshName(graph[other].name + ".row"), Tensor(bias.floats(), [columns]))
    try product.update(&graph)
    try graph.replace(sum, with: output)
    try graph.erase(next)
    return [PassNote(.changed, node: name, "is the bias of \(graph[product.id].name)")]
  }

  private func fuseResidual(
    _ product: inout Product, _ graph: inout Graph
  ) throws -> [PassNote] {
    switch ResidualMatch.find(after: product.id, product.output, graph) {
    case .none: return []
    case .rejected(let note): return [note]
    case .found(let match):
      let name = graph[match.addition].name
      product.residual = match.other
      try product.update(&graph)
      try match.remove(from: &graph, readersOf: product.output)
      return [PassNote(.changed, node: name, "is added by \(graph[product.id].name)")]
    }
  }
}

/// A MatMul or Gemm, as one operator with its operands.
private struct Product {
  let id: NodeID
  let output: ValueID
  var op: FusedMatMul
  private let a: ValueID
  private let b: ValueID
  var bias: ValueID?
  var residual: ValueID?
  /// Why nothing can be fused into it.
  private(set) var reason: String?

  init?(_ id: NodeID, _ graph: Graph) {
    let node = graph[id]
    guard node.op is MatMul || node.op is Gemm || node.op is FusedMatMul, let a = node.inputs[0],
      let b = node.inputs[1], let output = node.outputs[0]
    else { return nil }
    (self.id, self.output, self.a, self.b) = (id, output, a, b)
    bias = node.inputs.count > 2 ? node.inputs[2] : nil
    residual = node.inputs.count > 3 ? node.inputs[3] : nil
    op = node.op as? FusedMatMul ?? FusedMatMul()
    guard graph[output].type.element == .float32 else {
      reason = "it computes in \(graph[output].type.element)"
      return
    }
    guard let ranks = [graph[a].type.rank, graph[b].type.rank] as? [Int], ranks.allSatisfy({ $0 >= 2 }) else {
      reason = "its operands are not known to be matrices"
      return
    }
    guard let gemm = node.op as? Gemm else { return }
    op = FusedMatMul(alpha: gemm.alpha, transposesA: gemm.transposesA, transposesB: gemm.transposesB)
    guard let term = bias else { return }
    let columns = graph[output].type.shape?.last
    guard gemm.beta == 1, let shape = graph[term].type.shape, shape.count == 1, shape.last == columns else {
      reason = "its term is not one value a column"
      return
    }
  }

  /// Whether something follows that another product would take.
  func isFollowed(_ graph: Graph) -> Bool {
    guard let next = graph.soleUse(of: output) else { return false }
    return graph.fusedActivation(graph[next]) != nil || (graph[next].op as? Binary)?.function == .add
  }

  func update(_ graph: inout Graph) throws {
    var inputs: [ValueID?] = [a, b]
    if bias != nil || residual != nil { inputs.append(bias) }
    if residual != nil { inputs.append(residual) }
    try graph.update(id, op: op, inputs: inputs)
  }
}
