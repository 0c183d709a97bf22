internal import FoundationEssentials
internal import TensorCore

/// The folder of a run: `log.jsonl`, `curve.svg`, `step-000123.onnx`, `best.onnx`, `model.onnx`.
struct RunFolder {
  let path: String

  init(_ path: String) throws {
    self.path = path
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw LigatureError(.file, "cannot make the folder '\(path)' for the run", cause: error)
    }
  }

  func callAsFunction(_ name: String) -> String { Path.join(path, name) }

  var log: String { self("log.jsonl") }
  var curve: String { self("curve.svg") }
  var best: String { self("best.onnx") }
  var model: String { self("model.onnx") }

  func checkpoint(_ step: Int) -> String {
    let digits = "\(step)"
    return self("step-\(String(repeating: "0", count: max(6 - digits.count, 0)))\(digits).onnx")
  }

  /// The newest first.
  func checkpoints() throws -> [(step: Int, path: String)] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw LigatureError(.file, "cannot list '\(path)'", cause: error)
    }
    return names.compactMap { name -> (step: Int, path: String)? in
      guard name.hasPrefix("step-"), name.hasSuffix(".onnx"), let step = Int(name.dropFirst(5).dropLast(5)) else {
        return nil
      }
      return (step, self(name))
    }.sorted { $0.step > $1.step }
  }

  /// Leaves the newest `count`. What cannot be removed stays.
  func removeOldCheckpoints(keeping count: Int) throws {
    for old in try checkpoints().dropFirst(count) { try? FileManager.default.removeItem(atPath: old.path) }
  }
}

/// What a checkpoint says of the run beside the state of the graph.
struct RunState: Codable, Equatable {
  static let metadataKey = "ligature.run"

  var format = 1
  var step: Int
  /// Samples drawn so far: where the data goes on.
  var samples: Int
  var bestMetric: Double?
  var bestStep: Int?
  /// What the stream of samples depends on; another one means that the run does not repeat.
  var data: String
  /// What the graph was made from.
  var training: String

  init(step: Int, samples: Int, bestMetric: Double?, bestStep: Int?, data: String, training: String) {
    self.step = step
    self.samples = samples
    self.bestMetric = bestMetric
    self.bestStep = bestStep
    self.data = data
    self.training = training
  }

  /// - Throws: `.format` when the metadata of the checkpoint is not ours.
  init(metadata: [String: String], file: String) throws {
    guard let text = metadata[RunState.metadataKey] else {
      throw LigatureError(
        .format, "'\(file)' is no checkpoint of 'ligature train': it has no '\(RunState.metadataKey)'")
    }
    guard text.utf8.count <= 1 << 20, let state = try? JSONDecoder().decode(RunState.self, from: Data(text.utf8)),
      state.format == 1, state.step >= 0, state.samples >= 0, state.samples < 1 << 50
    else { throw LigatureError(.format, "'\(file)' says nothing of its run that is understood") }
    self = state
  }

  /// The same state always gives the same bytes.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
