import Architectures
import ArgumentParser
import FoundationEssentials
import Runtime
import TensorCore

/// The models that pages are read with.
struct ReaderModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The model that finds lines. Default: ppocrv4-det.onnx where Models/fetch puts it.", valueName: "file"),
    completion: .file(extensions: ["onnx"]))
  var detector: String?

  @Option(
    help: ArgumentHelp("The model that reads lines. Default: ppocrv4-rec.onnx.", valueName: "file"),
    completion: .file(extensions: ["onnx"]))
  var recognizer: String?

  @Option(
    help: ArgumentHelp(
      "The model that turns lines upright. Default: ppocrv4-cls.onnx; none where --recognizer is given.",
      valueName: "file"),
    completion: .file(extensions: ["onnx"]))
  var classifier: String?

  func reader(_ options: Session.Options) throws -> TextReader {
    func load(_ given: String?, _ name: String, _ task: Recipe.Task, _ option: String) throws -> OCRModel {
      let path = try given ?? ModelFolder.find(name, option: option)
      let loaded = try LoadedModel(path, options: options, onlyFirstOutput: true)
      do {
        return try OCRModel(
          metadata: loaded.model.metadata, task: task, function: SessionFunction(session: loaded.session))
      } catch let error as LigatureError {
        throw LigatureError(error.code, "'\(path)': \(error.message)")
      }
    }
    // The default classifier belongs to the default recogniser: a model of another kind may need none.
    let needsClassifier = classifier != nil || recognizer == nil
    return try TextReader(
      detector: load(detector, "ppocrv4-det.onnx", .detection, "--detector"),
      recognizer: load(recognizer, "ppocrv4-rec.onnx", .recognition, "--recognizer"),
      classifier: needsClassifier ? load(classifier, "ppocrv4-cls.onnx", .angle, "--classifier") : nil)
  }
}

/// A session as the stages of `TextReader` call it.
private struct SessionFunction: TensorFunction {
  let session: Session

  func callAsFunction(_ inputs: [Tensor]) throws -> [Tensor] { try session.run(inputs) }
}

enum ModelFolder {
  /// `LIGATURE_MODELS` alone if set; else `.build/models` here, and `models` beside the program and up to three
  /// folders above it, which is where a program in `.build/<platform>/release` finds it.
  static var candidates: [String] {
    if let folder = ProcessInfo.processInfo.environment["LIGATURE_MODELS"], !folder.isEmpty { return [folder] }
    var folders = [".build/models"]
    var folder = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    for _ in 0...3 {
      folders.append(folder.appending(path: "models").path)
      folder.deleteLastPathComponent()
    }
    return folders
  }

  static func find(_ name: String, option: String) throws -> String {
    for folder in candidates {
      let path = Path.join(folder, name)
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    throw LigatureError(
      .file,
      "'\(name)' is not in \(candidates.map { "'\($0)'" }.joined(separator: ", ")); "
        + "fetch the models with Models/fetch, or name one with \(option)")
  }
}
