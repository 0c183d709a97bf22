import Architectures
import ArgumentParser
import FoundationEssentials
import ONNXFormat
import Operators
import TensorCore

struct AnnotateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "annotate",
    abstract: "Writes a recipe into a model file, so that the file alone is enough to read with.",
    discussion: """
      The recipe is JSON: task, preprocessing, dictionary, postprocessing, licence, origin (see Models/Recipes). It is \
      checked, then written into the file's metadata; every other byte of the file stays as it is. A recipe that the \
      file already carries is replaced. The file ends with a checksum of all that, by which damage is found. After \
      another program has changed such a file, --reseal gives it a new one, with a recipe or without.
      """)

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String

  @Option(help: "The recipe.", completion: .file(extensions: ["json"]))
  var recipe: String?

  @Flag(help: "Accept a file that does not fit its checksum, and give it a new one.")
  var reseal = false

  @Option(
    name: .shortAndLong, help: "The file to write; it may be the model itself.", completion: .file(extensions: ["onnx"])
  )
  var output: String

  func validate() throws {
    if recipe == nil, !reseal { throw ValidationError("give --recipe FILE, or --reseal") }
  }

  func run() throws {
    let original = try Model(contentsOf: model, operators: .standard, checksum: reseal ? .ignored : .verified)
    guard let recipe else {
      try requireSameFolderForExternalData(original)
      try setMetadata([:], ofModelAt: model, writingTo: output)
      print("wrote \(output): \(try Model(contentsOf: output, operators: .standard).checksum ?? "")")
      return
    }
    let checked = try Recipe(json: text(recipe))
    // A recipe that the file cannot fulfil is an error now rather than when a page is read.
    _ = try checked.dictionary?.resolved(original.metadata)
    try requireSameFolderForExternalData(original)
    try setMetadata([Recipe.metadataKey: checked.json()], ofModelAt: model, writingTo: output)
    guard try Recipe(metadata: Model(contentsOf: output, operators: .standard).metadata) == checked else {
      throw LigatureError(.file, "'\(output)' does not hold the recipe that was written; another program changed it")
    }
    print("wrote \(output): \(checked.name) (\(checked.task.rawValue), \(checked.licence))")
  }

  private func text(_ path: String) throws -> String {
    // Mapping takes regular files only: nothing here waits for a pipe or reads a device without end.
    unsafe try TensorStorage(mapping: path).withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// Tensors in other files are found beside the model only.
  private func requireSameFolderForExternalData(_ original: Model) throws {
    func folder(_ path: String) -> String {
      URL(filePath: path).deletingLastPathComponent().resolvingSymlinksInPath().path
    }
    guard original.externalFiles.isEmpty || folder(model) == folder(output) else {
      throw LigatureError(
        .usage, "'\(model)' has tensors in other files, which are looked for beside it; write the output there too")
    }
  }
}
