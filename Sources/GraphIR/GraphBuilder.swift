public import TensorCore

/// Writes a graph node by node: names what it appends after the scope that it stands in, and shares small constants.
///
/// Architectures and gradient rules write with it. Names are paths (`/backbone/layer1/0/conv1`) that are made unique.
public struct GraphBuilder: Sendable {
  public var graph: Graph
  /// From the outermost inwards.
  public package(set) var scope: [String]
  private var known: [ConstantKey: (value: ValueID, tensor: Tensor)] = [:]

  public init(_ graph: Graph = Graph(), scope: [String] = []) {
    self.graph = graph
    self.scope = scope
  }

  /// The type of a value.
  public func type(_ value: ValueID) -> TensorType { graph[value].type }

  // ── Scopes ────────────────────────────────────────────────────────────────
  /// What `body` appends is named inside of `name`, which may be a path of several scopes.
  public mutating func scoped<Result>(
    _ name: String, _ body: (inout GraphBuilder) throws -> Result
  ) rethrows -> Result {
    let outer = scope
    scope += name.split(separator: "/").map(String.init)
    defer { scope = outer }
    return try body(&self)
  }

  /// A free name in the present scope.
  public func path(_ name: String) -> String {
    graph.freshName(scope.isEmpty ? name : "/" + (scope + [name]).joined(separator: "/"))
  }

  // ── Nodes ─────────────────────────────────────────────────────────────────
  /// Appends a node with one result.
  ///
  /// - Parameter name: the last part of its path; the operator's type if it is left out.
  @discardableResult
  public mutating func append(_ op: any Operator, _ inputs: [ValueID?], name: String? = nil) throws -> ValueID {
    try graph.append(op, inputs, name: path(name ?? op.name.type))
  }

  /// Appends a node with several results.
  ///
  /// - Parameter wanted: one flag an output; an optional output that is not wanted gives `nil`.
  @discardableResult
  public mutating func append(
    _ op: any Operator, _ inputs: [ValueID?], name: String? = nil, wanted: [Bool]
  ) throws -> [ValueID?] {
    // Its results are not called as the node is, so they have to tell whether that name is taken.
    let wish = path(name ?? op.name.type)
    var node = wish
    var number = 1
    while wanted.indices.contains(where: { graph.value(named: "\(node).\($0)") != nil }) {
      node = graph.freshName("\(wish)_\(number)")
      number += 1
    }
    let outputs = wanted.enumerated().map { $1 ? graph.freshName("\(node).\($0)") : nil }
    return try graph.append(op, inputs, name: node, outputs: outputs)
  }

  // ── Constants ─────────────────────────────────────────────────────────────
  private struct ConstantKey: Hashable {
    let element: ElementType
    let shape: [Int]
    let bytes: [UInt8]
  }
  private static let mostSharedBytes = 256

  /// A constant; small ones with the same content become one.
  public mutating func constant(_ tensor: Tensor, name: String = "constant") throws -> ValueID {
    guard tensor.element != .string, tensor.byteCount <= GraphBuilder.mostSharedBytes else {
      return try graph.addConstant(path(name), tensor)
    }
    let bytes = unsafe tensor.withUnsafeBytes { unsafe Array($0) }
    let key = ConstantKey(element: tensor.element, shape: tensor.shape, bytes: bytes)
    // The graph may have been exchanged or renumbered since.
    if let (value, tensor) = known[key], Int(value.index) < graph.values.count,
      graph[value].tensor?.storage === tensor.storage
    {
      return value
    }
    let value = try graph.addConstant(path(name), tensor)
    known[key] = (value, tensor)
    return value
  }

  /// An int64 list: axes, shapes, pads.
  public mutating func integers(_ values: [Int], name: String = "integers") throws -> ValueID {
    try constant(Tensor(values.map(Int64.init), [values.count]), name: name)
  }

  /// A number of rank 0 of a floating-point or integer type.
  public mutating func scalar(_ value: Double, _ element: ElementType, name: String = "scalar") throws -> ValueID {
    try constant(Tensor(number: value, element), name: name)
  }
}

extension Tensor {
  /// One number (rank 0) of any floating-point type, or of int32, int64 or bool. Throws `.type` for other types.
  public init(number value: Double, _ element: ElementType) throws {
    switch element {
    case .float32: self.init(scalar: Float(value))
    case .float64: self.init(scalar: value)
    case .int32, .int64:
      guard let whole = Int64(exactly: value) else { throw LigatureError(.numeric, "\(value) is no whole number") }
      if element == .int64 {
        self.init(scalar: whole)
      } else {
        guard let narrow = Int32(exactly: whole) else { throw LigatureError(.numeric, "\(value) does not fit int32") }
        self.init(scalar: narrow)
      }
    case .bool: self.init(scalar: value != 0)
    case .float16, .bfloat16:
      let bits = element == .float16 ? halfFromFloat(Float(value)) : bfloatFromFloat(Float(value))
      try unsafe self.init(element, []) { bytes in unsafe bytes.storeBytes(of: bits, as: UInt16.self) }
    default: throw LigatureError(.type, "there is no way to write the number \(value) as \(element)")
    }
  }
}
