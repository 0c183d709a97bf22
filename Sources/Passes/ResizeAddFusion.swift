public import GraphIR
import Operators
import TensorCore

/// Adds an upsampled image to another while it is upsampled: `Add(Resize(x), y)` in one pass over memory, as on the
/// way down a feature pyramid.
public struct ResizeAddFusion: NodePass {
  public let name = "resize-add-fusion"
  public let summary = "Adds an upsampled image to another without storing it."

  public init() {}

  public func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting {
    let node = graph[id]
    guard (node.op as? Binary)?.function == .add, node.inputs.count == 2, let sum = node.outputs[0] else {
      return .none
    }
    var reason: String?
    for place in 0..<2 {
      guard let image = node.inputs[place], let other = node.inputs[1 - place], image != other,
        let producer = graph.producer(of: image), let op = graph[producer].op as? Resize
      else { continue }
      guard op.mode == .nearest, op.coordinates != .cropAndResize else {
        reason = "\(graph[producer].name) does not take nearest neighbours"
        continue
      }
      guard graph.soleUse(of: image) != nil else {
        reason = "the result of \(graph[producer].name) is read by others, too"
        continue
      }
      guard graph[sum].type.element == .float32, let x = graph[producer].inputs[0], let before = graph[x].type.shape,
        let after = graph[image].type.shape, let shape = graph[other].type.shape,
        [before, after, shape].allSatisfy({ $0.count == 4 && $0[..<2] == before[..<2] }),
        before[..<2].allSatisfy(\.isDeterminate)
      else {
        reason = "\(graph[image].type) and \(graph[other].type) are not known to be as many images of as many channels"
        continue
      }
      let sizes = graph[producer].inputs.dropFirst(2)
      try graph.update(id, op: ResizeAdd(op), inputs: [x, other] + sizes)
      return .changed("adds what \(graph[producer].name) upsamples")
    }
    return reason.map { .rejected($0) } ?? .none
  }
}
