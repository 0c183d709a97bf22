import TensorCore

/// One number that is compared with the recorded one.
public struct Check: Sendable, Codable {
  public enum Section: String, Sendable, Codable, CaseIterable {
    case forward, losses, gradients, statistics, steps
    case lossCases = "loss-cases"
    case targets, post, pipeline
  }

  public var section: Section
  public var name: String
  /// In the unit of the tolerance: relative where that is, pixels, or the number of things that differ.
  public var error: Double
  public var tolerance: Double
  /// What the error is measured in.
  public var measure: String
  public var passed: Bool

  public init(_ section: Section, _ name: String, error: Double, tolerance: Double, measure: String) {
    self.section = section
    self.name = name
    self.error = error
    self.tolerance = tolerance
    self.measure = measure
    // NaN never passes.
    passed = error <= tolerance
  }

  /// A comparison that must hold without any difference.
  init(_ section: Section, _ name: String, differences: Int) {
    self.init(section, name, error: Double(differences), tolerance: 0, measure: "differences")
  }
}

/// The tolerances of all comparisons. None is ever derived from our own results: beside these constants, a bundle says
/// how far the reference is from itself under another algorithm, in double precision or after a movement by 1e-7.
struct Tolerances {
  /// Of an output's largest magnitude.
  static let forward = 1e-4
  /// Relative.
  static let loss = 1e-4
  /// Relative, for norms of gradients and losses after steps.
  static let gradient = 1e-3
  /// Four times the recorded noise is allowed where that is more.
  static let noiseFactor = 4.0
  /// Of a gradient's root mean square: however noisy the reference, a larger difference of an element is an error.
  static let gradientElementLimit = 0.25
  /// Gradients that are zero in exact arithmetic: of the largest norm of all.
  static let zeroGradient = 1e-5
  /// Batch-norm statistics: of their largest magnitude.
  static let statistics = 1e-4
  /// Corners of rectangles and of polygons that were scaled, in pixels.
  static let pixels = 0.01
  /// Probabilities and scores.
  static let score = 1e-4
  /// Maps that targets draw, 0…1.
  static let map = 1e-5

  let gradientNorm: Double
  /// Of a gradient's norm, for single elements: only what the bundle records.
  let gradientElement: Double
  private let stepNoise: [Double]

  init(_ bundle: Bundle) throws {
    let (noise, deviation) = (bundle.model["float32_noise"], bundle.model["float64_deviation"])
    let steps = try bundle.json("steps")
    let sensitivity = steps?["gradient_sensitivity"]
    let norm = [noise?["norm.max_rel"], deviation?["norm max relative"], sensitivity?["norm"]].compactMap { $0?.double }
    gradientNorm = max(Tolerances.gradient, Tolerances.noiseFactor * (norm.max() ?? 0))
    gradientElement = Tolerances.noiseFactor * (noise?["grad.max_abs_over_norm"]?.double ?? 0)
    stepNoise = try Tolerances.stepNoise(noise, deviation, steps)
  }

  /// Relative, for the loss before step `index`, or after the last.
  func step(_ index: Int) -> Double { max(Tolerances.gradient, Tolerances.noiseFactor * noise(index)) }

  /// The same for one of the terms that add up to `total`: the noise of the total, in the unit of the term.
  func step(_ index: Int, term: Double, of total: Double) -> Double {
    let share = noise(index) * abs(total) / max(abs(term), .leastNormalMagnitude)
    return max(Tolerances.gradient, Tolerances.noiseFactor * share)
  }

  /// Before anything is updated, the first step's own. Afterwards the run's largest: where gradients jump (at the pixel
  /// borders of deformable convolutions), at which step a rounding error gets through is chance, and the record is one
  /// run: what happened to come out close at a step says nothing of other implementations at that step. Measured for
  /// dbnet_r50dcnv2 in MMOCR itself: with every pixel moved by one rounding error (twelve draws), the loss before step 2
  /// moves by up to 8e-3 (its probability term 7e-3), in double precision by 3e-3 (9e-3); the record says 1e-4.
  private func noise(_ index: Int) -> Double { (index == 0 ? stepNoise.first : stepNoise.max()) ?? 0 }

  private static func stepNoise(_ noise: JSONValue?, _ deviation: JSONValue?, _ steps: JSONValue?) throws -> [Double] {
    guard let recorded = steps?["loss.total"]?.doubles else { return [] }
    func relative(_ others: [Double]?) -> [Double] {
      zip(others ?? [], recorded).map { abs($0 - $1) / max(abs($1), .leastNormalMagnitude) }
    }
    let kinds = [
      noise?["steps.rel"]?.doubles ?? [], relative(steps?["total_perturbed"]?.doubles),
      relative(steps?["float64 loss.total"]?.doubles),
    ]
    let flat = deviation?["steps losses max abs"]?.double ?? 0
    return recorded.indices.map { index in
      let own = kinds.compactMap { index < $0.count ? $0[index] : nil }
      return (own + [flat / max(abs(recorded[index]), .leastNormalMagnitude)]).max() ?? 0
    }
  }
}

extension Tensor {
  /// The largest absolute difference, infinite where shapes differ or only one is NaN.
  func maximalDifference(from other: Tensor) throws -> Double {
    guard shape == other.shape else { return .infinity }
    return try zip(doubles(), other.doubles()).reduce(0) { worst, pair in
      let difference = abs(pair.0 - pair.1)
      return difference.isNaN ? (pair.0.isNaN && pair.1.isNaN ? worst : .infinity) : max(worst, difference)
    }
  }

  /// Numbers of any kind.
  func doubles() throws -> [Double] {
    element.isFloatingPoint ? try floats().map(Double.init) : try integers().map(Double.init)
  }

  var maximalMagnitude: Double {
    get throws { try doubles().reduce(0) { max($0, abs($1)) } }
  }

  /// L2, summed in double precision.
  var norm: Double {
    get throws { try doubles().reduce(0) { $0 + $1 * $1 }.squareRoot() }
  }
}
