public import GraphIR
import Operators
public import TensorCore

/// Computes, once, every node that reads only constants.
public struct ConstantFolding: Pass {
  /// Runs an operator on tensors; passes have no kernels of their own.
  public typealias Evaluate = @Sendable (any Operator, [Tensor?], _ outputCount: Int) throws -> [Tensor]

  public let name = "constant-folding"
  public let summary = "Computes nodes that read only constants, up to a limit of bytes."
  private let byteLimit: Int
  private let evaluate: Evaluate

  /// - Parameter byteLimit: once all results together would take more, they are left to be computed at run time, so
  ///   that a small file cannot become a huge graph (`Expand`, `Tile`, `ConstantOfShape` of constants). Weights that a
  ///   file stores as float16 or bfloat16 are widened whatever their size: they at most double.
  public init(byteLimit: Int = 64 << 20, evaluate: @escaping Evaluate) {
    self.byteLimit = byteLimit
    self.evaluate = evaluate
  }

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    var bytesLeft = byteLimit
    for id in graph.order {
      let node = graph[id]
      guard let tensors = constants(node, graph) else { continue }
      if let reason = try rejection(node, graph, bytesLeft: bytesLeft) {
        notes.append(PassNote(.rejected, node: node.name, reason))
        continue
      }
      let results: [Tensor]
      do {
        results = try evaluate(node.op, tensors, node.outputs.count)
      } catch let error as LigatureError {
        // Running says so, if it ever comes to that.
        notes.append(PassNote(.rejected, node: node.name, "it cannot be computed: \(error.message)"))
        continue
      }
      for tensor in tensors { tensor?.releaseFilePages() }
      for case (let output?, let tensor) in zip(node.outputs, results) {
        if !widensWeights(node, graph) { bytesLeft -= tensor.byteCount }
        try graph.fold(output, to: tensor)
      }
      try graph.erase(id)
      notes.append(PassNote(.changed, node: node.name, "folded \(node.op.name)"))
    }
    return notes
  }

  /// The tensors of all inputs, or nil if one is not a constant.
  private func constants(_ node: Node, _ graph: Graph) -> [Tensor?]? {
    guard node.captures.isEmpty else { return nil }
    var tensors: [Tensor?] = []
    for input in node.inputs {
      guard let input else {
        tensors.append(nil)
        continue
      }
      guard case .constant(let tensor) = graph[input].role else { return nil }
      tensors.append(tensor)
    }
    return tensors
  }

  /// Whether it is a Cast to at most twice the bytes, as `WeightStorage` leaves them.
  private func widensWeights(_ node: Node, _ graph: Graph) -> Bool {
    guard let cast = node.op as? Cast, !cast.isLike, let input = node.inputs.first, let input else { return false }
    return cast.target.byteSize <= 2 * graph[input].type.element.byteSize
  }

  private func rejection(_ node: Node, _ graph: Graph, bytesLeft: Int) throws -> String? {
    if node.op is Opaque { return "the operator is not known" }
    if !node.op.traits.isDisjoint(with: [.isImpure, .hasDataDependentShape]) {
      return "its result is not fixed by its inputs' types"
    }
    var bytes = 0
    for output in node.outputs.compactMap({ $0 }) {
      let type = graph[output].type
      guard let sizes = type.sizes, type.element.byteSize > 0 else { return "the size of its result is not known" }
      bytes = try Checked.add(bytes, Checked.byteCount(type.element, sizes))
    }
    guard bytes > bytesLeft, !widensWeights(node, graph) else { return nil }
    return "its result takes \(bytes) bytes, but of the limit of \(byteLimit) only \(bytesLeft) are left"
  }
}
