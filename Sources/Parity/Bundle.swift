import FoundationEssentials
public import TensorCore
import TensorFiles

/// A folder of recorded numbers of one model: what it is filled with, and what it then computes.
public struct Bundle: Sendable {
  /// One tensor of the checkpoint.
  public struct Entry: Sendable {
    public let name: String
    public let shape: [Int]
    public let element: ElementType
    let fill: String
  }

  public let folder: String
  /// `model.json`.
  public let model: JSONValue
  public let name: String
  public let architecture: String
  /// In the order of the checkpoint.
  public let stateDictionary: [Entry]
  let filler: Filler
  private let stored: [String: Tensor]

  /// Throws `.file` or `.format` for a folder that holds no bundle.
  public init(_ folder: String) throws {
    self.folder = folder
    model = try JSONValue(contentsOf: folder + "/model.json")
    name = try model["name"].required("name", \.string)
    architecture = try model["architecture"].required("architecture", \.string)
    filler = Filler(
      seed: try model["seed"].required("seed", \.integer),
      convolutionGain: try model["conv_gain"].required("conv_gain", \.double),
      linearGain: try model["linear_gain"].required("linear_gain", \.double))
    stateDictionary = try model["state_dict"].required("state_dict", \.array).map { entry in
      Entry(
        name: try entry["name"].required("state_dict.name", \.string),
        shape: try entry["shape"].required("state_dict.shape", \.integers),
        element: entry["dtype"]?.string == "int64" ? .int64 : .float32,
        fill: try entry["fill"].required("state_dict.fill", \.string))
    }
    let path = folder + "/params.safetensors"
    stored = FileManager.default.fileExists(atPath: path) ? try SafeTensors(contentsOf: path).tensors : [:]
  }

  /// The tensors of one of its files, or nil where the bundle has none of that name.
  public func tensors(_ file: String) throws -> [String: Tensor]? {
    let path = "\(folder)/\(file).safetensors"
    return FileManager.default.fileExists(atPath: path) ? try SafeTensors(contentsOf: path).tensors : nil
  }

  public func json(_ file: String) throws -> JSONValue? {
    let path = "\(folder)/\(file).json"
    return FileManager.default.fileExists(atPath: path) ? try JSONValue(contentsOf: path) : nil
  }

  /// All tensors of the checkpoint by name, but for buffers that the architecture itself computes.
  public func parameters() throws -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for entry in stateDictionary {
      switch entry.fill {
      case "computed": continue
      case "zero": result[entry.name] = try Tensor(zeros: entry.element, entry.shape)
      case "stored":
        guard let tensor = stored[entry.name], tensor.shape == entry.shape else {
          throw LigatureError(.format, "params.safetensors lacks '\(entry.name)' of shape \(entry.shape)")
        }
        result[entry.name] = tensor
      case "rule":
        let exception = model["fill_exceptions"]?[entry.name]
        result[entry.name] = try filler.tensor(
          entry.name, entry.shape, scale: exception?["scale"]?.double, offset: exception?["offset"]?.double)
      default:
        throw LigatureError(.unsupported, "'\(entry.name)' is filled by '\(entry.fill)', which is not known")
      }
    }
    return result
  }

  /// An input: stored in `tensors`, or filled as `model.json` says for evaluation (`inputs`) or training.
  func input(_ name: String, _ tensors: [String: Tensor], training: Bool = false) throws -> Tensor {
    if let tensor = tensors[name] { return tensor }
    let filled = training ? model["loss_inputs"]?[name] ?? model["inputs"]?[name] : model["inputs"]?[name]
    guard let filled else { throw LigatureError(.format, "the bundle does not say what the input '\(name)' is") }
    return try filler.tensor(
      name, filled["shape"].required("\(name).shape", \.integers),
      scale: filled["fill"]?["scale"]?.double, offset: filled["fill"]?["offset"]?.double)
  }
}

extension Bundle {
  /// The shape of a tensor of the checkpoint. Throws `.format` when it is not there or has another rank.
  func shape(of name: String, rank: Int) throws -> [Int] {
    guard let entry = stateDictionary.first(where: { $0.name == name }), entry.shape.count == rank else {
      throw LigatureError(.format, "the bundle has no tensor '\(name)' with \(rank) dimensions")
    }
    return entry.shape
  }
}
