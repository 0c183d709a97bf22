import Architectures
import Foundation
import Imaging
import TensorCore
import Testing

@Suite struct WordSourceTests {
  let folder: Folder
  let pictures: DataFolder

  init() throws {
    folder = try Folder()
    for (index, width) in [20, 30, 40].enumerated() {
      try folder.write(gradient(width: width, height: 10).encoded(as: .png), "imgs/\(index).png")
    }
    pictures = try DataFolder(folder("imgs"))
  }

  private func source(
    _ format: WordFormat, _ annotations: String, problems: DataProblems? = nil,
    filter: @Sendable (String) -> String? = { $0 }
  ) throws -> WordSource {
    try WordSource(
      format, annotations: annotations, pictures: pictures, problems: problems ?? DataProblems(name: "words"),
      filter: filter)
  }

  private func texts(_ source: WordSource) throws -> [String] {
    try (0..<(source.count ?? 0)).map { try source.sample($0).text }
  }

  @Test func wordLists() throws {
    let list = try folder.write("\u{FEFF}0.png GRAND HOTEL\r\n\n1.png\ttwo\n2.png  x \n", "label.txt")
    let words = try source(.txt, list)
    // Everything after the first gap is the text, spaces included.
    #expect(try texts(words) == ["GRAND HOTEL", "two", " x "])
    #expect(try words.sample(1).image == gradient(width: 30, height: 10))
    #expect(words.place(2) == "\(list):4")
    let lines = try folder.write(
      #"{"filename": "0.png", "text": "a \"b\""}"# + "\n" + #"{"text": "ß文", "filename": "2.png", "more": 1}"#,
      "label.jsonl")
    #expect(try texts(source(.jsonl, lines)) == ["a \"b\"", "ß文"])
  }

  @Test func filters() throws {
    let list = try folder.write("0.png Ab-C\n1.png ---\n2.png hello\n", "label.txt")
    let alphabet = CharacterDictionary.dict36.characters
    let remove = TextFilter(alphabet: alphabet, unknown: .remove, steps: 26)
    #expect(try texts(source(.txt, list, filter: remove.callAsFunction)) == ["abc", "hello"])
    let skip = TextFilter(alphabet: alphabet, unknown: .skip, steps: 26)
    #expect(try texts(source(.txt, list, filter: skip.callAsFunction)) == ["hello"])
    // "hello" needs a step more for the blank between its two l.
    #expect(TextFilter(alphabet: alphabet, unknown: .skip, steps: 5)("hello") == nil)
    #expect(TextFilter(alphabet: alphabet, unknown: .skip, steps: 6)("hello") == "hello")
    #expect(TextFilter(alphabet: ["é", " "], unknown: .remove, steps: 9)(" e\u{301}é ") == "é")
  }

  @Test func brokenLines() throws {
    var lines = (0..<40).map { "\($0 % 3).png word\($0)" }
    lines[6] = "no-text"
    let list = try folder.write(lines.joined(separator: "\n"), "label.txt")
    let reports = Reports()
    let problems = DataProblems(name: "words", report: reports.callback)
    #expect(try source(.txt, list, problems: problems).count == 39)
    #expect(problems.count == 1)
    #expect(reports.all.count == 1 && reports.all[0].contains("label.txt:7: ") && reports.all[0].contains("left out"))
    for line in 10..<20 { lines[line] = "x" }
    try folder.write(lines.joined(separator: "\n"), "label.txt")
    let error = #expect(throws: LigatureError.self) { try source(.txt, list) }
    #expect(error?.description.contains("11 of 40") == true && error?.description.contains("label.txt:7") == true)
    try folder.write([0x61, 0x20, 0xFF, 0x0A] + Array("0.png a\n".utf8), "label.txt")
    let latin = DataProblems(name: "words")
    #expect(try source(.txt, list, problems: latin).count == 1)
    #expect(latin.messages.first?.contains("label.txt:1: ") == true && latin.messages.first?.contains("UTF-8") == true)
  }

  @Test func missingAndDamagedPictures() throws {
    try folder.write(Array(gradient(width: 9, height: 9).encoded(as: .png).prefix(40)), "imgs/cut.png")
    let names = ["0.png", "gone.png", "cut.png", "1.png"] + (0..<30).map { "\($0 % 3).png" }
    let list = try folder.write(names.map { "\($0) \($0)" }.joined(separator: "\n"), "label.txt")
    let problems = DataProblems(name: "words")
    // The next whole one takes its place.
    let texts = try epoch(source(.txt, list, problems: problems))
    #expect(texts.count == 34 && texts.count { $0 == "1.png" } == 13)
    #expect(problems.count == 2)
    let messages = problems.messages.sorted()
    #expect(messages[0].contains("label.txt:2: ") && messages[0].contains("gone.png' is missing"))
    #expect(messages[1].contains("label.txt:3: "))
    let strict = DataProblems(name: "words", tolerance: 0.01)
    let few = try source(.txt, list, problems: strict)
    let error = #expect(throws: LigatureError.self) { try epoch(few) }
    #expect(error?.description.contains("2 of 34") == true)
  }

