public import Imaging
internal import TensorCore

/// The text of one picture: what is there, and what was found.
public struct DetectionSample: Sendable {
  public var truths: [Polygon]
  /// Text that is neither right nor wrong to find.
  public var ignored: [Polygon]
  public var predictions: [Polygon]
  /// One for each prediction; needed where a threshold is swept.
  public var scores: [Double]

  public init(truths: [Polygon], ignored: [Polygon] = [], predictions: [Polygon], scores: [Double] = []) {
    self.truths = truths
    self.ignored = ignored
    self.predictions = predictions
    self.scores = scores
  }
}

/// Recall, precision and their harmonic mean, as MMOCR 0.x counts them.
public struct Hmean: Sendable, Equatable {
  /// Truths and predictions that count.
  public var truths: Int
  public var predictions: Int
  /// What is credited to recall and to precision: both the number of matches for hmean-iou.
  public var recalled: Double
  public var precise: Double

  public init(truths: Int = 0, predictions: Int = 0, recalled: Double = 0, precise: Double = 0) {
    self.truths = truths
    self.predictions = predictions
    self.recalled = recalled
    self.precise = precise
  }

  /// 1 where there is nothing to find.
  public var recall: Double { truths == 0 ? 1 : recalled / Double(truths) }

  public var precision: Double {
    if truths == 0 { return predictions > 0 ? 0 : 1 }
    return predictions == 0 ? 0 : precise / Double(predictions)
  }

  public var hmean: Double {
    let sum = recall + precision
    return sum == 0 ? 0 : 2 * precision * recall / sum
  }

  static func + (a: Hmean, b: Hmean) -> Hmean {
    Hmean(
      truths: a.truths + b.truths, predictions: a.predictions + b.predictions, recalled: a.recalled + b.recalled,
      precise: a.precise + b.precise)
  }
}

/// A measure of how well text was found in one picture. Those of several are added up.
public protocol DetectionMetric: Sendable {
  /// MMOCR's name.
  static var name: String { get }
  func callAsFunction(_ sample: DetectionSample) throws -> Hmean
}

extension DetectionMetric {
  /// Over a data set: counts are added, then divided.
  public func callAsFunction(_ samples: some Sequence<DetectionSample>) throws -> Hmean {
    try samples.reduce(Hmean()) { try $0 + self($1) }
  }
}

/// A prediction and a truth match where they share more than `iouThr` of their union: for each truth the first free
/// prediction that does, not the best.
public struct HmeanIoU: DetectionMetric {
  public static let name = "hmean-iou"
  public var iouThr: Double
  /// A prediction that lies in an ignored truth to a larger part does not count.
  public var precisionThr: Double

  public init(iouThr: Double = 0.5, precisionThr: Double = 0.5) {
    self.iouThr = iouThr
    self.precisionThr = precisionThr
  }

  public func callAsFunction(_ sample: DetectionSample) throws -> Hmean {
    let isIgnored = try sample.ignoredPredictions(precisionThr)
    var isFree = isIgnored.map { !$0 }
    var matches = 0
    for truth in sample.truths {
      for (index, prediction) in sample.predictions.enumerated() where isFree[index] {
        guard try overlap(prediction, truth).intersectionOverUnion > iouThr else { continue }
        isFree[index] = false
        matches += 1
        break
      }
    }
    return Hmean(
      truths: sample.truths.count, predictions: isIgnored.count { !$0 }, recalled: Double(matches),
      precise: Double(matches))
  }
}

/// The rules of ICDAR 2013 (Wolf and Jolion, 2006): one truth may be found in parts, and several as one.
/// Quadrilaterals only.
public struct HmeanIC13: DetectionMetric {
  public static let name = "hmean-ic13"
  public var precisionThr: Double
  public var recallThr: Double
  /// Centres of a pair may be this many mean diagonals apart.
  public var centerDistThr: Double
  public var one2oneScore: Double
  public var one2manyScore: Double
  public var many2oneScore: Double

  public init(
    precisionThr: Double = 0.4, recallThr: Double = 0.8, centerDistThr: Double = 1, one2oneScore: Double = 1,
    one2manyScore: Double = 0.8, many2oneScore: Double = 1
  ) {
    self.precisionThr = precisionThr
    self.recallThr = recallThr
    self.centerDistThr = centerDistThr
    self.one2oneScore = one2oneScore
    self.one2manyScore = one2manyScore
    self.many2oneScore = many2oneScore
  }

