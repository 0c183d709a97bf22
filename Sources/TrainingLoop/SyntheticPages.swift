internal import Architectures
internal import Imaging
internal import Synthesis
internal import TensorCore

/// Pages drawn while training: another one for every number, without end.
struct SyntheticPages: SampleSource {
  let problems: DataProblems
  private let synthesizer: PageSynthesizer
  private let seed: UInt64

  init(_ data: DataRecipe, problems: DataProblems) throws {
    var reader = OptionReader(data)
    var options = PageOptions()
    options.style = try reader.choice("style") ?? options.style
    options.level = try reader.choice("level") ?? options.level
    options.width = try reader.integer("width", 64...4096) ?? options.width
    options.height = try reader.integer("height", 64...4096) ?? options.height
    options.words = try reader.words("words")
    if let dictionary = reader.text("dictionary") { options.alphabet = try Alphabet(named: dictionary) }
    options.fonts = reader.fonts("fonts")
    options.backgrounds = try reader.backgrounds("backgrounds", problems)
    seed = UInt64(try reader.integer("seed", 0...Int.max) ?? 0)
    try reader.finish()
    synthesizer = try PageSynthesizer(options)
    self.problems = problems
  }

  var name: String { problems.name }
  var count: Int? { nil }
  func place(_ index: Int) -> String { "synthetic page \(index)" }

  func sample(_ index: Int) throws -> PageSample {
    let page = try synthesizer.sample(index: index, seed: seed)
    return PageSample(
      image: page.image,
      instances: page.regions.map {
        TextInstance(polygon: $0.corners.points, text: $0.text, isIgnored: $0.isIgnored)
      })
  }
}