  /// The texts of all samples, as training draws them.
  private func epoch(_ words: WordSource) throws -> [String] {
    let count = words.count ?? 0
    let mixture = try SampleMixture<WordSample>([.init(words, samplesPerEpoch: count)], seed: 1)
    return try (0..<count).map { try mixture.sample($0).sample.text }
  }

  @Test func nothingLeavesTheFolder() throws {
    try folder.write(gradient(width: 8, height: 8).encoded(as: .png), "secret.png")
    try FileManager.default.createSymbolicLink(
      atPath: folder("imgs/out.png"), withDestinationPath: folder("secret.png"))
    try FileManager.default.createSymbolicLink(atPath: folder("imgs/in.png"), withDestinationPath: "0.png")
    let names = ["../secret.png", folder("secret.png"), "a/../../secret.png", "out.png", "in.png"]
    let list = try folder.write(names.map { "\($0) t" }.joined(separator: "\n"), "label.txt")
    let words = try source(.txt, list)
    for index in 0..<4 { #expect(throws: LigatureError.self) { try words.sample(index) } }
    #expect(try words.sample(4).image.width == 20)
    let trusting = try WordSource(
      .txt, annotations: list, pictures: DataFolder(folder("imgs"), followingLinks: true),
      problems: DataProblems(name: "words"), filter: { $0 })
    #expect(try trusting.sample(3).image.width == 8)
    #expect(throws: LigatureError.self) { try trusting.sample(0) }
  }

  @Test func databasesWithPictures() throws {
    var entries: [(key: String, value: [UInt8])] = [("num-samples", Array("2".utf8))]
    for index in 1...2 {
      entries.append(("image-00000000\(index)", try gradient(width: 10 * index, height: 6).encoded(as: .png)))
      entries.append(("label-00000000\(index)", Array("word \(index)".utf8)))
    }
    try writeLMDB(entries, to: folder("a.lmdb"))
    let words = try source(.lmdb, folder("a.lmdb"))
    #expect(try texts(words) == ["word 1", "word 2"])
    #expect(try words.sample(1).image == gradient(width: 20, height: 6))
    #expect(words.place(1).hasSuffix("a.lmdb:label-000000002"))
    // The file itself may be named, too.
    #expect(try texts(source(.lmdb, folder("a.lmdb/data.mdb"))) == ["word 1", "word 2"])
  }

  @Test func databasesOfLabels() throws {
    try writeLMDB(
      [
        ("num-samples", Array("3".utf8)), ("label-000000001", Array(#"{"filename": "0.png", "text": "a b"}"#.utf8)),
        ("label-000000002", Array("1.png c d".utf8)),
      ], to: folder("b.lmdb"))
    let problems = DataProblems(name: "words")
    let words = try source(.lmdb, folder("b.lmdb"), problems: problems)
    #expect(try texts(words) == ["a b", "c d"])
    #expect(problems.messages.first?.contains("label-000000003") == true)
    try writeLMDB(
      [("total_number", Array("2".utf8)), ("0", Array("2.png x".utf8)), ("1", Array("0.png y z".utf8))],
      to: folder("old.lmdb"))
    #expect(try texts(source(.lmdb, folder("old.lmdb"))) == ["x", "y z"])
  }

  @Test func damagedDatabases() throws {
    let value = [UInt8](repeating: 65, count: 3000)
    try writeLMDB(
      [("num-samples", Array("9".utf8))] + (1...9).map { ("image-00000000\($0)", value) }, to: folder("c.lmdb"))
    let whole = try [UInt8](Data(contentsOf: URL(filePath: folder("c.lmdb/data.mdb"))))
    for length in [0, 100, 4096, 8192, 12_288, whole.count - 4096] {
      try folder.write(Array(whole.prefix(length)), "cut/data.mdb")
      #expect(throws: LigatureError.self, "\(length)") { try source(.lmdb, folder("cut")) }
    }
    #expect(throws: LigatureError.self) { try source(.lmdb, folder("none")) }
    try writeLMDB([("x", [1])], to: folder("empty.lmdb"))
    #expect(throws: LigatureError.self) { try source(.lmdb, folder("empty.lmdb")) }
  }
}
