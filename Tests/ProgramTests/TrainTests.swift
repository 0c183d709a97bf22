import Foundation
import Imaging
import Testing

/// `train` and `evaluate`, on a dozen words and for a dozen steps.
@Suite(.serialized) struct TrainTests {
  let folder: Folder

  init() throws {
    folder = try Folder()
    var list = ""
    for index in 0..<12 {
      let word = "w\(index)"
      let image = try Image(
        width: 30, height: 14, channels: 1,
        pixels: (0..<30 * 14).map { UInt8(truncatingIfNeeded: $0 * (index + 3) % 251) })
      try folder.write(image.encoded(as: .png), "imgs/\(index).png")
      list += "\(index).png \(word)\n"
    }
    try folder.write(Array(list.utf8), "label.txt")
    try folder.write(Array(Self.recipe.utf8), "recipe.yaml")
  }

  private static let recipe = """
    name: tiny
    architecture: CRNN
    options: {hidden: 8}
    image: {height: 32, width: 32}
    data:
      - {format: txt, annotations: label.txt, images: imgs}
    augmentation: {rotation: 3, noise: 10, blur: 1}
    validation:
      data: [{format: txt, annotations: label.txt, images: imgs}]
      interval: 4
    batch: 2
    steps: 10
    optimizer: {kind: SGD, lr: 0.01}
    schedule: {kind: cosine, warmup: 2}
    clip_norm: 5
    log_interval: 1
    checkpoint: {interval: 3, keep: 2}
    folder: run
    """

  private func train(_ arguments: String..., script: String = "exec \"$@\"") throws -> Program.Outcome {
    try train(arguments, script: script)
  }

  private func train(_ arguments: [String], script: String = "exec \"$@\"") throws -> Program.Outcome {
    try Program.run(["train", "recipe.yaml"] + arguments, in: folder.url, script: script, seconds: 120)
  }

  private func steps(_ run: String) throws -> [Int] {
    struct Entry: Decodable { var step: Int, loss: Double? }
    return try folder.text("\(run)/log.jsonl").split(separator: "\n")
      .map { try JSONDecoder().decode(Entry.self, from: Data($0.utf8)) }.filter { $0.loss != nil }.map(\.step)
  }

  /// Runs until a step is in the log, then sends a signal to the program (not to the clock around it).
  private static func signalled(_ signal: String, after step: Int, in run: String) -> String {
    """
    "$@" & timer=$!
    while ! grep -q '"step":\(step),' \(run)/log.jsonl 2>/dev/null; do
      kill -0 $timer 2>/dev/null || break
      sleep 0.01
    done
    kill -\(signal) $(cat /proc/$timer/task/$timer/children)
    wait $timer
    """
  }

  @Test func interruptedRunsRepeat() throws {
    let whole = try train("--set", "folder=whole")
    try #require(whole.status == 0, "\(whole.errors)")
    #expect(whole.errors.contains("step 10/10") && whole.errors.contains("word_acc_ignore_case_symbol"))
    #expect(
      try folder.names("whole") == [
        "best.onnx", "curve.svg", "log.jsonl", "model.onnx", "step-000009.onnx", "step-000010.onnx",
      ])
    #expect(try steps("whole") == Array(1...10))
    let curve = try folder.text("whole/curve.svg")
    #expect(curve.hasPrefix("<svg") && curve.contains("loss (logarithmic)") && curve.contains("<circle"))

    // Killed between two checkpoints: what was done since is done again, on other threads.
    let killed = try train(
      "--set", "folder=killed", script: Self.signalled("KILL", after: 8, in: "killed"))
    #expect(killed.status == 137, "\(killed.errors)")
    let again = try train("--set", "folder=killed", "--set", "workers=3", "--resume", "--threads", "1")
    try #require(again.status == 0, "\(again.errors)")
    #expect(again.errors.contains("going on after step 6"), "\(again.errors)")
    #expect(try steps("killed") == Array(1...10))
    #expect(try folder.bytes("killed/model.onnx") == folder.bytes("whole/model.onnx"))
    #expect(try folder.bytes("killed/step-000010.onnx") == folder.bytes("whole/step-000010.onnx"))

