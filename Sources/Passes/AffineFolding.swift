public import GraphIR
import Operators
import TensorCore

/// Folds what scales and shifts channels after a convolution into its weights and bias:
/// BatchNormalization, and addition of, subtraction of, multiplication and division by constants.
/// For inference only: it loses the separate parameters.
public struct AffineFolding: Pass {
  public let name = "affine-folding"
  public let summary = "Folds BatchNormalization and per-channel constants into the convolution before them."

  public init() {}

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    for id in graph.order where graph.contains(id) {
      guard let layer = Layer(id, graph) else { continue }
      try fold(layer, id, &graph, &notes)
    }
    return notes
  }

  /// Folds all of those that follow one after the other. Their transforms are composed in double precision and the
  /// weights are rounded once: rounding them again for each node costs accuracy that the model's output shows.
  private func fold(_ layer: Layer, _ id: NodeID, _ graph: inout Graph, _ notes: inout [PassNote]) throws {
    var total = Transform(
      scale: [Double](repeating: 1, count: layer.channels), shift: [Double](repeating: 0, count: layer.channels))
    var folded: [NodeID] = []
    var last = layer.output
    while let next = graph.soleUse(of: last) {
      let node = graph[next]
      guard let transform = try affine(node, of: last, channels: layer.channels, rank: layer.rank, graph) else { break }
      let composed = total.followed(by: transform)
      guard composed.isFinite, let result = node.outputs[0] else {
        notes.append(PassNote(.rejected, node: node.name, "its numbers are not finite"))
        break
      }
      guard graph[layer.output].type.isCompatible(with: graph[result].type) else {
        notes.append(PassNote(.rejected, node: node.name, "it changes the shape"))
        break
      }
      (total, last) = (composed, result)
      folded.append(next)
      notes.append(PassNote(.changed, node: node.name, "\(node.op.name) is folded into \(graph[id].name)"))
    }
    guard !folded.isEmpty else { return }
    let (weights, bias) = try layer.transformed(by: total)
    let name = graph[layer.weights].name
    let newWeights = try graph.addConstant(graph.freshName(name + ".folded"), weights)
    let newBias = try graph.addConstant(graph.freshName(name + ".bias.folded"), bias)
    try graph.update(id, op: graph[id].op, inputs: [layer.input, newWeights, newBias])
    try graph.replace(last, with: layer.output)
    for node in folded.reversed() { try graph.erase(node) }
  }

  /// y = scale * x + shift, channel by channel.
  struct Transform {
    var scale: [Double]
    var shift: [Double]

    func followed(by next: Transform) -> Transform {
      Transform(
        scale: zip(scale, next.scale).map { $0 * $1 },
        shift: zip(shift, zip(next.scale, next.shift)).map { $0 * $1.0 + $1.1 })
    }

    var isFinite: Bool { scale.allSatisfy(\.isFinite) && shift.allSatisfy(\.isFinite) }
  }

  private func affine(_ node: Node, of value: ValueID, channels: Int, rank: Int, _ graph: Graph) throws -> Transform? {
    if let op = node.op as? BatchNormalization {
      guard !op.isTraining, node.outputs.count == 1, node.inputs.count == 5, node.inputs[0] == value else { return nil }
      let parameters = try node.inputs[1...].map { try graph.constant($0)?.floats().map(Double.init) }
      guard let gamma = parameters[0], let beta = parameters[1], let mean = parameters[2], let variance = parameters[3],
        [gamma, beta, mean, variance].allSatisfy({ $0.count == channels })
      else { return nil }
      let scale = (0..<channels).map { gamma[$0] / (variance[$0] + Double(op.epsilon)).squareRoot() }
      return Transform(scale: scale, shift: (0..<channels).map { beta[$0] - mean[$0] * scale[$0] })
    }
    guard let op = node.op as? Binary, node.inputs.count == 2, node.inputs[0] != node.inputs[1] else { return nil }
    let isFirst = node.inputs[0] == value
    guard let tensor = graph.constant(node.inputs[isFirst ? 1 : 0]),
      let values = try perChannel(tensor, channels: channels, rank: rank)
    else { return nil }
    let ones = [Double](repeating: 1, count: channels)
    let zeros = [Double](repeating: 0, count: channels)
    switch op.function {
    case .add: return Transform(scale: ones, shift: values)
    case .mul: return Transform(scale: values, shift: zeros)
    case .sub where isFirst: return Transform(scale: ones, shift: values.map { -$0 })
    case .sub: return Transform(scale: ones.map { -$0 }, shift: values)
    case .div where isFirst: return Transform(scale: values.map { 1 / $0 }, shift: zeros)
    default: return nil
    }
  }

  /// A constant that broadcasts along channels only, as one number a channel.
  private func perChannel(_ tensor: Tensor, channels: Int, rank: Int) throws -> [Double]? {
    guard tensor.element == .float32, tensor.shape.count <= rank else { return nil }
    if tensor.count == 1 { return try tensor.floats().map { Array(repeating: Double($0), count: channels) }.first }
    let shape = Array(repeating: 1, count: rank - tensor.shape.count) + tensor.shape
    guard shape[1] == channels, tensor.count == channels else { return nil }
    return try tensor.floats().map(Double.init)
  }
}