  public func callAsFunction(_ sample: DetectionSample) throws -> Hmean {
    var matching = try Matching(self, sample)
    try matching.matchPairs()
    matching.matchParts()
    matching.matchGroups()
    return matching.result
  }

  /// The state of matching one picture: rows are truths, ignored ones last; columns are predictions.
  private struct Matching {
    private let rules: HmeanIC13
    private let truths: [Polygon]
    private let predictions: [Polygon]
    private var recall: [[Double]] = []
    private var precision: [[Double]] = []
    /// Ignored ones are never free.
    private var freeTruths: [Bool]
    private var freePredictions: [Bool]
    private(set) var result: Hmean

    init(_ rules: HmeanIC13, _ sample: DetectionSample) throws {
      self.rules = rules
      truths = sample.truths + sample.ignored
      predictions = sample.predictions
      freeTruths = truths.indices.map { $0 < sample.truths.count }
      freePredictions = try sample.ignoredPredictions(rules.precisionThr).map { !$0 }
      result = Hmean(truths: sample.truths.count, predictions: freePredictions.count { $0 })
      let areas = try predictions.map { try $0.polygonArea() }
      for truth in truths {
        let area = try truth.polygonArea()
        let shared = try predictions.map { try overlap(truth, $0).intersection }
        recall.append(shared.map { area == 0 ? 0 : $0 / area })
        precision.append(zip(shared, areas).map { $1 == 0 ? 0 : $0 / $1 })
      }
    }

    private func isPair(_ truth: Int, _ prediction: Int) -> Bool {
      recall[truth][prediction] > rules.recallThr && precision[truth][prediction] > rules.precisionThr
    }

    mutating func matchPairs() throws {
      for truth in truths.indices {
        for prediction in predictions.indices where freeTruths[truth] && freePredictions[prediction] {
          guard isPair(truth, prediction), predictions.indices.count(where: { isPair(truth, $0) }) == 1,
            truths.indices.count(where: { isPair($0, prediction) }) == 1,
            try distance(truths[truth], predictions[prediction]) < rules.centerDistThr
          else { continue }
          freeTruths[truth] = false
          freePredictions[prediction] = false
          result.recalled += rules.one2oneScore
          result.precise += rules.one2oneScore
        }
      }
    }

    /// A truth found in parts.
    mutating func matchParts() {
      for truth in truths.indices where freeTruths[truth] {
        let parts = predictions.indices.filter {
          freePredictions[$0] && precision[truth][$0] >= rules.precisionThr
        }
        guard parts.reduce(0, { $0 + recall[truth][$1] }) >= rules.recallThr else { continue }
        freeTruths[truth] = false
        for part in parts { freePredictions[part] = false }
        result.recalled += rules.one2manyScore
        result.precise += rules.one2manyScore * Double(parts.count)
      }
    }

    /// Several truths found as one.
    mutating func matchGroups() {
      for prediction in predictions.indices where freePredictions[prediction] {
        let group = truths.indices.filter { freeTruths[$0] && recall[$0][prediction] >= rules.recallThr }
        guard group.reduce(0, { $0 + precision[$1][prediction] }) >= rules.precisionThr else { continue }
        freePredictions[prediction] = false
        for truth in group { freeTruths[truth] = false }
        result.recalled += rules.many2oneScore * Double(group.count)
        result.precise += rules.many2oneScore
      }
    }

    /// Distance of the centres in mean diagonals.
    private func distance(_ a: Polygon, _ b: Polygon) throws -> Double {
      guard a.count == 4, b.count == 4 else {
        throw LigatureError(
          .shape, "hmean-ic13 compares quadrilaterals, not outlines of \(a.count) and \(b.count) corners; use hmean-iou"
        )
      }
      func length(_ x: Double, _ y: Double) -> Double { (x * x + y * y).squareRoot() }
      func center(_ polygon: Polygon, _ axis: KeyPath<Point, Float>) -> Double {
        polygon.reduce(0) { $0 + Double($1[keyPath: axis]) } / Double(polygon.count)
      }
      func diagonal(_ box: Polygon) -> Double {
        length(Double(box[0].x) - Double(box[2].x), Double(box[0].y) - Double(box[2].y))
      }
      let apart = length(center(a, \.x) - center(b, \.x), center(a, \.y) - center(b, \.y))
      return apart / (diagonal(a) + diagonal(b)) * 2
    }
  }
}

