import ArgumentParser
import FoundationEssentials
import GraphIR
import ONNXFormat
import Runtime
import TensorCore

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs a model on tensors from files and writes its outputs.",
    discussion: """
      Tensors are read from .npy, .safetensors and .pb (ONNX TensorProto) files. From a .safetensors file an input \
      takes the tensor of its own name, or the only one. An input that is not given gets synthetic numbers between \
      0 and 1, the same in every run.
      """)

  @Argument(help: "An ONNX file.", completion: .file(extensions: ["onnx"]))
  var model: String

  @Option(
    name: .customLong("input"),
    help: ArgumentHelp("A tensor for an input, as in x=image.npy. May be repeated.", valueName: "name=file"),
    completion: .file())
  var inputs: [String] = []

  @Option(help: "The folder that outputs are written to, each as a file of its name.", completion: .directory)
  var output: String?

  @Option(help: "Format of the outputs: \(TensorFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format = TensorFormat.npy

  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var options: RunOptions

  func run() throws {
    let loaded = try LoadedModel(model, options: options.session())
    let graph = loaded.session.graph
    let given = try givenData(graph, loaded.model)
    let missing = graph.inputs.filter { given[graph[$0].name] == nil }
    let sizes = missing.isEmpty ? [] : try shapes.sizes(for: graph, recipe: loaded.recipeSizes)
    let inputs = try graph.inputs.enumerated().map { index, id in
      try given[graph[id].name]
        ?? .tensor(
          syntheticTensor(graph[id].name, graph[id].type.element, sizes[index], limit: options.limit.limits().memory))
    }
    let start = ContinuousClock.now
    let data = try loaded.session.run(data: inputs)
    let time = start.duration(to: .now).seconds
    let results = zip(graph.outputNames, data).flatMap { parts($1, named: $0) }
    for (name, tensor) in results {
      var line = "\(name): \(tensor.element)\(tensor.shape)"
      if let range = range(tensor) { line += "  \(range)" }
      print(line.printable)
    }
    print("planned and ran in \((time * 1000).fixed(1)) ms")
    if let output { try write(results, to: output) }
  }

  /// The tensors of an output: those of a sequence are numbered.
  private func parts(_ datum: Datum, named name: String) -> [(name: String, tensor: Tensor)] {
    switch datum {
    case .tensor(let tensor): return [(name, tensor)]
    case .sequence(let elements):
      print("\(name): \(datum.summary)".printable)
      return elements.enumerated().flatMap { parts($1, named: "\(name).\($0)") }
    case .optional(let content?): return parts(content, named: name)
    case .optional(nil):
      print("\(name): \(datum.summary)".printable)
      return []
    }
  }

  private func givenData(_ graph: Graph, _ model: Model) throws -> [String: Datum] {
    var given: [String: Datum] = [:]
    for text in inputs {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw LigatureError(.usage, "--input takes name=file, as in x=image.npy, not '\(text)'")
      }
      guard graph.inputs.contains(where: { graph[$0].name == parts[0] }) else {
        let names = graph.inputs.map { graph[$0].name }.joined(separator: ", ")
        throw LigatureError(.usage, "--input names '\(parts[0])', but the inputs are: \(names)")
      }
      guard given[parts[0]] == nil else {
        throw LigatureError(.usage, "--input is given twice for '\(parts[0])'; give it once")
      }
      let kind = try model.kind(of: parts[0])
      given[parts[0]] =
        kind == .tensor
        ? .tensor(try readTensor(parts[1], named: parts[0])) : try TensorFile.readDatum(parts[1], kind: kind)
    }
    return given
  }

  private func range(_ tensor: Tensor) -> String? {
    if tensor.element == .string { return tensor.strings.prefix(4).map { "'\($0)'" }.joined(separator: ", ") }
    guard let values = try? tensor.floats(), let low = values.min(), let high = values.max() else { return nil }
    return "from \(low) to \(high)"
  }

  private func write(_ results: [(name: String, tensor: Tensor)], to folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw LigatureError(.file, "cannot make the folder '\(folder)'; check the name and its permissions", cause: error)
    }
    for result in results {
      // A name may hold anything; a file's may not leave the folder.
      let safe = String(result.name.map { $0.isLetter || $0.isNumber || "._-".contains($0) ? $0 : "_" })
      let name = safe.allSatisfy { $0 == "." } ? "output" : safe
      let path = folder + "/\(name).\(format.rawValue)"
      try format.write(result.tensor, named: result.name, to: path)
      print("wrote \(path)")
    }
  }
}
