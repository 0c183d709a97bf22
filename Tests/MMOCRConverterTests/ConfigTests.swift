import Foundation
import MMOCRConverter
import TensorCore
import Testing

enum Fixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures")
  static func path(_ name: String) -> String { root.appending(path: name).path }
}

@Suite struct ConfigTests {
  @Test func aConfigurationAsPeopleWriteThem() throws {
    let config = try MMOCRConfig(contentsOf: Fixtures.path("converter/dbnet.py"))
    #expect(config.bases == ["../../_base_/runtime_10e.py", "../../_base_/det_datasets/icdar2015.py"])
    #expect(try config.string("model.type") == "DBNet")
    #expect(try config.integer("model.backbone.base_channels") == 4)
    #expect(try config.numbers("model.neck.in_channels") == [4, 8, 16, 32])
    #expect(try config.number("model.bbox_head.loss.beta") == 10)
    #expect(try config.number("model.bbox_head.postprocessor.mask_thr") == 0.25)
    #expect(try config.boolean("model.bbox_head.loss.bbce_loss") == true)
    #expect(try config.string("model.backbone.init_cfg") == nil)
    #expect(try config.string("data.names") == "abc\nd")
    #expect(config.skippedLines == [2, 39, 40])
    let steps = config.steps("test_pipeline")
    #expect(
      steps.map(\.type) == ["LoadImageFromFile", "MultiScaleFlipAug", "Resize", "Normalize", "Pad"])
    #expect(config.steps("data.test.pipeline").count == 5)
    #expect(steps[3].step["mean"]?.elements?.compactMap(\.number) == [120, 110, 100])
  }

  @Test func whatOnlyPythonComputesIsAnErrorWhereItIsNeeded() throws {
    let config = try MMOCRConfig(contentsOf: Fixtures.path("converter/dbnet.py"))
    let paths = ["data.samples_per_gpu", "data.workers", "train_list", "train_list.type"]
    for path in paths {
      let error = #expect(throws: LigatureError.self) { try config.integer(path) }
      #expect(error?.message.contains("'\(path)'") == true && error?.message.contains("line ") == true)
    }
    #expect(throws: LigatureError.self) { try config.integer("model.type") }
  }

  @Test(arguments: [
    ("a = 1 + 2 * 3", ConfigValue.integer(7)), ("a = (1)", .integer(1)), ("a = (1,)", .list([.integer(1)])),
    ("a = ()", .list([])), ("a = -1.5e-3", .number(-0.0015)), ("a = 1_000", .integer(1000)),
    ("a = [1, 2,]\n", .list([.integer(1), .integer(2)])), (#"a = 'it\'s \u00e9\n'"#, .string("it's é\n")),
    (#"a = r'\d'"#, .string(#"\d"#)), ("a = [1] + [None]", .list([.integer(1), .none])),
    (
      "b = 2\na = dict(x=b, y={'z': True})",
      .dictionary([.init("x", .integer(2)), .init("y", .dictionary([.init("z", .boolean(true))]))])
    ),
    ("a = 1 \\\n + 1", .integer(2)),
    ("a = 9223372036854775807 + 1", .unreadable(line: 1, "a number too large")),
    ("a = x.y(1)[2]", .unreadable(line: 1, "the result of 'x'")),
  ])
  func values(_ text: String, _ expected: ConfigValue) throws {
    #expect(try MMOCRConfig(text: text).values["a"] == expected)
  }

  @Test func brokenFiles() throws {
    for text in ["a = dict(", "a = 'x", "a = )", "a = [)", String(repeating: "[", count: 100_000), "a = '''x"] {
      #expect(throws: LigatureError.self) { try MMOCRConfig(text: text) }
    }
    // Nothing of this is an assignment; nothing of this takes long.
    for text in [
      "=", "a =", "a b c", "a = = 1", "a = 1 2", ",,,", "a = dict(=)", "a = dict(1, 2, **)", "a = [,]", "\0",
    ] {
      _ = try MMOCRConfig(text: text)
    }
    let laughs = (0..<40).map { "a\($0 + 1) = [a\($0), a\($0), a\($0), a\($0)]" }.joined(separator: "\n")
    let config = try MMOCRConfig(text: "a0 = 1\n" + laughs)
    #expect(config.values["a5"]?.elements?.count == 4)
    let nested = (0..<20_000).map { "a\($0 + 1) = [a\($0)]" }.joined(separator: "\n")
    _ = try MMOCRConfig(text: "a0 = 1\n" + nested)
    _ = try MMOCRConfig(text: "a = " + String(repeating: "-", count: 10_000) + "1")
  }
}
