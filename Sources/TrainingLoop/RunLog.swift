internal import FoundationEssentials
internal import Glibc
internal import TensorCore

/// One line of `log.jsonl`: what happened up to a step.
public struct LogEntry: Codable, Sendable, Equatable {
  /// Steps done, from 1.
  public var step: Int
  public var epoch: Int
  /// Means over the steps since the entry before.
  public var loss: Double?
  public var terms: [String: Double]?
  public var gradientNorm: Double?
  public var learningRate: Double?
  public var imagesPerSecond: Double?
  /// Of a validation.
  public var metrics: [String: Double]?
  /// Seconds since this process began to train.
  public var seconds: Double?

  enum CodingKeys: String, CodingKey {
    case step, epoch, loss, terms, metrics, seconds
    case gradientNorm = "gradient_norm"
    case learningRate = "learning_rate"
    case imagesPerSecond = "images_per_second"
  }

  init(step: Int, epoch: Int) {
    self.step = step
    self.epoch = epoch
  }
}

/// The log of a run: read back when it is resumed, then only appended to.
final class RunLog {
  private(set) var entries: [LogEntry]
  private let path: String
  private let file: Int32
  private let encoder: JSONEncoder

  /// - Parameter step: what was logged after it is dropped: those steps are done again.
  init(_ path: String, keepingUpTo step: Int) throws {
    self.path = path
    encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    entries = try RunLog.read(path).filter { $0.step <= step }
    var text = Data()
    for entry in entries { text.append(try encoder.encode(entry) + [0x0A]) }
    try AtomicFile.write([UInt8](text), to: path)
    file = unsafe open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    guard file >= 0 else { throw RunLog.unwritable(path) }
  }

  deinit { if file >= 0 { close(file) } }

  /// Entries of an earlier run. A last line that was cut off by the end of the program is left out.
  static func read(_ path: String) throws -> [LogEntry] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let storage = try TensorStorage(mapping: path)
    guard storage.byteCount <= 1 << 30 else { throw LigatureError(.limit, "'\(path)' is larger than 1 GiB; move it") }
    let text = unsafe storage.withUnsafeBytes { unsafe Data($0) }
    let decoder = JSONDecoder()
    return text.split(separator: 0x0A).compactMap { try? decoder.decode(LogEntry.self, from: Data($0)) }
  }

  func append(_ entry: LogEntry) throws {
    // One write, as a rule: a line is there as a whole, or cut off at the end.
    let line = try [UInt8](encoder.encode(entry)) + [0x0A]
    var done = 0
    while done < line.count {
      let count = unsafe line.withUnsafeBytes {
        unsafe write(file, $0.baseAddress.map { unsafe $0 + done }, $0.count - done)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw RunLog.unwritable(path) }
      done += count
    }
    entries.append(entry)
  }

  private static func unwritable(_ path: String) -> LigatureError {
    LigatureError(.file, "cannot write '\(path)': \(systemErrorText()); make room and resume")
  }
}
