import Foundation
import Testing

/// `architectures`, `export` and `convert`.
@Suite struct NetworkCommandTests {
  private static let checkpoint = Program.fixtures.appending(path: "checkpoints/dbnet_zip.pth").path

  @Test func listsWhatThereIs() throws {
    let all = try Program.run(["architectures"])
    #expect(all.status == 0 && all.errors.isEmpty)
    for word in ["CRNN", "textrecog", "8,331,301", "DBNet", "textdet", "12,340,930", "depth=18", "classes=37"] {
      #expect(all.output.contains(word), "\(all.output)")
    }
    let one = try Program.run(["architectures", "dbnet", "--option", "depth=50", "--json"])
    #expect(one.status == 0)
    #expect(one.output.contains("\"depth\"") && !one.output.contains("CRNN"))
  }

  @Test func exportsTheSameForTheSameSeed() throws {
    let folder = try Folder()
    let widths = ["base_channels=4", "lateral_channels=8", "out_channels=4"]
    let small = widths.flatMap { ["--option", $0] } + ["-o"]
    for (name, seed) in [("a.onnx", "1"), ("b.onnx", "1"), ("c.onnx", "2")] {
      let outcome = try Program.run(["export", "dbnet", "--seed", seed] + small + [folder(name)])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("DBNet"))
    }
    #expect(try folder.bytes("a.onnx") == folder.bytes("b.onnx"))
    #expect(try folder.bytes("a.onnx") != folder.bytes("c.onnx"))
    let outcome = try Program.run(["inspect", folder("a.onnx")])
    #expect(outcome.output.contains("image: float32[N, 3, H, W]") && outcome.output.contains("ligature.recipe"))
  }

  @Test func convertsBothWays() throws {
    let folder = try Folder()
    var from = NetworkCommandTests.checkpoint
    for name in ["m.onnx", "m.pth", "n.onnx"] {
      let outcome = try Program.run(["convert", from, "-o", folder(name)])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("found DBNet with style=caffe base_channels=4"))
      from = folder(name)
    }
    #expect(try folder.bytes("m.onnx") == folder.bytes("n.onnx"))
    let export = try Program.run(["export", "DBNet", "--checkpoint", folder("m.pth"), "-o", folder("e.onnx")])
    #expect(export.status == 0, "\(export.errors)")
    #expect(try folder.bytes("m.onnx") == folder.bytes("e.onnx"))
  }

  @Test func whatCannotBeConverted() throws {
    let folder = try Folder()
    let model = try folder.write(TinyModels.affine().encoded(), "m.onnx")
    let satrn = Program.fixtures.appending(path: "checkpoints/satrn_bare.pth").path
    let broken = try folder.write("model = dict(".utf8, "config.py")
    let output = ["-o", folder("out.onnx")]
    expectError(try Program.run(["convert", satrn] + output), 2, says: "known: CRNN, DBNet")
    expectError(try Program.run(["convert", model] + output), 2, says: "known: CRNN, DBNet")
    expectError(try Program.run(["convert", folder("missing.pth")] + output), 2, says: "missing.pth")
    expectError(
      try Program.run(["convert", NetworkCommandTests.checkpoint, "--config", broken] + output), 2,
      says: "config.py", "not closed")
    expectError(
      try Program.run(["convert", NetworkCommandTests.checkpoint, "--option", "depth=50"] + output), 2,
      says: "'backbone.layer1.0.conv1.weight' is [4, 4, 3, 3] in the file, but [4, 4, 1, 1] in DBNet")
    expectError(try Program.run(["export", "YOLO"] + output), 64, says: "YOLO", "CRNN, DBNet")
    expectError(try Program.run(["export", "CRNN", "--option", "depth=3"] + output), 64, says: "no option 'depth'")
    expectError(try Program.run(["export", "CRNN", "--option", "classes"] + output), 64, says: "key=value")
    expectError(try Program.run(["export", "CRNN", "--option", "classes=50"] + output), 64, says: "--dictionary")
    expectError(
      try Program.run(["export", "CRNN", "--checkpoint", NetworkCommandTests.checkpoint] + output), 64,
      says: "holds a DBNet")
    #expect(try !folder.names().contains("out.onnx"))
  }
}
