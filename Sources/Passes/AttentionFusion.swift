public import GraphIR
import Operators
import TensorCore

/// Makes one operator of attention that is spelled out: scaled scores of queries and keys, perhaps a mask, softmax, and
/// the sum of values. Transpositions and pieces of a common tensor (`Split`, `Slice` or `Gather` of one index) before
/// it, and the transposition after it, go with it.
public struct AttentionFusion: Pass {
  public let name = "attention-fusion"
  public let summary = "Runs attention tile by tile in one operator, without the matrix of all scores."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard let softmax = graph[id].op as? Softmax, !softmax.isLogarithm else { continue }
      switch match(id, softmax, graph) {
      case .none: continue
      case .rejected(let reason): notes.append(PassNote(.rejected, node: graph[id].name, reason))
      case .found(let match):
        let (last, axes) = result(after: match.product, rank: match.rank, graph)
        let op = try FusedAttention(
          scale: match.scale, query: match.query.layout, key: match.key.layout, value: match.value.layout, result: axes)
        let name = graph[last].name
        try graph.update(last, op: op, inputs: [match.query.base, match.key.base, match.value.base] + match.mask)
        notes.append(PassNote(.changed, node: name, "attention of \(graph[id].name) is one operator"))
      }
    }
    return notes
  }

  private enum Result {
    case none
    case rejected(String)
    case found(Match)
  }

  private struct Match {
    var query: View
    var key: View
    var value: View
    var scale: Float
    var mask: [ValueID] = []
    let product: NodeID
    let rank: Int
  }

  private func match(_ id: NodeID, _ softmax: Softmax, _ graph: Graph) -> Result {
    guard let weights = graph[id].outputs[0], let product = graph.soleUse(of: weights), isProduct(graph[product].op),
      graph[product].inputs[0] == weights, let values = graph[product].inputs[1], values != weights,
      let input = graph[id].inputs[0]
    else { return .none }
    guard let (scores, scale, mask) = scores(input, graph) else { return .none }
    guard graph[weights].type.element == .float32, let rank = graph[weights].type.rank, rank == 3 || rank == 4 else {
      return .rejected("its scores \(graph[weights].type) are not float32 of 3 or 4 axes")
    }
    guard softmax.axis == -1 || softmax.axis == rank - 1 else { return .rejected("it is not along the last axis") }
    guard let q = graph[scores].inputs[0], let k = graph[scores].inputs[1], graph[q].type.rank == rank,
      graph[k].type.rank == rank, graph[values].type.rank == rank
    else { return .rejected("queries, keys and values do not have equally many axes") }
    let missing = Array(repeating: -1, count: 4 - rank)
    let axes = Array(0..<rank)
    // Of kᵀ the last two axes are exchanged.
    let turned = Array(0..<rank - 2) + [rank - 1, rank - 2]
    var match = Match(
      query: View(q, missing + axes), key: View(k, missing + turned), value: View(values, missing + axes), scale: scale,
      mask: mask.map { [$0] } ?? [], product: product, rank: rank)
    match.scale *= match.query.follow(graph, allowsScale: true) * match.key.follow(graph, allowsScale: true)
    _ = match.value.follow(graph, allowsScale: false)
    if let reason = misfit(match, graph) { return .rejected(reason) }
    return .found(match)
  }

  /// Batches and heads must be the same everywhere: what broadcasts, MatMul does.
  private func misfit(_ match: Match, _ graph: Graph) -> String? {
    let sizes = [match.query, match.key, match.value].map { view -> [Dimension]? in
      graph[view.base].type.shape.map { shape in view.axes.prefix(2).map { $0 < 0 ? 1 : shape[$0] } }
    }
    guard sizes[0] != nil, sizes[0] == sizes[1], sizes[1] == sizes[2] else {
      return "queries, keys and values are not known to have the same batches and heads"
    }
    guard match.scale.isFinite else { return "its scale is not finite" }
    guard let mask = match.mask.first else { return nil }
    guard let rank = graph[mask].type.rank, rank <= match.rank else { return "its mask has too many axes" }
    return nil
  }

  /// The product of queries and keys behind the softmax, what it is scaled by, and what is added.
  private func scores(_ value: ValueID, _ graph: Graph) -> (product: NodeID, scale: Float, mask: ValueID?)? {
    var (value, scale) = (value, Float(1))
    var mask: ValueID?
    for _ in 0..<4 {
      guard let id = graph.producer(of: value), graph.uses(of: value).count == 1, !graph.isOutput(value) else {
        return nil
      }
      if isProduct(graph[id].op) { return (id, scale, mask) }
      if let (x, factor) = graph.binaryWithScalar(value, .mul) {
        // A mask that was found is added after this factor.
        (value, scale) = (x, scale * factor)
      } else if let (x, divisor) = graph.binaryWithScalar(value, .div) {
        (value, scale) = (x, scale / divisor)
      } else if mask == nil, scale == 1, let (x, added) = masked(value, graph) {
        (value, mask) = (x, added)
      } else {
        return nil
      }
    }
    return nil
  }

  /// The scores and the mask of a sum: the scores are what leads to a product.
  private func masked(_ value: ValueID, _ graph: Graph) -> (ValueID, ValueID)? {
    guard let (_, inputs) = graph.binary(value, .add), let a = inputs[0], let b = inputs[1] else { return nil }
    for (x, mask) in [(a, b), (b, a)] where leadsToProduct(x, graph) {
      return graph[x].type == graph[value].type ? (x, mask) : nil
    }
    return nil
  }

  private func leadsToProduct(_ value: ValueID, _ graph: Graph) -> Bool {
    guard let id = graph.producer(of: value) else { return false }
    if isProduct(graph[id].op) { return true }
    guard let x = graph.binaryWithScalar(value, .mul)?.x ?? graph.binaryWithScalar(value, .div)?.x,
      let before = graph.producer(of: x)
    else { return false }
    return isProduct(graph[before].op)
  }

  private func isProduct(_ op: any Operator) -> Bool { op is MatMul }

  /// The node that gives the result, and where its axes are: a transposition that leaves columns last goes with it.
  private func result(after product: NodeID, rank: Int, _ graph: Graph) -> (NodeID, [Int]) {
    let missing = Array(repeating: -1, count: 4 - rank)
    guard let output = graph[product].outputs[0], let next = graph.soleUse(of: output),
      let transpose = graph[next].op as? Transpose, let order = try? transpose.order(rank: rank), order.last == rank - 1
    else { return (product, missing + Array(0..<rank)) }
    return (next, missing + (0..<rank).map { axis in order.firstIndex(of: axis) ?? axis })
  }
}

