import GraphIR
import Operators
import Runtime
import TensorCore

/// One node with operands and attributes that are wrong, or at the edge.
struct Attempt: Sendable, CustomStringConvertible {
  var op: String
  var inputs: [Tensor?]
  var attributes: [String: Attribute] = [:]
  var outputs = 1
  var why: String

  init(_ op: String, _ inputs: [Tensor?], _ attributes: [String: Attribute], outputs: Int = 1, _ why: String) {
    self.op = op
    self.inputs = inputs
    self.attributes = attributes
    self.outputs = outputs
    self.why = why
  }

  init(_ op: String, _ inputs: [Tensor?], outputs: Int = 1, _ why: String) {
    self.init(op, inputs, [:], outputs: outputs, why)
  }

  var description: String { "\(op): \(why)" }

  enum Way: CaseIterable {
    /// All operands are known when the graph is made: folding meets them.
    case constants
    /// Their sizes are known, their content only when it runs.
    case inputs
    /// Not even their sizes are known before.
    case openInputs
  }

  /// Builds, plans and runs it, as it is and prepared; the results of the last run.
  ///
  /// - Throws: what building, planning or running throws first.
  func run(_ way: Way) throws -> [Tensor] {
    var graph = Graph(name: "attempt")
    var given: [Tensor] = []
    let operands = try inputs.enumerated().map { slot, tensor -> ValueID? in
      guard let tensor else { return nil }
      if way == .constants { return try graph.addConstant("v\(slot)", tensor) }
      given.append(tensor)
      let shape: [Dimension] = tensor.shape.enumerated().map { axis, size in
        way == .inputs ? .fixed(size) : .symbol("v\(slot).\(axis)")
      }
      return try graph.addInput("v\(slot)", TensorType(tensor.element, shape))
    }
    var list = Attributes()
    for (name, value) in attributes { list[name] = value }
    guard let operation = try OperatorSet.standard.decode(OperatorName(op), list) else {
      throw LigatureError(.unsupported, "the operator \(op) is not known")
    }
    let names = (0..<outputs).map { Optional("y\($0)") }
    for output in try graph.append(operation, operands, name: "node", outputs: names).compactMap(\.self) {
      try graph.addOutput(output)
    }
    var options = Session.Options(threads: 1)
    options.limits.memory = 256 << 20
    options.limits.seconds = 5
    let plain = try Session(graph, options: options).run(given)
    _ = try Session(preparing: graph, options: options).run(given)
    return plain
  }

  /// The errors of all ways; `nil` for a way that gives a value.
  func failures() throws -> [LigatureError?] {
    try Way.allCases.map { way in
      do {
        _ = try run(way)
        return nil
      } catch let error as LigatureError {
        return error
      }
    }
  }
}

func floats(_ shape: [Int], _ value: Float = 1) throws -> Tensor {
  try Tensor([Float](repeating: value, count: Checked.elementCount(shape)), shape)
}
func floats(_ values: [Float], _ shape: [Int]? = nil) throws -> Tensor { try Tensor(values, shape ?? [values.count]) }
func ints(_ values: [Int], _ shape: [Int]? = nil) throws -> Tensor {
  try Tensor(values.map(Int64.init), shape ?? [values.count])
}
