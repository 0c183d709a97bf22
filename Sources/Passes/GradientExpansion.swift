import Autodiff
public import GraphIR
import Operators
import TensorCore

/// Writes ONNX's `Gradient` nodes (domain `ai.onnx.preview.training`) out as the nodes that compute the derivatives.
///
/// `Gradient(xs…, zs…)` is the derivative of the value that `y` names by each of those that `xs` names, where these
/// and `zs` hold what the node is given instead of what the graph computes for them: what lies between is repeated for
/// the given values and differentiated. Of a `y` of several numbers it is the derivative of their sum.
public struct GradientExpansion: Pass {
  public let name = "gradient-expansion"
  public let summary = "Writes Gradient nodes out as the nodes that compute the derivatives."
  private static let operatorName = OperatorName("Gradient", domain: "ai.onnx.preview.training")
  private let limit: Int

  /// - Parameter limit: the most nodes that the graph may grow to; each Gradient may repeat all that stand before it.
  public init(limit: Int? = nil) { self.limit = limit ?? Limits().nodes }

  public func run(_ graph: inout Graph) throws -> [PassNote] {
    var notes: [PassNote] = []
    // What expanded nodes gave keeps its name for the Gradient nodes that differentiate it once more.
    var standIns: [ValueID: ValueID] = [:]
    for id in graph.order where graph[id].op.name == GradientExpansion.operatorName {
      let node = graph[id]
      do {
        let count = try expand(node, &graph, &standIns)
        notes.append(PassNote(.changed, node: node.name, "is \(count) nodes"))
      } catch let error as LigatureError {
        throw error.at(node: "\(node.name) (\(node.op.name))", operands: [])
      }
      try graph.erase(id)
    }
    return notes
  }

  /// Returns how many nodes stand for it.
  private func expand(_ node: Node, _ graph: inout Graph, _ standIns: inout [ValueID: ValueID]) throws -> Int {
    let before = graph.nodeCount
    let question = try Question(node, graph, standIns)
    var builder = GraphBuilder(graph, scope: scope(of: node))
    // Nodes of their own, as two of xs may be given the same value.
    var places: [ValueID: ValueID] = [:]
    for (value, given) in zip(question.bound, question.given) where places[value] == nil {
      places[value] = try builder.append(Identity(), [given])
    }
    let variables = try question.bound.prefix(question.variables).map { try place($0, places) }
    let y = try repeated(question.y, &places, &builder)
    guard builder.type(y).element.isFloatingPoint else {
      throw LigatureError(.type, "'\(graph[question.y].name)' is \(builder.type(y)), which has no derivative")
    }
    let gradients = try pullBack(&builder.graph, [(y, builder.filled(1, like: y))], to: variables)
    try check(builder.graph.nodeCount)
    graph = builder.graph
    for (output, variable) in zip(node.outputs, variables) {
      guard let output, let gradient = gradients[variable] else { continue }
      try graph.replace(output, with: gradient)
      standIns[output] = gradient
    }
    return graph.nodeCount - before
  }

  private func scope(of node: Node) -> [String] {
    node.name.isEmpty ? ["gradient"] : node.name.split(separator: "/").map(String.init)
  }

  private func place(_ value: ValueID, _ places: [ValueID: ValueID]) throws -> ValueID {
    guard let place = places[value] else { throw LigatureError(.arity, "an input is missing") }
    return place
  }

  /// Repeats what leads from the bound values to `y`; gives back `y` itself if nothing does.
  private func repeated(_ y: ValueID, _ places: inout [ValueID: ValueID], _ builder: inout GraphBuilder) throws
    -> ValueID
  {
    for id in try path(to: y, from: places, builder.graph) {
      let node = builder.graph[id]
      guard !node.captures.contains(where: { places[$0] != nil }) else {
        throw LigatureError(
          .unsupported, "\(node.op.name) '\(node.name)' takes a value into its sub-graph that the derivative is by")
      }
      let name = builder.path(node.name.isEmpty ? node.op.name.type : node.name)
      let outputs = node.outputs.map { output in output.map { builder.path(builder.graph[$0].name) } }
      let results = try builder.graph.append(
        node.op, node.inputs.map { $0.map { places[$0] ?? $0 } }, captures: node.captures, name: name, outputs: outputs)
      for (old, new) in zip(node.outputs, results) { if let old, places[old] == nil { places[old] = new } }
    }
    return places[y] ?? y
  }

  /// The nodes that depend on the bound values and that `y` depends on, in order.
  private func path(to y: ValueID, from bound: [ValueID: ValueID], _ graph: Graph) throws -> [NodeID] {
    var wanted: Set<ValueID> = [y]
    var before: [NodeID] = []
    for id in graph.order.reversed() {
      // A bound value is what it is given: what computes it does not count.
      guard graph[id].outputs.contains(where: { $0.map { wanted.contains($0) && bound[$0] == nil } ?? false }) else {
        continue
      }
      wanted.formUnion(graph[id].operands)
      before.append(id)
    }
    var depends = Set(bound.keys)
    let path = before.reversed().filter { id in
      guard graph[id].operands.contains(where: depends.contains) else { return false }
      depends.formUnion(graph[id].outputs.compactMap { $0 })
      return true
    }
    try check(graph.nodeCount + path.count)
    return path
  }

  private func check(_ nodes: Int) throws {
    guard nodes <= limit else {
      throw LigatureError(.limit, "written out, the graph has \(nodes) nodes; the limit is \(limit)")
    }
  }
}

/// What a Gradient node asks for.
private struct Question {
  /// The values that xs and zs name.
  let bound: [ValueID]
  /// How many of them are xs.
  let variables: Int
  let given: [ValueID]
  let y: ValueID

  init(_ node: Node, _ graph: Graph, _ standIns: [ValueID: ValueID]) throws {
    func value(_ name: String, _ attribute: String) throws -> ValueID {
      guard let value = graph.value(named: name) else {
        throw LigatureError(.attribute, "attribute '\(attribute)' names '\(name)', which this graph does not have")
      }
      return standIns[value] ?? value
    }
    guard let op = node.op as? Opaque, let xs = try op.attributes.optionalStrings("xs"), !xs.isEmpty else {
      throw LigatureError(.attribute, "attribute 'xs' is missing")
    }
    guard let y = try op.attributes.optionalString("y") else {
      throw LigatureError(.attribute, "attribute 'y' is missing")
    }
    let zs = try op.attributes.optionalStrings("zs") ?? []
    bound = try xs.map { try value($0, "xs") } + zs.map { try value($0, "zs") }
    variables = xs.count
    self.y = try value(y, "y")
    given = node.inputs.compactMap { $0 }
    guard given.count == node.inputs.count, given.count == bound.count, node.outputs.count <= xs.count else {
      throw LigatureError(
        .arity,
        "xs and zs name \(bound.count) values and \(xs.count) derivatives; the node has \(given.count) inputs and \(node.outputs.count) outputs"
      )
    }
    guard Set(bound).count == bound.count else {
      throw LigatureError(.attribute, "xs and zs name a value twice")
    }
    for (value, given) in zip(bound, given) where !graph[given].type.isCompatible(with: graph[value].type) {
      throw LigatureError(
        .type,
        "'\(graph[given].name)' of type \(graph[given].type) cannot stand for '\(graph[value].name)' of \(graph[value].type)"
      )
    }
  }
}
