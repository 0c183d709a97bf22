public import GraphIR
import TensorCore

/// softmax(scale · q · kᵀ + mask) · v of a prepared graph, head by head, tile by tile.
///
/// Queries, keys and values lie in tensors of any order of axes: `[batch, head, row, column]` says which axis of the
/// tensor is which. An axis of the tensor that is none of them stands at one index of it; so query, key and value may
/// be the same tensor (`[N, T, 3, heads, depth]`). The mask broadcasts to `[N, heads, queries, keys]`; the result is
/// `[N, heads, queries, columns of v]` in the order that is asked for.
public struct FusedAttention: Operator {
  /// How an operand lies in its tensor.
  public struct Layout: Sendable, Hashable {
    /// The tensor's axes that are batch, head, row and column; -1 for batch or head stands for a size of 1.
    public var axes: [Int]
    /// Indices of the axes that are left out, in pairs of axis and index.
    public var fixed: [Int]

    public init(axes: [Int], fixed: [Int] = []) {
      self.axes = axes
      self.fixed = fixed
    }

    /// Sizes of batch, head, row and column for a tensor of these sizes.
    public func sizes(_ shape: [Int]) -> [Int] { axes.map { $0 < 0 ? 1 : shape[$0] } }

    /// The pairs of axis and index.
    public var places: [(axis: Int, index: Int)] {
      stride(from: 0, to: fixed.count - 1, by: 2).map { (fixed[$0], fixed[$0 + 1]) }
    }

    func check(_ type: TensorType, _ what: String) throws {
      let named = axes.filter { $0 != -1 } + places.map(\.axis)
      guard axes.count == 4, axes[2] >= 0, axes[3] >= 0, fixed.count.isMultiple(of: 2),
        named.sorted() == Array(0..<named.count)
      else {
        throw LigatureError(.attribute, "the axes of \(what) are \(axes) and \(fixed), which name none or one twice")
      }
      guard let shape = type.shape else { return }
      guard shape.count == named.count else {
        throw LigatureError(.rank, "\(what) is \(type), but its axes are \(axes) and \(fixed)")
      }
      for (axis, index) in places where index < 0 || index >= shape[axis].value ?? .max {
        throw LigatureError(.attribute, "index \(index) lies outside of axis \(axis) of \(what), \(type)")
      }
    }

    func dimensions(_ type: TensorType) -> [Dimension]? {
      type.shape.map { shape in axes.map { $0 < 0 ? 1 : shape[$0] } }
    }
  }

  public static let names = [OperatorName("FusedAttention", domain: "ligature")]
  public var name: OperatorName { FusedAttention.names[0] }
  public let scale: Float
  public let query: Layout
  public let key: Layout
  public let value: Layout
  /// Axes of the result that are batch, head, row and column.
  public let result: [Int]

  public init(scale: Float, query: Layout, key: Layout, value: Layout, result: [Int]) throws {
    self.scale = scale
    (self.query, self.key, self.value, self.result) = (query, key, value, result)
    let named = result.filter { $0 != -1 }
    guard result.count == 4, named.sorted() == Array(0..<named.count), result[3] == named.count - 1, result[2] >= 0
    else {
      throw LigatureError(.attribute, "the axes of the result are \(result); columns must be the last")
    }
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    func layout(_ what: String) throws -> Layout {
      Layout(
        axes: try attributes.ints("\(what)_axes", default: []), fixed: try attributes.ints("\(what)_fixed", default: [])
      )
    }
    try self.init(
      scale: attributes.float("scale", default: 1), query: layout("q"), key: layout("k"), value: layout("v"),
      result: attributes.ints("y_axes", default: []))
  }

  public var attributes: Attributes {
    var attributes = Attributes()
    attributes.set("scale", scale)
    for (what, layout) in [("q", query), ("k", key), ("v", value)] {
      attributes.set("\(what)_axes", layout.axes)
      if !layout.fixed.isEmpty { attributes.set("\(what)_fixed", layout.fixed) }
    }
    attributes.set("y_axes", result)
    return attributes
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...4)
    let (q, k, v) = (try context.input(0), try context.input(1), try context.input(2))
    let mask = context.optional(3)
    let element = try sharedElement([q, k, v, mask].compactMap { $0 })
    try expect(element, in: .floats, "the input")
    for (layout, type, what) in [(query, q, "q"), (key, k, "k"), (value, v, "v")] { try layout.check(type, what) }
    guard let qs = query.dimensions(q), let ks = key.dimensions(k), let vs = value.dimensions(v) else {
      return [TensorType(element, nil)]
    }
    for (a, b, what) in [
      (qs[0], ks[0], "batches"), (qs[0], vs[0], "batches"), (qs[1], ks[1], "heads"), (qs[1], vs[1], "heads"),
      (ks[2], vs[2], "keys"), (qs[3], ks[3], "columns"),
    ] {
      if let x = a.value, let y = b.value, x != y {
        throw LigatureError(.shape, "q \(q), k \(k) and v \(v) have \(x) and \(y) \(what)")
      }
    }
    if let mask, let whole = try broadcastShape([mask.shape, [qs[0], qs[1], qs[2], ks[2]]]), whole.count != 4 {
      throw LigatureError(.shape, "the mask \(mask) does not broadcast to the scores")
    }
    var shape = [Dimension](repeating: 1, count: result.filter { $0 != -1 }.count)
    for (axis, size) in zip(result, [qs[0], qs[1], qs[2], vs[3]]) where axis >= 0 { shape[axis] = size }
    return [TensorType(element, shape)]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let q = context.optional(0)?.sizes, let k = context.optional(1)?.sizes, let v = context.optional(2)?.sizes,
      let scores = try? Checked.elementCount(query.sizes(q).prefix(3) + [key.sizes(k)[2]])
    else { return .moving(context.inputs, outputs) }
    let each = query.sizes(q)[3] &+ value.sizes(v)[3]
    return .moving(context.inputs, outputs, multiplyAdds: scores.multipliedReportingOverflow(by: each).partialValue)
  }
}
