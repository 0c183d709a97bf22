import GraphIR
import TensorCore

/// What a kernel of a prepared graph does to a value before it writes it: `scale * activation(x) + shift`.
public struct Epilogue: Sendable, Hashable {
  public var activation: FusedActivation
  public var scale: Float
  public var shift: Float

  public init(_ activation: FusedActivation = .none, scale: Float = 1, shift: Float = 0) {
    self.activation = activation
    self.scale = scale
    self.shift = shift
  }

  public static let none = Epilogue()
  public var isScaled: Bool { scale != 1 || shift != 0 }

  init(_ attributes: Attributes) throws {
    self.init(
      try FusedActivation(attributes), scale: try attributes.float("output_scale", default: 1),
      shift: try attributes.float("output_shift", default: 0))
  }

  func write(to attributes: inout Attributes) {
    activation.write(to: &attributes)
    if scale != 1 { attributes.set("output_scale", scale) }
    if shift != 0 { attributes.set("output_shift", shift) }
  }
}

/// A function that a kernel applies to a value before it writes it.
public enum FusedActivation: Sendable, Hashable {
  case none, relu, sigmoid, silu, tanh
  /// By erf, and by tanh.
  case gelu, geluTanh
  case clip(Float, Float)
  case leakyRelu(Float)
  /// min(max(alpha * x + beta, 0), 1)
  case hardSigmoid(Float, Float)
  /// x * min(max(alpha * x + beta, 0), 1)
  case hardSwish(Float, Float)

  init(_ attributes: Attributes) throws {
    let values = try attributes.optionalFloats("activation_params") ?? []
    let name = try attributes.string("activation", default: "")
    let wanted = ["Clip": 2, "LeakyRelu": 1, "HardSigmoid": 2, "HardSwish": 2][name] ?? 0
    guard values.count == wanted else {
      throw LigatureError(.attribute, "activation '\(name)' takes \(wanted) activation_params, not \(values.count)")
    }
    switch name {
    case "": self = .none
    case "Relu": self = .relu
    case "Sigmoid": self = .sigmoid
    case "SiLU": self = .silu
    case "Tanh": self = .tanh
    case "Gelu": self = .gelu
    case "GeluTanh": self = .geluTanh
    case "Clip": self = .clip(values[0], values[1])
    case "LeakyRelu": self = .leakyRelu(values[0])
    case "HardSigmoid": self = .hardSigmoid(values[0], values[1])
    case "HardSwish": self = .hardSwish(values[0], values[1])
    default: throw LigatureError(.attribute, "activation '\(name)' cannot be fused")
    }
  }

  func write(to attributes: inout Attributes) {
    let (name, values): (String, [Float]) =
      switch self {
      case .none: ("", [])
      case .relu: ("Relu", [])
      case .sigmoid: ("Sigmoid", [])
      case .silu: ("SiLU", [])
      case .tanh: ("Tanh", [])
      case .gelu: ("Gelu", [])
      case .geluTanh: ("GeluTanh", [])
      case .clip(let low, let high): ("Clip", [low, high])
      case .leakyRelu(let slope): ("LeakyRelu", [slope])
      case .hardSigmoid(let alpha, let beta): ("HardSigmoid", [alpha, beta])
      case .hardSwish(let alpha, let beta): ("HardSwish", [alpha, beta])
      }
    if !name.isEmpty { attributes.set("activation", name) }
    if !values.isEmpty { attributes.set("activation_params", values) }
  }
}
