internal import Architectures
internal import FoundationEssentials
internal import GraphIR
internal import MMOCRConverter
internal import TensorCore
internal import Training

/// What a recipe stands for: the network, how its model is used, and the stream that it learns from.
struct TrainingSetup {
  let recipe: TrainingRecipe
  let architecture: any Architecture
  /// Goes into the model's file.
  let model: Recipe
  let batches: any BatchSource
  let stepCount: Int

  /// Opens all data.
  init(_ recipe: TrainingRecipe, report: @escaping @Sendable (String) -> Void) throws {
    self.recipe = recipe
    let type = try Architectures.named(recipe.architecture)
    architecture = try type.init(options: try TrainingSetup.options(recipe, type))
    model = try TrainingSetup.model(recipe, type)
    let opening = DataOpening(
      texts: .learned(dictionary: recipe.dictionary, steps: recipe.image.width / 4 + 1),
      isGrey: recipe.image.isGrey, threads: recipe.threads ?? ProcessInfo.processInfo.activeProcessorCount,
      report: report)
    switch type.task {
    case .recognition:
      batches = try CTCBatches(
        opening.mixture(recipe.data, seed: recipe.seed, opening.words), recipe: model,
        augmentation: recipe.wordAugmentation)
    case .detection:
      batches = try DBNetBatches(
        opening.mixture(recipe.data, seed: recipe.seed, opening.pages), recipe: model, side: recipe.image.width,
        augmentation: recipe.pageAugmentation)
    default:
      throw LigatureError(.unsupported, "\(recipe.architecture) has a task that 'ligature train' has no data for")
    }
    switch recipe.length {
    case .steps(let steps): stepCount = steps
    case .epochs(let epochs):
      stepCount = max(1, Int((epochs * Double(batches.samplesPerEpoch) / Double(recipe.batch)).rounded(.up)))
    }
  }

  /// What follows from the rest of the recipe need not be said: the number of classes and of channels.
  private static func options(_ recipe: TrainingRecipe, _ type: any Architecture.Type) throws -> [String: String] {
    guard type.task == .recognition else { return recipe.options }
    let derived = ["classes": "\(recipe.dictionary.count + 1)", "channels": recipe.image.isGrey ? "1" : "3"]
    return try recipe.options.merging(derived) { given, derived in
      guard given == derived else {
        throw LigatureError(
          .usage,
          "the recipe's options say \(given) where its dictionary and image ask for \(derived); leave out the option")
      }
      return derived
    }
  }

  private static func model(_ recipe: TrainingRecipe, _ type: any Architecture.Type) throws -> Recipe {
    switch type.name {
    case "CRNN":
      let hasCapitals = recipe.dictionary.contains { $0 != $0.lowercased() }
      var model = Recipe.crnn(
        name: recipe.name, dictionary: recipe.dictionary, lower: !hasCapitals, licence: recipe.licence)
      let image = recipe.image
      model.preprocess.resize = .resizeOCR(
        image.keepsRatio
          ? Recipe.ResizeOCR(height: image.height, minWidth: image.height, maxWidth: image.width, widthDivisor: 4)
          : Recipe.ResizeOCR(height: image.height, maxWidth: image.width, keepAspectRatio: false))
      if !image.isGrey {
        model.preprocess.channels = .rgb
        model.preprocess.mean = [127, 127, 127]
        model.preprocess.std = [127, 127, 127]
      }
      return model
    case "DBNet": return Recipe.dbnet(name: recipe.name, licence: recipe.licence)
    default:
      throw LigatureError(
        .unsupported, "'ligature train' has no data pipeline for \(type.name) yet; it trains CRNN and DBNet")
    }
  }

  // ── The graph ─────────────────────────────────────────────────────────────

  func graph(report: (String) -> Void) throws -> TrainingGraph {
    let fresh = InitialParameters(seed: recipe.seed)
    let parameters: any ParameterSource
    if let path = recipe.initial {
      let stored = StoredParameters(try TrainingSetup.tensors(path))
      parameters = recipe.isInitialPartial ? PartialParameters(stored, fresh) : stored
    } else {
      parameters = fresh
    }
    let objective = try architecture.training(parameters)
    if let partial = parameters as? PartialParameters {
      report(
        "\(recipe.initial ?? ""): \(partial.taken.count) tensors taken, \(partial.fresh.count) start afresh"
          + (partial.fresh.isEmpty ? "" : ": \(partial.fresh.sorted().prefix(8).joined(separator: ", "))"))
    }
    return try TrainingGraph(
      objective, optimizer: recipe.optimizer.optimizer, schedule: schedule,
      clipping: recipe.clipping.map { .norm(Float($0)) } ?? .none, inference: architecture.inference(parameters))
  }

  private var schedule: LearningRateSchedule {
    let rate = recipe.schedule
    let policy: LearningRateSchedule.Policy
    switch rate.kind {
    case .constant: policy = .fixed
    case .step: policy = .step(milestones: rate.milestones.sorted(), gamma: Float(rate.gamma))
    case .poly: policy = .poly(power: Float(rate.power), length: stepCount)
    case .cosine: policy = .cosine(length: stepCount)
    }
    return LearningRateSchedule(
      policy, minimum: Float(rate.final * recipe.optimizer.learningRate), warmup: rate.warmup > 0 ? .linear : nil,
      warmupLength: rate.warmup, warmupRatio: Float(rate.warmupRatio))
  }

  /// Parameters by name from a file that some program wrote.
  private static func tensors(_ path: String) throws -> [String: Tensor] {
    guard ["pth", "pt", "safetensors", "onnx"].contains(Path.ending(of: path).lowercased()) else {
      throw LigatureError(
        .usage, "'initial' names '\(path)'; parameters are taken from .pth, .safetensors and .onnx files")
    }
    return Dictionary(uniqueKeysWithValues: try WeightFile(contentsOf: path).state.entries)
  }
}

/// Parameters from a file where they fit, fresh ones elsewhere: for another dictionary, or from a backbone alone.
private final class PartialParameters: ParameterSource {
  private let stored: StoredParameters
  private let initial: InitialParameters
  private(set) var taken: Set<String> = []
  private(set) var fresh: Set<String> = []

  init(_ stored: StoredParameters, _ initial: InitialParameters) {
    self.stored = stored
    self.initial = initial
  }

  func tensor(named name: String, shape: [Int], element: ElementType, initializer: Initializer) throws -> Tensor {
    if stored.tensors[name]?.shape == shape {
      taken.insert(name)
      return try stored.tensor(named: name, shape: shape, element: element, initializer: initializer)
    }
    fresh.insert(name)
    return try initial.tensor(named: name, shape: shape, element: element, initializer: initializer)
  }
}

extension OptimizerRecipe {
  var optimizer: Optimizer {
    let (rate, decay) = (Float(learningRate), Float(weightDecay))
    let betas = (Float(betas[0]), Float(betas[1]))
    switch kind {
    case .SGD: return .sgd(learningRate: rate, momentum: Float(momentum), weightDecay: decay, nesterov: nesterov)
    case .Adam: return .adam(learningRate: rate, betas: betas, epsilon: Float(epsilon), weightDecay: decay)
    case .AdamW: return .adamW(learningRate: rate, betas: betas, epsilon: Float(epsilon), weightDecay: decay)
    case .Adadelta: return .adadelta(learningRate: rate, rho: Float(rho), epsilon: Float(epsilon), weightDecay: decay)
    }
  }
}
