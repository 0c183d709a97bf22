import ArgumentParser
import ONNXFormat
import TensorCore
import TensorFiles

/// The file formats that tensors are read from and written to; raw values are the extensions.
enum TensorFormat: String, CaseIterable, ExpressibleByArgument {
  case npy
  case safetensors
  case pb

  func write(_ tensor: Tensor, named name: String, to path: String) throws {
    switch self {
    case .npy: try NPY.write(tensor, to: path)
    case .safetensors: try SafeTensors([name: tensor]).write(to: path)
    case .pb: try TensorFile.write(tensor, name: name, to: path)
    }
  }
}

/// Reads a tensor from a file of any of the formats, told apart by extension.
///
/// - Parameter name: which tensor of a file that holds several; a file that holds only one may name it otherwise.
func readTensor(_ path: String, named name: String?) throws -> Tensor {
  let known = TensorFormat.allCases.map(\.rawValue)
  guard let suffix = path.split(separator: ".").last, let format = TensorFormat(rawValue: String(suffix)) else {
    throw LigatureError(.usage, "'\(path)' is none of the known formats: \(known.joined(separator: ", "))")
  }
  switch format {
  case .npy: return try NPY.read(path)
  case .pb: return try TensorFile.read(path).tensor
  case .safetensors:
    let tensors = try SafeTensors(contentsOf: path).tensors
    if let name, let tensor = tensors[name] { return tensor }
    if let only = tensors.first, tensors.count == 1 { return only.value }
    let names = tensors.keys.sorted().joined(separator: ", ")
    throw LigatureError(.usage, "'\(path)' has no tensor '\(name ?? "")'; it has: \(names)")
  }
}
