public import GraphIR
import TensorCore

extension Gather: Differentiable {
  /// Slices are added up where they were taken from: with the axis in front, that is a `ScatterND`.
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (data, indices, g) = (try context.input(0), try context.input(1), try context.cotangent())
    let rank = try builder.rank(of: data)
    let axis = try normalizedAxis(axis, rank: rank)
    let places = try builder.rank(of: indices)
    let tuples = try builder.append(
      Unsqueeze(), [builder.cast(indices, to: .int64), builder.integers([-1], name: "axes")])
    let forwards = [axis] + (0..<axis) + (axis + 1..<rank)
    let front = Array(axis..<axis + places) + (0..<axis) + (axis + places..<rank - 1 + places)
    let target = axis == 0 ? try builder.zeros(like: data) : try builder.transpose(builder.zeros(like: data), forwards)
    let sum = try builder.append(Scatter(.slices, .add), [target, tuples, builder.transpose(g, front)])
    return [try builder.transpose(sum, forwards.indices.sorted { forwards[$0] < forwards[$1] }), nil]
  }
}

extension GatherElements: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let zeros = try builder.zeros(like: context.input(0))
    let sum = try builder.append(
      Scatter(.elements(axis: axis), .add), [zeros, context.input(1), context.cotangent()])
    return [sum, nil]
  }
}

extension GatherND: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let zeros = try builder.zeros(like: context.input(0))
    let tuples = try wholeTuples(context.input(1), &builder)
    return [try builder.append(Scatter(.slices, .add), [zeros, tuples, context.cotangent()]), nil]
  }

  /// The tuples with their places along the batch dimensions in front: `ScatterND` has no such dimensions.
  private func wholeTuples(_ indices: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    guard batchDimensions > 0 else { return indices }
    let last = try builder.rank(of: indices) - 1
    let single = try builder.append(
      Slice(), [indices, builder.integers([0]), builder.integers([1]), builder.integers([last], name: "axes")])
    let batch = try (0..<batchDimensions).map { try builder.places(in: single, along: $0) }
    return try builder.append(Concat(axis: last), batch + [indices])
  }
}

extension Scatter: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (indices, updates, g) = (try context.input(1), try context.input(2), try context.cotangent())
    switch reduction {
    case .none, .add: break
    case .mul: return try productGradient(context, g, &builder)
    case .max, .min: return try extremeGradient(context, g, &builder)
    }
    var results: [ValueID?] = [nil, nil, nil]
    if context.needs(0) {
      results[0] = g
      // What was replaced no longer counts.
      if reduction == .none {
        results[0] = try builder.append(Scatter(kind), [g, indices, builder.zeros(like: updates)])
      }
    }
    if context.needs(2) { results[2] = try gathered(g, indices, &builder) }
    return results
  }

  /// What lies where the updates went.
  private func gathered(_ x: ValueID, _ indices: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    switch kind {
    case .elements(let axis): try builder.append(GatherElements(axis: axis), [x, indices])
    case .slices: try builder.append(GatherND(), [x, indices])
    }
  }

  /// Data and updates that are equal to the extreme share the gradient.
  private func extremeGradient(
    _ context: GradientContext, _ g: ValueID, _ builder: inout GraphBuilder
  ) throws -> [ValueID?] {
    let (data, indices, updates) = (try context.input(0), try context.input(1), try context.input(2))
    let (y, element) = (try context.output(), builder.type(g).element)
    let hits = try builder.cast(builder.binary(.equal, data, y), to: element)
    let hitting = try builder.cast(builder.binary(.equal, updates, gathered(y, indices, &builder)), to: element)
    let share = try builder.divide(g, builder.append(Scatter(kind, .add), [hits, indices, hitting]))
    return [
      try builder.multiply(hits, share), nil, try builder.multiply(hitting, gathered(share, indices, &builder)),
    ]
  }

  private func productGradient(
    _ context: GradientContext, _ g: ValueID, _ builder: inout GraphBuilder
  ) throws -> [ValueID?] {
    let (data, indices, updates) = (try context.input(0), try context.input(1), try context.input(2))
    let (values, zeros) = try builder.withoutZeros(data)
    let (factors, more) = try builder.withoutZeros(updates)
    let product = try builder.append(self, [values, indices, factors])
    let count = try builder.append(Scatter(kind, .add), [zeros, indices, more])
    let byUpdates = try builder.cofactor(
      of: updates, product: gathered(product, indices, &builder), zeros: gathered(count, indices, &builder))
    return [
      try builder.multiply(g, builder.cofactor(of: data, product: product, zeros: count)), nil,
      try builder.multiply(gathered(g, indices, &builder), byUpdates),
    ]
  }
}

