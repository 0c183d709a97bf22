import Foundation
import Testing

@Suite(.serialized) struct ReadCommandTests {
  private struct Truth: Decodable {
    struct Line: Decodable { var text: String, degrees: Double }
    var lines: [Line]
  }
  private struct Page: Decodable {
    struct Line: Decodable { var polygon: [[Double]], text: String, score: Double, quarterTurns: Int }
    var image: String
    var width: Int?
    var lines: [Line]?
    var error: String?
  }

  private func pages(_ outcome: Command.Outcome) throws -> [Page] {
    try JSONDecoder().decode([Page].self, from: Data(outcome.output.utf8))
  }

  private let sample = "Tests/Fixtures/sample/page.jpg"

  @Test func theSamplePageIsReadAsItIsWritten() throws {
    let outcome = try Command.run(Command.ligature, ["read", "--json", sample])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let page = try #require(try pages(outcome).first)
    let lines = try #require(page.lines)
    let truth = try JSONDecoder().decode(
      Truth.self, from: Data(contentsOf: Command.root.appending(path: "Tests/Fixtures/sample/page.json")))
    #expect(lines.map(\.text).sorted() == truth.lines.map(\.text).sorted())
    #expect(page.width == 1120)
    #expect(lines.allSatisfy { $0.polygon.count == 4 && (0.5...1).contains($0.score) })
    #expect(lines.filter { $0.quarterTurns == 2 }.count == truth.lines.filter { $0.degrees == 180 }.count)
  }

  /// The recogniser that `train` made and `convert --float16` stored.
  @Test func theModelOfOurOwnReadsPrices() throws {
    let model = "Models/Pretrained/crnn-receipts-scenes.onnx"
    let outcome = try Command.run(Command.ligature, ["read", "--json", "--recognizer", model, sample])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let texts = try #require(try pages(outcome).first?.lines).map(\.text)
    for price in ["9.50", "7.25", "3.80", "20.55", "Total"] { #expect(texts.contains(price), "\(texts)") }
  }

  @Test func oneBadPictureDoesNotStopTheOthers() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "read-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let page = try Data(contentsOf: Command.root.appending(path: sample))
    try page.write(to: folder.appending(path: "c.jpg"))
    try page.prefix(5000).write(to: folder.appending(path: "b.jpg"))
    try Data().write(to: folder.appending(path: "a.png"))
    try Data("no picture".utf8).write(to: folder.appending(path: "notes.txt"))

    let drawings = folder.appending(path: "drawn")
    let outcome = try Command.run(
      Command.ligature, ["read", "--json", folder.path, "missing.jpg", "--draw", drawings.path])
    #expect(outcome.status == 1, "\(outcome.errors)")
    let pages = try pages(outcome)
    #expect(pages.map { ($0.image as NSString).lastPathComponent } == ["a.png", "b.jpg", "c.jpg", "missing.jpg"])
    #expect(pages.map { $0.error != nil } == [true, true, false, true])
    #expect(pages[2].lines?.isEmpty == false)
    #expect(outcome.errors.contains("[4/4]"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: drawings.path) == ["c.png"])
  }

  @Test func whatCannotBeUsedAtAllHasItsOwnExitCode() throws {
    let cases: [(arguments: [String], status: Int32, says: String)] = [
      (["read", "missing.jpg"], 2, "missing.jpg"),
      (["read", sample, "--detector", "missing.onnx"], 2, "missing.onnx"),
      (["read", sample, "--detector", sample], 2, "page.jpg"),
      (["read", sample, "--detector", ".build/models/raw/ppocrv4-det.onnx"], 2, "annotate"),
      (["read", sample, "--detector", ".build/models/ppocrv4-rec.onnx"], 64, "textdet"),
      (["read", "Models/Recipes"], 2, "no JPEG, PNG or WebP"),
      (["read"], 64, "images"),
    ]
    for (arguments, status, says) in cases {
      let outcome = try Command.run(Command.ligature, arguments)
      #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
      #expect(outcome.errors.contains(says), "\(arguments): \(outcome.errors)")
    }
  }

  @Test func textsDoNotDependOnThreads() throws {
    let one = try Command.run(Command.ligature, ["read", "--json", sample, "--threads", "1"])
    let three = try Command.run(Command.ligature, ["read", "--json", sample, "--threads", "3"])
    #expect(one.status == 0)
    #expect(one.output == three.output)
  }

  @Test func memoryIsLimited() throws {
    let outcome = try Command.run(Command.ligature, ["read", sample, "--memory-limit", "1MiB"])
    #expect(outcome.status == 2)
    #expect(outcome.errors.contains("limit"), "\(outcome.errors)")
  }
}
