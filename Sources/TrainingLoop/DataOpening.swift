internal import Architectures
internal import TensorCore

/// Opens the sources that a recipe names.
struct DataOpening: Sendable {
  /// What texts are good for.
  enum Texts: Sendable {
    /// Labels of these characters that fit into so many columns.
    case learned(dictionary: [String], steps: Int)
    /// Compared as they are annotated.
    case compared
  }

  let texts: Texts
  let isGrey: Bool
  let threads: Int
  let report: @Sendable (String) -> Void

  private func problems(_ data: DataRecipe) -> DataProblems {
    DataProblems(name: data.name, tolerance: data.tolerance, report: report)
  }

  private func folder(_ data: DataRecipe) throws -> DataFolder? {
    try data.images.map { try DataFolder($0, followingLinks: data.followsLinks) }
  }

  private func unsuitable(_ data: DataRecipe, _ what: String) -> LigatureError {
    LigatureError(.usage, "\(data.place): '\(data.name)' \(what)")
  }

  // ── Words ─────────────────────────────────────────────────────────────────

  func words(_ data: DataRecipe) throws -> any SampleSource<WordSample> {
    let accept = accepted(data)
    switch data.form {
    case .words(let format):
      let source = try WordSource(
        format, annotations: data.annotations ?? "", pictures: folder(data), problems: problems(data),
        filter: accept)
      return try selected(source, data)
    case .pages:
      // Whole pages are split, and only those that are needed are read.
      return try LineSource(selected(pageSource(data), data), isGrey: isGrey, threads: threads, filter: accept)
    case .synthetic:
      guard case .learned(let dictionary, _) = texts else { throw unsuitable(data, "is no data to measure with") }
      return try SyntheticWords(data, dictionary: dictionary, accept: accept, problems: problems(data))
    }
  }

  /// The text as it is learned or compared, or nil where it is left out.
  private func accepted(_ data: DataRecipe) -> @Sendable (String) -> String? {
    let longest = data.maximumLength ?? .max
    guard case .learned(let dictionary, let steps) = texts else {
      return { $0.isEmpty || $0.count > longest ? nil : $0 }
    }
    let filter = TextFilter(alphabet: dictionary, unknown: data.unknown, steps: steps)
    return { $0.count > longest ? nil : filter($0) }
  }

  // ── Pages ─────────────────────────────────────────────────────────────────

  func pages(_ data: DataRecipe) throws -> any SampleSource<PageSample> {
    switch data.form {
    case .words(let format):
      throw unsuitable(data, "is in the form '\(format.rawValue)', which has words; a detector learns from pages")
    case .pages: return try selected(pageSource(data), data)
    case .synthetic: return try SyntheticPages(data, problems: problems(data))
    }
  }

  private func pageSource(_ data: DataRecipe) throws -> PageSource {
    guard case .pages(let format) = data.form, let annotations = data.annotations, let pictures = try folder(data)
    else { throw unsuitable(data, "needs 'annotations' and 'images'") }
    return try PageSource(format, annotations: annotations, pictures: pictures, problems: problems(data))
  }

  private func selected<Source: SampleSource>(
    _ source: Source, _ data: DataRecipe
  ) throws -> any SampleSource<Source.Sample> {
    guard let split = data.split else { return source }
    return try SourceSelection(
      source, fold: split.fold, of: split.folds, seed: split.seed, isExcluded: split.isTraining)
  }

  // ── Mixtures ──────────────────────────────────────────────────────────────

  func mixture<Sample: Sendable>(
    _ data: [DataRecipe], seed: UInt64, _ open: (DataRecipe) throws -> any SampleSource<Sample>
  ) throws -> SampleMixture<Sample> {
    try SampleMixture(
      data.map { entry in
        let source = try open(entry)
        let all = source.count.map { max(1, Int((Double($0) * entry.repeats).rounded())) }
        guard let samples = entry.samples ?? all else {
          throw unsuitable(entry, "has no end; say with 'samples' how many an epoch has")
        }
        report("\(source.name): \(source.count.map { "\($0) samples" } ?? "endless"), \(samples) an epoch")
        return try SampleMixture.Part(source, samplesPerEpoch: samples)
      }, seed: seed)
  }
}
