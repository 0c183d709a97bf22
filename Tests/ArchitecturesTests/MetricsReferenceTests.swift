import Architectures
import Foundation
import Imaging
import TensorCore
import Testing

/// Metrics against MMOCR's.
@Suite struct MetricsReferenceTests {
  private struct Texts: Decodable {
    struct Case: Decodable {
      var name: String, pred: [String], gt: [String], count_matches: [String: Double], eval_ocr_metric: [String: Double]
    }
    struct Pair: Decodable { var pred: String, gt: String, matched: Int }
    var cases: [Case], cal_true_positive_char: [Pair]
  }

  @Test func textMetricsEqualTheReference() throws {
    let data = try Data(contentsOf: Reference("metrics_rec").folder.appending(path: "metrics.json"))
    // Metrics have names such as 1-N.E.D: the keys are kept as they are.
    let texts = try JSONDecoder().decode(Texts.self, from: data)
    for example in texts.cases {
      let found = RecognitionMetrics(predictions: example.pred, truths: example.gt)
      let counts: [String: Double] = [
        "gt_char_num": Double(found.gtCharNum), "pred_char_num": Double(found.predCharNum),
        "true_positive_char_num": Double(found.truePositiveCharNum), "gt_word_num": Double(found.gtWordNum),
        "match_word_num": Double(found.matchWordNum), "match_word_ignore_case": Double(found.matchWordIgnoreCase),
        "match_word_ignore_case_symbol": Double(found.matchWordIgnoreCaseSymbol), "ned": found.ned,
      ]
      #expect(counts == example.count_matches, "\(example.name)")
      #expect(
        Dictionary(uniqueKeysWithValues: found.values.map { ($0.name, $0.value) }) == example.eval_ocr_metric,
        "\(example.name)")
    }
    for pair in texts.cal_true_positive_char {
      #expect(TextComparison.matchingCharacters(prediction: pair.pred, truth: pair.gt) == pair.matched)
    }
  }

  private struct Regions: Decodable {
    struct Pair: Decodable {
      var name: String, valid: Bool, a: [Double], b: [Double], intersection: Double, union: Double, iou: Double
    }
    struct Polygons: Decodable { var gt: [[[Double]]], ignored: [[[Double]]], pred: [[[Double]]], scores: [[Double]] }
    struct Counted: Decodable {
      var numGts: Int, numDets: Int, numMatch: Double?, numRecall: Double?, numPrecision: Double?
      var recall: Double, precision: Double, hmean: Double
    }
    struct Image: Decodable { var recall: Double, precision: Double, hmean: Double }
    struct IoU: Decodable {
      struct Arguments: Decodable { var iouThr: Double, precisionThr: Double }
      var set: String, arguments: Arguments, dataset: Counted, images: [Image]
    }
    struct IC13: Decodable {
      struct Arguments: Decodable {
        var precisionThr: Double, recallThr: Double, centerDistThr: Double, one2oneScore: Double
        var one2manyScore: Double, many2oneScore: Double
      }
      var set: String, arguments: Arguments, dataset: Counted, images: [Image]
    }
    struct Sweep: Decodable {
      struct Arguments: Decodable { var minScoreThr: Double, maxScoreThr: Double, step: Double, scoreThr: Double? }
      struct Step: Decodable {
        var thr: Double, numGts: Int, numDets: Int, recall: Double, precision: Double, hmean: Double
      }
      var set: String, metrics: [String], arguments: Arguments, returned: [String: Double], sweep: [String: [Step]]
    }
    var pairs: [Pair], sets: [String: Polygons], hmeanIou: [IoU], hmeanIc13: [IC13], evalHmean: [Sweep]

    func samples(_ name: String) throws -> [DetectionSample] {
      let set = try #require(sets[name])
      return set.gt.indices.map { index in
        DetectionSample(
          truths: set.gt[index].map { outline($0) }, ignored: set.ignored[index].map { outline($0) },
          predictions: set.pred[index].map { outline($0) }, scores: set.scores[index])
      }
    }
  }

  private let regions: Regions

  init() throws { regions = try Reference("metrics_det").json("hmean.json") }

  @Test func overlapsEqualTheReference() throws {
    for pair in regions.pairs where pair.valid {
      let overlap = try PolygonOverlap(outline(pair.a), outline(pair.b))
      #expect(abs(overlap.intersection - pair.intersection) < 1e-6, "\(pair.name)")
      #expect(abs(overlap.union - pair.union) < 1e-6, "\(pair.name)")
      #expect(abs(overlap.intersectionOverUnion - pair.iou) < 1e-9, "\(pair.name)")
    }
    // What GEOS keeps of the others depends on its version; that it answers does not.
    for pair in regions.pairs where !pair.valid {
      #expect(try PolygonOverlap(outline(pair.a), outline(pair.b)).intersectionOverUnion <= 1, "\(pair.name)")
    }
  }

  @Test func hmeanIoUEqualsTheReference() throws {
    for example in regions.hmeanIou {
      let metric = HmeanIoU(iouThr: example.arguments.iouThr, precisionThr: example.arguments.precisionThr)
      try check(metric, regions.samples(example.set), example.dataset, example.images)
    }
  }

  @Test func hmeanIC13EqualsTheReference() throws {
    for example in regions.hmeanIc13 {
      let given = example.arguments
      let metric = HmeanIC13(
        precisionThr: given.precisionThr, recallThr: given.recallThr, centerDistThr: given.centerDistThr,
        one2oneScore: given.one2oneScore, one2manyScore: given.one2manyScore, many2oneScore: given.many2oneScore)
      try check(metric, regions.samples(example.set), example.dataset, example.images)
    }
  }

  private func check(
    _ metric: some DetectionMetric, _ samples: [DetectionSample], _ expected: Regions.Counted, _ images: [Regions.Image]
  ) throws {
    let found = try metric(samples)
    #expect(found.truths == expected.numGts && found.predictions == expected.numDets)
    #expect(abs(found.recalled - (expected.numMatch ?? expected.numRecall ?? .nan)) < 1e-9)
    #expect(abs(found.precise - (expected.numMatch ?? expected.numPrecision ?? .nan)) < 1e-9)
    #expect(abs(found.hmean - expected.hmean) < 1e-12)
    try #require(samples.count == images.count)
    for (sample, image) in zip(samples, images) {
      let found = try metric(sample)
      #expect(abs(found.recall - image.recall) < 1e-12)
      #expect(abs(found.precision - image.precision) < 1e-12)
      #expect(abs(found.hmean - image.hmean) < 1e-12)
    }
  }

  @Test func sweepsEqualTheReference() throws {
    for example in regions.evalHmean {
      let given = example.arguments
      let sweep = HmeanSweep(
        minScoreThr: given.scoreThr ?? given.minScoreThr, maxScoreThr: given.maxScoreThr, step: given.step)
      let samples = try regions.samples(example.set)
      for metric in [HmeanIoU(), HmeanIC13()] as [any DetectionMetric] {
        let name = type(of: metric).name
        guard example.metrics.contains(name) else { continue }
        let results = try sweep.all(samples, metric)
        let steps = try #require(example.sweep[name])
        #expect(results.map(\.threshold) == steps.map(\.thr))
        for (found, step) in zip(results, steps) {
          #expect(found.result.truths == step.numGts && found.result.predictions == step.numDets)
          #expect(abs(found.result.hmean - step.hmean) < 1e-12)
        }
        let best = try sweep.best(samples, metric).result
        #expect(abs(best.recall - (example.returned["\(name):recall"] ?? .nan)) < 1e-12)
        #expect(abs(best.precision - (example.returned["\(name):precision"] ?? .nan)) < 1e-12)
        #expect(abs(best.hmean - (example.returned["\(name):hmean"] ?? .nan)) < 1e-12)
      }
    }
  }

  @Test func whatCannotBeMeasuredIsAnError() throws {
    let quad = outline([0, 0, 8, 0, 8, 8, 0, 8] as [Double])
    let five = outline([0, 0, 8, 0, 8, 8, 4, 8.5, 0, 8] as [Double])
    #expect(throws: LigatureError.self) { try HmeanIC13()(DetectionSample(truths: [five], predictions: [quad])) }
    let unscored = DetectionSample(truths: [quad], predictions: [quad])
    #expect(throws: LigatureError.self) { try HmeanSweep().best([unscored], HmeanIoU()) }
    #expect(throws: LigatureError.self) { try HmeanSweep(step: 0).best([], HmeanIoU()) }
    #expect(try HmeanIoU()([DetectionSample]()).hmean == 1)
  }
}
