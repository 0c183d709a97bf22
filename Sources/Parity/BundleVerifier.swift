public import Runtime
import TensorCore

/// Compares an architecture with the recorded numbers of a parity bundle.
public struct BundleVerifier {
  private let bundle: Bundle
  private let subject: any Subject
  private let options: Session.Options
  private let tolerances: Tolerances

  /// Throws `.file` or `.format` for a folder that holds no bundle, `.unsupported` for an architecture that is not
  /// built.
  public init(_ folder: String, options: Session.Options) throws {
    let bundle = try Bundle(folder)
    guard let subject = BundleVerifier.subjects[bundle.architecture] else {
      let known = BundleVerifier.subjects.keys.sorted().joined(separator: ", ")
      throw LigatureError(
        .unsupported, "the bundle '\(bundle.name)' is of the architecture \(bundle.architecture); known are \(known)")
    }
    self.bundle = bundle
    self.subject = try subject.init(bundle)
    self.options = options
    tolerances = try Tolerances(bundle)
  }

  private static let subjects: [String: any Subject.Type] = ["CRNN": CRNNSubject.self, "DBNet": DBNetSubject.self]

  /// The checks of some sections, in their order; none where the bundle has no such record.
  public func checks(_ sections: Set<Check.Section>) throws -> [Check] {
    let ofOnePass: [Check.Section] = [.losses, .gradients, .statistics]
    // Gradients jump at kinks: on which side of one a value lies is to follow from the network, not from rounding.
    var exact = options
    exact.precision = .accurate
    var checks: [Check] = []
    if sections.contains(.forward) {
      checks += try ForwardCheck(bundle: bundle, subject: subject, options: options).run()
    }
    if !sections.isDisjoint(with: ofOnePass) {
      checks += try LossCheck(bundle: bundle, subject: subject, options: exact, tolerances: tolerances).run()
        .filter { sections.contains($0.section) }
    }
    if sections.contains(.lossCases) {
      checks += try LossCasesCheck(bundle: bundle, subject: subject, options: options).run()
    }
    if sections.contains(.steps) {
      checks += try StepsCheck(bundle: bundle, subject: subject, options: exact, tolerances: tolerances).run()
    }
    for section in [Check.Section.targets, .post, .pipeline] where sections.contains(section) {
      checks += try subject.surroundings(section)
    }
    return checks
  }
}
