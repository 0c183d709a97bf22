import Foundation
import TensorCore
import Testing

@Suite struct PathTests {
  struct Parts: Sendable {
    let path, name, folder, ending, stem: String
  }

  @Test(arguments: [
    Parts(path: "", name: "", folder: "", ending: "", stem: ""),
    Parts(path: "/", name: "/", folder: "/", ending: "", stem: "/"),
    Parts(path: "a", name: "a", folder: "", ending: "", stem: "a"),
    Parts(path: "a.txt", name: "a.txt", folder: "", ending: "txt", stem: "a"),
    Parts(path: "a/b/", name: "b", folder: "a", ending: "", stem: "a/b/"),
    Parts(path: "/a", name: "a", folder: "/", ending: "", stem: "/a"),
    Parts(path: "/a/b.c/d.tar.gz", name: "d.tar.gz", folder: "/a/b.c", ending: "gz", stem: "/a/b.c/d.tar"),
    Parts(path: "dir.d/name", name: "name", folder: "dir.d", ending: "", stem: "dir.d/name"),
    Parts(path: "a/.hidden", name: ".hidden", folder: "a", ending: "", stem: "a/.hidden"),
    Parts(path: "dots.", name: "dots.", folder: "", ending: "", stem: "dots."),
    Parts(path: "a//b", name: "b", folder: "a", ending: "", stem: "a//b"),
    Parts(path: "ü/ö.ä", name: "ö.ä", folder: "ü", ending: "ä", stem: "ü/ö"),
  ])
  func pathsFallIntoParts(_ parts: Parts) {
    #expect(Path.name(parts.path) == parts.name)
    #expect(Path.folder(of: parts.path) == parts.folder)
    #expect(Path.ending(of: parts.path) == parts.ending)
    #expect(Path.stem(parts.path) == parts.stem)
  }

  @Test func namesAreJoined() {
    for (folder, name, whole) in [
      ("", "x", "x"), ("", "/x", "/x"), ("a", "x/y.z", "a/x/y.z"), ("a/", "x", "a/x"), ("/", "x", "/x"),
      ("a", "/x", "a/x"),
    ] {
      #expect(Path.join(folder, name) == whole)
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
