import Architectures
import ArgumentParser
import MMOCRConverter
import TensorCore

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes a network, with fresh weights or those of a checkpoint.",
    discussion: """
      OUTPUT.onnx is a portable graph with its recipe; OUTPUT.pth and OUTPUT.safetensors hold the state dict alone. \
      Without --checkpoint the weights are drawn as MMOCR draws them; the same seed gives the same file.
      """)

  @Argument(help: "The name of an architecture; see 'ligature architectures'.")
  var architecture: String

  @Option(
    help: "Take the weights from this file (.pth, .safetensors, .onnx).",
    completion: .file(extensions: ["pth", "pt", "safetensors", "onnx"]))
  var checkpoint: String?

  @Option(help: "For fresh weights.")
  var seed: UInt64 = 0

  @OptionGroup var network: NetworkOptions

  @Option(
    name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["onnx", "pth", "safetensors"]))
  var output: String

  func run() throws {
    let type = try Architectures.named(architecture)
    var options = try network.options()
    if let checkpoint {
      let found = try WeightFile(contentsOf: checkpoint).network(options: options)
      guard Swift.type(of: found.network).name == type.name else {
        throw LigatureError(
          .usage, "'\(checkpoint)' holds a \(Swift.type(of: found.network).name), not a \(type.name)")
      }
      var details = found.details
      try network.complete(&details)
      for note in found.notes { writeToStandardError("note: \(note.printable)\n") }
      try network.write(found.network, found.parameters, found.network.recipe(details), to: output)
      return
    }
    // The characters say how many classes there are.
    if let characters = try network.characters(), options["classes"] == nil,
      type.options.contains(where: { $0.name == "classes" })
    {
      options["classes"] = "\(characters.characters.count + 1)"
    }
    let fresh = try type.init(options: options)
    var details = RecipeDetails()
    try network.complete(&details)
    try network.write(fresh, InitialParameters(seed: seed), fresh.recipe(details), to: output)
  }
}
