import ArgumentParser
import FoundationEssentials
import GraphIR
import ONNXFormat
import Operators
import Runtime
import TensorCore

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what a model file holds: inputs, outputs, operators, cost, memory plan, recipe; or its weights.")

  @Argument(
    help: "An ONNX file, or a file of weights: a PyTorch checkpoint (.pth, .pt, .ckpt, .bin) or .safetensors.",
    completion: .file(extensions: ["onnx", "pth", "pt", "ckpt", "bin", "safetensors"]))
  var model: String

  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var options: RunOptions

  @Flag(help: "Also print the graph, one node a line.")
  var nodes = false

  @Flag(help: "Print JSON.")
  var json = false

  struct Tensor: Codable {
    var name: String
    var element: String
    /// Numbers, or names of sizes that are open; absent when not even the rank is known.
    var shape: [String]?
  }
  struct Plan: Codable {
    var shapes: [String: [Int]]
    var multiplyAdds: Int
    var memory: MemoryUse
  }
  struct Report: Codable {
    var file: String
    var byteCount: Int
    var producer: String
    var opset: Int
    var operatorSets: [String: Int]
    var inputs: [Tensor]
    var outputs: [Tensor]
    var nodeCount: Int
    var operators: [String: Int]
    var unsupported: [String]
    var parameters: Int
    var parameterBytes: Int
    var plan: Plan?
    /// Why there is no plan.
    var planProblem: String?
    /// As it stands at the end of the file, and fits; absent for files of other programs.
    var checksum: String?
    var metadata: [String: String]
    var notes: [String]
    var nodes: [String]?
  }

  func run() throws {
    let limits = try options.limit.limits()
    if let weights = try CheckpointReport(contentsOf: model, limits: limits) {
      print(json ? try encodeJSON(weights) : weights.text)
      return
    }
    let file = try Model(contentsOf: model, operators: .standard, limits: limits)
    let report = try report(file)
    print(json ? try encodeJSON(report) : text(report))
  }

  private func report(_ file: Model) throws -> Report {
    let graph = file.graph
    var operators: [String: Int] = [:]
    var unsupported = Set<String>()
    for id in graph.order {
      operators["\(graph[id].op.name)", default: 0] += 1
      if graph[id].op is Opaque { unsupported.insert("\(graph[id].op.name)") }
    }
    let tensors = graph.values.compactMap(\.tensor)
    let size = try FileManager.default.attributesOfItem(atPath: model)[.size] as? Int
    var report = Report(
      file: model, byteCount: size ?? 0, producer: "\(file.producerName) \(file.producerVersion)",
      opset: file.originalOpset, operatorSets: file.operatorSets, inputs: graph.inputs.map { tensor(graph[$0]) },
      outputs: zip(graph.outputs, graph.outputNames).map { tensor(graph[$0], name: $1) }, nodeCount: graph.nodeCount,
      operators: operators, unsupported: unsupported.sorted(), parameters: tensors.reduce(0) { $0 + $1.count },
      parameterBytes: tensors.reduce(0) { $0 + $1.byteCount }, checksum: file.checksum,
      metadata: file.metadata, notes: file.notes)
    do {
      report.plan = try plan(graph, file)
    } catch let error as LigatureError where error.code != .usage {
      report.planProblem = "\(error)"
    }
    if nodes { report.nodes = graph.description.split(separator: "\n").map(String.init) }
    return report
  }

  private func tensor(_ value: Value, name: String? = nil) -> Tensor {
    Tensor(
      name: name ?? value.name, element: "\(value.type.element)", shape: value.type.shape?.map(\.description))
  }

  private func plan(_ graph: Graph, _ file: Model) throws -> Plan {
    let session = try Session(preparing: graph, options: options.session())
    let sizes = try shapes.sizes(for: session.graph, recipe: recipeSizes(file))
    var memory = try session.memoryUse(sizes)
    memory.constants = session.graph.values.compactMap(\.tensor).reduce(0) { $0 + $1.byteCount }
    return Plan(
      shapes: Dictionary(uniqueKeysWithValues: zip(session.inputs.map(\.name), sizes)),
      multiplyAdds: try session.cost(sizes).multiplyAdds, memory: memory)
  }

  private func text(_ report: Report) -> String {
    var lines = ["\(report.file)  \(ByteCount(bytes: report.byteCount))"]
    let sets = report.operatorSets.sorted { $0.key < $1.key }.map { ", \($0.key) \($0.value)" }.joined()
    lines.append("producer    \(report.producer)")
    lines.append("opset       \(report.opset)\(sets)")
    for input in report.inputs { lines.append("input       \(line(input))") }
    for output in report.outputs { lines.append("output      \(line(output))") }
    if let checksum = report.checksum { lines.append("checksum    \(checksum), fits") }
    lines.append("parameters  \(report.parameters.grouped) (\(ByteCount(bytes: report.parameterBytes)))")
    if let plan = report.plan {
      let at = plan.shapes.sorted { $0.key < $1.key }
        .map { "\($0.key)=\($0.value.map(String.init).joined(separator: "x"))" }.joined(separator: " ")
      let memory = plan.memory
      let share = memory.sumOfAll > 0 ? 100 * Double(memory.arena) / Double(memory.sumOfAll) : 100
      lines.append("plan        for \(at) (choose with --shape)")
      lines.append("  multiply-adds  \(plan.multiplyAdds.grouped)")
      lines.append(
        "  peak memory    \(ByteCount(bytes: memory.arena + memory.constants)) = arena \(ByteCount(bytes: memory.arena)) + constants \(ByteCount(bytes: memory.constants))"
      )
      lines.append(
        "  arena          \(share.fixed(1)) % of all tensors together (\(ByteCount(bytes: memory.sumOfAll))); no plan can be below \(ByteCount(bytes: memory.lowerBound))"
      )
    }
    if let problem = report.planProblem { lines.append("plan        none: \(problem)") }
    lines.append("nodes       \(report.nodeCount)")
    for (name, count) in report.operators.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      let mark = report.unsupported.contains(name) ? "  (not supported)" : ""
      lines.append("  \(String(repeating: " ", count: max(0, 5 - "\(count)".count)))\(count)  \(name)\(mark)")
    }
    lines += recipe(report.metadata)
    for note in report.notes { lines.append("note        \(note)") }
    if let nodes = report.nodes { lines += nodes }
    return lines.map(\.printable).joined(separator: "\n")
  }

  private func line(_ tensor: Tensor) -> String {
    "\(tensor.name): \(tensor.element)[\(tensor.shape?.joined(separator: ", ") ?? "...")]"
  }

  private func recipe(_ metadata: [String: String]) -> [String] {
    guard !metadata.isEmpty else { return ["recipe      none: the file has no metadata"] }
    return ["recipe"]
      + metadata.sorted { $0.key < $1.key }.map { key, value in
        let flat = value.printable
        return "  \(key): \(flat.count > 160 ? "\(flat.prefix(160))… (\(value.count) characters)" : flat)"
      }
  }
}
