import Architectures
import ArgumentParser
import Foundation
import ONNXFormat
import Operators
import TensorCore

struct AnnotateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "annotate", abstract: "Writes a recipe into a model file, so that the file alone is enough to read with.",
    discussion: """
      The recipe is JSON: task, preprocessing, dictionary, postprocessing, licence, origin (see Models/Recipes). It is \
      checked, then written into the file's metadata; every other byte of the file stays as it is. A recipe that the \
      file already carries is replaced.
      """)

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String

  @Option(help: "The recipe.", completion: .file(extensions: ["json"]))
  var recipe: String

  @Option(name: .shortAndLong, help: "The file to write; it may be the model itself.", completion: .file(extensions: ["onnx"]))
  var output: String

  func run() throws {
    let checked = try Recipe(json: text(recipe))
    let original = try Model(contentsOf: model, operators: .standard)
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
    do {
      return String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    } catch {
      throw LigatureError(.file, "cannot read the recipe '\(path)'", cause: error)
    }
  }

  /// Tensors in other files are found beside the model only.
  private func requireSameFolderForExternalData(_ original: Model) throws {
    func folder(_ path: String) -> String {
      URL(filePath: path).deletingLastPathComponent().resolvingSymlinksInPath().path
    }
    guard folder(model) != folder(output) else { return }
    do {
      _ = try Model(bytes: Array(Data(contentsOf: URL(filePath: model))), operators: .standard)
    } catch {
      throw LigatureError(
        .usage, "'\(model)' has tensors in other files, which are looked for beside it; write the output there too",
        cause: error)
    }
  }
}
