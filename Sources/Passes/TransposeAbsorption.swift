public import GraphIR
import Operators
import TensorCore

/// Lets products of two matrices read an operand as it lies instead of transposing it first: `Gemm` can.
public struct TransposeAbsorption: NodePass {
  public let name = "transpose-absorption"
  public let summary = "Lets products of matrices read an operand transposed."

  public init() {}

  public func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting {
    let node = graph[id]
    let gemm: Gemm
    switch node.op {
    case let op as Gemm: gemm = op
    case is MatMul: gemm = Gemm()
    default: return .none
    }
    var (inputs, flips, absorbed) = (node.inputs, [false, false], [String]())
    for place in 0..<2 {
      // Behind one transposition there may be another.
      while let found = try graph.transposition(making: inputs[place]), found.order != Array(0..<found.order.count) {
        guard found.order == [1, 0] else {
          return .rejected("\(graph[found.id].name) transposes more than a matrix")
        }
        inputs[place] = found.input
        flips[place].toggle()
        absorbed.append(graph[found.id].name)
      }
    }
    guard !absorbed.isEmpty else { return .none }
    let types = inputs.prefix(2).compactMap { $0.map { graph[$0].type } }
    guard types.count == 2, types.allSatisfy({ $0.rank == 2 && $0.element.isFloatingPoint }) else {
      return .rejected("only products of two matrices of floating-point numbers read them transposed")
    }
    let op = Gemm(
      alpha: gemm.alpha, beta: gemm.beta, transposesA: gemm.transposesA != flips[0],
      transposesB: gemm.transposesB != flips[1])
    try graph.update(id, op: op, inputs: inputs)
    return .changed("reads what \(absorbed.joined(separator: " and ")) transposes")
  }
}
