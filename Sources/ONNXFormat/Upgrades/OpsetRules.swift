internal import GraphIR
internal import TensorCore

// The rules of `OpsetUpgrade.table`: what changed in the standard's operators after `oldestOpset`.

// ── Attributes that became inputs ───────────────────────────────────────────
extension OpsetUpgrade {
  /// `axes` of Squeeze, Unsqueeze (13) and the reductions (13, 18) became input 1. An empty list meant none.
  static func axesToInput(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let axes = try node.attributes.optionalInts("axes") else { return }
    node.attributes["axes"] = nil
    if axes.isEmpty { return }
    node.setInput(1, try body.constant(body.constantName(node, "axes"), axes))
  }

  /// Clip's bounds became inputs of the element type (11).
  static func clipBounds(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    for (index, bound) in [(1, "min"), (2, "max")] {
      guard let value = try node.attributes.optionalFloat(bound) else { continue }
      node.attributes[bound] = nil
      node.setInput(index, try body.constant(body.constantName(node, bound), value, like: node.input(0)))
    }
  }

  static func padAmounts(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let pads = try node.attributes.optionalInts("pads") else {
      throw LigatureError(.attribute, "attribute 'pads' is missing; export the model again")
    }
    node.attributes["pads"] = nil
    node.setInput(1, try body.constant(body.constantName(node, "pads"), pads))
    if let value = try node.attributes.optionalFloat("value"), value != 0 {
      node.setInput(2, try body.constant(body.constantName(node, "value"), value, like: node.input(0)))
    }
    node.attributes["value"] = nil
  }

  static func sliceBounds(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    for (index, name) in [(1, "starts"), (2, "ends"), (3, "axes")] {
      let values = try node.attributes.optionalInts(name)
      node.attributes[name] = nil
      guard let values else {
        if name == "axes" { continue }
        throw LigatureError(.attribute, "attribute '\(name)' is missing; export the model again")
      }
      node.setInput(index, try body.constant(body.constantName(node, name), values))
    }
  }

  static func splitSizes(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let sizes = try node.attributes.optionalInts("split") else { return }
    node.attributes["split"] = nil
    node.setInput(1, try body.constant(body.constantName(node, "split"), sizes))
  }

  /// Without sizes, the number of equal parts must be said since 18.
  static func splitCount(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    if node.input(1) == nil { node.attributes.set("num_outputs", node.outputs.count) }
  }

  static func topCount(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let count = try node.attributes.int("k")
    node.attributes["k"] = nil
    node.setInput(1, try body.constant(body.constantName(node, "k"), [count]))
  }

  /// Dropout's ratio became an input (12); without the input that asks for training it does nothing.
  static func dropoutRatio(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let ratio = try node.attributes.optionalFloat("ratio") else { return }
    node.attributes["ratio"] = nil
    node.setInput(1, try body.constant(body.constantName(node, "ratio"), ratio, like: nil))
  }

  /// DFT's axis became input 2 (20), with another default.
  static func transformAxis(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let axis = try node.attributes.int("axis", default: 1)
    node.attributes["axis"] = nil
    node.setInput(2, try body.constant(body.constantName(node, "axis"), Tensor(scalar: Int64(axis))))
  }
}

// ── Softmax ─────────────────────────────────────────────────────────────────
extension OpsetUpgrade {
  /// Before 13, Softmax and its kin took all dimensions from `axis` on as one.
  static func flattenedAxis(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let axis = try node.attributes.int("axis", default: 1)
    guard let input = node.input(0) else { return }
    if let rank = body.graph[input].type.rank {
      guard axis >= -rank, axis <= rank else {
        throw LigatureError(.attribute, "axis \(axis) is out of range for rank \(rank)")
      }
      if axis == -1 || axis == rank - 1 {
        node.attributes.set("axis", -1)
        return
      }
    }
    // Right for any rank: as a matrix, and back to the shape that was.
    var flatten = Attributes()
    flatten.set("axis", axis)
    var last = Attributes()
    last.set("axis", -1)
    let shape = try body.helper("Shape", [input], for: node, "shape")
    let matrix = try body.helper("Flatten", [input], flatten, for: node, "matrix")
    let result = try body.helper(node.name.type, [matrix], last, for: node, "rows")
    node.name = OperatorName("Reshape")
    node.inputs = [result, shape]
    node.attributes = Attributes()
    node.results = try body.emit(node)
  }
}

