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
    guard !context.outputs.contains(where: { $0 == nil }) else {
      throw LigatureError(
        .unsupported, "Split has no gradient rule while one of its pieces is left out; name all of them")
    }
    let pieces = try context.outputs.indices.map { index in
      try context.optionalCotangent(index) ?? builder.zeros(like: context.output(index))
    }
    return [try builder.append(Concat(axis: axis), pieces), nil]
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
    guard mode == .constant else {
      throw LigatureError(
        .unsupported, "Pad has no gradient rule for the mode \(mode.rawValue); only for constant")
    }
    try context.refuse(2, "the value that is padded with")
    let pads = try context.input(1)
    let taken = try builder.graph[pads].tensor?.integers().map { -$0 }
    let negative = try taken.map { try builder.integers($0, name: "pads") } ?? builder.negate(pads)
    return [try builder.append(Pad(), [context.cotangent(), negative, nil, context.optional(3)])]
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
