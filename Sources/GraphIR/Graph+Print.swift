extension Graph: CustomStringConvertible {
  /// The graph as text, one node a line:
  /// `%y: float32[N, 8, H, W] = Conv(%x, @weight) {pads: [1, 1, 1, 1]}`. Inputs and results bear `%`, constants `@`.
  public var description: String { text() }

  /// - Parameter indent: spaces before each line, for sub-graphs.
  public func text(indent: Int = 0) -> String {
    let margin = String(repeating: " ", count: indent)
    let parameters = inputs.map { "%\(self[$0].name): \(self[$0].type)" }.joined(separator: ", ")
    let results = zip(outputs, outputNames).map { id, name in
      let reference = reference(id)
      return reference == "%\(name)" ? reference : "\(name) = \(reference)"
    }
    var lines = ["\(margin)graph \(name)(\(parameters)) -> (\(results.joined(separator: ", "))) {"]
    for id in order { lines.append(text(of: self[id], indent: indent + 2)) }
    lines.append("\(margin)}")
    return lines.joined(separator: "\n")
  }

  private func reference(_ id: ValueID) -> String {
    switch self[id].role {
    case .input, .result: "%\(self[id].name)"
    case .constant, .parameter: "@\(self[id].name)"
    }
  }

  private func text(of node: Node, indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    let results = node.outputs.map { $0.map { "%\(self[$0].name): \(self[$0].type)" } ?? "_" }
    let arguments = node.inputs.map { $0.map(reference) ?? "_" }
    var line = "\(margin)\(results.joined(separator: ", ")) = \(node.op.name)(\(arguments.joined(separator: ", ")))"
    if !node.captures.isEmpty { line += " captures (\(node.captures.map(reference).joined(separator: ", ")))" }
    let attributes = node.op.attributes
    if !attributes.isEmpty {
      let parts = attributes.sortedNames.map { name in
        "\(name): \(attributes[name].map { $0.text(indent: indent) } ?? "")"
      }
      line += " {\(parts.joined(separator: ", "))}"
    }
    if !node.name.isEmpty { line += "  # \(node.name)" }
    return line
  }
}

extension Attribute {
  fileprivate func text(indent: Int) -> String {
    switch self {
    case .int(let value): "\(value)"
    case .float(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .ints(let values): "\(values)"
    case .floats(let values): "\(values)"
    case .strings(let values): "\(values)"
    case .tensor(let tensor): "\(tensor.element)\(tensor.shape)"
    case .tensors(let tensors): "\(tensors.count) tensors"
    case .graph(let graph): "\n" + graph.text(indent: indent + 2)
    case .graphs(let graphs): graphs.map { "\n" + $0.text(indent: indent + 2) }.joined()
    case .opaque(let kind, let bytes): "<kind \(kind), \(bytes.count) bytes>"
    }
  }
}
