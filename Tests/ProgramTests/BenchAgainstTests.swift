import Foundation
import ONNXFormat
import TensorCore
import TensorFiles
import Testing

/// `bench --against`, beside engines that are shell scripts: what they say is what the report must show.
@Suite(.serialized) struct BenchAgainstTests {
  let folder: Folder
  let model: String

  init() throws {
    folder = try Folder()
    model = try folder.write(TinyModels.affine().encoded(), "affine.onnx")
  }

  /// A script in the place of Python. `answers` are the branches of a `case` over the question.
  private func engine(hello: String, answers: String = "") throws -> String {
    let script = """
      #!/bin/sh
      read -r task
      printf '%s\\n' "$task" >\(folder("task.json"))
      \(hello)
      while read -r question rest; do
        case $question in
          \(answers)
          quit) exit 0 ;;
        esac
      done
      """
    let path = try folder.write(Array(script.utf8), "engine")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return path
  }

  private func bench(_ python: String, _ more: [String] = []) throws -> Program.Outcome {
    try Program.run(
      [
        "bench", model, "--against", "onnxruntime", "--python", python, "--shape", "x=2x3", "--seconds", "0", "--runs",
        "3", "--starts", "2",
      ] + more)
  }

  private func results(_ outcome: Program.Outcome) throws -> [[String: Any]] {
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
    let comparisons = try #require(report["comparisons"] as? [[String: Any]])
    #expect(comparisons.count == 1)
    return try #require(comparisons.first?["results"] as? [[String: Any]])
  }

  /// Says that every run takes a second, and leaves outputs that the test wrote.
  private func slowEngine() throws -> String {
    let ran = try Program.run(["run", model, "--shape", "x=2x3", "--output", folder("ours")])
    #expect(ran.status == 0, "\(ran.errors)")
    var y = try NPY.read(folder("ours/y.npy")).scalars(as: Float.self)
    y[2] += 0.25
    let flags = try NPY.read(folder("ours/positive.npy")).scalars(as: Bool.self)
    try folder.write(y.flatMap { value in (0..<4).map { UInt8(value.bitPattern >> (8 * $0) & 255) } }, "y.raw")
    try folder.write(flags.map { $0 ? 1 : 0 }, "positive.raw")
    return try engine(
      hello: #"echo '{"version":"9.9","load":5000,"resident":1048576}'"#,
      answers: #"""
        run) times=1000; while [ "$rest" -gt 1 ]; do times=$times,1000; rest=$((rest - 1)); done
             echo "{\"times\":[$times]}" ;;
        memory) echo '{"peak":2097152}' ;;
        outputs) echo '{"outputs":[{"name":"y","element":"float32","shape":[2,2],"file":"\#(folder("y.raw"))"},{"name":"positive","element":"bool","shape":[2,2],"file":"\#(folder("positive.raw"))"}]}' ;;
        """#)
  }

  @Test func reportsWhatTheOtherEngineSays() throws {
    let outcome = try bench(slowEngine(), ["--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let results = try results(outcome)
    #expect(results.map { $0["engine"] as? String } == ["ligature", "onnxruntime"])
    let (ours, theirs) = (results[0], results[1])
    #expect(theirs["version"] as? String == "9.9")
    #expect(theirs["load"] as? Double == 5000)
    #expect(theirs["firstRun"] as? Double == 1000)
    #expect((theirs["latency"] as? [String: Any])?["median"] as? Double == 1000)
    #expect((theirs["latency"] as? [String: Any])?["count"] as? Int == 3)
    #expect(theirs["peakResident"] as? Int == 2 << 20)
    let ourMedian = try #require((ours["latency"] as? [String: Any])?["median"] as? Double)
    let ratio = try #require((theirs["ratio"] as? [String: Any])?["value"] as? Double)
    #expect(ourMedian > 0 && ourMedian < 1000)
    #expect(abs(ratio - ourMedian / 1000) < 1e-9)
    let difference = try #require(theirs["difference"] as? Double)
    #expect(abs(difference - 0.25) < 1e-6)
    #expect((ours["peakResident"] as? Int ?? 0) > 1 << 20)
  }

  @Test func tellsTheEngineWhatToRun() throws {
    let outcome = try bench(slowEngine())
    #expect(outcome.status == 0, "\(outcome.errors)")
    for words in ["threads: 1", "onnxruntime", "9.9", "1000", "0.25"] { #expect(outcome.output.contains(words)) }
    let task = try #require(
      try JSONSerialization.jsonObject(with: Data(folder.bytes("task.json"))) as? [String: Any])
    #expect(task["engine"] as? String == "onnxruntime")
    #expect(task["model"] as? String == model)
    #expect(task["threads"] as? Int == 1)
    #expect((task["processors"] as? [Int])?.count == 1)
    let input = try #require((task["inputs"] as? [[String: Any]])?.first)
    #expect(input["name"] as? String == "x")
    #expect(input["shape"] as? [Int] == [2, 3])
  }

  @Test(arguments: [
    (#"echo 'boom: no such opset' >&2; exit 3"#, "boom: no such opset"),
    (#"echo '{"error":"Fail: opset 99 is too new"}'"#, "opset 99 is too new"),
    (#"echo '{"error":"No module named onnxruntime","isMissing":true}'"#, "install it where --python looks"),
    (#"echo 'hello'"#, "which is no reply"),
    (#"echo '{"version":"1","load":1}'; read -r q; echo '{"times":[]}'"#, "did not say how long"),
  ])
  func anEngineThatCannotRunIt(_ hello: String, _ says: String) throws {
    let outcome = try bench(engine(hello: hello), ["--json"])
    #expect(outcome.status == 1, "\(outcome.errors)")
    let results = try results(outcome)
    #expect(results[0]["latency"] != nil)
    #expect((results[1]["error"] as? String)?.contains(says) == true, "\(results[1])")
    #expect(results[1]["latency"] == nil)
  }

  @Test func badRequests() throws {
    expectError(try bench(folder("missing-python")), 2, says: "--python")
    let nowhere = try Folder()
    expectError(
      try Program.run(["bench", model, "--against", "openvino"], in: nowhere.url), 2, says: "Tests/Parity/venv.sh",
      "--python")
    expectError(try Program.run(["bench", model, "--against", "tensorrt"]), 64, says: "--against")
    expectError(try Program.run(["bench", model, "--threads", "1,x"]), 64, says: "--threads")
    expectError(try Program.run(["bench-engine"]), 64, says: "bench --against")
  }

  @Test func ONNXRuntimeAgrees() throws {
    let python = Program.root.appending(path: ".build/parity-venv/bin/python").path
    try #require(FileManager.default.isExecutableFile(atPath: python), "\(python) is missing; run 'make venv'")
    let outcome = try Program.run(
      [
        "bench", try folder.write(TinyModels.mixed().encoded(), "mixed.onnx"), "--against", "onnxruntime", "--python",
        python, "--shape", "x=1x1x32x32", "--seconds", "0", "--runs", "3", "--starts", "1", "--json",
      ], memory: 64 << 30)
    #expect(outcome.status == 0, "\(outcome.errors)\(outcome.output)")
    let results = try results(outcome)
    #expect((results[1]["version"] as? String)?.contains(".") == true)
    #expect((results[1]["difference"] as? Double ?? 1) < 1e-5)
    #expect((results[1]["peakResident"] as? Int ?? 0) > 10 << 20)
  }
}
