public import GraphIR
import TensorCore

/// `LSTM`, `GRU` and `RNN` of ONNX: a recurrent layer, in one direction or both.
///
/// Inputs: X `[T, N, I]`, W `[D, G·H, I]`, R `[D, G·H, H]`, and optionally B `[D, 2·G·H]`, sequence_lens `[N]` (int32),
/// initial_h `[D, N, H]`; LSTM also takes initial_c `[D, N, H]` and P `[D, 3·H]`. Gates come in ONNX's order
/// (LSTM i, o, f, c; GRU z, r, h). Outputs, each optional: Y `[T, D, N, H]`, Y_h `[D, N, H]`, for LSTM Y_c.
/// With `layout` 1 they are `[N, T, I]`, `[N, T, D, H]` and `[N, D, H]`.
public struct Recurrent: Operator {
  public enum Cell: String, Sendable, CaseIterable {
    case lstm = "LSTM"
    case gru = "GRU"
    case rnn = "RNN"

    /// Gates of a hidden unit.
    public var gates: Int { self == .lstm ? 4 : self == .gru ? 3 : 1 }
    /// Activation functions of a direction.
    var activations: [Activation] {
      switch self {
      case .lstm: [Activation(.sigmoid), Activation(.tanh), Activation(.tanh)]
      case .gru: [Activation(.sigmoid), Activation(.tanh)]
      case .rnn: [Activation(.tanh)]
      }
    }
  }

  public enum Direction: String, Sendable, CaseIterable {
    case forward, reverse, bidirectional

    public var count: Int { self == .bidirectional ? 2 : 1 }
  }

  /// A function that a gate applies.
  public struct Activation: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
      case sigmoid = "Sigmoid"
      case tanh = "Tanh"
      case relu = "Relu"
      case affine = "Affine"
      case leakyRelu = "LeakyRelu"
      case thresholdedRelu = "ThresholdedRelu"
      case scaledTanh = "ScaledTanh"
      case hardSigmoid = "HardSigmoid"
      case elu = "Elu"
      case softsign = "Softsign"
      case softplus = "Softplus"

