import GraphIR
import Operators

/// An operator for people who look where time goes: of convolutions and pooling also the window.
func kindName(_ node: Node, _ graph: Graph) -> String {
  let type = node.op.name.type
  switch node.op {
  case let conv as Conv: return convolution("Conv", conv.window, node, graph, filters: 0)
  case let conv as ConvTranspose: return convolution("ConvTranspose", conv.window, node, graph, filters: 1)
  case let conv as ConvInteger: return convolution("ConvInteger", conv.window, node, graph, filters: 0)
  case let conv as DeformConv: return convolution("DeformConv", conv.window, node, graph, filters: 0)
  default: return type
  }
}

/// `Conv 3x3`, `Conv depthwise 5x5 stride 2`, `Conv grouped 3x3`.
///
/// - Parameter filters: the axis of the weights that, with the group, counts the outputs.
private func convolution(
  _ name: String, _ window: ConvolutionWindow, _ node: Node, _ graph: Graph, filters: Int
) -> String {
  guard node.inputs.count > 1, let weights = node.inputs[1].flatMap({ graph[$0].type.sizes }), weights.count > 2
  else { return name }
  var words = [name]
  if window.group > 1 { words.append(weights[1 - filters] == 1 || weights[1] == 1 ? "depthwise" : "grouped") }
  words.append(weights.dropFirst(2).map(String.init).joined(separator: "x"))
  if let stride = window.strides.first(where: { $0 > 1 }) { words.append("stride \(stride)") }
  if window.dilations.contains(where: { $0 > 1 }) { words.append("dilated") }
  return words.joined(separator: " ")
}

/// The modules that a node stands in, the outermost first, from a name such as `/backbone/layer1/0/conv1`; what has
/// no such name stands in its operator.
func scopes(of node: Node) -> [String] {
  let parts = node.name.split(separator: "/").map(String.init)
  return parts.count > 1 ? Array(parts.dropLast()) : [node.op.name.type]
}
