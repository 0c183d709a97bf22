public import GraphIR
import Operators
import TensorCore

/// Computes what follows from shapes alone: sizes that are known become constants, and the shapes that exporters
/// compute (`Shape`, `Gather`, `Concat`, `Reshape`) become constants with 0 and -1 where input sizes are open.
///
/// A -1 stands for one open size, so that an input without elements may be given another shape without elements.
public struct ShapeFolding: NodePass {
  public let name = "shape-folding"
  public let summary = "Replaces arithmetic on shapes by constants, with 0 and -1 for open sizes."

  public init() {}

  public func rewrite(_ id: NodeID, _ graph: inout Graph) throws -> Rewriting {
    let node = graph[id]
    if let folded = try foldKnown(id, node, &graph) { return folded }
    switch node.op {
    case is Reshape: return try foldReshape(id, node, &graph)
    case is Slice: return try foldSlice(id, node, &graph)
    case let op as Resize: return try foldResize(id, op, node, &graph)
    default: return .none
    }
  }

  // ── Integers that are known ───────────────────────────────────────────────
  private func foldKnown(_ id: NodeID, _ node: Node, _ graph: inout Graph) throws -> Rewriting? {
    guard node.outputs.count == 1, let output = node.outputs[0], node.captures.isEmpty,
      node.op.traits.isDisjoint(with: [.isImpure, .hasDataDependentShape]), let contents = try contents(node, graph)
    else { return nil }
    let values = contents.compactMap(\.value)
    guard values.count == contents.count else { return nil }
    let sizes = graph[output].type.rank == 0 ? [] : [values.count]
    let tensor: Tensor
    switch graph[output].type.element {
    case .int64: tensor = try Tensor(values.map(Int64.init), sizes)
    case .int32:
      let narrow = values.compactMap { Int32(exactly: $0) }
      guard narrow.count == values.count else { return nil }
      tensor = try Tensor(narrow, sizes)
    default: return nil
    }
    guard graph[output].type.rank != nil else { return nil }
    try graph.fold(output, to: tensor)
    try graph.erase(id)
    return .changed("is \(values) whatever the input")
  }

  /// What a node's result holds, by what is known of its operands now.
  private func contents(_ node: Node, _ graph: Graph) throws -> [Dimension]? {
    try Graph.infer(node.op, graph.inferenceContext(of: node), node: node.name).contents
  }

  // ── Reshape ───────────────────────────────────────────────────────────────
  private func foldReshape(_ id: NodeID, _ node: Node, _ graph: inout Graph) throws -> Rewriting {
    guard let x = node.inputs[0], let target = node.inputs[1], graph.constant(target) == nil,
      let output = node.outputs[0]
    else { return .none }
    guard graph[target].contents != nil, let shape = graph[output].type.shape else {
      return .rejected("its shape is computed from values")
    }
    guard let before = graph[x].type.shape else { return .rejected("the shape of its input is not known") }
    guard let constant = viewTarget(from: before, to: shape) else {
      return .rejected("more than one size of \(graph[output].type) is open and none of the input's \(graph[x].type)")
    }
    let value = try graph.addIntegers(constant, graph[target].name)
    try graph.update(id, op: Reshape(), inputs: [x, value])
    return .changed("reshapes to \(constant)")
  }

  // ── Slice ─────────────────────────────────────────────────────────────────
  /// Ends that are the size of the axis sliced become "to the end".
  private func foldSlice(_ id: NodeID, _ node: Node, _ graph: inout Graph) throws -> Rewriting {
    guard let x = node.inputs[0], let shape = graph[x].type.shape, let ends = node.inputs[2],
      graph.constant(ends) == nil, let contents = graph[ends].contents
    else { return .none }
    let axes =
      node.inputs.count > 3 && node.inputs[3] != nil
      ? try graph.constant(node.inputs[3])?.integers() : Array(0..<contents.count)
    guard let axes, axes.count == contents.count else { return .rejected("its axes are not known") }
    var known: [Int] = []
    for (axis, end) in zip(try normalizedAxes(axes, rank: shape.count), contents) {
      if let end = end.value {
        known.append(end)
      } else if end == shape[axis], end.isDeterminate {
        known.append(.max)
      } else {
        return .rejected("it ends at \(end), which is open and not the size of axis \(axis)")
      }
    }
    var inputs = node.inputs
    inputs[2] = try graph.addIntegers(known, graph[ends].name, graph[ends].type.element)
    try graph.update(id, op: node.op, inputs: inputs)
    return .changed("slices to the end")
  }

  // ── Resize ────────────────────────────────────────────────────────────────
  /// Sizes that are whole multiples of the input's become scales.
  private func foldResize(_ id: NodeID, _ op: Resize, _ node: Node, _ graph: inout Graph) throws -> Rewriting {
    guard node.inputs.count > 3, let x = node.inputs[0], let sizes = node.inputs[3], graph.constant(sizes) == nil,
      op.aspectRatio == .stretch, op.coordinates != .cropAndResize, let shape = graph[x].type.shape,
      let contents = graph[sizes].contents
    else { return .none }
    let axes = try normalizedAxes(op.axes ?? Array(shape.indices), rank: shape.count)
    guard axes.count == contents.count else { return .none }
    var scales: [Float] = []
    for (axis, size) in zip(axes, contents) {
      guard size.isDeterminate, let scale = try (1...64).first(where: { try shape[axis] * .fixed($0) == size }) else {
        return .rejected("\(size) is not known to be a multiple of axis \(axis), which is \(shape[axis])")
      }
      scales.append(Float(scale))
    }
    let constant = try graph.addConstant(graph.freshName(graph[sizes].name + ".scales"), Tensor(scales, [scales.count]))
    try graph.update(id, op: op, inputs: [x, nil, constant])
    return .changed("scales by \(scales)")
  }
}

extension Graph {
  /// A constant list of integers.
  mutating func addIntegers(_ values: [Int], _ name: String, _ element: ElementType = .int64) throws -> ValueID {
    let tensor =
      element == .int32
      ? try Tensor(values.map { Int32(clamping: $0) }, [values.count])
      : try Tensor(values.map(Int64.init), [values.count])
    return try addConstant(freshName(name + ".folded"), tensor)
  }
}

/// The target that makes `Reshape` of `before` give `after`: 0 copies a size, -1 stands for one that is open.
/// `nil` where two would have to be open.
func viewTarget(from before: [Dimension], to after: [Dimension]) -> [Int]? {
  var result: [Int] = []
  for (axis, size) in after.enumerated() {
    let isCopied = axis < before.count && before[axis] == size
    switch size {
    // A 0 that is no copy cannot be said.
    case .fixed(let value):
      guard value > 0 || isCopied else { return nil }
      result.append(value)
    case .symbol: result.append(isCopied && size.isDeterminate ? 0 : -1)
    }
  }
  let open = result.count { $0 == -1 }
  return open > 1 || (open == 1 && after.contains(0)) ? nil : result
}
