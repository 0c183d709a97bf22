import Architectures
import ArgumentParser
import FoundationEssentials
import Glibc
import Imaging
import TensorCore

struct ReadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read", abstract: "Reads the text of pictures.",
    discussion: """
      Prints each line with its confidence, in reading order. Pictures are JPEG, PNG or WebP files; a folder stands \
      for all of those that lie directly in it. A picture that cannot be read is reported, and the others are read \
      all the same; the exit code is then 1.
      """)

  @Argument(help: "Pictures, or folders of pictures.", completion: .file())
  var images: [String]

  @OptionGroup var models: ReaderModelOptions

  @OptionGroup var options: RunOptions

  @Flag(help: "Print JSON: polygons (clockwise from the top left of the page), texts, scores, turns.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Write the picture with its lines marked, and the text beside it; for several pictures, a folder.",
      valueName: "out.png"),
    completion: .file())
  var draw: String?

  func run() throws {
    let paths = try PictureFiles.expand(images)
    let limits = try options.limit.limits()
    let reader = try models.reader(options.session())
    let drawings = try draw.map { try DrawingTarget($0, pictures: paths) }
    var output = ReadOutput(isJSON: json, hasHeadings: paths.count > 1)
    var progress = Progress(count: paths.count)
    for path in paths {
      do {
        let start = ContinuousClock.now
        let picture = try Image.load(path: path, limits: limits)
        let lines = try reader.read(picture)
        try drawings?.draw(lines, over: picture, path: path)
        progress.finished("\(path): \(lines.count) lines in \(start.duration(to: .now).seconds.fixed(2)) s") {
          output.add(PageReport(path, picture, lines))
        }
      } catch {
        let error = ReadCommand.named(error, path)
        guard paths.count > 1 else { throw error }
        progress.failed("\(error)") { output.add(PageReport(path, error)) }
      }
    }
    progress.end()
    try output.end()
    if output.hasFailures { throw ExitCode.checkFailed }
  }
}

extension ReadCommand {
  /// The error with the picture that it is about.
  fileprivate static func named(_ error: any Error, _ path: String) -> LigatureError {
    guard var named = error as? LigatureError else {
      return LigatureError(.file, "'\(path)' could not be read", cause: error)
    }
    if !named.message.contains("'\(path)'") { named.message = "'\(path)': " + named.message }
    return named
  }
}

// ── What is printed ─────────────────────────────────────────────────────────

/// What `--json` says of a picture.
struct PageReport: Codable {
  struct Line: Codable {
    var polygon: [[Float]]
    var text: String
    var score: Double
    /// Quarter turns clockwise that the text stands at: 2 is upside down.
    var quarterTurns: Int
  }

  var image: String
  var width: Int?
  var height: Int?
  var lines: [Line]?
  var error: String?

  init(_ path: String, _ picture: Image, _ found: [TextLine]) {
    image = path
    width = picture.width
    height = picture.height
    lines = found.map { line in
      Line(
        polygon: line.outline.map { [$0.x, $0.y] }, text: line.text, score: line.score,
        quarterTurns: line.quarterTurns)
    }
  }

  init(_ path: String, _ error: LigatureError) {
    image = path
    self.error = "\(error)"
  }
}

/// Prints pages as they come, or all of them as one JSON array.
private struct ReadOutput {
  let isJSON: Bool
  let hasHeadings: Bool
  private(set) var hasFailures = false
  private var reports: [PageReport] = []

  init(isJSON: Bool, hasHeadings: Bool) {
    self.isJSON = isJSON
    self.hasHeadings = hasHeadings
  }

  mutating func add(_ report: PageReport) {
    if report.error != nil { hasFailures = true }
    if isJSON {
      reports.append(report)
      return
    }
    guard let lines = report.lines else { return }
    if hasHeadings { print("── \(report.image.printable)") }
    for line in lines { print("\(line.score.fixed(2))  \(line.text.printable)") }
    // Through a pipe, too, a page is seen as soon as it is read.
    fflush(nil)
  }

  func end() throws {
    if isJSON { print(try encodeJSON(reports)) }
  }
}

// ── Files ───────────────────────────────────────────────────────────────────

enum PictureFiles {
  static let extensions: Set<String> = ["jpg", "jpeg", "png", "webp"]

  /// Files as given; for a folder, the pictures in it by name. Throws `.file` for a folder without any.
  static func expand(_ paths: [String]) throws -> [String] {
    try paths.flatMap { path -> [String] in
      guard isFolder(path) else { return [path] }
      let names: [String]
      do {
        names = try FileManager.default.contentsOfDirectory(atPath: path)
      } catch {
        throw LigatureError(.file, "cannot list '\(path)'; check its permissions", cause: error)
      }
      // A folder inside is not looked into, whatever its name.
      let pictures = names.filter { extensions.contains(Path.ending(of: $0).lowercased()) }.sorted()
        .filter { !isFolder(Path.join(path, $0)) }
      guard !pictures.isEmpty else {
        throw LigatureError(.file, "no JPEG, PNG or WebP file lies directly in '\(path)'")
      }
      return pictures.map { Path.join(path, $0) }
    }
  }
}

private func isFolder(_ path: String) -> Bool {
  var isFolder = false
  return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder
}

/// Where `--draw` writes: one file for one picture, a folder for several.
private struct DrawingTarget {
  private let path: String
  private let isFolder: Bool

  init(_ path: String, pictures: [String]) throws {
    self.path = path
    isFolder = pictures.count > 1
    guard isFolder else { return }
    let names = pictures.map(DrawingTarget.name)
    if let twice = Dictionary(grouping: names, by: \.self).first(where: { $0.value.count > 1 }) {
      throw LigatureError(.usage, "two pictures would both be drawn to '\(twice.key)'; read them one at a time")
    }
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw LigatureError(.file, "cannot make the folder '\(path)' for several drawings", cause: error)
    }
  }

  private static func name(_ picture: String) -> String {
    Path.stem(Path.name(picture)) + ".png"
  }

  func draw(_ lines: [TextLine], over picture: Image, path source: String) throws {
    let annotations = lines.map { TextAnnotation(corners: $0.textCorners, text: $0.text, score: Float($0.score)) }
    let target = isFolder ? Path.join(path, DrawingTarget.name(source)) : path
    try picture.annotated(with: annotations).save(path: target)
  }
}
