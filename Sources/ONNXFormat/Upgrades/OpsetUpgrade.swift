internal import GraphIR
internal import TensorCore

/// A node of the standard domain on its way to the canonical opset.
struct UpgradeNode {
  var name: OperatorName
  let nodeName: String
  var inputs: [ValueID?]
  var captures: [ValueID] = []
  var attributes: Attributes
  var outputs: [String?]
  /// Types of the outputs as the file declares them.
  var declaredTypes: [TensorType] = []
  /// Set by a rule that has appended the node, or what stands for it, itself.
  var results: [ValueID?]?

  func input(_ index: Int) -> ValueID? { index < inputs.count ? inputs[index] : nil }

  mutating func setInput(_ index: Int, _ value: ValueID?) {
    while inputs.count <= index { inputs.append(nil) }
    inputs[index] = value
  }

  /// Removes and returns an attribute.
  mutating func take(_ name: String) -> Attribute? {
    defer { attributes[name] = nil }
    return attributes[name]
  }
}

/// One change of an operator between versions of the standard.
struct OpsetUpgrade: Sendable {
  /// The first opset in which the new form is right; the rule is applied to nodes of older files.
  let since: Int
  let apply: @Sendable (inout UpgradeNode, inout BodyDecoder) throws -> Void

  init(_ since: Int, _ apply: @escaping @Sendable (inout UpgradeNode, inout BodyDecoder) throws -> Void) {
    self.since = since
    self.apply = apply
  }

  /// For forms that no opset forbids, but that have a plainer equivalent.
  static let always = Int.max

  /// Brings a node of opset `version` to the canonical one. Operators that are not in the table mean the same since
  /// `oldestOpset`, or did not exist.
  static func apply(to node: inout UpgradeNode, from version: Int, in body: inout BodyDecoder) throws {
    if version > canonicalOpset { try refuseNewer(node, version) }
    if version < 6 { withoutHints(&node) }
    var reached = version
    while node.results == nil, let rule = table[node.name.type]?.first(where: { $0.since > reached }) {
      try rule.apply(&node, &body)
      reached = rule.since
    }
  }

  /// The rules by operator, oldest first. A rule may rename the node: the rules of the new name go on from there.
  private static let table: [String: [OpsetUpgrade]] = {
    var table: [String: [OpsetUpgrade]] = [
      "BatchNormalization": [OpsetUpgrade(9, spatialOnly), OpsetUpgrade(14, trainingMode)],
      "Clip": [OpsetUpgrade(11, clipBounds)],
      "DFT": [OpsetUpgrade(20, transformAxis)],
      "Dropout": [OpsetUpgrade(12, dropoutRatio)],
      "GridSample": [OpsetUpgrade(20, sampleModes)],
      "GroupNormalization": [OpsetUpgrade(21, groupScales)],
      "Pad": [OpsetUpgrade(11, padAmounts)],
      "Resize": [
        OpsetUpgrade(11, asymmetricResize), OpsetUpgrade(13, resizeModes), OpsetUpgrade(always, absentResizeInputs),
      ],
      "RoiAlign": [OpsetUpgrade(16, roiCoordinates)],
      "Scan": [OpsetUpgrade(9, batchedScan)],
      "Scatter": [OpsetUpgrade(11) { node, _ in node.name = OperatorName("ScatterElements") }],
      "Slice": [OpsetUpgrade(10, sliceBounds)],
      "Split": [OpsetUpgrade(13, splitSizes), OpsetUpgrade(18, splitCount)],
      "TopK": [OpsetUpgrade(10, topCount)],
      "Upsample": [OpsetUpgrade(9, upsampleScales), OpsetUpgrade(10, upsampleToResize)],
    ]
    for name in ["Squeeze", "Unsqueeze", "ReduceSum"] { table[name] = [OpsetUpgrade(13, axesToInput)] }
    for kind in ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"] {
      table["Reduce" + kind] = [OpsetUpgrade(18, axesToInput)]
    }
    for name in ["Softmax", "LogSoftmax", "Hardmax"] { table[name] = [OpsetUpgrade(13, flattenedAxis)] }
    table.merge(oldestRules) { newer, oldest in oldest + newer }
    return table
  }()

  /// What opsets 22 to 24 brought that the canonical one cannot say.
  private static func refuseNewer(_ node: UpgradeNode, _ version: Int) throws {
    let newOperators = ["Attention", "RMSNormalization", "RotaryEmbedding", "Swish", "TensorScatter"]
    let newAttributes = [
      "QuantizeLinear": "precision", "DequantizeLinear": "output_dtype", "Cast": "round_mode", "CastLike": "round_mode",
    ]
    let remedy = "export the model with opset \(canonicalOpset)"
    if newOperators.contains(node.name.type) {
      throw LigatureError(.unsupported, "\(node.name) exists since opset \(version) only; \(remedy)")
    }
    if let attribute = newAttributes[node.name.type], node.attributes[attribute] != nil {
      throw LigatureError(
        .unsupported, "\(node.name) with '\(attribute)' is newer than opset \(canonicalOpset); \(remedy)")
    }
  }
}