/// How an operand of four axes lies in the tensor behind transpositions and pieces.
private struct View {
  private(set) var base: ValueID
  /// Batch, head, row and column.
  private(set) var axes: [Int]
  private var fixed: [(axis: Int, index: Int)] = []

  init(_ base: ValueID, _ axes: [Int]) { (self.base, self.axes) = (base, axes) }

  var layout: FusedAttention.Layout {
    FusedAttention.Layout(axes: axes, fixed: fixed.flatMap { [$0.axis, $0.index] })
  }

  /// Goes back through what only moves elements, and through products with a number, which it returns.
  mutating func follow(_ graph: Graph, allowsScale: Bool) -> Float {
    var scale: Float = 1
    while let id = graph.producer(of: base), let rank = graph[base].type.rank {
      let node = graph[id]
      if allowsScale, let (x, factor) = graph.binaryWithScalar(base, .mul), graph[x].type.rank == rank,
        graph.uses(of: base).count == 1
      {
        (base, scale) = (x, scale * factor)
      } else if let op = node.op as? Transpose, let order = try? op.order(rank: rank), let x = node.inputs[0] {
        move { order[$0] }
        base = x
      } else if let (x, axis, index) = piece(node, base, graph) {
        move { $0 < axis ? $0 : $0 + 1 }
        fixed.append((axis, index))
        base = x
      } else {
        break
      }
    }
    return scale
  }

  private mutating func move(_ place: (Int) -> Int) {
    axes = axes.map { $0 < 0 ? $0 : place($0) }
    fixed = fixed.map { (place($0.axis), $0.index) }
  }

  /// The tensor, axis and index of `Squeeze(Slice)`, `Squeeze(Split)` or `Gather` of one index.
  private func piece(_ node: Node, _ value: ValueID, _ graph: Graph) -> (ValueID, axis: Int, index: Int)? {
    if let op = node.op as? Gather, let x = node.inputs[0], let rank = graph[x].type.rank,
      let indices = graph.constant(node.inputs[1]), indices.shape.isEmpty, let index = try? indices.integers().first,
      let axis = try? normalizedAxis(op.axis, rank: rank), let size = graph[x].type.shape?[axis].value
    {
      let place = index < 0 ? index + size : index
      return (0..<size).contains(place) ? (x, axis, place) : nil
    }
    guard node.op is Squeeze, let y = node.inputs[0], let cut = graph.producer(of: y), let rank = graph[y].type.rank,
      node.inputs.count == 2, let axes = try? graph.constant(node.inputs[1])?.integers(), axes.count == 1,
      let axis = try? normalizedAxis(axes[0], rank: rank), let x = graph[cut].inputs[0],
      let size = graph[x].type.shape?[axis].value, graph[y].type.shape?[axis].value == 1
    else { return nil }
    if let op = graph[cut].op as? Split, (try? normalizedAxis(op.axis, rank: rank)) == axis {
      let pieces = graph[cut].outputs
      guard pieces.count == size, let place = pieces.firstIndex(of: y) else { return nil }
      return (x, axis, place)
    }
    guard graph[cut].op is Slice else { return nil }
    let inputs = graph[cut].inputs
    func list(_ place: Int) -> [Int]? { place < inputs.count ? try? graph.constant(inputs[place])?.integers() : nil }
    guard let starts = list(1), starts.count == 1, let cutAxis = (list(3) ?? [0]).first,
      (try? normalizedAxis(cutAxis, rank: rank)) == axis
    else { return nil }
    let place = starts[0] < 0 ? starts[0] + size : starts[0]
    return (0..<size).contains(place) ? (x, axis, place) : nil
  }
}
