public import GraphIR
import TensorCore

extension Recurrent: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    try expectPlain()
    guard context.optional(7) == nil else {
      throw LigatureError(.unsupported, "LSTM has no gradient rule with peepholes (input P); leave them out")
    }
    // The states of all steps are y; where the node does not give them, the layer runs once more.
    let y: ValueID
    if let known = context.outputs.first ?? nil {
      y = known
    } else if let again = try builder.append(self, context.inputs, wanted: [true])[0] {
      y = again
    } else {
      return []
    }
    let states: [ValueID?] = [context.optional(5), context.optional(6)]
    let inputs: [ValueID?] = (0..<5).map(context.optional) + states + [y] + (0..<3).map(context.optionalCotangent)
    let wanted = [0, 1, 2, 3, 5, 6].map(context.needs)
    let results = try builder.append(RecurrentGradient(self), inputs, wanted: wanted)
    return results[..<4] + [nil] + results[4...]
  }

  /// Throws for the variants that have no gradient.
  fileprivate func expectPlain() throws {
    let usual = (0..<direction.count).flatMap { _ in cell.activations }
    let what: String? =
      if cell == .rnn { "in an RNN; use LSTM or GRU" } else if activations != usual {
        "with other activations than Sigmoid and Tanh; unroll it"
      } else if clip != nil { "with clip; leave it out, or unroll the layer" } else if inputForget {
        "with input_forget; leave it out, or unroll the layer"
      } else { nil }
    if let what { throw LigatureError(.unsupported, "\(name) has no gradient rule \(what)") }
  }
}

/// Back-propagation through time, for `LSTM` and `GRU` with their usual activations.
///
/// Inputs: those of the layer (X, W, R, B?, sequence_lens?, initial_h?, initial_c?), its result Y, and the gradients of
/// Y, Y_h and Y_c, each optional. Outputs, each optional: the gradients of X, W, R, B, initial_h and initial_c.
public struct RecurrentGradient: Operator {
  public static let names = [
    OperatorName("LSTMGradient", domain: "ligature"), OperatorName("GRUGradient", domain: "ligature"),
  ]
  public var name: OperatorName { RecurrentGradient.names[forward.cell == .lstm ? 0 : 1] }
  /// What it belongs to.
  public let forward: Recurrent

  public init(_ forward: Recurrent) { self.forward = forward }
  public init(name: OperatorName, attributes: Attributes) throws {
    forward = try Recurrent(
      name: OperatorName(name == RecurrentGradient.names[0] ? "LSTM" : "GRU"), attributes: attributes)
    try forward.expectPlain()
  }
  public var attributes: Attributes { forward.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(8...11)
    guard forward.cell == .lstm || (context.optional(6) == nil && context.optional(10) == nil) else {
      throw LigatureError(.arity, "a GRU has no cells, but inputs 6 or 10 are given")
    }
    let own = (0..<(forward.cell == .lstm ? 7 : 6)).map(context.optional)
    let outputs = try forward.inferTypes(InferenceContext(own, outputCount: 3))
    for (index, slot) in [(7, 0), (8, 0), (9, 1), (10, 2)] {
      guard let operand = context.optional(index), slot < outputs.count else { continue }
      guard operand.isCompatible(with: outputs[slot]) else {
        throw LigatureError(.shape, "input \(index) is \(operand), but the layer gives \(outputs[slot])")
      }
    }
    let (x, w, r) = (try context.input(0), try context.input(1), try context.input(2))
    let bias = TensorType(x.element, try w.shape.map { [$0[0], try $0[1] * 2] })
    let state = outputs[1]
    return [x, w, r, bias, state, state]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    var cost = Cost.moving(context.inputs, outputs)
    // The gates once more, then two products for each of them.
    let once = forward.cost(InferenceContext((0..<3).map(context.optional)), outputs: []).multiplyAdds
    cost.multiplyAdds = once.multipliedReportingOverflow(by: 3).partialValue
    return cost
  }
}
