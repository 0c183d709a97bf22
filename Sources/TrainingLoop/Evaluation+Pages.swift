internal import Architectures
internal import Imaging
internal import TensorCore

extension Evaluation {
  /// Names of what is measured on pages; the first decides where nothing else is asked for.
  static let pageMetrics = ["hmean-iou", "hmean-ic13"].flatMap { name in
    ["hmean", "precision", "recall", "threshold"].map { "\(name):\($0)" }
  }

  func measurePages(
    _ sources: [any SampleSource<PageSample>], limit: Int?, progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> (metrics: Metrics, answers: [Answer]) {
    guard case .pages(let detector) = reader else {
      throw LigatureError(.usage, "the model reads words; give it words, not pages")
    }
    var samples: [DetectionSample] = []
    var answers: [Answer] = []
    try forEachChunk(sources, limit, progress) { chunk in
      for (place, page) in chunk {
        let found = try detector(page.image)
        samples.append(
          DetectionSample(
            truths: page.instances.filter { !$0.isIgnored }.map(\.polygon),
            ignored: page.instances.filter(\.isIgnored).map(\.polygon),
            predictions: found.map(\.outline), scores: found.map(\.score)))
        var answer = Answer(sample: place)
        answer.polygons = found.map { $0.outline.flatMap { [$0.x, $0.y] } }
        answer.scores = found.map(\.score)
        answers.append(answer)
      }
    }
    var metrics: Metrics = []
    func add(_ name: String, _ metric: some DetectionMetric) throws {
      let best = try HmeanSweep().best(samples, metric)
      let values = [best.result.hmean, best.result.precision, best.result.recall, best.threshold]
      for (part, value) in zip(["hmean", "precision", "recall", "threshold"], values) {
        metrics.append(("\(name):\(part)", value))
      }
    }
    try add(HmeanIoU.name, HmeanIoU())
    // Its centres and diagonals are those of quadrilaterals; other outlines are not measured with it.
    let hasQuads = samples.allSatisfy { sample in
      (sample.truths + sample.ignored + sample.predictions).allSatisfy { $0.count == 4 }
    }
    if hasQuads { try add(HmeanIC13.name, HmeanIC13()) }
    return (metrics, answers)
  }
}
