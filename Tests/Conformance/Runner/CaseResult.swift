enum Outcome: String, Codable, Sendable {
  case passed
  /// A result that differs, or an error that is no refusal.
  case failed
  /// Differs from what is recorded, which contradicts the standard and ONNX Runtime.
  case disputed
  /// Refused by name, before anything was computed.
  case unsupported = "not supported"
  /// The process ended.
  case crashed
  case late = "took too long"

  var isWrong: Bool { self != .passed && self != .unsupported && self != .disputed }
}

struct CaseResult: Codable, Sendable {
  var suite: String
  var name: String
  var subject: String
  var outcome: Outcome
  /// What was wrong, or why it is not supported.
  var detail = ""
  /// Whether the results also agree to 1e-5 of each element (or 1e-6, whichever is more).
  var isClose = false
}
