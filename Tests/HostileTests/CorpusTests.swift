import Foundation
import FuzzTargets
import Testing

/// What the fuzzer starts from, and what it once found: each file ends in a value or an error of ours, soon.
@Suite struct FuzzCorpusTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/fuzz")

  @Test(arguments: FuzzTarget.allCases) func everyFileEnds(_ target: FuzzTarget) throws {
    try replay(Self.folder.appending(path: target.rawValue), target)
  }

  /// The fewest inputs that reach all code which fuzzing has reached; `Tests/Fuzzing/keep` makes them.
  @Test(arguments: FuzzTarget.allCases) func everyKeptInputEnds(_ target: FuzzTarget) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "ligature-corpus-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar", "-xzf", Self.folder.appending(path: "\(target.rawValue).tar.gz").path, "-C", folder.path]
    try tar.run()
    tar.waitUntilExit()
    try #require(tar.terminationStatus == 0)
    try replay(folder, target)
  }

  private func replay(_ folder: URL, _ target: FuzzTarget) throws {
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    #expect(!files.isEmpty)
    var good = 0
    for file in files.sorted(by: { $0.path < $1.path }) {
      let start = ContinuousClock.now
      if try target.run([UInt8](Data(contentsOf: file))) { good += 1 }
      #expect(start.duration(to: .now) < .seconds(5), "\(file.lastPathComponent)")
    }
    // Else it is not what it was made for that is tried.
    #expect(good > 0, "no file of \(target.rawValue) is good")
  }
}
