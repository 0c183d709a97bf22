public import GraphIR
import TensorCore

/// Operators that only give their input another shape.
private func reshapedBack(_ context: GradientContext, _ builder: inout GraphBuilder) throws -> [ValueID?] {
  [try builder.reshape(context.cotangent(), like: context.input(0))]
}

extension Reshape: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try reshapedBack(context, &builder)
  }
}

extension Squeeze: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try reshapedBack(context, &builder)
  }
}

extension Unsqueeze: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try reshapedBack(context, &builder)
  }
}

extension Flatten: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try reshapedBack(context, &builder)
  }
}

extension Expand: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [try context.cotangent()]
  }
}

extension SumTo: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [try builder.expand(context.cotangent(), like: context.input(0)), nil]
  }
}

extension Transpose: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let order = try order(rank: builder.rank(of: context.input(0)))
    let inverse = order.indices.sorted { order[$0] < order[$1] }
    return [try builder.transpose(context.cotangent(), inverse)]
  }
}
