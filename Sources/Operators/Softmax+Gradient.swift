public import GraphIR
import TensorCore

extension Softmax: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    let (y, g) = (try context.output(), try context.cotangent())
    guard isLogarithm else {
      let weighted = try builder.multiply(g, y)
      return [try builder.subtract(weighted, builder.multiply(y, builder.reduce(.sum, weighted, axes: [axis])))]
    }
    let total = try builder.reduce(.sum, g, axes: [axis])
    return [try builder.subtract(g, builder.multiply(builder.unary(.exp, y), total))]
  }
}
