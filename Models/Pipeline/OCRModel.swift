public import TensorCore

/// A prepared model, seen as a function of tensors. The stages take any: they know nothing of graphs or kernels.
public protocol TensorFunction: Sendable {
  /// Outputs in the model's order, for inputs in the model's order.
  func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor]
}

/// A model that a stage of the pipeline runs, with what its file says about its use.
public struct OCRModel: Sendable {
  public let recipe: Recipe
  /// Characters of the classes, without the blank. Empty for tasks that have none.
  public let dictionary: [String]
  let function: any TensorFunction

  /// - Parameter metadata: the file's `metadata_props`.
  /// - Throws: `.format` when there is no recipe, or one that is not understood; `.usage` when the model is for
  ///   another task.
  public init(metadata: [String: String], task: Recipe.Task, function: any TensorFunction) throws {
    guard let recipe = try Recipe(metadata: metadata) else {
      throw LigatureError(
        .format, "the model file carries no recipe; write one into it with 'ligature annotate MODEL --recipe FILE'")
    }
    guard recipe.task == task else {
      throw LigatureError(
        .usage,
        "a model for \(task.rawValue) is needed here; '\(recipe.name.prefix(100))' is for \(recipe.task.rawValue)")
    }
    self.recipe = recipe
    self.function = function
    dictionary = try recipe.dictionary?.resolved(metadata) ?? []
  }

  /// Runs a model with one input and takes its first output, which must be float32 with that many dimensions.
  package func run(_ input: Tensor, rank: Int) throws -> Tensor {
    let outputs = try function([input])
    guard let output = outputs.first, output.element == .float32, output.shape.count == rank else {
      let found = outputs.first.map { "\($0.element)\($0.shape)" } ?? "nothing"
      throw LigatureError(
        .shape, "the model for \(recipe.task.rawValue) gave \(found), not float32 with \(rank) dimensions")
    }
    return output
  }
}
