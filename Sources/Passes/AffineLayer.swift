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
      guard op.name == ConvTranspose.standardName, kernel.shape.count >= 3 else { return nil }
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
    let (kernel, runs) = (kernel, runs)
    let weights = try unsafe Tensor.deferred(.float32, kernel.shape) { target in
      unsafe kernel.withUnsafeBytes { source in
        for (start, length, channels) in runs {
          for index in start..<start + length {
            let weight = unsafe source.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
            let scaled = Float(Double(weight) * transform.scale[channels.first + (index - start) * channels.step])
            unsafe target.storeBytes(of: scaled, toByteOffset: 4 * index, as: Float.self)
          }
        }
      }
      kernel.releaseFilePages()
    }
    var old = try bias?.floats().map(Double.init) ?? [0]
    if old.count == 1 { old = Array(repeating: old[0], count: channels) }
    var result = op
    if let gemm = op as? Gemm {
      old = old.map { $0 * Double(gemm.beta) }
      result = Gemm(alpha: gemm.alpha, transposesA: gemm.transposesA, transposesB: gemm.transposesB)
    }
    let shifted = (0..<channels).map { Float(old[$0] * transform.scale[$0] + transform.shift[$0]) }
    return (result, weights, try Tensor(shifted, [channels]))
  }

  /// Runs of weights: the first, how many, and the channel of the first with the step to that of the next.
  private var runs: [(start: Int, length: Int, channels: (first: Int, step: Int))] {
    let columns = kernel.shape[1]
    switch op {
    case is MatMul: return (0..<kernel.shape[0]).map { ($0 * columns, columns, (0, 1)) }
    case let gemm as Gemm where !gemm.transposesB:
      return (0..<kernel.shape[0]).map { ($0 * columns, columns, (0, 1)) }
    case is ConvTranspose:
      let window = kernel.shape.dropFirst(2).reduce(1, *)
      return (0..<kernel.shape[0] * columns).map { ($0 * window, window, (channel(ofBlock: $0), 0)) }
    default:
      let row = kernel.shape.dropFirst().reduce(1, *)
      return (0..<channels).map { ($0 * row, row, ($0, 0)) }
    }
  }

  /// The output channel that a kernel window of a transposed convolution, the `block`-th of all, belongs to.
  private func channel(ofBlock block: Int) -> Int {
    let (row, column) = block.quotientAndRemainder(dividingBy: kernel.shape[1])
    guard let transposed = op as? ConvTranspose else { return row }
    let group = row / (kernel.shape[0] / transposed.window.group)
    return group * kernel.shape[1] + column
  }
}
