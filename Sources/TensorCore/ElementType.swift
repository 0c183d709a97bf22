/// The scalar type of a tensor. Raw values are those of ONNX's `TensorProto.DataType`.
public enum ElementType: Int32, Sendable, Hashable, CaseIterable {
  case undefined = 0
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case string = 8
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case complex64 = 14
  case complex128 = 15
  case bfloat16 = 16
  // Of 8 and 4 bits, for storage: they are converted to and from, and quantised to.
  case float8e4m3fn = 17
  case float8e4m3fnuz = 18
  case float8e5m2 = 19
  case float8e5m2fnuz = 20
  /// One a byte in memory; two a byte in files.
  case uint4 = 21
  case int4 = 22

  /// Bytes that one scalar takes in memory; 0 for `.undefined` and `.string`, which have no flat layout.
  public var byteSize: Int {
    switch self {
    case .undefined, .string: 0
    case .uint8, .int8, .bool: 1
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .uint4, .int4: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float32, .int32, .uint32: 4
    case .int64, .float64, .uint64, .complex64: 8
    case .complex128: 16
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float32, .float16, .float64, .bfloat16: true
    default: false
    }
  }

  /// Floats of 8 bits and integers of 4, which nothing computes with.
  public var isNarrow: Bool { rawValue >= ElementType.float8e4m3fn.rawValue }

  /// Two elements share a byte of a file.
  public var isPackedInFiles: Bool { self == .uint4 || self == .int4 }

  public var isInteger: Bool {
    switch self {
    case .uint8, .int8, .uint16, .int16, .int32, .int64, .uint32, .uint64: true
    default: false
    }
  }
}

extension ElementType: CustomStringConvertible {
  /// The name that prints show: `float32`, `int64`, …
  public var description: String {
    switch self {
    case .undefined: "undefined"
    case .float32: "float32"
    case .uint8: "uint8"
    case .int8: "int8"
    case .uint16: "uint16"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .string: "string"
    case .bool: "bool"
    case .float8e4m3fn: "float8e4m3fn"
    case .float8e4m3fnuz: "float8e4m3fnuz"
    case .float8e5m2: "float8e5m2"
    case .float8e5m2fnuz: "float8e5m2fnuz"
    case .uint4: "uint4"
    case .int4: "int4"
    case .float16: "float16"
    case .float64: "float64"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .complex64: "complex64"
    case .complex128: "complex128"
    case .bfloat16: "bfloat16"
    }
  }
}

/// A Swift type that a tensor can hold as a scalar.
public protocol TensorScalar: Sendable, BitwiseCopyable {
  static var elementType: ElementType { get }
}

extension Float: TensorScalar { public static var elementType: ElementType { .float32 } }
extension Double: TensorScalar { public static var elementType: ElementType { .float64 } }
extension UInt8: TensorScalar { public static var elementType: ElementType { .uint8 } }
extension Int8: TensorScalar { public static var elementType: ElementType { .int8 } }
extension UInt16: TensorScalar { public static var elementType: ElementType { .uint16 } }
extension Int16: TensorScalar { public static var elementType: ElementType { .int16 } }
extension UInt32: TensorScalar { public static var elementType: ElementType { .uint32 } }
extension Int32: TensorScalar { public static var elementType: ElementType { .int32 } }
extension UInt64: TensorScalar { public static var elementType: ElementType { .uint64 } }
extension Int64: TensorScalar { public static var elementType: ElementType { .int64 } }
extension Bool: TensorScalar { public static var elementType: ElementType { .bool } }
