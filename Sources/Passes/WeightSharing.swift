public import GraphIR
import TensorCore

/// Keeps constants of equal content once: values of one type become one value, others share their bytes.
public struct WeightSharing: Pass {
  public let name = "weight-sharing"
  public let summary = "Keeps constants of equal content once."

  public init() {}

  private struct Group: Hashable {
    let element: ElementType
    let byteCount: Int
    let sample: [UInt8]
  }

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    var known: [Group: [ValueID]] = [:]
    for (id, tensor) in candidates(graph) {
      let group = Group(element: tensor.element, byteCount: tensor.byteCount, sample: sample(tensor))
      let twins = (known[group] ?? []).compactMap { twin in graph.constant(twin).map { (twin, $0) } }
        .filter { isSame($0.1, tensor) }
      if let (twin, _) = twins.first(where: { $0.1.shape == tensor.shape }) {
        notes.append(PassNote(.changed, node: graph[id].name, "holds the same as \(graph[twin].name)"))
        try graph.replace(id, with: twin)
        continue
      }
      known[group, default: []].append(id)
      guard let (twin, same) = twins.first, same.storage !== tensor.storage || same.byteOffset != tensor.byteOffset
      else { continue }
      try graph.setTensor(id, same.reshaped(tensor.shape))
      notes.append(PassNote(.changed, node: graph[id].name, "shares the bytes of \(graph[twin].name)"))
    }
    return notes
  }

  /// The constants in use whose size another one has, too. Parameters stay apart: training moves them apart.
  private func candidates(_ graph: Graph) -> [(id: ValueID, tensor: Tensor)] {
    struct Size: Hashable {
      let element: ElementType
      let byteCount: Int
    }
    let used = graph.valueIDs.compactMap { id -> (id: ValueID, tensor: Tensor)? in
      guard let tensor = graph.constant(id), tensor.element != .string, tensor.byteCount > 0,
        !graph.uses(of: id).isEmpty || graph.isOutput(id)
      else { return nil }
      return (id, tensor)
    }
    let counts = Dictionary(
      used.map { (Size(element: $0.tensor.element, byteCount: $0.tensor.byteCount), 1) }, uniquingKeysWith: +)
    return used.filter { counts[Size(element: $0.tensor.element, byteCount: $0.tensor.byteCount)] ?? 0 > 1 }
  }

  /// A few bytes from all over the tensor: weights are mapped from a file, and reading all of them takes time.
  private func sample(_ tensor: Tensor) -> [UInt8] {
    unsafe tensor.withUnsafeBytes { bytes in
      let step = max(bytes.count / 16, 1)
      return stride(from: 0, to: bytes.count, by: step).flatMap { start in
        (start..<min(start + 8, bytes.count)).map { unsafe bytes[$0] }
      }
    }
  }

  private func isSame(_ a: Tensor, _ b: Tensor) -> Bool {
    if a.storage === b.storage, a.byteOffset == b.byteOffset { return true }
    return unsafe a.withUnsafeBytes { x in unsafe b.withUnsafeBytes { y in unsafe x.elementsEqual(y) } }
  }
}