/// MMOCR's `eval_hmean`: predictions are dropped by their scores at one threshold after the other; the best result
/// counts, the first of equal ones.
public struct HmeanSweep: Sendable {
  public var minScoreThr: Double
  public var maxScoreThr: Double
  public var step: Double

  public init(minScoreThr: Double = 0.3, maxScoreThr: Double = 0.9, step: Double = 0.1) {
    self.minScoreThr = minScoreThr
    self.maxScoreThr = maxScoreThr
    self.step = step
  }

  /// The thresholds as NumPy's `arange` adds them up: 0.3, 0.4, 0.5, 0.6000000000000001, …
  public var thresholds: [Double] {
    let end = min(maxScoreThr + step, 1)
    guard step > 0, minScoreThr < end, ((end - minScoreThr) / step) <= 10_000 else { return [] }
    let difference = (minScoreThr + step) - minScoreThr
    return (0..<Int(((end - minScoreThr) / step).rounded(.up))).map { minScoreThr + Double($0) * difference }
  }

  /// The result at each threshold. A score must be greater than the first and at least the current threshold.
  /// Throws `.usage` where a picture has not as many scores as predictions, or there is no threshold.
  public func all(
    _ samples: [DetectionSample], _ metric: any DetectionMetric
  ) throws -> [(threshold: Double, result: Hmean)] {
    guard samples.allSatisfy({ $0.scores.count == $0.predictions.count }) else {
      throw LigatureError(.usage, "a sweep over thresholds needs a score for each prediction")
    }
    guard !thresholds.isEmpty else {
      throw LigatureError(.usage, "no threshold lies between \(minScoreThr) and \(maxScoreThr) with steps of \(step)")
    }
    return try thresholds.map { threshold in
      let kept = samples.map { sample in
        let chosen = sample.scores.indices.filter { sample.scores[$0] > minScoreThr && sample.scores[$0] >= threshold }
        return DetectionSample(
          truths: sample.truths, ignored: sample.ignored, predictions: chosen.map { sample.predictions[$0] },
          scores: chosen.map { sample.scores[$0] })
      }
      return (threshold, try metric(kept))
    }
  }

  /// The first best result. Errors as `all`.
  public func best(
    _ samples: [DetectionSample], _ metric: any DetectionMetric
  ) throws -> (threshold: Double, result: Hmean) {
    let results = try all(samples, metric)
    return results.dropFirst().reduce(results[0]) { $1.result.hmean > $0.result.hmean ? $1 : $0 }
  }
}

extension DetectionSample {
  /// For each prediction, whether a part of its area larger than `threshold` lies in one ignored truth.
  fileprivate func ignoredPredictions(_ threshold: Double) throws -> [Bool] {
    try predictions.map { prediction in
      guard !ignored.isEmpty else { return false }
      let area = try prediction.polygonArea()
      return try ignored.contains { try area > 0 && overlap(prediction, $0).intersection / area > threshold }
    }
  }
}

/// Most pairs are far apart: those need no overlay. Their union is not asked for.
private func overlap(_ a: Polygon, _ b: Polygon) throws -> PolygonOverlap {
  func isApart(_ axis: KeyPath<Point, Float>) -> Bool {
    guard let (a0, a1) = a.extent(axis), let (b0, b1) = b.extent(axis) else { return false }
    return a1 < b0 || b1 < a0
  }
  if isApart(\.x) || isApart(\.y) { return PolygonOverlap(intersection: 0, union: 0) }
  return try PolygonOverlap(a, b)
}

extension Array where Element == Point {
  fileprivate func extent(_ axis: KeyPath<Point, Float>) -> (Float, Float)? {
    guard let least = map({ $0[keyPath: axis] }).min(), let most = map({ $0[keyPath: axis] }).max() else { return nil }
    return (least, most)
  }
}
