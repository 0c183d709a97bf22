internal import GraphIR
internal import TensorCore

extension OpsetUpgrade {
  /// Scan of opset 8 had a batch of independent sequences along the first axis of everything: a Loop over the batch
  /// around the Scan of today does the same.
  static func batchedScan(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard node.input(0) == nil else {
      throw LigatureError(
        .unsupported, "Scan of opset 8 with sequences of different lengths is not read; export with opset 9 or newer")
    }
    let operands = try node.inputs.dropFirst().map { id in
      guard let id else { throw LigatureError(.arity, "a state or a sequence is missing") }
      return id
    }
    guard let first = operands.first else { throw LigatureError(.arity, "has no sequence") }
    var attributes = Attributes()
    attributes["body"] = .graph(try node.attributes.graph("body"))
    attributes["num_scan_inputs"] = node.attributes["num_scan_inputs"]
    attributes["scan_input_directions"] = node.attributes["directions"]

    var inner = BodyDecoder(body.model, name: node.nodeName + "/batch")
    let trip = try inner.graph.addInput("trip", TensorType(.int64, []))
    let condition = try inner.graph.addInput("condition", TensorType(.bool, []))
    var moved: [ValueID: ValueID] = [:]
    var captures: [ValueID] = []
    for id in operands + node.captures where moved[id] == nil {
      let value = body.graph[id]
      if case .constant(let tensor) = value.role {
        moved[id] = try inner.graph.addConstant(inner.graph.freshName(value.name), tensor)
      } else {
        moved[id] = try inner.graph.addInput(inner.graph.freshName(value.name), value.type)
        captures.append(id)
      }
    }
    let slices = try operands.enumerated().map { index, id in
      try inner.helper("Gather", [moved[id], trip], for: node, "slice\(index)")
    }
    let results = try inner.emit(
      UpgradeNode(
        name: OperatorName("Scan"), nodeName: node.nodeName, inputs: slices,
        captures: node.captures.compactMap { moved[$0] }, attributes: attributes,
        outputs: node.outputs.indices.map { inner.graph.freshName("result\($0)") }))
    try inner.graph.addOutput(condition, name: "again")
    for case let result? in results { try inner.graph.addOutput(result) }

    var shape = Attributes()
    shape.set("start", 0)
    shape.set("end", 1)
    let batch = try body.helper("Shape", [first], shape, for: node, "batch")
    node.results = try body.emit(
      UpgradeNode(
        name: OperatorName("Loop"), nodeName: node.nodeName, inputs: [batch, nil], captures: captures,
        attributes: Attributes(["body": .graph(inner.graph)]), outputs: node.outputs,
        declaredTypes: node.declaredTypes))
  }
}
