import Foundation
import FuzzTargets
import Testing

/// What the fuzzer starts from, and what it once found: each file ends in a value or an error of ours, soon.
@Suite struct FuzzCorpusTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/fuzz")

  @Test(arguments: FuzzTarget.allCases) func everyFileEnds(_ target: FuzzTarget) throws {
    let folder = Self.folder.appending(path: target.rawValue)
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
