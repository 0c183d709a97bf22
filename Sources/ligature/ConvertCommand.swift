import Architectures
import ArgumentParser
import MMOCRConverter
import TensorCore

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Turns a checkpoint of MMOCR into a model file, and a model file back into a checkpoint.",
    discussion: """
      The architecture and its widths are recognised by the names and shapes of the tensors. What these do not show \
      (where bottlenecks have their stride, the dictionary, sizes of the test pipeline) is taken from --config or the \
      configuration that the checkpoint carries, which are read as data and never run, else from MMOCR's own \
      configuration of the architecture; --option stands above all. The formats follow from the files' names: .onnx, \
      .safetensors, and .pth for PyTorch's.
      """)

  @Argument(
    help: "A checkpoint (.pth, .safetensors) or a model file of ours (.onnx).",
    completion: .file(extensions: ["pth", "pt", "safetensors", "onnx"]))
  var input: String

  @Option(help: "A configuration of MMOCR.", completion: .file(extensions: ["py"]))
  var config: String?

  @OptionGroup var network: NetworkOptions
  @OptionGroup var limit: LimitOptions

  @Option(
    name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["onnx", "pth", "safetensors"]))
  var output: String

  func run() throws {
    let file = try WeightFile(contentsOf: input, limits: limit.limits())
    let settings = try config.map { try MMOCRConfig(contentsOf: $0) }
    let found = try file.network(config: settings, options: network.options())
    var notes = found.notes
    if let settings, settings["model"] == nil {
      notes.append("the configuration assigns no 'model'; the files that its _base_ lists are not read")
    }
    for note in notes { writeToStandardError("note: \(note.printable)\n") }
    let chosen = differences(found.network)
    print("found \(type(of: found.network).name)\(chosen.isEmpty ? "" : " with \(chosen)")")
    try network.write(found.network, found.parameters, recipe(file, found), to: output)
  }

  /// That of a model file stays, but for what the command line says.
  private func recipe(_ file: WeightFile, _ found: RecognizedNetwork) throws -> Recipe {
    if var recipe = file.recipe, config == nil {
      if let name = network.name { recipe.name = name }
      if let licence = network.licence { recipe.licence = licence }
      if let characters = try network.characters() {
        recipe.dictionary = Recipe.Dictionary(characters: characters.characters)
      }
      return recipe
    }
    var details = found.details
    try network.complete(&details)
    return try found.network.recipe(details)
  }
}
