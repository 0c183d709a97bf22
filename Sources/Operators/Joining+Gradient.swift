public import GraphIR
import TensorCore

extension Concat: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let inputs = try context.inputs.indices.map(context.input)
    guard inputs.count > 1 else { return [try context.cotangent()] }
    let rank = try builder.rank(of: context.output())
    let axis = try normalizedAxis(axis, rank: rank)
    let known = inputs.compactMap { builder.type($0).shape?[axis].value }
    let sizes: ValueID
    if known.count == inputs.count {
      sizes = try builder.integers(known, name: "sizes")
    } else {
      let each = try inputs.map { try builder.append(Shape(start: axis, end: axis + 1), [$0]) }
      sizes = try builder.append(Concat(axis: 0), each)
    }
    let pieces = try builder.append(
      Split(axis: axis), [context.cotangent(), sizes], wanted: inputs.indices.map(context.needs))
    return pieces
  }
}

extension Split: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let named = try allPieces(context, &builder)
    let pieces = try named.enumerated().map { index, piece -> ValueID? in
      if let gradient = context.optionalCotangent(index) { return gradient }
      return try piece.map { try builder.zeros(like: $0) }
    }
    return [try builder.append(Concat(axis: axis), pieces), nil]
  }

  /// The pieces, those as well that the node leaves out: another split makes them, of which only the sizes are used.
  private func allPieces(_ context: GradientContext, _ builder: inout GraphBuilder) throws -> [ValueID?] {
    var count = pieces ?? context.outputs.count
    if let sizes = context.optional(1) {
      guard let known = builder.type(sizes).shape?.first?.value, known <= 1 << 20 else {
        throw LigatureError(
          .unsupported,
          "Split has no gradient rule for an unknown number of pieces, or over 2^20; fix the length of split")
      }
      count = known
    }
    var result = context.outputs + Array(repeating: nil, count: max(count - context.outputs.count, 0))
    guard result.contains(nil) else { return result }
    let all = try builder.append(self, context.inputs, wanted: Array(repeating: true, count: result.count))
    for index in result.indices where result[index] == nil { result[index] = all[index] }
    return result
  }
}

extension Tile: Differentiable {
  /// Each axis of the result is cut into (repeats, size); the sum goes over the repeats.
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, repeats) = (try context.input(0), try context.input(1))
    let rank = try builder.rank(of: x)
    guard rank > 0 else { return [try context.cotangent(), nil] }
    let pairs = try builder.append(
      Concat(axis: 1),
      [
        builder.append(Unsqueeze(), [repeats, builder.integers([1])]),
        builder.append(Unsqueeze(), [builder.shape(of: x), builder.integers([1])]),
      ])
    let interleaved = try builder.append(
      Reshape(allowZero: true), [context.cotangent(), builder.reshape(pairs, to: [2 * rank])])
    let sum = try builder.reduce(
      .sum, interleaved, axes: (0..<rank).map { 2 * $0 }, keepsDimensions: false)
    return [sum, nil]
  }
}

extension Pad: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    guard mode == .constant else { return [try folded(context, &builder)] }
    try context.refuse(2, "the value that is padded with")
    let pads = try context.input(1)
    let taken = try builder.graph[pads].tensor?.integers().map { -$0 }
    let negative = try taken.map { try builder.integers($0, name: "pads") } ?? builder.negate(pads)
    return [try builder.append(Pad(), [context.cotangent(), negative, nil, context.optional(3)])]
  }

  /// What is copied more than once adds up its gradients. Where it was copied to is seen by padding the elements'
  /// numbers.
  private func folded(_ context: GradientContext, _ builder: inout GraphBuilder) throws -> ValueID {
    let x = try context.input(0)
    let zeros = try builder.reshape(builder.zeros(like: x), to: [-1])
    let numbers = try builder.reshape(builder.places(in: zeros, along: 0), like: x)
    let sources = try builder.append(self, [numbers, context.input(1), nil, context.optional(3)])
    let sum = try builder.append(
      Scatter(.elements(axis: 0), .add),
      [zeros, builder.reshape(sources, to: [-1]), builder.reshape(context.cotangent(), to: [-1])])
    return try builder.reshape(sum, like: x)
  }
}

extension BlockShuffle: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let g = try context.cotangent()
    guard kind == .depthToSpace else {
      return [try builder.append(BlockShuffle(.depthToSpace, blockSize: blockSize), [g])]
    }
    let deep = try builder.append(BlockShuffle(.spaceToDepth, blockSize: blockSize), [g])
    guard mode == .columnRowDepth else { return [deep] }
    // The block is the outer part of the channels; it belongs inside.
    let area = blockSize * blockSize
    guard let channels = builder.type(g).shape?[1].value else {
      throw LigatureError(.shape, "DepthToSpace in mode CRD has a gradient rule for a known number of channels only")
    }
    let moved = try builder.transpose(builder.reshape(deep, to: [0, area, channels, -1]), [0, 2, 1, 3])
    return [try builder.reshape(moved, like: context.input(0))]
  }
}
