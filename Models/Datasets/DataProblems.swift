internal import Synchronization
internal import TensorCore

/// What is broken in a data set: each thing is reported once and left out, until there is too much of it.
public final class DataProblems: Sendable {
  private struct State {
    var places: Set<String> = []
    var messages: [String] = []
    /// Lines or pictures that the set announces.
    var total = 0
    var isFinal = false
  }

  /// What the user calls the data set.
  public let name: String
  /// The share of a set that may be broken.
  public let tolerance: Double
  private let state = Mutex(State())
  private let report: @Sendable (String) -> Void

  /// - Parameter report: gets a line of text for the first `reportedCount` problems.
  public init(name: String, tolerance: Double = 0.1, report: @escaping @Sendable (String) -> Void = { _ in }) {
    self.name = name
    self.tolerance = tolerance
    self.report = report
  }

  /// So many are told one by one.
  static let reportedCount = 20

  public var count: Int { state.withLock { $0.places.count } }
  /// The first ones, each with its place.
  public var messages: [String] { state.withLock { $0.messages } }

  /// Says something that costs no sample.
  package func tell(_ text: String) { report("\(name): \(text)") }

  /// Notes a problem. Throws `.format` when it is one too many.
  package func record(_ place: String, _ error: any Error) throws {
    let problem = (error as? LigatureError) ?? LigatureError(.format, "unusable", cause: error)
    let text = "\(place): \(problem)"
    let (isNew, number, tooMany) = state.withLock { state -> (Bool, Int, Bool) in
      let isNew = state.places.insert(place).inserted
      if isNew, state.messages.count < DataProblems.reportedCount { state.messages.append(text) }
      let count = state.places.count
      return (isNew, count, state.isFinal && count > allowed(of: state.total))
    }
    if isNew, number <= DataProblems.reportedCount { report("\(text); left out") }
    if isNew, number == DataProblems.reportedCount { report("\(name): further problems are only counted") }
    if tooMany { throw tooManyError() }
  }

  /// After annotations were read: throws when too many of them are broken, or nothing usable is left.
  func finish(usable: Int, total: Int) throws {
    let (count, first) = state.withLock { state -> (Int, String?) in
      state.total = total
      state.isFinal = true
      return (state.places.count, state.messages.first)
    }
    guard usable > 0 else {
      let why = first.map { "the first problem: \($0)" } ?? "check the path, the format, and the filters"
      throw LigatureError(.format, "'\(name)' has no usable sample; \(why)")
    }
    guard count <= allowed(of: total) else { throw tooManyError() }
  }

  private func allowed(of total: Int) -> Int { max(1, Int(tolerance * Double(total))) }

  private func tooManyError() -> LigatureError {
    let (count, total, first) = state.withLock { ($0.places.count, $0.total, $0.messages.first ?? "") }
    return LigatureError(
      .format,
      "'\(name)': \(count) of \(total) samples are broken, more than the tolerance of \(tolerance) allows; "
        + "the first: \(first)")
  }
}
