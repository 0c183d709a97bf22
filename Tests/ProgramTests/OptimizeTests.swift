import Foundation
import ONNXFormat
import Operators
import Testing

/// `optimize` on small models.
@Suite(.serialized) struct OptimizeTests {
  let folder: Folder
  let model: String

  init() throws {
    folder = try Folder()
    model = try folder.write(TinyModels.detector().encoded(), "model.onnx")
  }

  @Test func lists() throws {
    let outcome = try Program.run(["optimize", "--list"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    for name in ["constant-folding", "common-subexpressions", "transpose-sinking", "affine-folding", "dead-code-2"] {
      #expect(outcome.output.contains(name), "\(outcome.output)")
    }
    let portable = try Program.run(["optimize", "--list", "--portable", "--json"])
    #expect(portable.output.contains("affine-folding") && !portable.output.contains("convolution-fusion"))
  }

  @Test func writesWhatComputesTheSame() throws {
    let written = folder("out.onnx")
    let outcome = try Program.run(["optimize", model, "-o", written, "--explain"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("wrote \(written)"), "\(outcome.output)")
    let again = try Model(contentsOf: written, operators: .standard)
    #expect(again.metadata["ligature.recipe"] == (try TinyModels.detector().metadata["ligature.recipe"]))
    for path in [model, written] {
      let run = try Program.run(["run", path, "--shape", "x=1x3x32x32", "--output", folder(path == model ? "a" : "b")])
      #expect(run.status == 0, "\(run.errors)")
    }
    #expect(try folder.bytes("a/map.npy") == folder.bytes("b/map.npy"))
  }

  @Test func explainsAndStops() throws {
    let mixed = try folder.write(TinyModels.mixed().encoded(), "mixed.onnx")
    let outcome = try Program.run([
      "optimize", mixed, "--explain", "--until", "shape-folding", "--shape", "x=1x1x16x16",
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("identity-removal") && outcome.output.contains("shape-folding"))
    #expect(!outcome.output.contains("weight-sharing"), "\(outcome.output)")
    let json = try Program.run(["optimize", mixed, "--explain", "--json"])
    let report = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect(report["nodesBefore"] as? Int == 6)
    #expect((report["stages"] as? [[String: Any]])?.first?["notes"] != nil)
  }

  @Test func wrongUse() throws {
    expectError(try Program.run(["optimize"]), 64, says: "name a model")
    expectError(try Program.run(["optimize", model]), 64, says: "give --output")
    expectError(
      try Program.run(["optimize", model, "--explain", "--until", "magic"]), 64, says: "there is no pass 'magic'",
      "constant-folding")
    expectError(
      try Program.run(["optimize", model, "--explain", "--shape", "y=1"]), 64, says: "there is no input 'y'")
    expectError(
      try Program.run(["optimize", model, "--explain", "--shape", "x=1x4x8x8"]), 2, says: "cannot be [1, 4, 8, 8]")
    expectError(try Program.run(["optimize", "missing.onnx", "--explain"]), 2, says: "missing.onnx")
  }
}
