import Foundation
import GraphIR
import Imaging
import ONNXFormat
import Testing

/// `read`, with models so small that hundreds of pages take a second.
@Suite(.serialized) struct ReadTests {
  let folder: Folder
  let models: [String]

  init() throws {
    folder = try Folder()
    models = try TinyModels.writeReader(to: folder)
  }

  private struct Page: Decodable {
    struct Line: Decodable { var polygon: [[Double]], text: String, score: Double, quarterTurns: Int }
    var image: String
    var width: Int?
    var height: Int?
    var lines: [Line]?
    var error: String?
  }

  private func picture(_ name: String, format: ImageFormat = .png) throws -> String {
    try folder.write(TinyModels.picture().encoded(as: format), name)
  }

  private func read(_ arguments: [String], script: String = "exec \"$@\"") throws -> Program.Outcome {
    try Program.run(["read"] + arguments + models, in: folder.url, script: script, seconds: 30)
  }

  /// A recogniser of one's own comes without the classifier of the default one; of a detector with branches that only
  /// training reads, the first output alone is computed: the other here could not be.
  @Test func otherOutputsAreLeftOut() throws {
    var model = try TinyModels.detector()
    let unknown = Opaque(
      name: OperatorName("Mystery", domain: "example.org"), attributes: Attributes(), declaredTypes: [])
    let input = try #require(model.graph.inputs.first)
    let second = try #require(
      model.graph.append(unknown, [input], name: "mystery", outputs: ["threshold"]).first ?? nil)
    try model.graph.addOutput(second)
    let detector = try folder.write(model.encoded(), "branches.onnx")
    let whole = try Program.run(["bench", detector], in: folder.url, seconds: 30)
    #expect(whole.status != 0)
    let arguments = try ["--detector", detector, "--recognizer", folder("rec.onnx"), picture("a.png")]
    let outcome = try Program.run(["read"] + arguments, in: folder.url, seconds: 30)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains(TinyModels.pictureText))
  }

  @Test func JSONShape() throws {
    let outcome = try read(["--json", picture("a.png")])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let page = try #require(try JSONDecoder().decode([Page].self, from: Data(outcome.output.utf8)).first)
    #expect((page.width, page.height) == (96, 64))
    let line = try #require(page.lines?.first)
    #expect(page.lines?.count == 1)
    #expect(line.text == TinyModels.pictureText)
    #expect(line.quarterTurns == 0 && (0...1).contains(line.score))
    // Clockwise from the top left, around the bar at 16..<80, 24..<40.
    try #require(line.polygon.count == 4)
    let centre = (line.polygon.map { $0[0] }.reduce(0, +) / 4, line.polygon.map { $0[1] }.reduce(0, +) / 4)
    #expect(abs(centre.0 - 48) < 2 && abs(centre.1 - 32) < 2)
    #expect(line.polygon[0][0] < 20 && line.polygon[0][1] < 28 && line.polygon[2][0] > 76 && line.polygon[2][1] > 36)
  }

  @Test func oddNames() throws {
    let names = ["with space.png", "two\nlines.png", "ünï 文字.png", "-dash.png", "=.png", "a%b$c'd\".png", "UPPER.PNG"]
    for name in names { _ = try picture("odd/" + name) }
    let outcome = try read(["--json", "odd"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let pages = try JSONDecoder().decode([Page].self, from: Data(outcome.output.utf8))
    #expect(pages.map(\.image) == names.sorted().map { "odd/" + $0 })
    #expect(pages.allSatisfy { $0.lines?.map(\.text) == [TinyModels.pictureText] })
    #expect(try read(["odd/with space.png", "odd/two\nlines.png"]).status == 0)
    #expect(try read(["odd", "--draw", "drawn"]).status == 0)
    #expect(try folder.names("drawn").count == names.count)
  }

  @Test func whatIsNoPicture() throws {
    try FileManager.default.createDirectory(atPath: folder("empty"), withIntermediateDirectories: true)
    try folder.write(Array("text".utf8), "texts/readme.md")
    let cases: [(path: String, says: String)] = [
      ("missing.png", "check the name"), ("empty", "no JPEG, PNG or WebP"), ("texts", "no JPEG, PNG or WebP"),
      ("/dev/zero", "not a regular file"), ("/dev/null", "not a regular file"), ("det.onnx", "neither JPEG"),
      ("", "''"),
    ]
    for entry in cases { expectError(try read([entry.path]), 2, says: entry.says) }
    // A pipe that nobody writes to.
    let outcome = try read(["pipe.png"], script: "mkfifo pipe.png; exec \"$@\"")
    expectError(outcome, 2, says: "not a regular file")
    expectError(
      try Program.run(["inspect", "pipe.png"], in: folder.url, seconds: 10), 2, says: "not a regular file")
  }

  @Test func foldersWithTraps() throws {
    _ = try picture("traps/a.png")
    _ = try picture("traps/inner.png/b.png")
    try FileManager.default.createSymbolicLink(atPath: folder("traps/loop.png"), withDestinationPath: "loop.png")
    try FileManager.default.createSymbolicLink(atPath: folder("traps/up"), withDestinationPath: "..")
    try FileManager.default.createSymbolicLink(atPath: folder("traps/gone.png"), withDestinationPath: "nowhere")
    try FileManager.default.createSymbolicLink(atPath: folder("traps/z.png"), withDestinationPath: "a.png")
    let outcome = try read(["traps", "--json"])
    #expect(outcome.status == 1)
    let pages = try JSONDecoder().decode([Page].self, from: Data(outcome.output.utf8))
    #expect(pages.map(\.image) == ["a", "gone", "loop", "z"].map { "traps/\($0).png" })
    #expect(pages.map { $0.error != nil } == [false, true, true, false])
    for name in ["gone", "loop"] { #expect(outcome.errors.contains("traps/\(name).png")) }
  }

  @Test func drawings() throws {
    let page = try picture("a.png")
    #expect(try read([page, "--draw", "drawn.png"]).status == 0)
    let drawn = try Image.load(path: folder("drawn.png"))
    #expect(drawn.width >= 96 && drawn.height >= 64)
    #expect(try read([page, page, "--draw", "folder"]).status == 64)
    expectError(try read([page, "--draw", "/proc/drawn.png"]), 2, says: "/proc/drawn.png")
    expectError(try read([page, "--draw", "no/such/drawn.png"]), 2, says: "drawn.png", "folder")
    expectError(try read([page, "--draw", "drawn.bmp"]), 64, says: ".png")
    expectError(try read([page, "--draw", "/dev/null"]), 64, says: ".png")
    try FileManager.default.createDirectory(atPath: folder("is.png"), withIntermediateDirectories: true)
    expectError(try read([page, "--draw", "is.png"]), 2, says: "not a regular file")
    let other = try picture("b.png")
    expectError(try read([page, other, "--draw", "drawn.png"]), 2, says: "drawn.png")
  }

  @Test func limits() throws {
    let page = try picture("a.png")
    expectError(
      try read([page, "--memory-limit", "1KiB"]), 2, says: "a.png", "more than the memory limit", "raise the limit")
    let several = try read([page, picture("b.png"), "--memory-limit", "1KiB"])
    #expect(several.status == 1)
    #expect(several.errors.contains("[1/2] error: ") && several.errors.contains("b.png"))
  }

  @Test func threadsDoNotMatter() throws {
    let page = Program.fixtures.appending(path: "sample/page.jpg").path
    let one = try read(["--json", page, "--threads", "1"])
    let two = try read(["--json", page, "--threads", "2"])
    #expect(one.status == 0, "\(one.errors)")
    #expect(one.output == two.output)
    #expect(one.output.contains("\"text\""))
  }

  // ── Terminals ─────────────────────────────────────────────────────────────

  @Test func plainLinesWithoutATerminal() throws {
    for name in ["a", "b", "c"] { _ = try picture("set/\(name).png") }
    try folder.write([], "set/broken.png")
    let outcome = try read(["set"])
    #expect(outcome.status == 1)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 4)
    for (index, line) in lines.enumerated() { #expect(line.hasPrefix("[\(index + 1)/4] ")) }
    #expect(!outcome.errors.contains("\r") && !outcome.errors.contains("\u{1B}"))
    #expect(outcome.output.split(separator: "\n").filter { $0.hasPrefix("── set/") }.count == 3)
    // One picture needs no progress.
    #expect(try read(["set/a.png"]).errors.isEmpty)
  }

  @Test func aBarOnATerminal() throws {
    for name in ["a", "b", "c"] { _ = try picture("set/\(name).png") }
    // `script` runs the command on a terminal of its own and copies what appears there.
    let script = "n=; for w in \"$@\"; do n=\"$n '$w'\"; done; exec script -qec \"$n\" /dev/null"
    let outcome = try read(["set"], script: script)
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    for count in 0..<3 { #expect(outcome.output.contains(" \(count)/3")) }
    #expect(outcome.output.contains("█") && outcome.output.contains("\r\u{1B}[K"))
    #expect(!outcome.output.contains("[1/3]"))
    // Each page stands on lines of its own, the bar is gone before it.
    #expect(outcome.output.contains("\r\u{1B}[K── set/a.png"))
    // At the end no bar is left.
    let last = try #require(outcome.output.components(separatedBy: "\r").last { !$0.isEmpty && $0 != "\n" })
    #expect(!last.contains("░"))
  }

  @Test func interruptedWritesLeaveNothingHalf() throws {
    for index in 0..<40 { _ = try picture("many/\(index).png") }
    let page = try [UInt8](Data(contentsOf: Program.fixtures.appending(path: "sample/page.jpg")))
    for index in 0..<2 { try folder.write(page, "many/\(index)-page.jpg") }
    for (signal, time) in [("INT", "0.15"), ("KILL", "0.2"), ("INT", "0.3"), ("KILL", "0.5")] {
      let script = "shift 4; exec timeout -s \(signal) \(time) \"$@\""
      let outcome = try read(["many", "--draw", "drawn", "--threads", "1"], script: script)
      #expect([0, 124, 130, 137].contains(outcome.status), "\(outcome.status)\(outcome.errors.suffix(300))")
      guard FileManager.default.fileExists(atPath: folder("drawn")) else { continue }
      for name in try folder.names("drawn") {
        #expect(name.hasSuffix(".png") && !name.contains("partial"), "\(name)")
        #expect(throws: Never.self) { try Image.load(path: folder("drawn/" + name)) }
      }
      try FileManager.default.removeItem(atPath: folder("drawn"))
    }
  }
}