extension Trilu: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [try builder.append(self, [context.cotangent(), context.optional(1)]), nil]
  }
}

extension TopK: Differentiable {
  /// Values go back to where they were found.
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, k) = (try context.input(0), try context.input(1))
    let places: ValueID
    if let known = context.outputs.count > 1 ? context.outputs[1] : nil {
      places = known
    } else if let found = try builder.append(self, [x, k], wanted: [true, true])[1] {
      places = found
    } else {
      return [nil, nil]
    }
    let scattered = try builder.append(
      Scatter(.elements(axis: axis)), [builder.zeros(like: x), places, context.cotangent()])
    return [scattered, nil]
  }
}

extension Slice: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (x, g) = (try context.input(0), try context.cotangent())
    if let pads = try pads(context, builder) {
      return [try builder.append(Pad(), [g, builder.integers(pads, name: "pads")])]
    }
    let shape = try builder.shape(of: x)
    return [try builder.append(SliceGradient(), [g, shape] + context.inputs[1...])]
  }

  /// What a slice by steps of 1 left away of a tensor of known sizes, before and after each axis.
  private func pads(_ context: GradientContext, _ builder: GraphBuilder) throws -> [Int]? {
    func list(_ index: Int) throws -> [Int]? {
      try context.optional(index).flatMap { try builder.graph[$0].tensor?.integers() }
    }
    guard let sizes = try builder.type(context.input(0)).sizes, let starts = try list(1), let ends = try list(2) else {
      return nil
    }
    let (axes, steps) = (try list(3), try list(4))
    guard axes != nil || context.optional(3) == nil, steps != nil || context.optional(4) == nil else { return nil }
    let pieces = try Slice.pieces(sizes, starts: starts, ends: ends, axes: axes, steps: steps)
    guard pieces.allSatisfy({ $0.step == 1 }) else { return nil }
    return pieces.map(\.start) + zip(pieces, sizes).map { $1 - $0.start - $0.count }
  }
}

/// The adjoint of `Slice`: `[…], shape int64 [rank], starts, ends, axes?, steps? → […]` of that shape, the input where
/// it was sliced from and zeros elsewhere.
public struct SliceGradient: Operator {
  public static let names = [OperatorName("SliceGradient", domain: "ligature")]
  public var name: OperatorName { SliceGradient.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(4...6)
    let (input, shape) = (try context.input(0), try context.input(1))
    try expect(input.element, in: .movable, "the input")
    try expect(shape.element, in: [.int64], "the shape")
    return [try adjointType(context)]
  }
}

/// The type of an adjoint whose input 1 is the shape of its result.
func adjointType(_ context: InferenceContext) throws -> TensorType {
  let input = try context.input(0)
  guard let shape = try context.dimensions(1) else {
    let rank = try context.input(1).shape?.first?.value ?? input.rank
    guard let rank, rank >= 0, rank <= 64 else { return TensorType(input.element, nil) }
    return TensorType(input.element, (0..<rank).map { .unknown("adjoint\($0)") })
  }
  if let negative = shape.first(where: { ($0.value ?? 0) < 0 }) {
    throw LigatureError(.shape, "the shape \(shape) has the negative dimension \(negative)")
  }
  return TensorType(input.element, shape)
}
