public import GraphIR
import TensorCore

/// The loss of connectionist temporal classification, one number a sequence:
/// `log probabilities [T, N, C], targets [N, S], input lengths [N], target lengths [N] → [N]`.
///
/// The negative logarithm of the probability of all alignments of a target (Graves et al., "Connectionist Temporal
/// Classification", 2006). Targets and lengths are int32 or int64; what stands after a target's length is not read.
/// Averaging is left to other operators: PyTorch's `reduction='mean'` divides each loss by its target length first.
public struct CTCLoss: Operator {
  public static let names = [OperatorName("CTCLoss", domain: "ligature")]
  public var name: OperatorName { CTCLoss.names[0] }
  /// The class that separates labels.
  public let blank: Int
  /// A sequence without any alignment has the loss 0 and no gradient, rather than an infinite loss.
  public let zeroInfinity: Bool

  public init(blank: Int = 0, zeroInfinity: Bool = false) {
    self.blank = blank
    self.zeroInfinity = zeroInfinity
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(
      blank: try attributes.int("blank", default: 0), zeroInfinity: try attributes.flag("zero_infinity", default: false)
    )
    guard blank >= 0 else { throw LigatureError(.attribute, "attribute 'blank' is \(blank), but must name a class") }
  }

  public var attributes: Attributes {
    var result = Attributes()
    if blank != 0 { result.set("blank", blank) }
    if zeroInfinity { result.set("zero_infinity", true) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(4...4)
    let (x, batch) = try sequences(context)
    return [TensorType(x.element, [batch])]
  }

  /// Checks the four inputs; the type of the log probabilities and the number of sequences.
  fileprivate func sequences(_ context: InferenceContext) throws -> (TensorType, Dimension) {
    let x = try context.input(0)
    try expect(x.element, in: .floats, "the log probabilities")
    guard (x.rank ?? 3) == 3 else { throw LigatureError(.rank, "the log probabilities must be [T, N, C], not \(x)") }
    var batch = x.shape?[1]
    for (index, rank) in [(1, 2), (2, 1), (3, 1)] {
      let operand = try context.input(index)
      try expect(operand.element, in: .indices, "input \(index)")
      guard (operand.rank ?? rank) == rank else {
        throw LigatureError(.rank, "input \(index) must have \(rank) dimensions, but is \(operand)")
      }
      guard let own = operand.shape?[0] else { continue }
      if let a = batch?.value, let b = own.value, a != b {
        throw LigatureError(.shape, "there are \(a) sequences, but input \(index) is \(operand)")
      }
      if batch?.value == nil { batch = own.value == nil ? batch ?? own : own }
    }
    if let classes = x.shape?[2].value, blank >= classes {
      throw LigatureError(.attribute, "the blank is class \(blank), but there are \(classes) classes")
    }
    return (x, batch ?? "N")
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { CTCLoss.cost(context, outputs) }

  fileprivate static func cost(_ context: InferenceContext, _ outputs: [TensorType]) -> Cost {
    guard let x = context.optional(0)?.sizes, let targets = context.optional(1)?.sizes, x.count == 3,
      targets.count == 2,
      let steps = try? Checked.multiply(x[0], x[1]), let states = try? Checked.multiply(targets[1], 8),
      let work = try? Checked.multiply(steps, states)
    else { return .moving(context.inputs, outputs) }
    return .moving(context.inputs, outputs, multiplyAdds: work)
  }
}

extension CTCLoss: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [try builder.append(CTCLossGradient(self), (0..<4).map(context.optional) + [context.cotangent()])]
  }
}

/// The derivative of `CTCLoss` by the log probabilities: the inputs of the loss and its gradient `[N] → [T, N, C]`.
public struct CTCLossGradient: Operator {
  public static let names = [OperatorName("CTCLossGradient", domain: "ligature")]
  public var name: OperatorName { CTCLossGradient.names[0] }
  /// What it belongs to.
  public let forward: CTCLoss

  public init(_ forward: CTCLoss) { self.forward = forward }
  public init(name: OperatorName, attributes: Attributes) throws {
    forward = try CTCLoss(name: CTCLoss.names[0], attributes: attributes)
  }
  public var attributes: Attributes { forward.attributes }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(5...5)
    let (x, batch) = try forward.sequences(context)
    let g = try context.input(4)
    guard g.isCompatible(with: TensorType(x.element, [batch])) else {
      throw LigatureError(.shape, "the gradient is \(g), but there is one loss for each of \(batch) sequences")
    }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost { CTCLoss.cost(context, outputs) }
}
