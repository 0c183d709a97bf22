import GraphIR
import Operators
import TensorCore

/// A convolution or product with constant float32 weights, as `AffineFolding` sees it.
struct AffineLayer {
  let input: ValueID
  let weights: ValueID
  let output: ValueID
  /// Channels of the output.
  let channels: Int
  /// The axis of the output that they lie along, and its rank.
  let channelAxis: Int
  let rank: Int
  private let op: any Operator
  private let kernel: Tensor
  private let bias: Tensor?

  init?(_ id: NodeID, _ graph: Graph) {
    let node = graph[id]
    guard (2...3).contains(node.inputs.count), let input = node.inputs[0], let weights = node.inputs[1],
      let kernel = graph.constant(weights), kernel.element == .float32, let output = node.outputs[0]
    else { return nil }
    let biasValue = node.inputs.count > 2 ? node.inputs[2] : nil
    bias = graph.constant(biasValue)
    guard (biasValue == nil) == (bias == nil) else { return nil }
    switch node.op {
    case let op as Conv:
      guard op.name == Conv.standardName, kernel.shape.count >= 3 else { return nil }
      (channels, rank, channelAxis) = (kernel.shape[0], kernel.shape.count, 1)
    case let op as ConvTranspose:
      guard kernel.shape.count >= 3 else { return nil }
      (channels, rank, channelAxis) = (kernel.shape[1] * op.window.group, kernel.shape.count, 1)
    case let op as Gemm:
      guard kernel.shape.count == 2 else { return nil }
      (channels, rank, channelAxis) = (kernel.shape[op.transposesB ? 0 : 1], 2, 1)
      // A bias may have a row a sample, too.
      guard let bias else { break }
      guard bias.count == 1 || (bias.count == channels && bias.shape.last == channels) else { return nil }
    case is MatMul:
      guard kernel.shape.count == 2, let rank = graph[output].type.rank, rank >= 2 else { return nil }
      (channels, self.rank, channelAxis) = (kernel.shape[1], rank, rank - 1)
    default: return nil
    }
    guard channels > 0, node.op is Gemm || bias?.count ?? channels == channels else { return nil }
    (self.input, self.weights, self.output, self.op, self.kernel) = (input, weights, output, node.op, kernel)
  }

  /// Whether it can add something to each channel by itself.
  var takesBias: Bool { !(op is MatMul) }

  /// The operator that gives `scale * y + shift` where this one gave `y`, with its weights and what it adds.
  func transformed(by transform: AffineFolding.Transform) throws -> (op: any Operator, weights: Tensor, bias: Tensor) {
    var weights = try kernel.floats()
    for (start, length, channel) in runs {
      let scale = transform.scale[channel]
      for index in start..<start + length { weights[index] = Float(Double(weights[index]) * scale) }
    }
    var old = try bias?.floats().map(Double.init) ?? [0]
    if old.count == 1 { old = Array(repeating: old[0], count: channels) }
    var result = op
    if let gemm = op as? Gemm {
      old = old.map { $0 * Double(gemm.beta) }
      result = Gemm(alpha: gemm.alpha, transposesA: gemm.transposesA, transposesB: gemm.transposesB)
    }
    let shifted = (0..<channels).map { Float(old[$0] * transform.scale[$0] + transform.shift[$0]) }
    return (result, try Tensor(weights, kernel.shape), try Tensor(shifted, [channels]))
  }

  /// Where weights of one channel lie in a row: the first, how many, and the channel.
  private var runs: [(start: Int, length: Int, channel: Int)] {
    switch op {
    case is MatMul: return (0..<kernel.count).map { ($0, 1, $0 % channels) }
    case let gemm as Gemm:
      guard gemm.transposesB else { return (0..<kernel.count).map { ($0, 1, $0 % channels) } }
      return (0..<channels).map { ($0 * kernel.shape[1], kernel.shape[1], $0) }
    default:
      let window = kernel.shape.dropFirst(2).reduce(1, *)
      let blocks = kernel.shape[0] * kernel.shape[1]
      return (0..<blocks).map { ($0 * window, window, channel(ofBlock: $0)) }
    }
  }

  /// The output channel that a kernel window, the `block`-th of all, belongs to.
  private func channel(ofBlock block: Int) -> Int {
    let (row, column) = block.quotientAndRemainder(dividingBy: kernel.shape[1])
    guard let transposed = op as? ConvTranspose else { return row }
    let group = row / (kernel.shape[0] / transposed.window.group)
    return group * kernel.shape[1] + column
  }
}
