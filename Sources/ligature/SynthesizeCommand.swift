import ArgumentParser
import FoundationEssentials
import Glibc
import Imaging
import Synthesis
import TensorCore

struct SynthesizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract: "Draws pictures of text with their ground truth, to train with.",
    discussion: """
      Text is drawn with the fonts that are installed; the more families, the better a model learns. Good ones in \
      Debian: fonts-liberation fonts-freefont-ttf fonts-roboto-unhinted fonts-open-sans fonts-lato fonts-noto-core \
      fonts-urw-base35 fonts-inconsolata fonts-courier-prime fonts-ocr-b fonts-hack fonts-bebas-neue fonts-lobster.

      A sample depends only on its number, the seed, the options and the fonts: the same command writes the same files.
      """,
    subcommands: [SynthesizeWordsCommand.self, SynthesizePagesCommand.self])
}

/// What words and pages have in common.
struct SynthesisOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "The folder to write; it must be empty or new.", completion: .directory)
  var output: String

  @Option(help: "How many samples to write.")
  var count = 1000

  @Option(help: "The number of the first sample.")
  var start = 0

  @Option(help: "Another seed gives other samples.")
  var seed: UInt64 = 0

  @Option(help: "scene, receipts, documents, or mixed, which is the default.", transform: { try choice($0) })
  var style = TextStyle.mixed

  @Option(help: "Words to draw, one a line; the built-in generator's by default.", completion: .file())
  var words: String?

  @Option(
    help:
      "The characters that texts may hold: DICT36, DICT37, DICT90, DICT91, or a file with one a line. Default: any.",
    completion: .file())
  var dictionary: String?

  @Option(
    help: ArgumentHelp(
      "A folder or file with fonts, or a family of installed ones. May be repeated for families.",
      valueName: "folder or family"))
  var fonts: [String] = []

  @Option(help: "A folder with pictures without text, to draw on; scenes take them.", completion: .directory)
  var backgrounds: String?

  @Option(help: "The least difference between ink and background, from 0 to 0.8.")
  var contrast: Double?

  @Flag(help: "Without blur, noise, uneven light and JPEG.")
  var clean = false

  @Option(help: ArgumentHelp("The form of the pictures.", valueName: "png|jpg"))
  var images = PictureFormat.png

  @Option(help: "Threads to draw with; samples do not depend on it. Default: all cores.")
  var threads: Int?

  @Flag(help: "Write into a folder that is not empty: labels of an earlier run are removed, pictures replaced.")
  var force = false

  enum PictureFormat: String, ExpressibleByArgument, CaseIterable { case png, jpg }

  func validate() throws {
    if !(1...100_000_000).contains(count) { throw ValidationError("--count must lie between 1 and 100000000") }
    if !(0...1_000_000_000).contains(start) { throw ValidationError("--start must lie between 0 and 1000000000") }
    if let threads, !(1...256).contains(threads) { throw ValidationError("--threads must lie between 1 and 256") }
  }

  func writer() throws -> DatasetWriter {
    var writer = try DatasetWriter(folder: output, samples: start..<start + count, replacing: force)
    writer.seed = seed
    writer.format = images == .png ? .png : .jpeg
    writer.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
    return writer
  }

  func fontSelection() throws -> FontSelection {
    let paths = fonts.filter { $0.contains("/") || FileManager.default.fileExists(atPath: $0) }
    guard let path = paths.first else { return fonts.isEmpty ? .system : .families(fonts) }
    guard fonts.count == 1 else {
      throw LigatureError(.usage, "--fonts takes one folder or file, or families of installed fonts, not both")
    }
    return .folder(path)
  }

  func wordList() throws -> [String]? { try words.map { try Synthesis.words(ofFileAt: $0) } }

  func backgroundPictures() throws -> [Image] {
    guard let backgrounds else { return [] }
    let (pictures, problems) = try BackgroundPictures.load(folder: backgrounds)
    for problem in problems { writeToStandardError("left out: \("\(problem)".printable)\n") }
    return pictures
  }
}

/// One of the cases of an enumeration, by its name.
private func choice<Choice: RawRepresentable<String> & CaseIterable>(_ argument: String) throws -> Choice {
  guard let value = Choice(rawValue: argument) else {
    let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    throw ValidationError("'\(argument)' is none of \(known)")
  }
  return value
}

