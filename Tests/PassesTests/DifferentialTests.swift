import Foundation
import GraphIR
import Measuring
import ONNXFormat
import Passes
import Runtime
import TensorCore
import TestSupport
import Testing

/// Random graphs, four times by us and once by ONNX Runtime: as they are and prepared, on one thread and on two.
/// `make differential GRAPHS=1000` takes that many; LIGATURE_FIRST_GRAPH says where to begin.
@Suite(.serialized) struct DifferentialTests {
  private static let environment = ProcessInfo.processInfo.environment
  static let count = environment["LIGATURE_GRAPHS"].flatMap { Int($0) } ?? 40
  static let first = environment["LIGATURE_FIRST_GRAPH"].flatMap { Int($0) } ?? 1000
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// What another engine, or another order of additions, may differ by, of each output's largest number.
  private static let tolerance: Float = 1e-4

  @Test func graphsComputeWhatOthersCompute() throws {
    let interpreter = Self.root.appending(path: ".build/parity-venv/bin/python")
    try #require(
      FileManager.default.isExecutableFile(atPath: interpreter.path),
      "\(interpreter.path) is missing: run Tests/Parity/venv.sh")
    let folder = FileManager.default.temporaryDirectory.appending(path: "ligature-differential-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let engine = try EngineProcess(
      "onnxruntime", [interpreter.path, Self.root.appending(path: "Tests/Parity/differential.py").path], folder: folder)
    var refused = 0
    for seed in Self.first..<Self.first + Self.count {
      let random = try RandomGraph(seed: UInt64(seed), steps: 10 + seed % 15)
      let inputs = try random.inputs()
      let own = try runs(random.graph, inputs, seed)
      guard let other = try foreign(random.graph, inputs, engine, folder, seed) else {
        refused += 1
        continue
      }
      try compare(own, other, Self.tolerance, "graph \(seed), prepared against ONNX Runtime")
      if (seed - Self.first) % 1000 == 999 { print("\(seed + 1 - Self.first) graphs") }
    }
    // ONNX Runtime has no kernels for some types; far from all graphs have them.
    #expect(refused * 10 <= Self.count, "ONNX Runtime refused \(refused) of \(Self.count) graphs")
  }

  /// The prepared graph's results, after comparing them with the others'.
  private func runs(_ graph: Graph, _ inputs: [[Tensor]], _ seed: Int) throws -> [[Tensor]] {
    var results: [[[Tensor]]] = []
    for isPrepared in [false, true] {
      var ofThreads: [[[Tensor]]] = []
      for threads in [1, 2] {
        let options = threads == 1 ? Self.one : Self.two
        let session = try isPrepared ? Session(preparing: graph, options: options) : Session(graph, options: options)
        ofThreads.append(try inputs.map { try session.run($0) })
      }
      let what = "graph \(seed), \(isPrepared ? "prepared" : "as it is")"
      for (a, b) in zip(ofThreads[0].flatMap(\.self), ofThreads[1].flatMap(\.self)) where !hasSameBits(a, b) {
        Issue.record("\(what): two threads compute other bits than one")
      }
      results.append(ofThreads[0])
    }
    try compare(results[1], results[0], Self.tolerance, "graph \(seed), prepared against as it is")
    return results[1]
  }

  private func hasSameBits(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.element == b.element, a.shape == b.shape else { return false }
    return unsafe a.withUnsafeBytes { a in unsafe b.withUnsafeBytes { b in unsafe a.elementsEqual(b) } }
  }

  private static let one = Session.Options(threads: 1)
  private static let two = Session.Options(threads: 2)

  // ── ONNX Runtime ──────────────────────────────────────────────────────────
  private struct Task: Codable {
    var model: String
    var inputs: [[EngineTask.RawTensor]]
    var folder: String
  }

  /// `nil` where ONNX Runtime has no kernel for a node.
  private func foreign(
    _ graph: Graph, _ inputs: [[Tensor]], _ engine: EngineProcess, _ folder: URL, _ seed: Int
  ) throws -> [[Tensor]]? {
    let model = folder.appending(path: "m.onnx").path
    try Model(graph: graph).write(to: model)
    var files: [[EngineTask.RawTensor]] = []
    for (number, set) in inputs.enumerated() {
      files.append(
        try zip(graph.inputs, set).enumerated().map { index, pair in
          let path = folder.appending(path: "input-\(number)-\(index)").path
          let data = unsafe pair.1.withUnsafeBytes { unsafe Data($0) }
          try data.write(to: URL(filePath: path))
          return EngineTask.RawTensor(
            name: graph[pair.0].name, element: "\(pair.1.element)", shape: pair.1.shape, file: path)
        })
    }
    let question = try JSONEncoder().encode(Task(model: model, inputs: files, folder: folder.path))
    let reply = try engine.ask(String(decoding: question, as: UTF8.self), seconds: 60)
    if let error = reply.error {
      #expect(error.contains("NOT_IMPLEMENTED") || error.contains("NotImplemented"), "graph \(seed): \(error)")
      return nil
    }
    let tensors = try #require(reply.outputs).map { try $0.tensor() }
    try #require(tensors.count == inputs.count * graph.outputs.count)
    return stride(from: 0, to: tensors.count, by: graph.outputs.count).map {
      Array(tensors[$0..<$0 + graph.outputs.count])
    }
  }
}