// ── What rules build with ───────────────────────────────────────────────────
extension BodyDecoder {
  mutating func constant(_ name: String, _ tensor: Tensor) throws -> ValueID {
    try graph.addConstant(graph.freshName(name), tensor)
  }

  /// A constant int64 list.
  mutating func constant(_ name: String, _ values: [Int]) throws -> ValueID {
    try constant(name, try Tensor(values.map(Int64.init), [values.count]))
  }

  /// A constant scalar of the same element type as `value`, or float32 where that is not known.
  mutating func constant(_ name: String, _ scalar: Float, like value: ValueID?) throws -> ValueID {
    let element = value.map { graph[$0].type.element } ?? .float32
    return try constant(name, try scalarTensor(scalar, element))
  }

  private func scalarTensor(_ scalar: Float, _ element: ElementType) throws -> Tensor {
    func saturated<Integer: FixedWidthInteger & TensorScalar>(_: Integer.Type) -> Tensor {
      let rounded = scalar.isNaN ? 0 : scalar.rounded(.towardZero)
      let value = Integer(exactly: rounded) ?? (rounded < 0 ? Integer.min : Integer.max)
      return Tensor(scalar: value)
    }
    func bits(_ bits: UInt16) throws -> Tensor { try Tensor(element, [], storage: Tensor(scalar: bits).storage) }
    switch element {
    case .float32, .undefined: return Tensor(scalar: scalar)
    case .float64: return Tensor(scalar: Double(scalar))
    case .float16: return try bits(halfFromFloat(scalar))
    case .bfloat16: return try bits(bfloatFromFloat(scalar))
    case .int8: return saturated(Int8.self)
    case .uint8: return saturated(UInt8.self)
    case .int16: return saturated(Int16.self)
    case .uint16: return saturated(UInt16.self)
    case .int32: return saturated(Int32.self)
    case .uint32: return saturated(UInt32.self)
    case .int64: return saturated(Int64.self)
    case .uint64: return saturated(UInt64.self)
    case .bool, .string, .complex64, .complex128, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .uint4,
      .int4:
      throw LigatureError(.type, "a number cannot be turned into \(element)")
    }
  }

  /// Appends a helper node of the canonical opset with one result.
  mutating func helper(
    _ type: String, _ inputs: [ValueID?], _ attributes: Attributes = Attributes(), for node: UpgradeNode,
    _ suffix: String
  ) throws -> ValueID {
    let base = node.outputs.compactMap { $0 }.first ?? node.nodeName
    let helper = UpgradeNode(
      name: OperatorName(type), nodeName: node.nodeName + "/" + suffix, inputs: inputs, attributes: attributes,
      outputs: [graph.freshName("\(base).\(suffix)")])
    guard let results = try emit(helper).first, let result = results else {
      throw LigatureError(.arity, "\(type) gave no result")
    }
    return result
  }

  /// A name for a constant that stands for an attribute of a node.
  func constantName(_ node: UpgradeNode, _ attribute: String) -> String {
    "\(node.outputs.compactMap { $0 }.first ?? node.nodeName).\(attribute)"
  }
}
