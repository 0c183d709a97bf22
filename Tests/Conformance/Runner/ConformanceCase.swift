import Foundation
import GraphIR
import ONNXFormat
import TensorCore

/// One case of the suites: a model and recorded inputs and outputs.
struct ConformanceCase: Sendable {
  /// In the order of the table. The models of `real` are the light ones: their data are in `light`.
  static let suites = ["node", "simple", "pytorch-operator", "pytorch-converted", "light"]

  let suite: String
  let name: String
  let model: String
  /// Folders with `input_0.pb` and `output_0.pb`; empty if the inputs are made up.
  let dataSets: [String]
  /// The recorded output of a case whose inputs are made up.
  let output: String?
  /// |made - recorded| may be `absolute` + `relative` |recorded|: the suite's own bounds.
  var relative = 1e-3
  var absolute = 1e-7

  static func all(in folder: String) throws -> [ConformanceCase] {
    try suites.flatMap { suite in
      suite == "light" ? try light(folder) : try folders(folder, suite)
    }
  }

  private static func list(_ folder: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    } catch {
      throw LigatureError(.file, "cannot list '\(folder)'; fetch the data with Tests/Conformance/fetch", cause: error)
    }
  }

  private static func folders(_ folder: String, _ suite: String) throws -> [ConformanceCase] {
    try list("\(folder)/\(suite)").filter { $0.hasPrefix("test_") }.map { name in
      let path = "\(folder)/\(suite)/\(name)"
      let sets = try list(path).filter { $0.hasPrefix("test_data_set_") }
        .sorted { $0.compare($1, options: .numeric) == .orderedAscending }
      return ConformanceCase(
        suite: suite, name: name, model: "\(path)/model.onnx", dataSets: sets.map { "\(path)/\($0)" }, output: nil)
    }
  }

  private struct Description: Decodable {
    var rtol: Double
    var atol: Double
    var url: String
  }

  /// Whole networks with constant weights; what goes in follows from the shape of their input.
  private static func light(_ folder: String) throws -> [ConformanceCase] {
    try list("\(folder)/real").filter { $0.hasPrefix("test_") }.map { name in
      let path = "\(folder)/real/\(name)/data.json"
      let description: Description
      do {
        description = try JSONDecoder().decode(
          Description.self, from: try Data(contentsOf: URL(filePath: path)))
      } catch {
        throw LigatureError(.format, "cannot read '\(path)'; fetch the data again", cause: error)
      }
      let stem = "\(folder)/light/" + (description.url as NSString).lastPathComponent.replacing(".onnx", with: "")
      return ConformanceCase(
        suite: "light", name: name, model: stem + ".onnx", dataSets: [], output: stem + "_output_0.pb",
        relative: description.rtol, absolute: description.atol)
    }
  }
}

extension ConformanceCase {
  /// Whether numbers are drawn: then only types and shapes can agree.
  var isRandom: Bool {
    subject.hasPrefix("Random") || subject.hasPrefix("Bernoulli") || subject.hasPrefix("Multinomial")
      || name.hasPrefix("test_training_dropout")
  }

  /// Why the recorded outputs are not what the standard asks for. ONNX Runtime 1.32 was run on all of them and gives
  /// what we give, but for Adam, which it does not have.
  var dispute: String? {
    switch name {
    case "test_resize_downsample_scales_linear_align_corners", "test_resize_downsample_scales_cubic_align_corners":
      "was recorded with the fractional size that scale times size gives; ONNX Runtime aligns the corners that there are"
    case "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True":
      "was recorded counting places beyond the padding; ONNX Runtime counts those of the padding only"
    case let name where name.hasPrefix("test_qlinearmatmul_") && name.contains("int8") && !name.contains("uint8"):
      "was recorded with results that wrap around; the standard and ONNX Runtime saturate them"
    case let name where name.hasSuffix("FLOAT_to_BFLOAT16") || name.hasSuffix("FLOAT_to_BFLOAT16_expanded"):
      "was recorded with fractions cut off; the standard rounds to nearest, ties to even"
    case "test_adam_multiple": "was recorded with epsilon = 0.01, which the file does not say"
    default: nil
    }
  }

  /// The operator that the case is about. Cases whose graph is a function's body are filed under the function.
  var subject: String {
    guard suite == "node" else { return suite }
    if let range = name.range(of: "_expanded") {
      let folder = (model as NSString).deletingLastPathComponent
      let stem = (folder as NSString).deletingLastPathComponent + "/" + name[..<range.lowerBound]
      if let subject = Self.operators(of: stem + "/model.onnx") { return subject }
    }
    return Self.operators(of: model) ?? "(unreadable)"
  }

  private static func operators(of path: String) -> String? {
    guard let model = try? Model(contentsOf: path, operators: OperatorSet([])) else { return nil }
    var names: [String] = []
    for id in model.graph.order {
      let name = model.graph[id].op.name.description
      if !names.contains(name), name != "Constant" || model.graph.nodeCount == 1 { names.append(name) }
    }
    return names.isEmpty ? nil : names.count > 3 ? "(several)" : names.joined(separator: ", ")
  }
}