/// A convolution with constant float32 weights, as folding sees it.
private struct Layer {
  let input: ValueID
  let weights: ValueID
  let output: ValueID
  /// Channels of the output.
  let channels: Int
  let rank: Int
  private let kernel: Tensor
  private let bias: Tensor?
  /// Groups of a transposed convolution, whose weights are `[C, M / group, …]`; nil for `[M, C / group, …]`.
  private let transposedGroups: Int?

  init?(_ id: NodeID, _ graph: Graph) {
    let node = graph[id]
    guard (2...3).contains(node.inputs.count), let input = node.inputs[0], let weights = node.inputs[1],
      let kernel = graph.constant(weights), kernel.element == .float32, kernel.shape.count >= 3,
      let output = node.outputs[0]
    else { return nil }
    switch node.op {
    case let op as Conv:
      guard op.name == Conv.standardName else { return nil }
      transposedGroups = nil
      channels = kernel.shape[0]
    case let op as ConvTranspose:
      transposedGroups = op.window.group
      channels = kernel.shape[1] * op.window.group
    default: return nil
    }
    let biasValue = node.inputs.count > 2 ? node.inputs[2] : nil
    bias = graph.constant(biasValue)
    guard (biasValue == nil) == (bias == nil), bias?.count ?? channels == channels, channels > 0 else { return nil }
    (self.input, self.weights, self.output, self.kernel) = (input, weights, output, kernel)
    rank = kernel.shape.count
  }

  /// Weights and bias that give `scale * y + shift` where they gave `y`.
  func transformed(by transform: AffineFolding.Transform) throws -> (weights: Tensor, bias: Tensor) {
    // Blocks of one channel that follow each other are scaled as one.
    let window = kernel.shape.dropFirst(transposedGroups == nil ? 1 : 2).reduce(1, *)
    let weights = try unsafe Tensor(unzeroed: .float32, kernel.shape) { target in
      unsafe kernel.withUnsafeBytes { source in
        for block in 0..<(kernel.count / max(window, 1)) {
          let scale = transform.scale[transposedGroups == nil ? block : channel(ofBlock: block)]
          for index in block * window..<(block + 1) * window {
            let weight = unsafe source.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
            unsafe target.storeBytes(of: Float(Double(weight) * scale), toByteOffset: 4 * index, as: Float.self)
          }
        }
      }
    }
    kernel.releaseFilePages()
    let old = try bias?.floats() ?? [Float](repeating: 0, count: channels)
    let shifted = (0..<channels).map { Float(Double(old[$0]) * transform.scale[$0] + transform.shift[$0]) }
    return (weights, try Tensor(shifted, [channels]))
  }

  /// The output channel that a kernel window of a transposed convolution, the `block`-th of all, belongs to.
  private func channel(ofBlock block: Int) -> Int {
    let (row, column) = block.quotientAndRemainder(dividingBy: kernel.shape[1])
    let group = row / (kernel.shape[0] / (transposedGroups ?? 1))
    return group * kernel.shape[1] + column
  }
}
