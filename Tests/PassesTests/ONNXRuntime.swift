import Foundation
import GraphIR
import Measuring
import ONNXFormat
import TensorCore
import Testing

/// ONNX Runtime in a process that lives as long as this value, for graphs of any kind.
final class ONNXRuntime {
  private struct Task: Codable {
    var model: String
    var inputs: [[EngineTask.RawTensor]]
    var folder: String
  }

  private let folder: URL
  private let engine: EngineProcess

  init() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let interpreter = root.appending(path: ".build/parity-venv/bin/python")
    try #require(
      FileManager.default.isExecutableFile(atPath: interpreter.path),
      "\(interpreter.path) is missing: run Tests/Parity/venv.sh")
    folder = FileManager.default.temporaryDirectory.appending(path: "ligature-differential-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    engine = try EngineProcess(
      "onnxruntime", [interpreter.path, root.appending(path: "Tests/Parity/differential.py").path], folder: folder)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// What it computes from each set of inputs; `nil` where it has no kernel for a node.
  func results(of graph: Graph, _ inputs: [[Tensor]], _ what: String) throws -> [[Tensor]]? {
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
      #expect(error.contains("NOT_IMPLEMENTED") || error.contains("NotImplemented"), "\(what): \(error)")
      return nil
    }
    let tensors = try #require(reply.outputs).map { try $0.tensor() }
    try #require(tensors.count == inputs.count * graph.outputs.count)
    return stride(from: 0, to: tensors.count, by: graph.outputs.count).map {
      Array(tensors[$0..<$0 + graph.outputs.count])
    }
  }
}
