import GraphIR
import Operators
import TensorCore

/// The larger patterns of networks as exporters spell them out, and now and then not quite.
extension RandomGraph {
  func module(_ x: ValueID) throws -> ValueID? {
    switch pick([0, 1, 2, 3, 4]) {
    case 0: try layerNormalization(x)
    case 1: try gelu(x)
    case 2: try attention(x)
    case 3: try attentionOfHeads()
    default: try squeezeExcitation()
    }
  }

  private func layerNormalization(_ x: ValueID) throws -> ValueID? {
    guard rank(x) >= 2, let channels = fixed(x)[rank(x) - 1], channels > 1 else { return nil }
    let axis = chance(5) ? -2 : -1
    func mean(_ value: ValueID) throws -> ValueID { try node("ReduceMean", [value, try integers([axis])]) }
    let centred = try node("Sub", [x, try mean(x)])
    let square = try chance(2) ? node("Pow", [centred, try scalar(2)]) : node("Mul", [centred, centred])
    // Large enough that no row is all noise once it is divided.
    let deviation = try node("Sqrt", [try node("Add", [try mean(square), try scalar(0.1)])])
    let normal = try node("Div", [centred, deviation])
    let scaled = try node("Mul", [normal, try constant([chance(4) ? 1 : channels])])
    return chance(4) ? scaled : try node("Add", [scaled, try constant([channels])])
  }

  private func gelu(_ x: ValueID) throws -> ValueID? {
    if chance(3) {
      let cube = try node("Pow", [x, try scalar(3)])
      let sum = try node("Add", [x, try node("Mul", [cube, try scalar(chance(4) ? 0.05 : 0.044_715)])])
      let gate = try node(
        "Add", [try node("Tanh", [try node("Mul", [sum, try scalar(0.797_884_56)])]), try scalar(1)])
      return try node("Mul", [try node("Mul", [x, try scalar(0.5)]), gate])
    }
    let scaled = try node("Div", [x, try scalar(chance(4) ? 1 : 1.414_213_5)])
    let gate = try node("Add", [try node("Erf", [scaled]), try scalar(1)])
    return try node("Mul", [try node("Mul", [x, gate]), try scalar(0.5)])
  }

  private func projected(_ x: ValueID, _ channels: Int, hasBias: Bool) throws -> ValueID {
    let reach = 1 / Float(channels).squareRoot()
    let y = try node("MatMul", [x, try constant([channels, channels], -reach...reach)])
    return hasBias ? try node("Add", [y, try constant([channels])]) : y
  }

  /// One head over the last two axes.
  private func attention(_ x: ValueID) throws -> ValueID? {
    guard rank(x) >= 3, let channels = fixed(x)[rank(x) - 1] else { return nil }
    var order = Array(0..<rank(x))
    order.swapAt(order.count - 1, order.count - 2)
    let keys = try node(Transpose(perm: order), [try projected(x, channels, hasBias: false)])
    let queries = try node("Mul", [try projected(x, channels, hasBias: false), try scalar(0.5)])
    let scores = try node("MatMul", [queries, keys])
    let weights = try node(Softmax(axis: chance(5) ? rank(x) - 2 : -1), [scores])
    return try node("MatMul", [weights, try projected(x, channels, hasBias: false)])
  }

  /// Two heads, cut out of the projections' columns.
  private func attentionOfHeads() throws -> ValueID? {
    guard let x = operand({ rank($0) == 3 && (fixed($0)[2] ?? 1) % 2 == 0 }), let channels = fixed(x)[2] else {
      return nil
    }
    let hasBias = chance(2)
    let (heads, whole) = (try integers([0, -1, 2, channels / 2]), try integers([0, -1, channels]))
    func part(_ perm: [Int], _ hasBias: Bool) throws -> ValueID {
      try node(Transpose(perm: perm), [try node(Reshape(), [try projected(x, channels, hasBias: hasBias), heads])])
    }
    // Now and then one projection differs from the others, which keeps them apart.
    let queries = try node("Mul", [try part([0, 2, 1, 3], hasBias != chance(3)), try scalar(0.7)])
    var scores = try node("MatMul", [queries, try part([0, 2, 3, 1], hasBias)])
    if chance(3) { scores = try node("Add", [scores, try constant([1, 1, 1, 1])]) }
    let weights = try node(Softmax(axis: -1), [scores])
    let values = try node("MatMul", [weights, try part([0, 2, 1, 3], hasBias)])
    return try node(Reshape(), [try node(Transpose(perm: [0, 2, 1, 3]), [values]), whole])
  }

  private func squeezeExcitation() throws -> ValueID? {
    guard let x = operand({ rank($0) == 4 && fixed($0)[1] != nil }), let channels = fixed(x)[1] else { return nil }
    let pooled = try node("GlobalAveragePool", [x])
    let narrow = try node("Relu", [try node("Conv", [pooled, try constant([2, channels, 1, 1])])])
    let wide = try node("Conv", [narrow, try constant([channels, 2, 1, 1]), try constant([channels])])
    let gate = try node("HardSigmoid", [wide])
    let gated = try node("Mul", chance(2) ? [x, gate] : [gate, x])
    return chance(2) ? try node("Add", [gated, x]) : gated
  }
}