      var takesAlpha: Bool {
        switch self {
        case .affine, .leakyRelu, .thresholdedRelu, .scaledTanh, .hardSigmoid, .elu: true
        case .sigmoid, .tanh, .relu, .softsign, .softplus: false
        }
      }
      var takesBeta: Bool { self == .affine || self == .scaledTanh || self == .hardSigmoid }
      /// `nil` where ONNX defines none.
      var defaultAlpha: Float? {
        switch self {
        case .leakyRelu: 0.01
        case .thresholdedRelu, .elu: 1
        case .hardSigmoid: 0.2
        default: nil
        }
      }
      var defaultBeta: Float? { self == .hardSigmoid ? 0.5 : nil }
    }
    public let kind: Kind
    public let alpha: Float
    public let beta: Float

    public init(_ kind: Kind, alpha: Float = 0, beta: Float = 0) {
      self.kind = kind
      self.alpha = alpha
      self.beta = beta
    }
  }

  public static var names: [OperatorName] { Cell.allCases.map { OperatorName($0.rawValue) } }
  public var name: OperatorName { OperatorName(cell.rawValue) }

  public let cell: Cell
  public let direction: Direction
  /// `nil`: as R has it.
  public let hiddenSize: Int?
  /// f, g, h of the first direction, then of the second.
  public let activations: [Activation]
  /// Gates are kept within `-clip ... clip` before their activation.
  public let clip: Float?
  /// LSTM: the forget gate is one minus the input gate.
  public let inputForget: Bool
  /// GRU: the reset gate applies after the product with R.
  public let linearBeforeReset: Bool
  /// `layout` 1.
  public let batchFirst: Bool

  public init(name: OperatorName, attributes: Attributes) throws {
    guard let cell = Cell(rawValue: name.type) else {
      throw LigatureError(.unsupported, "\(name) is no recurrent layer; known are LSTM, GRU and RNN")
    }
    try self.init(cell, attributes)
  }

  init(_ cell: Cell, _ attributes: Attributes) throws {
    self.cell = cell
    direction = try attributes.choice("direction", default: Direction.forward)
    hiddenSize = try attributes.optionalInt("hidden_size")
    if let hiddenSize, hiddenSize < 1 {
      throw LigatureError(.attribute, "hidden_size must be positive, but is \(hiddenSize)")
    }
    clip = try attributes.optionalFloat("clip")
    if let clip, !(clip >= 0) { throw LigatureError(.attribute, "clip must not be negative, but is \(clip)") }
    inputForget = cell == .lstm ? try attributes.flag("input_forget", default: false) : false
    linearBeforeReset = cell == .gru ? try attributes.flag("linear_before_reset", default: false) : false
    batchFirst = try attributes.flag("layout", default: false)
    activations = try Recurrent.decodeActivations(cell, direction, attributes)
  }

  private static func decodeActivations(
    _ cell: Cell, _ direction: Direction, _ attributes: Attributes
  ) throws -> [Activation] {
    guard let names = try attributes.optionalStrings("activations"), !names.isEmpty else {
      return (0..<direction.count).flatMap { _ in cell.activations }
    }
    let wanted = cell.activations.count * direction.count
    guard names.count == wanted else {
      throw LigatureError(
        .attribute, "a \(direction.rawValue) \(cell.rawValue) has \(wanted) activations, but \(names.count) are given")
    }
    var alphas = try (attributes.optionalFloats("activation_alpha") ?? [])[...]
    var betas = try (attributes.optionalFloats("activation_beta") ?? [])[...]
    return try names.map { name in
      guard let kind = Activation.Kind.allCases.first(where: { $0.rawValue.lowercased() == name.lowercased() }) else {
        let known = Activation.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw LigatureError(.attribute, "the activation '\(name)' is not known; known are: \(known)")
      }
      // Values are given in order to those functions that take one.
      let alpha = kind.takesAlpha ? alphas.popFirst() ?? kind.defaultAlpha : 0
      let beta = kind.takesBeta ? betas.popFirst() ?? kind.defaultBeta : 0
      guard let alpha, let beta else {
        throw LigatureError(.attribute, "\(name) needs a value in activation_alpha and in activation_beta")
      }
      return Activation(kind, alpha: alpha, beta: beta)
    }
  }

  public var attributes: Attributes {
    var attributes = Attributes()
    attributes.set("direction", direction.rawValue)
    if let hiddenSize { attributes.set("hidden_size", hiddenSize) }
    if let clip { attributes.set("clip", clip) }
    if inputForget { attributes.set("input_forget", true) }
    if linearBeforeReset { attributes.set("linear_before_reset", true) }
    if batchFirst { attributes.set("layout", 1) }
    guard activations != (0..<direction.count).flatMap({ _ in cell.activations }) else { return attributes }
    attributes.set("activations", activations.map(\.kind.rawValue))
    let alphas = activations.filter(\.kind.takesAlpha).map(\.alpha)
    let betas = activations.filter(\.kind.takesBeta).map(\.beta)
    if !alphas.isEmpty { attributes.set("activation_alpha", alphas) }
    if !betas.isEmpty { attributes.set("activation_beta", betas) }
    return attributes
  }

  // ── Types ─────────────────────────────────────────────────────────────────
  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(3...(cell == .lstm ? 8 : 6))
    let hidden = try hiddenDimension(context)
    let rows = try Dimension.fixed(cell.gates) * hidden
    let (_, batch, input) = try sequence(context)
    try expect(context, 1, "W", [.fixed(direction.count), rows, input])
    try expect(context, 2, "R", [.fixed(direction.count), rows, hidden])
    try expect(context, 3, "B", [.fixed(direction.count), try 2 * rows])
    return try outputs(context, hidden, batch, peepholesAt: 7)
  }

  /// The outputs, once the sizes of weights are checked. Inputs 4, 5 and 6 are the same for all recurrent layers.
  func outputs(
    _ context: InferenceContext, _ hidden: Dimension, _ batch: Dimension?, peepholesAt peepholes: Int
  ) throws -> [TensorType] {
    let element = try context.input(0).element
    let count = Dimension.fixed(direction.count)
    if let lengths = context.optional(4), lengths.element != .int32 && lengths.element != .undefined {
      throw LigatureError(.type, "sequence_lens must be int32, but is \(lengths.element)")
    }
    try expect(context, 4, "sequence_lens", [batch])
    for (slot, what) in [(5, "initial_h"), (6, "initial_c")] {
      try expect(context, slot, what, batchFirst ? [batch, count, hidden] : [count, batch, hidden])
    }
    if cell == .lstm { try expect(context, peepholes, "P", [count, try 3 * hidden]) }
    let states = cell == .lstm ? 2 : 1
    guard let batch, let steps = try sequence(context).steps else {
      return Array(repeating: TensorType(element, nil), count: 1 + states)
    }
    let y = TensorType(element, batchFirst ? [batch, steps, count, hidden] : [steps, count, batch, hidden])
    let state = TensorType(element, batchFirst ? [batch, count, hidden] : [count, batch, hidden])
    return [y] + Array(repeating: state, count: states)
  }

  /// Sizes of X, `nil` when its rank is unknown.
  func sequence(_ context: InferenceContext) throws -> (steps: Dimension?, batch: Dimension?, input: Dimension?) {
    guard let shape = try context.input(0).shape else { return (nil, nil, nil) }
    guard shape.count == 3 else {
      throw LigatureError(
        .rank,
        "X must be \(batchFirst ? "[batch, steps, input]" : "[steps, batch, input]"), but has rank \(shape.count)")
    }
    return batchFirst ? (shape[1], shape[0], shape[2]) : (shape[0], shape[1], shape[2])
  }

  private func hiddenDimension(_ context: InferenceContext) throws -> Dimension {
    if let hiddenSize { return .fixed(hiddenSize) }
    guard let last = try context.input(2).shape?.last else {
      throw LigatureError(.shape, "the attribute hidden_size is missing, and R does not tell it")
    }
    if case .fixed(let size) = last, size < 1 {
      throw LigatureError(.shape, "the hidden size must be positive, but R gives \(size)")
    }
    return last
  }

  /// Throws unless that input, if there, has those sizes as far as they are known.
  func expect(_ context: InferenceContext, _ index: Int, _ what: String, _ wanted: [Dimension?]) throws {
    guard let shape = context.optional(index)?.shape else { return }
    let fits =
      shape.count == wanted.count
      && zip(shape, wanted).allSatisfy { found, wanted in
        guard let a = found.value, let b = wanted?.value else { return true }
        return a == b
      }
    guard fits else {
      let sizes = wanted.map { $0?.description ?? "?" }.joined(separator: ", ")
      throw LigatureError(
        .shape, "\(what) of a \(direction.rawValue) \(cell.rawValue) must be [\(sizes)], but is \(shape)")
    }
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    guard let x = context.inputs.first??.sizes, x.count == 3, let r = context.optional(2)?.sizes, r.count == 3,
      let steps = try? Checked.multiply(x[0], x[1]), let rows = try? Checked.multiply(r[0], cell.gates),
      let units = try? Checked.multiply(rows, hiddenSize ?? r[2]),
      let depth = try? Checked.add(x[2], hiddenSize ?? r[2]),
      let work = try? Checked.multiply(Checked.multiply(steps, units), depth)
    else { return .moving(context.inputs, outputs) }
    return .moving(context.inputs, outputs, multiplyAdds: work)
  }
}