    // Asked to stop: it writes a checkpoint first.
    let stopped = try train(
      "--set", "folder=stopped", "--set", "steps=2000", script: Self.signalled("TERM", after: 4, in: "stopped"))
    #expect(stopped.status == 0, "\(stopped.errors)")
    #expect(stopped.output.contains("stopped after step"))
    let last = try #require(try steps("stopped").last)
    #expect(try folder.names("stopped").contains { $0.hasSuffix("\(last).onnx") })

    // The newest checkpoint is cut off: the one before serves.
    try folder.write(folder.bytes("killed/step-000010.onnx").dropLast(1000), "killed/step-000010.onnx")
    let mended = try train("--set", "folder=killed", "--resume")
    try #require(mended.status == 0, "\(mended.errors)")
    #expect(mended.errors.contains("step-000010.onnx' cannot be used") && mended.errors.contains("after step 9"))
    #expect(try folder.bytes("killed/step-000010.onnx") == folder.bytes("whole/step-000010.onnx"))

    // The model reads, and is measured.
    let measured = try Program.run(
      [
        "evaluate", "whole/model.onnx", "--data", "label.txt", "--images", "imgs", "--json", "--predictions", "p.jsonl",
      ],
      in: folder.url)
    #expect(measured.status == 0, "\(measured.errors)")
    #expect(
      measured.output.contains("\"word_acc\"") && measured.output.contains("\"samples\" : 12"), "\(measured.output)")
    #expect(try folder.text("p.jsonl").split(separator: "\n").count == 12)
    expectError(
      try Program.run(
        ["evaluate", "whole/model.onnx", "--data", "label.txt", "--images", "imgs", "--metric", "speed"],
        in: folder.url), 64, says: "word_acc_ignore_case")

    // A finished run is not begun again by mistake.
    expectError(try train("--set", "folder=whole"), 64, says: "holds a run already")
    try folder.write([1, 2, 3], "whole/step-000009.onnx")
    try folder.write([], "whole/step-000010.onnx")
    let hopeless = try train("--set", "folder=whole", "--resume")
    #expect(hopeless.status == 2 && hopeless.errors.contains("no checkpoint in 'whole' can be used"))
  }

  @Test func brokenData() throws {
    let lines = try folder.text("label.txt").split(separator: "\n").map(String.init)
    try folder.write(
      Array((lines + ["lonely", "gone.png w"] + lines + lines).joined(separator: "\n").utf8), "label.txt")
    let outcome = try train("--set", "steps=20", "--set", "validation=")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("label.txt:13: the line is not 'file text'"), "\(outcome.errors)")
    #expect(outcome.errors.contains("label.txt:14: 'imgs/gone.png' is missing"))
    try folder.write(Array("../label.txt w1\n/etc/passwd w2\n".utf8), "label.txt")
    let escaped = try train("--set", "folder=other", "--set", "validation=")
    #expect(escaped.status == 2 && escaped.errors.contains("'..' is not followed"), "\(escaped.errors)")
    let new = ["--set", "folder=new", "--set"]
    expectError(try train(new + ["data.0.annotations=none.txt"]), 2, says: "none.txt")
    expectError(try train(new + ["data.0.images=none"]), 2, says: "none")
  }

  @Test func wrongRecipes() throws {
    expectError(try train("--set", "optimiser.lr=1"), 64, says: "'optimiser' is not known", "did you mean 'optimizer'")
    expectError(try train("--set", "options.hiden=9"), 64, says: "no option 'hiden'")
    expectError(try train("--resume"), 2, says: "no checkpoint")
    expectError(try train("--threads", "0"), 64, says: "--threads")
    try folder.write(Array("a: [".utf8), "recipe.yaml")
    expectError(try train(), 2, says: "recipe.yaml' is not YAML")
  }

  /// What was trained goes back to a checkpoint of MMOCR, from the model and from the last checkpoint of the run.
  @Test func trainedWeightsGoBack() throws {
    let outcome = try train("--set", "steps=2", "--set", "validation=")
    try #require(outcome.status == 0, "\(outcome.errors)")
    for (file, target) in [("model", "a.pth"), ("step-000002", "b.pth")] {
      let converted = try Program.run(["convert", folder("run/\(file).onnx"), "-o", folder(target)])
      #expect(converted.status == 0, "\(converted.errors)")
      #expect(converted.output.contains("found CRNN with hidden=8"))
    }
    #expect(try folder.bytes("a.pth") == folder.bytes("b.pth"))
    // Batches were counted.
    let back = try Program.run(["convert", folder("a.pth"), "-o", folder("a.onnx")])
    #expect(back.status == 0, "\(back.errors)")
    let report = try Program.run(["inspect", folder("a.onnx"), "--json"])
    #expect(report.output.contains("batchnorm2.num_batches_tracked\\\":2"), "\(report.output)")
  }

  /// Training goes on from the weights of a model, whatever kind of file holds them.
  @Test func fineTuning() throws {
    let first = try train("--set", "folder=first", "--set", "steps=4", "--set", "validation=")
    try #require(first.status == 0, "\(first.errors)")
    for target in ["a.pth", "a.safetensors"] {
      let converted = try Program.run(["convert", folder("first/model.onnx"), "-o", folder(target)])
      try #require(converted.status == 0, "\(converted.errors)")
    }
    var models: [[UInt8]] = []
    for (index, file) in ["first/model.onnx", "a.pth", "a.safetensors"].enumerated() {
      let tuned = try train(
        "--set", "folder=tuned\(index)", "--set", "initial=\(file)", "--set", "steps=2", "--set", "validation=",
        "--set", "seed=3")
      try #require(tuned.status == 0, "\(tuned.errors)")
      models.append(Array(try folder.bytes("tuned\(index)/model.onnx")))
    }
    #expect(models[0] == models[1] && models[0] == models[2])
    let fresh = try train("--set", "folder=fresh", "--set", "steps=2", "--set", "validation=", "--set", "seed=3")
    try #require(fresh.status == 0, "\(fresh.errors)")
    #expect(try Array(folder.bytes("fresh/model.onnx")) != models[0])

    // Weights of another size are refused by name, or left out when asked.
    let other = ["--set", "folder=other", "--set", "initial=a.pth", "--set", "options.hidden=12", "--set", "steps=1"]
    let refused = try train(other)
    #expect(refused.status == 2)
    #expect(
      refused.errors.contains("'decoder.decoder.0.rnn.weight_ih_l0' is [32, 512] in the checkpoint, but [48, 512]"),
      "\(refused.errors)")
    let partial = try train(other + ["--set", "initial_partial=true", "--set", "validation="])
    #expect(partial.status == 0, "\(partial.errors)")
    #expect(partial.errors.contains("tensors taken") && partial.errors.contains("start afresh"), "\(partial.errors)")
    let missing = try train("--set", "folder=none", "--set", "initial=none.pth")
    #expect(missing.status == 2 && missing.errors.contains("cannot open 'none.pth'"), "\(missing.errors)")
    let foreign = try train("--set", "folder=none", "--set", "initial=label.txt")
    #expect(foreign.status == 64 && foreign.errors.contains(".pth, .safetensors and .onnx"), "\(foreign.errors)")
  }

  @Test func lossesThatAreNotFinite() throws {
    let outcome = try train(
      "--set", "optimizer.lr=1e30", "--set", "clip_norm=", "--set", "schedule=", "--set", "validation=")
    #expect(outcome.status == 2)
    #expect(outcome.errors.contains("at step ") && outcome.errors.contains("node "), "\(outcome.errors)")
  }
}
