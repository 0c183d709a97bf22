internal import TensorCore

// The messages of `Schemas/onnx.proto` as Swift values. Reading and writing them is the business of `WireRead.swift`
// and `WireWrite.swift`; everything else in this module works on these.

struct WireModel: Sendable {
  var irVersion = 0
  var producerName = ""
  var producerVersion = ""
  var domain = ""
  var modelVersion = 0
  var documentation = ""
  var graph: WireGraph?
  var operatorSets: [WireOperatorSet] = []
  var metadata: [WireEntry] = []
  var training: [WireTraining] = []
  var functions: [WireFunction] = []
}

struct WireOperatorSet: Sendable, Equatable {
  var domain: String
  var version: Int
}

struct WireEntry: Sendable, Equatable {
  var key: String
  var value: String
}

struct WireGraph: Sendable {
  var name = ""
  var documentation = ""
  var nodes: [WireNode] = []
  var initializers: [WireTensor] = []
  var sparseInitializers: [WireSparse] = []
  var inputs: [WireValue] = []
  var outputs: [WireValue] = []
  var valueInfo: [WireValue] = []
  var annotations: [WireAnnotation] = []
  var metadata: [WireEntry] = []
}

struct WireAnnotation: Sendable {
  var tensor: String
  var parameters: [WireEntry]
}

struct WireNode: Sendable {
  /// Empty where an optional one is left out.
  var inputs: [String] = []
  var outputs: [String] = []
  var name = ""
  var type = ""
  var domain = ""
  var overload = ""
  var documentation = ""
  var attributes: [WireAttribute] = []
  var metadata: [WireEntry] = []
}

struct WireAttribute: Sendable {
  enum Value: Sendable {
    case float(Float)
    case int(Int64)
    case string([UInt8])
    case tensor(WireTensor)
    case graph(WireGraph)
    case floats([Float])
    case ints([Int64])
    case strings([[UInt8]])
    case tensors([WireTensor])
    case graphs([WireGraph])
    case sparse(WireSparse)
    case sparses([WireSparse])
    case type(WireType)
    case types([WireType])
    /// Only beside a reference.
    case none(kind: Int32)
  }
  var name: String
  var value: Value
  /// Inside a function: the attribute of the call that gives the value.
  var reference = ""
  var documentation = ""
}

struct WireTensor: Sendable {
  var name: String
  var tensor: Tensor
}

struct WireSparse: Sendable {
  var values: WireTensor
  var indices: WireTensor
  var shape: [Int]
}

struct WireValue: Sendable {
  var name: String
  var type: WireType?
}

enum WireDimension: Sendable, Hashable {
  case size(Int)
  case symbol(String)
  case unknown
}

indirect enum WireType: Sendable {
  case tensor(element: Int32, shape: [WireDimension]?)
  case sparse(element: Int32, shape: [WireDimension]?)
  case sequence(WireType)
  case map(key: Int32, value: WireType)
  case optional(WireType)
  case opaque(domain: String, name: String)
  case unknown
}

struct WireFunction: Sendable {
  var name = ""
  var domain = ""
  var overload = ""
  var documentation = ""
  var inputs: [String] = []
  var outputs: [String] = []
  /// Attributes without default.
  var attributes: [String] = []
  /// Attributes with default.
  var defaults: [WireAttribute] = []
  var nodes: [WireNode] = []
  var operatorSets: [WireOperatorSet] = []
  var valueInfo: [WireValue] = []
  var metadata: [WireEntry] = []
}

struct WireTraining: Sendable {
  var initialization: WireGraph?
  var algorithm: WireGraph?
  var initializationBinding: [WireEntry] = []
  var updateBinding: [WireEntry] = []
}
