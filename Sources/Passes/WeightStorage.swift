public import GraphIR
import Operators
import TensorCore

/// Stores matrices and kernels in half the bytes, with a Cast back to float32 before their readers.
///
/// For files, not for running: constant folding undoes it when a graph is prepared, so that runs cost what they cost
/// with float32 weights. Vectors stay float32: those of norms are sensitive, and all of them are small.
public struct WeightStorage: Pass {
  public let name = "weight-storage"
  public let summary = "Stores matrices and kernels as float16 or bfloat16, widened when the graph is prepared."
  private let element: ElementType

  /// float16 keeps 11 significant bits of numbers up to 65504, bfloat16 keeps 8 of any that float32 holds.
  public enum Format: String, Sendable, CaseIterable {
    case float16, bfloat16
  }

  public init(_ format: Format = .float16) { element = format == .float16 ? .float16 : .bfloat16 }

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    var stored: [ValueID: Tensor] = [:]
    for id in graph.valueIDs {
      guard let tensor = graph[id].tensor, tensor.element == .float32, tensor.shape.count >= 2, tensor.count > 1,
        !graph.uses(of: id).isEmpty
      else { continue }
      if let reason = try rejection(id, tensor, graph) {
        notes.append(PassNote(.rejected, node: graph[id].name, reason))
        continue
      }
      stored[id] = try narrowed(tensor)
      notes.append(PassNote(.changed, node: graph[id].name, "is stored as \(element)"))
    }
    if !stored.isEmpty { graph = try rebuilt(graph, stored) }
    return notes
  }

  private func rejection(_ id: ValueID, _ tensor: Tensor, _ graph: Graph) throws -> String? {
    if case .parameter = graph[id].role { return "it is state, which training changes in float32" }
    if graph.isOutput(id) { return "it is an output" }
    guard element == .float16 else { return nil }
    let isBeyond = unsafe tensor.withUnsafeBytes { bytes in
      (0..<tensor.count).contains { index in
        let number = unsafe bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
        return !(number.magnitude < 65504)
      }
    }
    return isBeyond ? "it has numbers that float16 cannot hold; store it as bfloat16 or in float32" : nil
  }

  private func narrowed(_ tensor: Tensor) throws -> Tensor {
    try unsafe Tensor(unzeroed: element, tensor.shape) { target in
      unsafe tensor.withUnsafeBytes { source in
        for index in 0..<tensor.count {
          let number = unsafe source.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
          let bits = element == .float16 ? halfFromFloat(number) : bfloatFromFloat(number)
          unsafe target.storeBytes(of: bits, toByteOffset: 2 * index, as: UInt16.self)
        }
      }
    }
  }

  /// The graph with other constants under the same names: by these a checkpoint finds its weights.
  private func rebuilt(_ graph: Graph, _ stored: [ValueID: Tensor]) throws -> Graph {
    var result = Graph(name: graph.name)
    var moved: [ValueID: ValueID] = [:]
    for id in graph.inputs { moved[id] = try result.addInput(graph[id].name, graph[id].type) }
    for id in graph.valueIDs {
      let name = graph[id].name
      switch graph[id].role {
      case .constant(let tensor): moved[id] = try result.addConstant(name, stored[id] ?? tensor)
      case .parameter(let tensor): moved[id] = try result.addParameter(name, tensor)
      case .input, .result: break
      }
    }
    for id in graph.valueIDs {
      guard stored[id] != nil, let narrow = moved[id] else { continue }
      var name = graph[id].name + ".float32"
      while graph.value(named: name) != nil { name += "_" }
      moved[id] = try result.append(
        Cast(to: .float32), [narrow], name: name, outputs: [name])[0]
    }
    for id in graph.order {
      let node = graph[id]
      let results = try result.append(
        node.op, node.inputs.map { $0.flatMap { moved[$0] } }, captures: node.captures.compactMap { moved[$0] },
        name: node.name, outputs: node.outputs.map { $0.map { graph[$0].name } })
      for case (let old?, let new?) in zip(node.outputs, results) {
        moved[old] = new
        result.refine(new, with: graph[old].type)
      }
    }
    for (id, name) in zip(graph.outputs, graph.outputNames) {
      guard let id = moved[id] else { throw LigatureError(.cycle, "the output '\(name)' has no producer") }
      try result.addOutput(id, name: name)
    }
    return result
  }
}
