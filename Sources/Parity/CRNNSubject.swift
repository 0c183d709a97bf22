import Architectures
import GraphIR
import TensorCore

/// CRNN and its bundles.
struct CRNNSubject: Subject {
  private let bundle: Bundle
  private let network: CRNN
  private let parameters: StoredParameters

  init(_ bundle: Bundle) throws {
    self.bundle = bundle
    let classes = try bundle.shape(of: "decoder.decoder.1.embedding.weight", rank: 2)
    let first = try bundle.shape(of: "backbone.cnn.conv0.weight", rank: 4)
    network = try CRNN(options: [
      "classes": "\(classes[0])", "hidden": "\(classes[1] / 2)", "channels": "\(first[1])",
    ])
    parameters = StoredParameters(try bundle.parameters())
  }

  func inferenceGraph() throws -> Graph { try network.inference(parameters) }

  func inferenceInputs(_ recorded: [String: Tensor]) throws -> [String: Tensor] {
    ["image": try bundle.input("in.image", recorded)]
  }

  func outputs(_ produced: [String: Tensor]) throws -> [String: Tensor] {
    produced["logits"].map { ["out.decoder": $0] } ?? [:]
  }

  func trainingObjective() throws -> TrainingObjective { try network.training(parameters) }

  func trainingInputs(_ recorded: [String: Tensor]) throws -> [String: Tensor] {
    guard let flat = try recorded["in.flatten_targets"]?.integers(),
      let lengths = try recorded["in.target_lengths"]?.integers()
    else { throw LigatureError(.format, "loss.safetensors lacks in.flatten_targets or in.target_lengths") }
    let longest = lengths.max() ?? 0
    guard lengths.allSatisfy({ $0 >= 0 }), lengths.reduce(0, +) == flat.count else {
      throw LigatureError(.format, "in.target_lengths do not add up to in.flatten_targets")
    }
    var padded: [Int64] = []
    var start = 0
    for length in lengths {
      padded += flat[start..<start + length].map(Int64.init) + Array(repeating: 0, count: longest - length)
      start += length
    }
    return [
      "image": try bundle.input("in.image", recorded, training: true),
      "targets": try Tensor(padded, [lengths.count, longest]),
      "target_lengths": try Tensor(lengths.map(Int64.init), [lengths.count]),
    ]
  }

  func lossCase(_ description: JSONValue, _ recorded: [String: Tensor]) throws -> LossCase? { nil }

  func surroundings(_ section: Check.Section) throws -> [Check] { try CTCChecks(bundle: bundle).run(section) }
}
