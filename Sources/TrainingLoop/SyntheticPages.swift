internal import Architectures
internal import TensorCore

/// Pages drawn while training.
struct SyntheticPages: SampleSource {
  let problems: DataProblems

  init(_ data: DataRecipe, problems: DataProblems) throws {
    throw LigatureError(
      .unsupported, "\(data.place): pages cannot be drawn yet; leave this source out, or draw them with another program"
    )
  }

  var name: String { problems.name }
  var count: Int? { nil }
  func place(_ index: Int) -> String { "synthetic page \(index)" }
  func sample(_ index: Int) throws -> PageSample { throw LigatureError(.unsupported, "pages cannot be drawn yet") }
}
