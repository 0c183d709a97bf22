internal import Architectures
internal import FoundationEssentials
internal import TensorCore

/// A set that a model is measured on, as a command line names it.
public struct EvaluationData: Sendable {
  let recipe: DataRecipe

  public static var formats: [String] { WordFormat.allCases.map(\.rawValue) + PageFormat.allCases.map(\.rawValue) }

  /// - Parameters:
  ///   - path: the annotations.
  ///   - format: one of `formats`; what the path tells if nil.
  ///   - images: the folder of pictures; beside the annotations if nil.
  ///   - split: `FOLD/FOLDS` or `FOLD/FOLDS:SEED`: only what a training recipe with these numbers keeps for validation.
  /// - Throws: `.usage` for a form that is not known, or cannot be told, or a split that is none.
  public init(_ path: String, format: String?, images: String?, split: String? = nil) throws {
    let format = try format ?? EvaluationData.format(of: path)
    let form: DataRecipe.Form
    if let words = WordFormat(rawValue: format) {
      form = .words(words)
    } else if let pages = PageFormat(rawValue: format) {
      form = .pages(pages)
    } else {
      throw LigatureError(
        .usage, "--format is one of \(EvaluationData.formats.joined(separator: ", ")), not '\(format.prefix(40))'")
    }
    var isFolder = false
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    let folder = isFolder ? path : Path.folder(of: path)
    var recipe = DataRecipe(
      name: path, form: form, annotations: path, images: images ?? (folder.isEmpty ? "." : folder))
    recipe.split = try split.map(EvaluationData.split)
    self.recipe = recipe
  }

  private static func split(_ text: String) throws -> DataRecipe.Split {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let folds = parts[0].split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    let seed = parts.count > 1 ? UInt64(parts[1]) : 0
    guard parts.count <= 2, folds.count == 2, let fold = folds[0], let count = folds[1], let seed,
      (2...1000).contains(count), (0..<count).contains(fold)
    else {
      throw LigatureError(.usage, "--split takes FOLD/FOLDS or FOLD/FOLDS:SEED, as in 0/20:1, not '\(text.prefix(40))'")
    }
    return DataRecipe.Split(fold: fold, folds: count, seed: seed, isTraining: false)
  }

  private static func format(of path: String) throws -> String {
    var isFolder = false
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    if isFolder {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      if names.contains("data.mdb") { return "lmdb" }
      if names.contains(where: { $0.hasPrefix("gt_") && $0.hasSuffix(".txt") }) { return "icdar2015" }
      if names.contains(where: { $0.hasSuffix(".json") }) { return "labelme" }
    } else if path.hasSuffix(".txt") || path.hasSuffix(".jsonl") {
      return try formatOfLines(path)
    } else if path.hasSuffix(".json") {
      return "coco"
    } else if path.hasSuffix(".mdb") {
      return "lmdb"
    }
    throw LigatureError(
      .usage, "'\(path)' does not tell its form; give --format, one of \(formats.joined(separator: ", "))")
  }
}

extension EvaluationData {
  /// Lines of JSON hold pages if they speak of annotations, else words; other lines hold words.
  private static func formatOfLines(_ path: String) throws -> String {
    let start = unsafe try TensorStorage(mapping: path).withUnsafeBytes {
      unsafe String(decoding: $0.prefix(4096), as: UTF8.self)
    }
    guard start.first(where: { !$0.isWhitespace && $0 != "\u{FEFF}" }) == "{" else { return "txt" }
    return start.contains("\"annotations\"") ? "lines" : "jsonl"
  }
}

extension Evaluation {
  /// Measures on sets, whatever the model's task.
  ///
  /// - Parameters:
  ///   - limit: of each set, at most so many samples.
  ///   - report: gets a line for each thing that is broken.
  ///   - progress: samples done, and all there are.
  public func measure(
    _ sets: [EvaluationData], limit: Int? = nil, report: @escaping @Sendable (String) -> Void,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> (metrics: Metrics, answers: [Answer]) {
    let opening = DataOpening(
      texts: .compared, isGrey: false, threads: ProcessInfo.processInfo.activeProcessorCount, report: report)
    if isRecognition {
      return try measureWords(try sets.map { try opening.words($0.recipe) }, limit: limit, progress: progress)
    }
    return try measurePages(try sets.map { try opening.pages($0.recipe) }, limit: limit, progress: progress)
  }
}
