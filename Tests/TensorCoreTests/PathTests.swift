import Foundation
import TensorCore
import Testing

@Suite struct PathTests {
  /// As Foundation has it, which small programs do without.
  @Test(arguments: [
    "", "/", "a", "a.txt", "a/b", "a/b/", "/a", "/a/b.c/d.tar.gz", "dir.d/name", ".hidden", "a/.hidden", "dots.", "a//b",
    "./x.y", "ü/ö.ä",
  ])
  func partsAreThoseThatFoundationTells(path: String) {
    let known = path as NSString
    #expect(Path.name(path) == known.lastPathComponent)
    #expect(Path.folder(of: path) == known.deletingLastPathComponent.replacing("//", with: "/"))
    #expect(Path.ending(of: path) == known.pathExtension)
    if !path.hasSuffix("/"), !path.contains("//") { #expect(Path.stem(path) == known.deletingPathExtension) }
    for name in ["x", "x/y.z", "/x"] where !path.contains("//") {
      #expect(Path.join(path, name) == (path.isEmpty ? name : known.appendingPathComponent(name)))
    }
  }

  @Test func numbersInNamesCountByValue() {
    let sorted = ["a", "a.2.w", "a.10.b", "a.10.w", "a.x", "b.0", "b.00", "b.1x", "b.9", "b.010"]
    #expect(sorted.shuffled().sorted(by: precedesByNumbers) == sorted)
    #expect(!precedesByNumbers("a.1", "a.1"))
  }

  @Test func whiteSpaceGoesAtBothEnds() {
    for text in ["", " ", "a", " a b ", "\t\r\n max 100000\n", "x\u{A0}"] {
      #expect(text.trimmed == text.trimmingCharacters(in: .whitespacesAndNewlines))
      #expect(text.dropFirst().trimmed == String(text.dropFirst()).trimmingCharacters(in: .whitespacesAndNewlines))
    }
  }

  @Test(arguments: ["%.3g", "%.4f", "%e"]) func numbersArePrintedAsPrintfDoes(format: String) {
    for value in [0, -0.0, 1, 1.0 / 3, 123456.789, 1e-7, -5e300, .infinity, .nan] {
      #expect(printed(value, format) == String(format: format, value))
    }
  }

  @Test func causesAreToldInTheSystemsWords() {
    let inner = POSIXError(.ENOSPC)
    #expect("\(LigatureError(.file, "cannot write", cause: inner))".contains("No space left"))
    do {
      _ = try Data(contentsOf: URL(filePath: "/nowhere/at/all"))
    } catch {
      #expect("\(LigatureError(.file, "cannot read", cause: error))".contains("No such file"))
    }
  }
}

@Suite struct ThreadTests {
  @Test func holdersOfAMonitorWaitForEachOther() throws {
    struct Failure: Error {}
    let shared = Shared()
    #expect(throws: Failure.self) { try shared.monitor.withLock { throw Failure() } }
    for index in 0..<4 {
      try startThread(stackSize: 1 << 20) {
        for round in 0..<50 {
          shared.monitor.withLock {
            while shared.turn != round * 4 + index { shared.monitor.wait() }
            shared.turn += 1
            shared.monitor.broadcast()
          }
        }
      }
    }
    shared.monitor.withLock { while shared.turn < 200 { shared.monitor.wait() } }
    #expect(shared.turn == 200)
  }

  private final class Shared: @unchecked Sendable {
    let monitor = Monitor()
    var turn = 0
  }

  @Test func aThreadThatCannotBeHadIsAnError() {
    #expect(throws: LigatureError.self) { try startThread(stackSize: 1 << 60) {} }
  }
}
