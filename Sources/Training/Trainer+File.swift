import FoundationEssentials
import GraphIR
public import ONNXFormat
import Operators
import Runtime
import TensorCore

// One file holds it all: the inference graph with the parameters as they are, which any ONNX tool runs, and beside it
// the step graph with the optimiser's state, counters and random state. To save it is the checkpoint, to load it the
// resume.

extension Trainer {
  /// The file that continues this training, in memory. Tensors are shared with the state until the next step.
  ///
  /// - Parameter metadata: `metadata_props` of the model: its recipe, and what the loop keeps.
  /// - Throws: `.usage` when the training graph was made without an inference graph.
  public func model(metadata: [String: String] = [:]) throws -> Model {
    var model = Model(graph: try inferenceGraph())
    model.metadata = metadata
    var step = TrainingStep(graph: graph.graph, updates: graph.updates, metadata: try graph.metadata())
    for (update, state) in zip(graph.updates, try state()) { try step.graph.setTensor(update.state, state.tensor) }
    model.trainingStep = step
    return model
  }

  /// Writes that file: complete, or not at all.
  public func save(to path: String, metadata: [String: String] = [:]) throws {
    try model(metadata: metadata).write(to: path)
  }

  /// Goes on where a saved file ends: the next step has the bits that it would have had without the interruption.
  ///
  /// - Throws: what reading a model throws, and `.usage` for a file without a step of training.
  public convenience init(resuming path: String, options: Options = Options()) throws {
    try self.init(resuming: Model(contentsOf: path, operators: .standard), options: options)
  }

  /// The same for a model that has been read already.
  public convenience init(resuming model: Model, options: Options = Options()) throws {
    try self.init(TrainingGraph(model), options: options)
  }
}

extension TrainingGraph {
  private static let termsKey = "ligature.terms"
  private static let predictionsKey = "ligature.predictions"
  private static let mostNames = 4096

  /// Reads back what `Trainer.model` made.
  ///
  /// - Throws: `.usage` for a model without a step of training, `.format` for one whose outputs are not those of a
  ///   training graph.
  public init(_ model: Model) throws {
    guard let step = try model.training(operators: .standard) else {
      throw LigatureError(
        .usage, "the model holds no step of training: it can be run, not resumed; give the checkpoint of a training run"
      )
    }
    func names(_ key: String) throws -> [String] {
      guard let text = step.metadata[key] else { return [] }
      let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8))
      guard let names, names.count <= TrainingGraph.mostNames else {
        throw LigatureError(.format, "the step of training has no readable '\(key)'; take an earlier checkpoint")
      }
      return names
    }
    let (terms, predictions) = (try names(TrainingGraph.termsKey), try names(TrainingGraph.predictionsKey))
    let wanted =
      [TrainingGraph.lossName] + terms + [TrainingGraph.gradientNormName, TrainingGraph.learningRateName] + predictions
    guard step.graph.outputNames == wanted else {
      throw LigatureError(
        .format,
        "the step of training gives \(step.graph.outputNames.prefix(8).joined(separator: ", ")), but must give "
          + "\(wanted.prefix(8).joined(separator: ", ")); take a checkpoint that ligature wrote")
    }
    for (name, value) in zip(wanted, step.graph.outputs.dropLast(predictions.count)) {
      let type = step.graph[value].type
      guard type.element == .float32, let sizes = type.sizes, try Checked.elementCount(sizes) == 1 else {
        throw LigatureError(.format, "the output '\(name)' of the step of training must be one float32, but is \(type)")
      }
    }
    guard let counter = step.graph.value(named: TrainingGraph.stepName),
      step.updates.contains(where: { $0.state == counter }),
      step.graph[counter].type == TensorType(.int64, [])
    else {
      throw LigatureError(
        .format,
        "the step of training does not count steps ('\(TrainingGraph.stepName)', int64); take another checkpoint")
    }
    self.init(
      graph: step.graph, updates: step.updates, terms: terms, predictions: predictions, inference: model.graph)
  }

  fileprivate func metadata() throws -> [String: String] {
    func json(_ names: [String]) throws -> String { String(decoding: try JSONEncoder().encode(names), as: UTF8.self) }
    return [TrainingGraph.termsKey: try json(terms), TrainingGraph.predictionsKey: try json(predictions)]
  }
}
