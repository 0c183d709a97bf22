import Foundation
import TensorCore
import Testing

/// The built program as a child process, with a limit on its memory and on its time.
enum Program {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let fixtures = root.appending(path: "Tests/Fixtures")

  /// It lies beside the tests that were built with it.
  static let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appending(path: "ligature").path

  struct Outcome {
    /// As a shell has it: 137 after the time limit, more than 128 after a crash.
    var status: Int32
    var output: String
    var errors: String

    /// Ended by itself, and not by a trap, a signal or the clock.
    var isOrderly: Bool { [0, 1, 2, 64].contains(status) }
  }

  /// - Parameters:
  ///   - script: how the program is called, in the words of a shell; `"$@"` is the whole command.
  ///   - folder: where it runs; relative names are found there.
  ///   - memory: bytes of address space, which is more than the memory that it really takes.
  static func run(
    _ arguments: [String], in folder: URL = root, script: String = "exec \"$@\"", seconds: Int = 60,
    memory: Int = 8 << 30, environment: [String: String] = [:]
  ) throws -> Outcome {
    try #require(
      FileManager.default.isExecutableFile(atPath: path), "\(path) is missing; build it with 'make build'")
    let logs = try Folder()
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments =
      ["-c", "ulimit -v \(memory >> 10); \(script)", "sh", "timeout", "-s", "KILL", "\(seconds)", path] + arguments
    process.currentDirectoryURL = folder
    let own = ["SWIFT_BACKTRACE": "enable=no", "COLUMNS": "100", "LIGATURE_MODELS": root.path + "/.build/models"]
    process.environment = ProcessInfo.processInfo.environment.merging(own) { $1 }.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try logs.writer("output")
    process.standardError = try logs.writer("errors")
    try process.run()
    process.waitUntilExit()
    let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    return Outcome(status: status, output: try logs.text("output"), errors: try logs.text("errors"))
  }

  /// A model that `Models/fetch` obtains.
  static func fetched(_ name: String) throws -> URL {
    let path = root.appending(path: ".build/models/\(name)")
    try #require(
      FileManager.default.fileExists(atPath: path.path), "\(path.path) is missing; fetch it with 'make models'")
    return path
  }
}

/// A folder of its own, gone with its last reference.
final class Folder {
  let url: URL
  var path: String { url.path }

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "ligature-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: url) }

  func callAsFunction(_ name: String) -> String { url.appending(path: name).path }

  @discardableResult
  func write(_ bytes: some Sequence<UInt8>, _ name: String) throws -> String {
    let target = url.appending(path: name)
    try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: target)
    return target.path
  }
  func bytes(_ name: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: url.appending(path: name))) }
  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }
  func names(_ inside: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url.appending(path: inside).path).sorted()
  }
  func writer(_ name: String) throws -> FileHandle {
    try write([], name)
    return try FileHandle(forWritingTo: url.appending(path: name))
  }
}

/// Checks an error's exit code, and that its text helps a person: one line, on standard error, no dump of a type.
func expectError(
  _ outcome: Program.Outcome, _ status: Int32, says words: String..., at location: SourceLocation = #_sourceLocation
) {
  let text = outcome.errors
  #expect(outcome.status == status, "\(text)", sourceLocation: location)
  for word in words { #expect(text.contains(word), "\(text)", sourceLocation: location) }
  for noise in ["LigatureError(", "Error Domain", "NSCocoa", "Swift.", "Optional(", "Fatal error", "UserInfo"] {
    #expect(!text.contains(noise), "\(text)", sourceLocation: location)
  }
  #expect(text.hasPrefix("error: ") || text.hasPrefix("Error: "), "\(text)", sourceLocation: location)
}

/// The bytes with one bit turned; another for each number.
func flipped(_ bytes: [UInt8], _ number: Int) -> [UInt8] {
  var generator = SplitMix64(UInt64(number) &* 7919)
  var result = bytes
  result[Int.random(in: bytes.indices, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
  return result
}
