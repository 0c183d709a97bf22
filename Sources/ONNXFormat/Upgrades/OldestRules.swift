internal import GraphIR
internal import TensorCore

// What changed in the standard's operators up to opset 7: broadcasting, attributes that became inputs, and hints that
// nothing follows any more.

extension OpsetUpgrade {
  /// Whether results may overwrite inputs was once said of each node.
  static func withoutHints(_ node: inout UpgradeNode) { node.attributes["consumed_inputs"] = nil }

  /// Before 7 the second operand lay over the first from `axis` on, or at its end, and only if `broadcast` said so.
  static func limitedBroadcast(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let broadcasts = try node.attributes.flag("broadcast", default: false)
    let axis = try node.attributes.optionalInt("axis")
    (node.attributes["broadcast"], node.attributes["axis"]) = (nil, nil)
    guard broadcasts, let axis, let first = node.input(0), let second = node.input(1) else { return }
    guard let rank = body.graph[first].type.rank, let own = body.graph[second].type.rank else {
      throw LigatureError(
        .unsupported, "\(node.name) of opset 6 with 'axis' needs operands of known ranks; export with opset 7 or newer")
    }
    let from = axis < 0 ? axis + rank : axis
    guard from >= 0, from + own <= rank else {
      throw LigatureError(.attribute, "axis \(axis) does not place an operand of rank \(own) over one of rank \(rank)")
    }
    node.inputs[1] = try widened(second, by: rank - from - own, own, node, &body)
  }

  /// Before 7 the slope had one value a channel, and no further axes.
  static func channelSlope(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let x = node.input(0), let slope = node.input(1), let rank = body.graph[x].type.rank, rank > 2,
      body.graph[slope].type.rank == 1
    else { return }
    node.inputs[1] = try widened(slope, by: rank - 2, 1, node, &body)
  }

  /// With that many axes of size 1 behind its own.
  private static func widened(
    _ value: ValueID, by count: Int, _ rank: Int, _ node: UpgradeNode, _ body: inout BodyDecoder
  ) throws -> ValueID {
    guard count > 0 else { return value }
    let axes = try body.constant(body.constantName(node, "axes"), Array(rank..<rank + count))
    return try body.helper("Unsqueeze", [value, axes], for: node, "wide")
  }

  static func gemmBroadcast(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    node.attributes["broadcast"] = nil
  }

  /// Before 7 an attribute said whether the node runs or trains.
  static func normalizationMode(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let isTest = try node.attributes.flag("is_test", default: false)
    node.attributes["is_test"] = nil
    if !isTest { node.attributes.set("training_mode", true) }
  }

  static func dropoutMode(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard try node.attributes.flag("is_test", default: false) else {
      throw LigatureError(
        .unsupported, "this Dropout of opset 6 is in training mode; export the model for inference, with is_test = 1")
    }
    node.attributes["is_test"] = nil
  }

  static func wholeSequences(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    node.attributes["output_sequence"] = nil
  }

  /// Concat's axis had a default (4).
  static func concatAxis(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    if node.attributes["axis"] == nil { node.attributes.set("axis", 1) }
  }

  /// Reshape's sizes became an input (5).
  static func reshapeSizes(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let sizes = try node.attributes.optionalInts("shape") else {
      throw LigatureError(.attribute, "attribute 'shape' is missing; export the model again")
    }
    node.attributes["shape"] = nil
    node.setInput(1, try body.constant(body.constantName(node, "shape"), sizes))
  }

  /// Cast named its type (6).
  static func castName(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let name = try node.attributes.optionalString("to") else { return }
    let known: [String: ElementType] = [
      "FLOAT": .float32, "UINT8": .uint8, "INT8": .int8, "UINT16": .uint16, "INT16": .int16, "INT32": .int32,
      "INT64": .int64, "STRING": .string, "BOOL": .bool, "FLOAT16": .float16, "DOUBLE": .float64, "UINT32": .uint32,
      "UINT64": .uint64,
    ]
    guard let element = known[name.uppercased()] else {
      throw LigatureError(.attribute, "attribute 'to' is '\(name)', which is no element type")
    }
    node.attributes.set("to", Int(element.rawValue))
  }

  /// Selu's constants had fewer digits (6).
  static func seluConstants(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    if node.attributes["alpha"] == nil { node.attributes.set("alpha", Float(1.6732)) }
    if node.attributes["gamma"] == nil { node.attributes.set("gamma", Float(1.0507)) }
  }

  static func padName(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    if let pads = node.take("paddings") { node.attributes["pads"] = pads }
  }

  /// The exponent of LpPool and GlobalLpPool became an integer (2).
  static func integerNorm(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let p = try node.attributes.optionalFloat("p") else { return }
    guard let whole = Int(exactly: p) else {
      throw LigatureError(.unsupported, "the norm p = \(p) is no integer; export with opset 2 or newer")
    }
    node.attributes.set("p", whole)
  }

  /// One repetition count and its axis became the counts of all axes (6).
  static func tileCounts(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let x = node.input(0), let rank = body.graph[x].type.rank,
      let count = try node.input(1).flatMap({ body.graph[$0].tensor })?.floats().first,
      let axis = try node.input(2).flatMap({ body.graph[$0].tensor })?.floats().first,
      let count = Int(exactly: count), let axis = Int(exactly: axis), (0..<rank).contains(axis)
    else {
      throw LigatureError(
        .unsupported, "Tile of opset 1 needs a known rank and constant counts; export with opset 6 or newer")
    }
    var counts = [Int](repeating: 1, count: rank)
    counts[axis] = count
    node.inputs = [x, try body.constant(body.constantName(node, "counts"), counts)]
  }

  /// Upsample named the scales of two axes (7).
  static func namedScales(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let height = try node.attributes.optionalFloat("height_scale"),
      let width = try node.attributes.optionalFloat("width_scale")
    else { return }
    (node.attributes["height_scale"], node.attributes["width_scale"]) = (nil, nil)
    node.attributes["scales"] = .floats([1, 1, height, width])
  }

  /// The rules for files older than opset 7, by operator, oldest first.
  static let oldestRules: [String: [OpsetUpgrade]] = {
    var rules: [String: [OpsetUpgrade]] = [
      "BatchNormalization": [OpsetUpgrade(7, normalizationMode)],
      "Cast": [OpsetUpgrade(6, castName)],
      "Concat": [OpsetUpgrade(4, concatAxis)],
      "Dropout": [OpsetUpgrade(7, dropoutMode)],
      "Gemm": [OpsetUpgrade(7, gemmBroadcast)],
      "GlobalLpPool": [OpsetUpgrade(2, integerNorm)],
      "LpPool": [OpsetUpgrade(2, integerNorm)],
      "Pad": [OpsetUpgrade(2, padName)],
      "PRelu": [OpsetUpgrade(7, channelSlope)],
      "Reshape": [OpsetUpgrade(5, reshapeSizes)],
      "Selu": [OpsetUpgrade(6, seluConstants)],
      "Tile": [OpsetUpgrade(6, tileCounts)],
      "Upsample": [OpsetUpgrade(7, namedScales)],
    ]
    for name in ["RNN", "GRU", "LSTM"] { rules[name] = [OpsetUpgrade(7, wholeSequences)] }
    for name in ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"] {
      rules[name] = [OpsetUpgrade(7, limitedBroadcast)]
    }
    return rules
  }()
}
