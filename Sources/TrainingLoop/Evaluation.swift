internal import Architectures
internal import FoundationEssentials
public import GraphIR
internal import Imaging
public import Runtime
internal import Synchronization
internal import TensorCore

/// Measures a model on annotated data, as MMOCR 0.x does.
public struct Evaluation: Sendable {
  /// What became of one sample.
  public struct Answer: Codable, Sendable {
    /// Where it stands, as in `labels.txt:12`.
    public var sample: String
    public var truth: String?
    public var text: String?
    public var score: Double?
    /// Outlines that were found, each as x and y in turn.
    public var polygons: [[Float]]?
    public var scores: [Double]?
  }

  /// Values by their names in MMOCR, in its order.
  public typealias Metrics = [(name: String, value: Double)]

  enum Reader: Sendable {
    case words(TextRecognizer)
    case pages(TextDetector)
  }

  let reader: Reader
  private let threads: Int

  /// - Parameters:
  ///   - graph: of the model, before it is prepared.
  ///   - metadata: the model's, with its recipe.
  /// - Throws: `.format` without a recipe, `.unsupported` for a task that is not measured.
  public init(_ graph: Graph, metadata: [String: String], options: Session.Options) throws {
    guard let recipe = try Recipe(metadata: metadata) else {
      throw LigatureError(
        .format, "the model file carries no recipe; write one into it with 'ligature annotate MODEL --recipe FILE'")
    }
    let model = try OCRModel(
      metadata: metadata, task: recipe.task, function: SessionFunction(Session(preparing: graph, options: options)))
    switch recipe.task {
    case .recognition: reader = .words(try TextRecognizer(model))
    case .detection: reader = .pages(try TextDetector(model))
    default: throw LigatureError(.unsupported, "models for \(recipe.task.rawValue) are not measured")
    }
    threads = max(1, ProcessInfo.processInfo.activeProcessorCount)
  }

  public var isRecognition: Bool { if case .words = reader { true } else { false } }

  /// Pictures that are decoded together.
  private static let chunk = 64

  func measureWords(
    _ sources: [any SampleSource<WordSample>], limit: Int?, progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> (metrics: Metrics, answers: [Answer]) {
    guard case .words(let recognizer) = reader else {
      throw LigatureError(.usage, "the model finds text on pages; give it pages, not words")
    }
    var metrics = RecognitionMetrics()
    var answers: [Answer] = []
    try forEachChunk(sources, limit, progress) { samples in
      let texts = try recognizer(samples.map { try $0.sample.image.rgb() })
      for (entry, text) in zip(samples, texts) {
        metrics.add(prediction: text.text, truth: entry.sample.text)
        answers.append(
          Answer(sample: entry.place, truth: entry.sample.text, text: text.text, score: text.score))
      }
    }
    return (metrics.values, answers)
  }

  /// Loads samples on several threads, and hands them out in order; broken ones are noted and left out.
  func forEachChunk<Sample: Sendable>(
    _ sources: [any SampleSource<Sample>], _ limit: Int?, _ progress: (Int, Int) -> Void,
    _ body: ([(place: String, sample: Sample)]) throws -> Void
  ) throws {
    let counts = try sources.map { source in
      guard let count = source.count else { throw LigatureError(.usage, "'\(source.name)' has no end") }
      return min(count, limit ?? .max)
    }
    let total = counts.reduce(0, +)
    var done = 0
    for (source, count) in zip(sources, counts) {
      for start in stride(from: 0, to: count, by: Evaluation.chunk) {
        let size = min(Evaluation.chunk, count - start)
        try body(load(source, start..<start + size))
        done += size
        progress(done, total)
      }
    }
  }

  private func load<Sample: Sendable>(
    _ source: any SampleSource<Sample>, _ range: Range<Int>
  ) throws -> [(place: String, sample: Sample)] {
    let results = Mutex([Result<Sample, any Error>?](repeating: nil, count: range.count))
    inParallel(range.count, threads: threads) { offset in
      let result = Result { try source.sample(range.lowerBound + offset) }
      results.withLock { $0[offset] = result }
    }
    var loaded: [(place: String, sample: Sample)] = []
    for (index, result) in zip(range, results.withLock { $0 }) {
      switch result {
      case .success(let sample)?: loaded.append((source.place(index), sample))
      case .failure(let error)?: try source.problems.record(source.place(index), error)
      case nil: break
      }
    }
    return loaded
  }
}

/// A session as the stages of reading call it.
private struct SessionFunction: TensorFunction {
  let session: Session

  init(_ session: Session) { self.session = session }

  func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] { try session.run(inputs) }
}

/// What a run measures its model with from time to time.
struct ValidationSet {
  private enum Sources {
    case words([any SampleSource<WordSample>])
    case pages([any SampleSource<PageSample>])
  }

  /// The one that decides which model is the best.
  let metric: String
  private let sources: Sources
  private let limit: Int?
  private let metadata: [String: String]

  init(
    _ recipe: TrainingRecipe.Validation, setup: TrainingSetup, report: @escaping @Sendable (String) -> Void
  ) throws {
    let opening = DataOpening(
      texts: .compared, isGrey: setup.recipe.image.isGrey,
      threads: setup.recipe.threads ?? ProcessInfo.processInfo.activeProcessorCount, report: report)
    let known: [String]
    if setup.model.task == .recognition {
      sources = .words(try recipe.data.map { try opening.words($0) })
      known = RecognitionMetrics().values.map(\.name)
      metric = recipe.metric ?? "word_acc_ignore_case_symbol"
    } else {
      sources = .pages(try recipe.data.map { try opening.pages($0) })
      known = Evaluation.pageMetrics
      metric = recipe.metric ?? Evaluation.pageMetrics[0]
    }
    guard known.contains(metric) else {
      throw LigatureError(
        .usage, "the validation metric '\(metric)' is not known; known are: \(known.joined(separator: ", "))")
    }
    limit = recipe.samples
    metadata = [Recipe.metadataKey: try setup.model.json()]
  }

  func measure(_ graph: Graph, options: Session.Options) throws -> [String: Double] {
    var options = options
    options.memoryLimit = max(options.memoryLimit, Session.Options.defaultMemoryLimit)
    let evaluation = try Evaluation(graph, metadata: metadata, options: options)
    let metrics: Evaluation.Metrics
    switch sources {
    case .words(let sources): metrics = try evaluation.measureWords(sources, limit: limit).metrics
    case .pages(let sources): metrics = try evaluation.measurePages(sources, limit: limit).metrics
    }
    return Dictionary(metrics.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
  }
}
