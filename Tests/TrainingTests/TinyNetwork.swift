import GraphIR
import Operators
import Runtime
import TensorCore
import Training

/// A network with one of everything that has state: convolution, batch norm, dropout, a matrix product.
///
/// `image [N, 1, 6, 8]`, `target [N, 3]`; the loss is the sum of a squared and an absolute error.
struct TinyNetwork {
  var dropout: Float = 0.3
  var seed: Int64 = 7

  static func values(_ shape: [Int], _ seed: Int, scale: Float = 1) throws -> Tensor {
    let count = shape.reduce(1, *)
    return try Tensor((0..<count).map { scale * (Float(($0 * 7919 + seed * 104729) % 2003) / 1001 - 1) }, shape)
  }

  private static func parameters(_ builder: inout GraphBuilder) throws -> [String: ValueID] {
    let tensors: [(String, Tensor)] = [
      ("conv.weight", try values([4, 1, 3, 3], 1, scale: 0.4)),
      ("bn.weight", try Tensor([1, 0.9, 1.1, 1] as [Float], [4])),
      ("bn.bias", try values([4], 2, scale: 0.1)),
      ("bn.running_mean", try Tensor(zeros: .float32, [4])),
      ("bn.running_var", try Tensor([1, 1, 1, 1] as [Float], [4])),
      ("fc.weight", try values([4 * 6 * 8, 3], 3, scale: 0.1)),
      ("fc.bias", try values([3], 4, scale: 0.1)),
    ]
    var result: [String: ValueID] = [:]
    for (name, tensor) in tensors { result[name] = try builder.graph.addParameter(name, tensor) }
    return result
  }

  func objective() throws -> TrainingObjective {
    var builder = GraphBuilder()
    let image = try builder.graph.addInput("image", TensorType(.float32, ["N", 1, 6, 8]))
    let target = try builder.graph.addInput("target", TensorType(.float32, ["N", 3]))
    let p = try TinyNetwork.parameters(&builder)
    let conv = try builder.append(
      Conv(ConvolutionWindow(kernelShape: [3, 3], pads: [1, 1, 1, 1])), [image, p["conv.weight"]], name: "conv")
    let normal = try builder.append(
      BatchNormalization(isTraining: true),
      [conv, p["bn.weight"], p["bn.bias"], p["bn.running_mean"], p["bn.running_var"]], name: "bn",
      wanted: [true, true, true])
    var x = try builder.append(Unary(.relu), [normal[0]], name: "relu")
    var random = try RandomState(seed: seed, in: &builder)
    x = try random.dropout(x, ratio: dropout, in: &builder)
    x = try builder.append(Flatten(), [x], name: "flat")
    x = try builder.append(MatMul(), [x, p["fc.weight"]], name: "fc")
    let logits = try builder.append(Binary(.add), [x, p["fc.bias"]], name: "logits")
    let error = try builder.append(Binary(.sub), [logits, target], name: "error")
    let square = try builder.append(Binary(.mul), [error, error])
    let terms = [
      TrainingObjective.Term(
        "loss_square", try builder.append(Reduce(.mean, keepsDimensions: false), [square], name: "loss_square.value")),
      TrainingObjective.Term(
        "loss_size",
        try builder.append(
          Reduce(.mean, keepsDimensions: false), [builder.append(Unary(.abs), [error])], name: "loss_size.value")),
    ]
    let loss = try builder.append(Binary(.add), terms.map(\.value), name: "total")
    var updates = [random.update]
    for (state, next) in zip(["bn.running_mean", "bn.running_var"], normal[1...]) {
      if let state = p[state], let next { updates.append(StateUpdate(state: state, next: next)) }
    }
    return TrainingObjective(
      graph: builder.graph, loss: loss, terms: terms,
      trainable: ["conv.weight", "bn.weight", "bn.bias", "fc.weight", "fc.bias"].compactMap { p[$0] },
      updates: updates, predictions: [.init("logits", logits)])
  }

  func inference() throws -> Graph {
    var builder = GraphBuilder()
    let image = try builder.graph.addInput("image", TensorType(.float32, ["N", 1, 6, 8]))
    let p = try TinyNetwork.parameters(&builder)
    let conv = try builder.append(
      Conv(ConvolutionWindow(kernelShape: [3, 3], pads: [1, 1, 1, 1])), [image, p["conv.weight"]], name: "conv")
    var x = try builder.append(
      BatchNormalization(), [conv, p["bn.weight"], p["bn.bias"], p["bn.running_mean"], p["bn.running_var"]], name: "bn")
    x = try builder.append(Unary(.relu), [x], name: "relu")
    x = try builder.append(Flatten(), [x], name: "flat")
    x = try builder.append(MatMul(), [x, p["fc.weight"]], name: "fc")
    try builder.graph.addOutput(builder.append(Binary(.add), [x, p["fc.bias"]], name: "logits"))
    return builder.graph
  }

  func training(
    _ optimizer: Optimizer = .sgd(learningRate: 0.05, momentum: 0.9, weightDecay: 1e-4),
    schedule: LearningRateSchedule = .fixed, clipping: GradientClipping = .none
  ) throws -> TrainingGraph {
    try TrainingGraph(
      objective(), optimizer: optimizer, schedule: schedule, clipping: clipping, inference: inference(),
      predictions: true)
  }

  static func batch(_ number: Int, count: Int = 5) throws -> [String: Tensor] {
    ["image": try values([count, 1, 6, 8], 10 + number), "target": try values([count, 3], 100 + number)]
  }
}

extension Trainer {
  /// All state as bytes, by name.
  func snapshot() throws -> [String: [UInt8]] {
    Dictionary(
      uniqueKeysWithValues: try state().map { state in
        (state.name, unsafe state.tensor.withUnsafeBytes { unsafe Array($0) })
      })
  }
}
