import Architectures
import Foundation
import GraphIR
import Operators
import Passes
import Runtime
import TensorCore
import TensorFiles
import Testing

/// Numbers that MMOCR gives for a network whose parameters follow from their names (Fixtures/networks).
struct Bundle: Decodable {
  enum Entry: Decodable {
    case text(String)
    case shape([Int])
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      self =
        if let text = try? container.decode(String.self) { .text(text) } else {
          .shape(try container.decode([Int].self))
        }
    }
    var text: String { if case .text(let text) = self { text } else { "" } }
    var shape: [Int] { if case .shape(let shape) = self { shape } else { [] } }
  }
  var seed: Int
  var convGain: Double
  var linearGain: Double
  var exceptions: [String: [Double]]
  /// Name, shape, element type.
  var state: [[Entry]]
  var input: [Int]
  var lossInput: [Int]
  var losses: [String: Double]
  var statistics: [String: [Float]]
  var norms: [String: Double]
  var stride: Int

  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/networks")

  static func named(_ name: String) throws -> (Bundle, SafeTensors) {
    let bundle = try JSONDecoder().decode(
      Bundle.self, from: Data(contentsOf: folder.appending(path: "\(name).json")))
    return (bundle, try SafeTensors(contentsOf: folder.appending(path: "\(name).safetensors").path))
  }

  /// The parameters of the reference: stored, or from the rule of its filler.
  func parameters(_ stored: SafeTensors) -> ComputedParameters {
    ComputedParameters { name, shape, element, _ in
      if let tensor = stored.tensors[name] { return tensor }
      if element == .int64 { return try Tensor(zeros: .int64, shape) }
      return try filled(name, shape)
    }
  }

  func filled(_ name: String, _ shape: [Int], scale: Double? = nil, offset: Double? = nil) throws -> Tensor {
    let (ownScale, ownOffset) = exceptions[name].map { ($0[0], $0[1]) } ?? rule(name, shape)
    let scale = Float(scale ?? ownScale)
    let offset = Float(offset ?? ownOffset)
    let start = "\(seed)/\(name)".utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    let count = shape.reduce(1, *)
    return try unsafe Tensor(.float32, shape) { bytes in
      for index in 0..<count {
        var z = start &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        let unit = 2 * (Float(z >> 40) * 0x1p-24) - 1
        unsafe bytes.storeBytes(of: unit * scale + offset, toByteOffset: 4 * index, as: Float.self)
      }
    }
  }

  private func rule(_ name: String, _ shape: [Int]) -> (Double, Double) {
    let leaf = name.split(separator: ".").last ?? ""
    if leaf == "running_var" { return (0.5, 1) }
    if leaf == "running_mean" { return (0.1, 0) }
    if shape.count >= 2 {
      let fan = shape.dropFirst().reduce(1, *)
      return ((3 * (shape.count == 4 ? convGain : linearGain) / Double(fan)).squareRoot(), 0)
    }
    return leaf == "weight" ? (0.5, 1) : (0.1, 0)
  }

  var image: (_ shape: [Int]) throws -> Tensor { { try filled("in.image", $0, scale: 1, offset: 0) } }

  /// The names, shapes and types of the state dict are the network's, in the same order.
  func expectState(of network: any Architecture) throws {
    let specs = try network.parameters()
    #expect(specs.map(\.name) == state.map { $0[0].text })
    #expect(specs.map(\.shape) == state.map { $0[1].shape })
    #expect(specs.map { "\($0.element)" } == state.map { $0[2].text })
  }
}

/// Prepares a graph as the program does and runs it.
func run(_ graph: Graph, _ inputs: [String: Tensor]) throws -> [String: Tensor] {
  var graph = graph
  let options = Session.Options(threads: 2)
  _ = try Pipelines.prepared(evaluate: Session.evaluator(options)).run(&graph)
  return try Session(graph, options: options).run(inputs)
}

/// The largest difference, relative to the largest magnitude expected.
func error(_ found: [Float], _ expected: [Float]) -> Float {
  guard found.count == expected.count else { return .infinity }
  let scale = expected.reduce(0) { max($0, abs($1)) }
  return zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) } / max(scale, .leastNormalMagnitude)
}

/// The objective with its terms, its updated statistics and the norms of some gradients as outputs.
func outputs(of objective: TrainingObjective, _ gradients: [ValueID: ValueID]) throws -> Graph {
  var graph = objective.graph
  for term in objective.terms { try graph.addOutput(term.value, name: term.name) }
  try graph.addOutput(objective.loss, name: "total")
  for update in objective.updates { try graph.addOutput(update.next, name: "next." + graph[update.state].name) }
  var builder = GraphBuilder(graph)
  for (parameter, gradient) in gradients.sorted(by: { $0.key.index < $1.key.index }) {
    let norm = try builder.append(Reduce(.l2, keepsDimensions: false), [gradient])
    try builder.graph.addOutput(norm, name: "norm." + builder.graph[parameter].name)
  }
  return builder.graph
}