struct SynthesizeWordsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "words", abstract: "Pictures of single words or short phrases, for recognisers.",
    discussion: """
      Writes images/…, and labels.txt ('file text', as MMOCR reads it) or labels.jsonl once all pictures are there.
      """)

  @OptionGroup var common: SynthesisOptions

  @Option(help: "The height of all pictures in pixels.")
  var height = 32

  @Option(help: "Longer texts are narrowed to this many pixels.")
  var maximumWidth = 640

  @Option(help: ArgumentHelp("How many characters texts have, as in 1-25.", valueName: "least-most"))
  var length = CountRange(1...25)

  @Option(help: "How often a text has several words, from 0 to 1; never where the dictionary has no space.")
  var phrases = 0.2

  @Option(help: "The form of the labels: txt, the default, or jsonl.", transform: { try choice($0) })
  var format = WordLabels.txt

  func run() throws {
    var options = WordOptions()
    options.style = common.style
    options.height = height
    options.maximumWidth = maximumWidth
    options.length = length.values
    options.phrases = phrases
    options.words = try common.wordList()
    options.alphabet = try common.dictionary.map { try Alphabet(named: $0) }
    options.fonts = try common.fontSelection()
    options.backgrounds = try common.backgroundPictures()
    options.minimumContrast = common.contrast ?? options.minimumContrast
    options.isDegraded = !common.clean
    let synthesizer = try WordSynthesizer(options)
    var progress = CountProgress(total: common.count, unit: "words")
    try common.writer().write(synthesizer, labels: format) { progress.reached($0) }
    progress.end()
    print("wrote \(common.count) words to \(common.output)")
  }
}

struct SynthesizePagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pages", abstract: "Pictures of pages, receipts and scenes, for detectors.",
    discussion: """
      Writes images/…, and gt/gt_NAME.txt (ICDAR 2015's form), labels.jsonl or instances.json (COCO's form). Corners \
      are around the ink, clockwise from the top left of the text. Text that is too small, too faint or cut off is \
      marked to be ignored: ### in ICDAR's form, else "iscrowd": 1.
      """)

  @OptionGroup var common: SynthesisOptions

  @Option(help: ArgumentHelp("Width and height of all pictures in pixels.", valueName: "WxH"))
  var size = PictureSize(width: 640, height: 640)

  @Option(help: "What a quadrilateral surrounds: word, the default, or line.", transform: { try choice($0) })
  var level = TextLevel.word

  @Option(help: "Text of fewer pixels' height is ignored.")
  var leastHeight = 6.0

  @Option(help: "The form of the ground truth: icdar, the default, jsonl or coco.", transform: { try choice($0) })
  var format = PageLabels.icdar

  func run() throws {
    var options = PageOptions()
    options.style = common.style
    (options.width, options.height) = (size.width, size.height)
    options.level = level
    options.leastHeight = leastHeight
    options.words = try common.wordList()
    options.alphabet = try common.dictionary.map { try Alphabet(named: $0) }
    options.fonts = try common.fontSelection()
    options.backgrounds = try common.backgroundPictures()
    options.minimumContrast = common.contrast ?? options.minimumContrast
    options.isDegraded = !common.clean
    let synthesizer = try PageSynthesizer(options)
    var progress = CountProgress(total: common.count, unit: "pages")
    try common.writer().write(synthesizer, labels: format) { progress.reached($0) }
    progress.end()
    print("wrote \(common.count) pages to \(common.output)")
  }
}

/// Two numbers with a dash between, as in `1-25`; one number stands for both.
struct CountRange: ExpressibleByArgument {
  var values: ClosedRange<Int>
  init(_ values: ClosedRange<Int>) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(parts.count), let first = parts[0], let last = parts[parts.count - 1], first <= last else {
      return nil
    }
    values = first...last
  }
  var defaultValueDescription: String { "\(values.lowerBound)-\(values.upperBound)" }
}

/// As in `640x480`.
struct PictureSize: ExpressibleByArgument {
  var width: Int
  var height: Int
  init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let width = parts[0], let height = parts[1] else { return nil }
    self.init(width: width, height: height)
  }
  var defaultValueDescription: String { "\(width)x\(height)" }
}

/// Says on standard error how far a count has come: a bar on a terminal, else a line for each tenth.
struct CountProgress {
  private let total: Int
  private let unit: String
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let start = Date()
  private var tenths = 0

  init(total: Int, unit: String) { (self.total, self.unit) = (total, unit) }

  mutating func reached(_ done: Int) {
    let rate = Double(done) / max(Date().timeIntervalSince(start), 1e-3)
    let left = Int(Double(total - done) / max(rate, 1e-9))
    if isTerminal {
      let filled = 30 * done / total
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
      writeToStandardError("\r\(bar) \(done)/\(total)  \(Int(rate)) \(unit)/s  \(left) s left \u{1B}[K")
    } else if done * 10 / total > tenths {
      tenths = done * 10 / total
      writeToStandardError("[\(done)/\(total)] \(Int(rate)) \(unit)/s\n")
    }
  }

  /// Leaves the terminal without a bar.
  func end() { if isTerminal { writeToStandardError("\r\u{1B}[K") } }
}
