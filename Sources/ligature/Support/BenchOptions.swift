import ArgumentParser
import FoundationEssentials
import Measuring
import TensorCore

/// Thread counts as a list: `1,2`.
struct ThreadCounts: ExpressibleByArgument {
  let counts: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    counts = parts.compactMap { Int($0) }
    guard counts.count == parts.count else { return nil }
  }
}

/// Engines to compare with, as a list: `onnxruntime,openvino`.
struct ForeignEngines: ExpressibleByArgument {
  static let known = ["onnxruntime", "openvino"]
  let names: [String]

  init?(argument: String) {
    names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard names.allSatisfy(Self.known.contains), Set(names).count == names.count else { return nil }
  }
}

/// The Python that other engines run in.
enum ForeignPython {
  static let place = ".build/parity-venv/bin/python"

  static func find(_ given: String?) throws -> String {
    if let given {
      guard FileManager.default.isExecutableFile(atPath: given) else {
        throw LigatureError(.file, "'\(given)' cannot be run; --python takes the path of a Python interpreter")
      }
      return given
    }
    guard FileManager.default.isExecutableFile(atPath: place) else {
      throw LigatureError(
        .file,
        "'\(place)' is missing; make it with Tests/Parity/venv.sh (with --openvino for OpenVINO), or name a Python "
          + "that has the engines with --python")
    }
    return place
  }

  static func command(_ python: String) -> [String] { [python, "-I", "-u", "-c", foreignEngineScript] }
}
