public import GraphIR
import Operators
import TensorCore

/// Appends the nodes that compute the derivative of `loss` by each of `parameters` (reverse mode).
///
/// Only what lies between them is differentiated; integers, conditions and shapes are cut off. The nodes stand in the
/// scope `/gradient`, under the path of the node that they belong to.
///
/// - Parameters:
///   - loss: one floating-point number, of any rank.
///   - parameters: floating-point values of any role: parameters, inputs, results.
/// - Returns: for each parameter a value of its type; zeros where the loss does not depend on it.
/// - Throws: `.unsupported`, naming operator and node, where a rule is missing; `.shape` or `.type` for a loss that is
///   not one number. The graph is then as it was.
public func differentiate(
  _ graph: inout Graph, loss: ValueID, wrt parameters: [ValueID]
) throws -> [ValueID: ValueID] {
  let type = graph[loss].type
  guard let sizes = type.sizes, try Checked.elementCount(sizes) == 1 else {
    throw LigatureError(
      .shape,
      "the loss '\(graph[loss].name)' is \(type), but must be one number; reduce it with ReduceMean or ReduceSum")
  }
  guard type.element.isFloatingPoint else {
    throw LigatureError(.type, "the loss '\(graph[loss].name)' is \(type), which has no derivative; cast it to float32")
  }
  var result = graph
  let seed = try result.addConstant(
    result.freshName("/gradient/seed"), Tensor(number: 1, type.element).reshaped(sizes))
  let gradients = try pullBack(&result, [(loss, seed)], to: parameters)
  graph = result
  return gradients
}

/// The general form: from gradients of some values, of their types, to those of others.
///
/// - Parameter cotangents: a value and its gradient. Of a value listed twice, the gradients add up.
public func pullBack(
  _ graph: inout Graph, _ cotangents: [(value: ValueID, gradient: ValueID)], to targets: [ValueID]
) throws -> [ValueID: ValueID] {
  for target in targets where !graph[target].type.element.isFloatingPoint {
    throw LigatureError(
      .type, "'\(graph[target].name)' is \(graph[target].type), which has no derivative; only floating-point values do")
  }
  var driver = Driver(graph, targets)
  for (value, gradient) in cotangents { try driver.contribute(gradient, to: value) }
  try driver.run()
  let result = try driver.gradients(of: targets)
  graph = driver.builder.graph
  return result
}

private struct Driver {
  var builder: GraphBuilder
  /// The nodes of the forward graph, each after what it reads.
  private let order: [NodeID]
  /// What depends on the targets by a path of floating-point values.
  private var active: Set<ValueID>
  private var gradients: [ValueID: ValueID] = [:]

  init(_ graph: Graph, _ targets: [ValueID]) {
    builder = GraphBuilder(graph, scope: ["gradient"])
    order = graph.order
    active = Set(targets)
    for id in order where graph[id].operands.contains(where: active.contains) {
      for case let output? in graph[id].outputs {
        let element = graph[output].type.element
        if element.isFloatingPoint || element == .undefined { active.insert(output) }
      }
    }
  }

  /// Adds to the gradient of a value, after summing over what broadcasting repeated.
  mutating func contribute(_ gradient: ValueID, to value: ValueID, scope: String = "") throws {
    guard active.contains(value) else { return }
    let before = gradients[value]
    gradients[value] = try builder.scoped(scope) { builder in
      let (own, type) = (builder.type(gradient), builder.type(value))
      guard own.element == type.element || type.element == .undefined else {
        throw LigatureError(.type, "the gradient of '\(builder.graph[value].name)' is \(own), but the value is \(type)")
      }
      let fitted = try builder.sum(gradient, to: value)
      return try before.map { try builder.add($0, fitted) } ?? fitted
    }
  }

  mutating func run() throws {
    for id in order.reversed() {
      let node = builder.graph[id]
      let cotangents = node.outputs.map { $0.flatMap { gradients[$0] } }
      guard cotangents.contains(where: { $0 != nil }), node.operands.contains(where: active.contains) else { continue }
      let scope = node.name.isEmpty ? node.op.name.type : node.name
      do {
        let contributions = try builder.scoped(scope) { [active] builder in
          try Driver.differentiate(node, cotangents, active, &builder)
        }
        for (value, gradient) in contributions { try contribute(gradient, to: value, scope: scope) }
      } catch let error as LigatureError {
        let operands = node.inputs.map { $0.map { builder.type($0).description } ?? "none" }
        throw error.at(node: "\(node.name) (\(node.op.name))", operands: operands)
      }
    }
  }

  /// The gradients of one node's inputs.
  private static func differentiate(
    _ node: Node, _ cotangents: [ValueID?], _ active: Set<ValueID>, _ builder: inout GraphBuilder
  ) throws -> [(value: ValueID, gradient: ValueID)] {
    let needed = node.inputs.map { $0.map(active.contains) ?? false }
    guard !node.captures.contains(where: active.contains) else {
      throw LigatureError(
        .unsupported, "\(node.op.name) takes a value that is trained into its sub-graph, which cannot be differentiated"
      )
    }
    guard let op = node.op as? any Differentiable else {
      let value = node.inputs.compactMap { $0 }.first(where: active.contains)
      throw LigatureError(
        .unsupported,
        "the operator \(node.op.name) has no gradient rule, but the loss depends on "
          + "'\(value.map { builder.graph[$0].name } ?? "")' through it; "
          + (GradientRules.reasons[node.op.name.type] ?? "detach that path or write a rule (Differentiable)")
      )
    }
    let context = GradientContext(inputs: node.inputs, outputs: node.outputs, cotangents: cotangents, needed: needed)
    let results = try op.gradient(context, into: &builder)
    var contributions: [(ValueID, ValueID)] = []
    // Inputs that are left out at the end have no place, but may have a gradient.
    for (index, gradient) in results.prefix(needed.count).enumerated() {
      if needed[index], let gradient, let input = node.inputs[index] { contributions.append((input, gradient)) }
    }
    return contributions
  }

  mutating func gradients(of targets: [ValueID]) throws -> [ValueID: ValueID] {
    var result: [ValueID: ValueID] = [:]
    for target in targets where result[target] == nil {
      result[target] = try gradients[target] ?? builder.zeros(like: target)
    }
    return result
  }
}
