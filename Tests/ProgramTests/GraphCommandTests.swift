import Foundation
import ONNXFormat
import TensorCore
import TensorFiles
import Testing

/// `inspect`, `run`, `verify`, `bench` and `annotate` on small models.
@Suite(.serialized) struct GraphCommandTests {
  let folder: Folder
  let model: String
  let input = [1, 2, 3, -1, 0, 1] as [Float]
  /// input · w
  let expected = [6.5, 8, -0.5, 4] as [Float]

  init() throws {
    folder = try Folder()
    model = try folder.write(TinyModels.affine().encoded(), "affine.onnx")
  }

  private func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
  }

  // ── inspect ───────────────────────────────────────────────────────────────

  @Test func inspectPrints() throws {
    let outcome = try Program.run(["inspect", model, "--nodes", "--shape", "x=5x3"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    for words in [
      "input       x: float32[N, 3]", "output      y: float32[N, 2]", "output      positive: bool[N, 2]",
      "parameters  7", "for x=5x3", "multiply-adds  40", "1  MatMul", "1  Greater", "opset       21",
      "checksum    crc32:",
    ] {
      #expect(outcome.output.contains(words), "\(words) is missing in:\n\(outcome.output)")
    }
    #expect(
      outcome.output.contains("MatMul(") || outcome.output.split(separator: "\n").last?.contains("Greater") == true)
  }

  @Test func inspectPrintsJSON() throws {
    let outcome = try Program.run(["inspect", model, "--json", "--shape", "x=5x3"])
    let report = try json(outcome.output)
    #expect(report["opset"] as? Int == 21)
    #expect(report["nodeCount"] as? Int == 2)
    #expect(report["operators"] as? [String: Int] == ["MatMul": 1, "Greater": 1])
    #expect((report["checksum"] as? String)?.hasPrefix("crc32:") == true)
    let plan = try #require(report["plan"] as? [String: Any])
    #expect(plan["shapes"] as? [String: [Int]] == ["x": [5, 3]])
    #expect(plan["multiplyAdds"] as? Int == 40)
    #expect((plan["memory"] as? [String: Any])?["arena"] != nil)
  }

  // ── plan ──────────────────────────────────────────────────────────────────

  @Test func planTellsWhatARunTakes() throws {
    let outcome = try Program.run(
      ["plan", model, "--shape", "x=1000x3", "--threads", "1", "--json", "--svg", folder("plan.svg")])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try json(outcome.output)
    let memory = try #require(report["memory"] as? [String: Any])
    let arena = try #require(memory["arena"] as? Int)
    let bound = try #require(memory["lowerBound"] as? Int)
    #expect(arena >= 8000 && arena >= bound && Double(arena) <= 1.1 * Double(bound))
    #expect(report["inputs"] as? Int == 12_000)
    let peak = try #require(report["peak"] as? [[String: Any]])
    #expect(peak.contains { $0["name"] as? String == "y" && $0["byteCount"] as? Int == 8000 })
    let drawing = try String(contentsOfFile: folder("plan.svg"), encoding: .utf8)
    #expect(drawing.hasPrefix("<svg") && drawing.contains("<title>y&#10;MatMul"))
    let text = try Program.run(["plan", model, "--shape", "x=1000x3", "--threads", "1"])
    #expect(text.output.contains("most at step 0:") && text.output.contains("MatMul"), "\(text.output)")
  }

  @Test func planKeepsToACap() throws {
    let fits = try Program.run(["plan", model, "--shape", "x=1000x3", "--threads", "1", "--cap", "1MiB"])
    #expect(fits.status == 0, "\(fits.errors)")
    let refused = try Program.run(["plan", model, "--shape", "x=1000x3", "--threads", "1", "--cap", "5000"])
    #expect(refused.status == 2)
    #expect(refused.errors.contains("more than the memory limit of 5000"), "\(refused.errors)")
    #expect(refused.errors.contains("(MatMul)") || refused.errors.contains("(Greater)"), "\(refused.errors)")
  }

  // ── run ───────────────────────────────────────────────────────────────────

  @Test(arguments: ["npy", "safetensors", "pb"])
  func runsOnFiles(_ format: String) throws {
    let tensor = try Tensor(input, [2, 3])
    let path = folder("in.\(format)")
    switch format {
    case "npy": try NPY.write(tensor, to: path)
    case "safetensors": try SafeTensors(["x": tensor, "other": tensor]).write(to: path)
    default: try TensorFile.write(tensor, name: "any", to: path)
    }
    let outcome = try Program.run(
      ["run", model, "--input", "x=\(path)", "--output", folder("out"), "--format", format])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("y: float32[2, 2]  from -0.5 to 8.0"))
    #expect(try folder.names("out") == ["positive.\(format)", "y.\(format)"])
    let (y, positive) = (folder("out/y.\(format)"), folder("out/positive.\(format)"))
    let results: [Tensor?]
    switch format {
    case "npy": results = [try NPY.read(y), try NPY.read(positive)]
    case "safetensors":
      results = [
        try SafeTensors(contentsOf: y).tensors["y"], try SafeTensors(contentsOf: positive).tensors["positive"],
      ]
    default: results = [try TensorFile.read(y).tensor, try TensorFile.read(positive).tensor]
    }
    #expect(try results[0]?.scalars(as: Float.self) == expected)
    #expect(try results[1]?.scalars(as: Bool.self) == [true, true, false, true])
  }

  @Test func runsOnSyntheticInputs() throws {
    let first = try Program.run(["run", model, "--shape", "x=4x3", "--threads", "1"])
    let second = try Program.run(["run", model, "--shape", "x=4x3", "--threads", "2"])
    #expect(first.status == 0, "\(first.errors)")
    #expect(first.output.contains("y: float32[4, 2]"))
    func results(_ text: String) -> [Substring] { text.split(separator: "\n").filter { !$0.contains(" ms") } }
    #expect(results(first.output) == results(second.output))
    // Nothing to do is no problem.
    let empty = try Program.run(["run", model, "--shape", "x=0x3"])
    #expect(empty.status == 0 && empty.output.contains("y: float32[0, 2]"), "\(empty.errors)")
  }

  @Test func runRefuses() throws {
    try NPY.write(Tensor(input, [3, 2]), to: folder("turned.npy"))
    try NPY.write(Tensor([1, 2, 3] as [Int64], [1, 3]), to: folder("integers.npy"))
    try NPY.write(Tensor(input, [2, 3]), to: folder("good.npy"))
    try SafeTensors(["a": Tensor(input, [2, 3]), "b": Tensor(input, [2, 3])]).write(to: folder("ab.safetensors"))
    try folder.write([], "empty.npy")
    try folder.write(Array("\u{93}NUMPY".utf8) + [1, 0, 255, 255], "short.npy")
    try folder.write([0x93] + Array("NUMPY".utf8) + [2, 0, 255, 255, 255, 127], "long.npy")
    let huge = "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 3), }"
    try folder.write([0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(huge.utf8.count), 0] + Array(huge.utf8), "huge.npy")
    func safetensors(_ header: String, _ data: Int) -> [UInt8] {
      (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) } + Array(header.utf8)
        + [UInt8](repeating: 0, count: data)
    }
    let overlap =
      #"{"x":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]},"y":{"dtype":"F32","shape":[1,3],"data_offsets":[8,20]}}"#
    try folder.write(safetensors(overlap, 20), "overlap.safetensors")
    try folder.write(safetensors("{", 0), "broken.safetensors")
    try folder.write([UInt8](repeating: 255, count: 64), "wild.safetensors")
    try folder.write([UInt8](repeating: 255, count: 64), "wild.pb")
    let cases: [(input: String, status: Int32, says: String)] = [
      ("x=turned.npy", 2, "must be float32[N, 3], but is float32[3, 2]"),
      ("x=integers.npy", 2, "int64"),
      ("z=good.npy", 64, "the inputs are: x"),
      ("good.npy", 64, "name=file"),
      ("x=", 64, "name=file"),
      ("x=missing.npy", 2, "missing.npy"),
      ("x=good.csv", 64, "npy, safetensors, pb"),
      ("x=ab.safetensors", 64, "it has: a, b"),
      ("x=empty.npy", 2, "empty.npy"),
      ("x=short.npy", 2, "short.npy"),
      ("x=long.npy", 2, "long.npy"),
      ("x=huge.npy", 2, "huge.npy"),
      ("x=overlap.safetensors", 2, "overlaps"),
      ("x=broken.safetensors", 2, "header is damaged"),
      ("x=wild.safetensors", 2, "wild.safetensors"),
      ("x=wild.pb", 2, "wild.pb"),
    ]
    for entry in cases {
      expectError(
        try Program.run(["run", model, "--input", entry.input], in: folder.url, memory: 2 << 30), entry.status,
        says: entry.says)
    }
    expectError(
      try Program.run(["run", model, "--input", "x=good.npy", "--input", "x=good.npy"], in: folder.url), 64,
      says: "twice")
    expectError(try Program.run(["run", model, "--output", "/proc/out"]), 2, says: "/proc/out", "folder")
  }

  @Test func absurdSizes() throws {
    let cases: [(shape: String, status: Int32)] = [
      ("x=4611686018427387904x3", 2), ("x=9223372036854775807x3", 2), ("x=1000000000000x3", 2), ("x=2000000000x3", 2),
      ("x=99999999999999999999x3", 64), ("x=-1x3", 64), ("x=1x", 64), ("x=", 64), ("=1x3", 64), ("x=1x3x1", 2),
      ("x=1x4", 2), ("x=1.5x3", 64), ("q=1x3", 64), ("x=0x0x0x0x0x0x0x0", 2),
    ]
    for entry in cases {
      for command in [["run"], ["bench", "--runs", "1"]] {
        let outcome = try Program.run(
          command + [model, "--shape", entry.shape], memory: 2 << 30)
        expectError(outcome, entry.status)
      }
      #expect(try Program.run(["inspect", model, "--shape", entry.shape], memory: 2 << 30).isOrderly)
    }
    expectError(try Program.run(["run", model, "--shape", "x=1x3", "--shape", "x=2x3"]), 64, says: "twice")
    // A limit that the machine does not have.
    expectError(
      try Program.run(["run", model, "--shape", "x=300000000x3", "--memory-limit", "1TiB"], memory: 2 << 30), 2,
      says: "no memory for")
  }

  // ── verify ────────────────────────────────────────────────────────────────

  private func testData(_ y: [Float], positive: [Bool] = [true, true, false, true]) throws -> String {
    try folder.write(TinyModels.affine().encoded(), "data/model.onnx")
    for set in ["data/test_data_set_0", "data/test_data_set_10", "data/test_data_set_2"] {
      try folder.write(encodeTensor(Tensor(input, [2, 3])), "\(set)/input_0.pb")
      try folder.write(encodeTensor(Tensor(y, [2, 2])), "\(set)/output_0.pb")
      try folder.write(encodeTensor(Tensor(positive, [2, 2])), "\(set)/output_1.pb")
    }
    return folder("data")
  }

  @Test func verifyPasses() throws {
    let outcome = try Program.run(["verify", try testData([6.5, 8, -0.5, 4.0001])])
    #expect(outcome.status == 0, "\(outcome.errors)\(outcome.output)")
    #expect(outcome.output.contains("6 of 6 outputs within 0.0001"))
    let sets = outcome.output.split(separator: "\n").compactMap { $0.split(separator: " ").first }.map(String.init)
    #expect(sets.filter { $0.hasPrefix("test") } == ["0", "0", "2", "2", "10", "10"].map { "test_data_set_" + $0 })
  }

  @Test func verifyFails() throws {
    let far = try testData([6.5, 8, -0.5, 4.1])
    let outcome = try Program.run(["verify", far])
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("FAILED") && outcome.output.contains("3 of 6"))
    #expect(try Program.run(["verify", far, "--tolerance", "0.1"]).status == 0)
    #expect(try Program.run(["verify", try testData(expected, positive: [true, true, true, true])]).status == 1)
    // Neither a NaN where a number belongs nor the reverse passes.
    let nan = try Program.run(["verify", try testData([6.5, .nan, -0.5, 4]), "--json"])
    #expect(nan.status == 1)
    #expect(nan.output.contains("\"maximalAbsoluteError\" : \"Infinity\""), "\(nan.output)\(nan.errors)")
    _ = try testData(expected)
    try folder.write(encodeTensor(Tensor(expected, [4])), "data/test_data_set_0/output_0.pb")
    let shape = try Program.run(["verify", folder("data")])
    #expect(shape.status == 1 && shape.output.contains("made float32[2, 2]"))
  }

  @Test func verifyRefuses() throws {
    expectError(try Program.run(["verify", folder("nowhere")]), 2, says: "nowhere")
    let data = try testData(expected)
    try FileManager.default.removeItem(atPath: data + "/test_data_set_2/output_1.pb")
    expectError(try Program.run(["verify", data]), 2, says: "test_data_set_2/output_1.pb")
    try folder.write(TinyModels.affine().encoded(), "bare/model.onnx")
    expectError(try Program.run(["verify", folder("bare")]), 2, says: "test_data_set_0")
  }

  // ── bench ─────────────────────────────────────────────────────────────────

  @Test func benchReports() throws {
    let outcome = try Program.run(["bench", model, "--json", "--runs", "3", "--shape", "x=8x3", "--threads", "2"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try json(outcome.output)
    for key in ["loadTime", "firstRun", "minimum", "median", "p95", "throughput"] {
      #expect((report[key] as? Double ?? 0) > 0, "\(key)")
    }
    for key in ["runs", "arena", "peakResident"] { #expect((report[key] as? Int ?? 0) > 0, "\(key)") }
    #expect(report["threads"] as? Int == 2)
    #expect(report["shapes"] as? [String: [Int]] == ["x": [8, 3]])
    let (least, middle, high) = (report["minimum"] as? Double, report["median"] as? Double, report["p95"] as? Double)
    #expect(least ?? 1 <= middle ?? 0 && middle ?? 1 <= high ?? 0)
  }

  // ── annotate ──────────────────────────────────────────────────────────────

  @Test func annotateRefuses() throws {
    let recipe = Program.root.appending(path: "Models/Recipes/ppocrv4-cls.json").path
    try folder.write(Array("{}".utf8), "wrong.json")
    let cases: [(recipe: String, output: String, says: String)] = [
      (folder("missing.json"), folder("o.onnx"), "missing.json"),
      (folder("wrong.json"), folder("o.onnx"), "recipe"),
      ("/dev/zero", folder("o.onnx"), "regular file"),
      (recipe, "/dev/null", "not a regular file"),
      (recipe, folder.path, "not a regular file"),
      (recipe, folder("no/such/o.onnx"), "o.onnx"),
    ]
    for entry in cases {
      let arguments = ["annotate", model, "--recipe", entry.recipe, "-o", entry.output]
      expectError(try Program.run(arguments, seconds: 10), 2, says: entry.says)
    }
    #expect(try folder.names() == ["affine.onnx", "wrong.json"])
  }

  @Test func annotateWritesOverItself() throws {
    let recipe = Program.root.appending(path: "Models/Recipes/ppocrv4-cls.json").path
    try FileManager.default.createSymbolicLink(atPath: folder("link.onnx"), withDestinationPath: "affine.onnx")
    for _ in 0..<2 {
      let outcome = try Program.run(["annotate", model, "--recipe", recipe, "-o", folder("link.onnx")])
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    // The link is still one.
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder("link.onnx")) == "affine.onnx")
    #expect(try Program.run(["inspect", model]).output.contains("PP-OCR text line angle"))
    #expect(try folder.names() == ["affine.onnx", "link.onnx"])
  }
}
