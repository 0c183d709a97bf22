import GraphIR
import Operators
import TensorCore

// What passes ask of a graph when they look for patterns.
extension Graph {
  /// The node that reads a value, if only one does and the value is no output.
  func soleUse(of value: ValueID) -> NodeID? {
    let users = uses(of: value)
    guard users.count == 1, !isOutput(value) else { return nil }
    return users[0]
  }

  func constant(_ value: ValueID?) -> Tensor? {
    guard let value, case .constant(let tensor) = self[value].role else { return nil }
    return tensor
  }

  /// The number that a constant of one element holds.
  func scalar(_ value: ValueID?) -> Float? {
    guard let tensor = constant(value), tensor.count == 1, tensor.element.isFloatingPoint else { return nil }
    return (try? tensor.floats())?.first
  }

  /// The function that makes a value, with the node's identifier.
  func binary(_ value: ValueID?, _ function: Binary.Function) -> (id: NodeID, inputs: [ValueID?])? {
    guard let value, let id = producer(of: value), let op = self[id].op as? Binary, op.function == function else {
      return nil
    }
    return (id, self[id].inputs)
  }

  /// `x` and `c` of `x ∘ c`, where `c` is a constant of one element; for commutative functions also `c ∘ x`.
  func binaryWithScalar(_ value: ValueID?, _ function: Binary.Function) -> (x: ValueID, scalar: Float)? {
    guard let (_, inputs) = binary(value, function), inputs.count == 2, let a = inputs[0], let b = inputs[1] else {
      return nil
    }
    if let c = scalar(b) { return (a, c) }
    if function == .add || function == .mul, let c = scalar(a) { return (b, c) }
    return nil
  }

  /// `x` and the bounds of a `Clip` by constants.
  func clip(_ value: ValueID?) -> (x: ValueID, low: Float, high: Float)? {
    guard let value, let id = producer(of: value), self[id].op is Clip else { return nil }
    return clip(self[id])
  }

  func clip(_ node: Node) -> (x: ValueID, low: Float, high: Float)? {
    guard node.op is Clip, let x = node.inputs[0], self[x].type.element == .float32 else { return nil }
    func bound(_ position: Int, _ fallback: Float) -> Float? {
      guard position < node.inputs.count, let value = node.inputs[position] else { return fallback }
      return scalar(value)
    }
    guard let low = bound(1, -.infinity), let high = bound(2, .infinity) else { return nil }
    return (x, low, high)
  }
}
