import Foundation
import Testing

/// What `--help` says is an interface: a change shows in a diff of `Tests/Fixtures/program`.
/// `LIGATURE_RECORD=1 swift test --filter HelpTests` writes the files anew.
@Suite(.serialized) struct HelpTests {
  @Test(arguments: [
    "", "read", "inspect", "optimize", "run", "verify", "bench", "profile", "plan", "annotate", "architectures",
    "export",
    "convert",
    "train",
    "evaluate", "synthesize", "synthesize words", "synthesize pages",
  ])
  func help(_ command: String) throws {
    let outcome = try Program.run(command.split(separator: " ").map(String.init) + ["--help"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.isEmpty)
    let name = (["help"] + command.split(separator: " ")).joined(separator: "-")
    let fixture = Program.fixtures.appending(path: "program/\(name).txt")
    if ProcessInfo.processInfo.environment["LIGATURE_RECORD"] != nil {
      try Data(outcome.output.utf8).write(to: fixture)
    }
    let expected = String(decoding: try Data(contentsOf: fixture), as: UTF8.self)
    #expect(outcome.output == expected, "it changed; if that is meant, record it: see HelpTests.swift")
  }

  @Test func everyCommandHasAFixture() throws {
    let outcome = try Program.run(["--help"])
    let commands = outcome.output.split(separator: "\n").drop { !$0.hasPrefix("SUBCOMMANDS:") }.dropFirst()
      .filter { $0.hasPrefix("  ") && $0.dropFirst(2).first?.isLetter == true && !$0.hasPrefix("  See") }
      .compactMap { $0.split(separator: " ").first.map(String.init) }
    let names = try FileManager.default.contentsOfDirectory(atPath: Program.fixtures.appending(path: "program").path)
    #expect(
      Set(commands.map { "help-\($0).txt" } + ["help.txt"])
        == Set(names.filter { $0.hasPrefix("help") && $0.count { $0 == "-" } < 2 }))
  }

  @Test func wrongCommandLines() throws {
    let lines: [(arguments: [String], says: String)] = [
      (["frobnicate"], "frobnicate"),
      (["read"], "images"),
      (["inspect"], "model"),
      (["read", "a.jpg", "--threads", "0"], "--threads must lie between"),
      (["read", "a.jpg", "--threads", "1000000"], "--threads must lie between"),
      (["read", "a.jpg", "--threads", "99999999999999999999"], "--threads"),
      (["read", "a.jpg", "--memory-limit", "0"], "--memory-limit"),
      (["read", "a.jpg", "--memory-limit", "999999999999T"], "--memory-limit"),
      (["read", "a.jpg", "--memory-limit", "nan"], "--memory-limit"),
      (["bench", "m.onnx", "--runs", "0"], "--runs must lie between"),
      (["plan", "m.onnx", "--threads", "0"], "--threads must lie between"),
      (["bench", "m.onnx", "--threads", "0"], "--threads must lie between"),
      (["bench", "m.onnx", "--starts", "0"], "--starts must lie between"),
      (["bench", "m.onnx", "--seconds=-1"], "--seconds must lie between"),
      (["profile", "m.onnx", "--top=-1"], "--top must lie between"),
      (["verify", ".", "--tolerance", "nan"], "--tolerance"),
      (["verify", ".", "--tolerance=-1"], "--tolerance"),
      (["annotate", "m.onnx", "-o", "n.onnx"], "--recipe"),
      (["run", "m.onnx", "--format", "csv"], "--format"),
      (["synthesize", "words"], "--output"),
      (["synthesize", "words", "-o", "x", "--count", "0"], "--count must lie between"),
      (["synthesize", "words", "-o", "x", "--length", "9-3"], "--length"),
      (["synthesize", "words", "-o", "x", "--height", "3"], "8 to 512"),
      (["synthesize", "pages", "-o", "x", "--size", "640"], "--size"),
      (["synthesize", "pages", "-o", "x", "--size", "9x9"], "64 to 4096"),
      (["synthesize", "pages", "-o", "x", "--style", "odd"], "--style"),
    ]
    for line in lines { expectError(try Program.run(line.arguments), 64, says: line.says) }
  }

  @Test func outputThatCannotBeWritten() throws {
    let folder = try Folder()
    let model = try folder.write(TinyModels.affine().encoded(), "m.onnx")
    expectError(
      try Program.run(["inspect", model], script: "exec \"$@\" >/dev/full"), 2, says: "cannot write the output")
    // Nobody listens to what it complains of; it ends as it should all the same.
    #expect(try Program.run(["inspect", "missing"], script: "exec \"$@\" 2>/dev/full").status == 2)
    #expect(try Program.run(["inspect", "missing"], script: "exec \"$@\" 2>&-").status == 2)
  }
}
