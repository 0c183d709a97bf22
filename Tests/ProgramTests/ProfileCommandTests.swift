import Foundation
import Testing

@Suite(.serialized) struct ProfileCommandTests {
  let folder: Folder
  let model: String

  init() throws {
    folder = try Folder()
    model = try folder.write(TinyModels.mixed().encoded(), "mixed.onnx")
  }

  @Test func printsWhereTimeGoes() throws {
    let outcome = try Program.run(["profile", model, "--shape", "x=1x1x32x32", "--threads", "1", "--runs", "3"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    for words in ["GEMM peak", "GFLOP/s", "operator", "Conv 3x3 stride 2", "1x4x16x16", "MaxPool", "Softmax"] {
      #expect(outcome.output.contains(words), "\(words) is missing in:\n\(outcome.output)")
    }
  }

  @Test func writesTraceAndFlame() throws {
    let outcome = try Program.run([
      "profile", model, "--shape", "x=1x1x32x32", "--runs", "2", "--json", "--trace", folder("t.json"), "--svg",
      folder("f.svg"),
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
    let steps = try #require(report["steps"] as? [[String: Any]])
    #expect(report["runs"] as? Int == 2)
    #expect(steps.contains { $0["operator"] as? String == "MaxPool" })
    // 4 · 16 · 16 values of nine products.
    let conv = try #require(steps.first { ($0["kind"] as? String)?.hasPrefix("Conv") == true })
    #expect(conv["multiplyAdds"] as? Int == 1024 * 9)
    let trace = try #require(
      try JSONSerialization.jsonObject(with: Data(folder.bytes("t.json"))) as? [String: Any])
    #expect((trace["traceEvents"] as? [[String: Any]])?.filter { $0["ph"] as? String == "X" }.count ?? 0 >= steps.count)
    #expect(try folder.text("f.svg").hasPrefix("<svg "))
  }

  @Test func badRequests() throws {
    expectError(try Program.run(["profile", model, "--runs", "0"]), 64, says: "--runs must lie between")
    expectError(try Program.run(["profile", "missing.onnx"]), 2, says: "missing.onnx")
    expectError(
      try Program.run(["profile", model, "--shape", "x=1x1x8x8", "--runs", "1", "--svg", "/nowhere/at/all.svg"]), 2,
      says: "/nowhere/at/all.svg")
  }
}