// ── Normalisation ───────────────────────────────────────────────────────────
extension OpsetUpgrade {
  static func spatialOnly(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard try node.attributes.int("spatial", default: 1) == 1 else {
      throw LigatureError(
        .unsupported, "BatchNormalization with spatial = 0 was dropped from the standard; export with opset 9 or newer")
    }
    node.attributes["spatial"] = nil
  }

  /// Before 14, further outputs meant training.
  static func trainingMode(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    while case .some(.none) = node.outputs.last { node.outputs.removeLast() }
    guard node.outputs.count > 1 else { return }
    guard node.outputs.count <= 3 else {
      throw LigatureError(
        .unsupported,
        "BatchNormalization's saved mean and variance were dropped from the standard; "
          + "export with opset 14")
    }
    node.attributes.set("training_mode", true)
  }

  /// Before 21, GroupNormalization had one scale and bias a group; now it has them for each channel.
  static func groupScales(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let groups = try node.attributes.int("num_groups")
    guard let input = node.input(0), let shape = body.graph[input].type.shape, shape.count > 1,
      let channels = shape[1].value, groups > 0, channels % groups == 0
    else {
      throw LigatureError(
        .unsupported, "GroupNormalization of opset 18 needs a known number of channels; export with opset 21")
    }
    let last = try body.constant(body.constantName(node, "last"), [1])
    let wide = try body.constant(body.constantName(node, "wide"), [groups, channels / groups])
    let flat = try body.constant(body.constantName(node, "flat"), [-1])
    for (index, name) in [(1, "scale"), (2, "bias")] {
      let column = try body.helper("Unsqueeze", [node.input(index), last], for: node, name + ".column")
      let spread = try body.helper("Expand", [column, wide], for: node, name + ".spread")
      node.setInput(index, try body.helper("Reshape", [spread, flat], for: node, name))
    }
  }
}

// ── Sampling ────────────────────────────────────────────────────────────────
extension OpsetUpgrade {
  static func upsampleScales(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    guard let scales = try node.attributes.optionalFloats("scales") else {
      throw LigatureError(.attribute, "attribute 'scales' is missing; export the model again")
    }
    node.attributes["scales"] = nil
    node.setInput(1, try body.constant(body.constantName(node, "scales"), try Tensor(scales, [scales.count])))
  }

  static func upsampleToResize(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    node.name = OperatorName("Resize")
  }

  /// Resize of opset 10 scaled coordinates without any shift. Nearest neighbours were rounded down when enlarging and
  /// up when shrinking: a node that does both becomes two.
  static func asymmetricResize(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let scales = node.input(1)
    node.inputs = [node.input(0), nil, scales]
    node.attributes.set("coordinate_transformation_mode", "asymmetric")
    guard try node.attributes.string("mode", default: "nearest") == "nearest" else { return }
    node.attributes.set("nearest_mode", "floor")
    guard let scales, let factors = try body.graph[scales].tensor?.floats(), factors.contains(where: { $0 < 1 }) else {
      return
    }
    if factors.contains(where: { $0 > 1 }) {
      let enlarging = try body.constant(
        body.constantName(node, "enlarging"), try Tensor(factors.map { max($0, 1) }, [factors.count]))
      let enlarged = try body.helper("Resize", [node.input(0), nil, enlarging], node.attributes, for: node, "enlarged")
      let shrinking = try body.constant(
        body.constantName(node, "shrinking"), try Tensor(factors.map { min($0, 1) }, [factors.count]))
      node.inputs = [enlarged, nil, shrinking]
    }
    node.attributes.set("nearest_mode", "ceil")
  }

  static func resizeModes(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    let mode = try node.attributes.string("coordinate_transformation_mode", default: "half_pixel")
    guard mode != "tf_half_pixel_for_nn" else {
      throw LigatureError(
        .unsupported, "Resize with '\(mode)' was dropped from the standard; export with opset 13 or newer")
    }
  }

  /// Empty lists once stood for inputs that are not given.
  static func absentResizeInputs(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    for index in 1..<4 {
      if let input = node.input(index), body.graph[input].tensor?.count == 0 { node.setInput(index, nil) }
    }
    while case .some(.none) = node.inputs.last { node.inputs.removeLast() }
  }

  static func sampleModes(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    switch try node.attributes.optionalString("mode") {
    case "bilinear": node.attributes.set("mode", "linear")
    case "bicubic": node.attributes.set("mode", "cubic")
    default: break
    }
  }

  static func roiCoordinates(_ node: inout UpgradeNode, _ body: inout BodyDecoder) throws {
    node.attributes.set("coordinate_transformation_mode", "output_half_pixel")
  }
}
