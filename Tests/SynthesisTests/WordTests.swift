import Foundation
import Imaging
import Synthesis
import TensorCore
import Testing

@Suite struct WordTests {
  @Test func samplesDependOnSeedAndIndexOnly() throws {
    let synthesizer = try WordSynthesizer()
    let count = 48
    let inOrder = try (0..<count).map { try Sample(synthesizer.sample(index: $0, seed: 5)) }
    let results = Results(count: count)
    DispatchQueue.concurrentPerform(iterations: count) { step in
      // Backwards, on several threads, each from a synthesizer of its own.
      let index = count - 1 - step
      let sample = try? WordSynthesizer().sample(index: index, seed: 5)
      results.set(index, sample.map(Sample.init))
    }
    for index in 0..<count { #expect(results[index] == inOrder[index], "sample \(index)") }
    #expect(try Sample(synthesizer.sample(index: 0, seed: 6)) != inOrder[0])
    #expect(Set(inOrder.map(\.text)).count > count / 2)
  }

  @Test func everySampleIsAPictureOfItsText() throws {
    for style in TextStyle.allCases {
      var options = WordOptions()
      options.style = style
      options.maximumWidth = 300
      let synthesizer = try WordSynthesizer(options)
      for index in 0..<60 {
        let (image, text) = try synthesizer.sample(index: index, seed: 1)
        #expect(image.height == 32 && (4...300).contains(image.width) && image.channels == 3)
        #expect((1...25).contains(text.count) && text.first != " " && text.last != " ", "'\(text)'")
      }
    }
  }

  /// Clean text has the contrast that was asked for between its ink and what it stands on.
  @Test func inkHasContrast() throws {
    for style in [TextStyle.scene, .receipts, .documents] {
      var options = WordOptions()
      options.style = style
      options.isDegraded = false
      options.minimumContrast = 0.3
      options.height = 48
      let synthesizer = try WordSynthesizer(options)
      for index in 0..<80 {
        let (image, text) = try synthesizer.sample(index: index, seed: 3)
        let grey = try image.grey().pixels.sorted()
        let span = Int(grey[grey.count - 1]) - Int(grey[0])
        #expect(span >= Int(0.3 * 255) - 12, "\(style) \(index) '\(text)': \(span)")
      }
    }
  }

  /// What is drawn is the text: other words give other pictures, all else being equal.
  @Test func textDecidesTheInk() throws {
    func picture(_ word: String) throws -> Image {
      var options = WordOptions()
      options.words = [word]
      options.phrases = 0
      options.isDegraded = false
      return try WordSynthesizer(options).sample(index: 0, seed: 9).image
    }
    let (short, long) = (try picture("ill"), try picture("immmmmmmm"))
    #expect(long.width > 2 * short.width)
    #expect(try picture("ill") == short)
  }

  @Test func alphabetsAndLengthsHold() throws {
    var options = WordOptions()
    options.alphabet = try Alphabet(named: "DICT36")
    options.length = 2...7
    options.phrases = 1
    let synthesizer = try WordSynthesizer(options)
    let known = Set("0123456789abcdefghijklmnopqrstuvwxyz")
    for index in 0..<200 {
      let text = try synthesizer.sample(index: index, seed: 1).text
      #expect((2...7).contains(text.count) && Set(text.lowercased()).isSubset(of: known), "'\(text)'")
    }
    #expect(try Alphabet(named: "DICT90").characters.count == 90)
    #expect(try Alphabet(named: "DICT91").characters.last == " ")
  }

  @Test func ownWordsPhrasesAndBackgrounds() throws {
    var options = WordOptions()
    options.words = ["alpha", "Beta", "\u{10F0F0}"]
    options.style = .scene
    options.backgrounds = [try Image(width: 9, height: 7, channels: 1, filledWith: 40)]
    options.phrases = 0.5
    let synthesizer = try WordSynthesizer(options)
    let texts = try (0..<60).map { try synthesizer.sample(index: $0, seed: 2).text }
    // No font has the third.
    #expect(Set(texts.flatMap { $0.split(separator: " ") }) == ["alpha", "Beta"])
    #expect(texts.contains { $0.contains(" ") } && texts.contains("alpha"))
  }

  @Test func optionsThatCannotBe() throws {
    func error(_ change: (inout WordOptions) -> Void) -> String {
      var options = WordOptions()
      change(&options)
      do {
        _ = try WordSynthesizer(options)
        return "nothing"
      } catch { return "\(error)" }
    }
    #expect(error { $0.height = 4 }.contains("8 to 512"))
    #expect(error { $0.maximumWidth = 8 }.contains("a width of 8"))
    #expect(error { $0.length = 0...3 }.contains("1 to 1000"))
    #expect(error { $0.minimumContrast = .nan }.contains("contrast"))
    #expect(error { $0.phrases = 2 }.contains("phrases"))
    #expect(error { $0.words = [] }.contains("none of the 0 words"))
    #expect(error { $0.words = ["\u{10F0F0}"] }.contains("install fonts"))
    #expect(error { $0.fonts = .families(["No Such Family"]) }.contains("fc-list"))
    #expect(error { $0.fonts = .folder("/no/such/folder") }.contains("/no/such/folder"))
    #expect(throws: LigatureError.self) { try Alphabet(named: "/no/such/file") }
    #expect(throws: LigatureError.self) { try Alphabet("\n") }
  }

  /// A folder with one good font, one cut short and one that is something else.
  @Test func badFontsAreSkipped() throws {
    let fonts = try FileManager.default.contentsOfDirectory(atPath: "/usr/share/fonts/truetype/dejavu")
    let name = try #require(fonts.first { $0 == "DejaVuSans.ttf" }, "install fonts-dejavu-core")
    let good = try Data(contentsOf: URL(filePath: "/usr/share/fonts/truetype/dejavu/\(name)"))
    let folder = FileManager.default.temporaryDirectory.appending(path: "ligature-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (name, bytes) in [
      ("cut.ttf", good.prefix(good.count / 3)), ("text.ttf", Data("no font".utf8)), ("empty.ttf", Data()),
    ] { try bytes.write(to: folder.appending(path: name)) }
    var options = WordOptions()
    options.fonts = .folder(folder.path)
    #expect(throws: LigatureError.self) { try WordSynthesizer(options) }
    let whole = folder.appending(path: "fonts")
    try FileManager.default.createDirectory(at: whole, withIntermediateDirectories: true)
    try good.write(to: whole.appending(path: "good.ttf"))
    for (name, bytes) in [("cut.ttf", good.prefix(good.count / 3)), ("text.ttf", Data("no font".utf8))] {
      try bytes.write(to: whole.appending(path: name))
    }
    options.fonts = .folder(whole.path)
    let synthesizer = try WordSynthesizer(options)
    for index in 0..<20 { _ = try synthesizer.sample(index: index, seed: 0) }
  }

  /// Thousands of samples leave nothing behind.
  @Test func memoryDoesNotGrow() throws {
    let synthesizer = try WordSynthesizer()
    func draw(_ range: Range<Int>) throws { for index in range { _ = try synthesizer.sample(index: index, seed: 4) } }
    try draw(0..<1500)
    let before = try residentBytes()
    try draw(1500..<4000)
    #expect(try residentBytes() - before < 24 << 20)
  }
}

struct Sample: Equatable, Sendable {
  var image: Image
  var text: String
  init(_ sample: (image: Image, text: String)) { (image, text) = sample }
}

/// What several threads put into places of their own.
final class Results: @unchecked Sendable {
  private let lock = NSLock()
  private var samples: [Sample?]
  init(count: Int) { samples = Array(repeating: nil, count: count) }
  func set(_ index: Int, _ sample: Sample?) { lock.withLock { samples[index] = sample } }
  subscript(index: Int) -> Sample? { lock.withLock { samples[index] } }
}

func residentBytes() throws -> Int {
  let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
  return (Int(fields[1]) ?? 0) * 4096
}
