import TensorCore

/// An operator that knows the derivative of its results.
public protocol Differentiable: Operator {
  /// Appends ordinary nodes that compute, from the gradients of the outputs, those of the inputs.
  ///
  /// - Returns: one value an input, `nil` where there is none (integers, conditions, or not asked for by
  ///   `context.needed`). A gradient may still have the shape that an input was broadcast to: the driver sums it up.
  func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?]
}

/// One node as its gradient rule sees it.
public struct GradientContext: Sendable {
  /// `nil` where an optional input is left out.
  public let inputs: [ValueID?]
  /// `nil` where an optional output is not wanted.
  public let outputs: [ValueID?]
  /// The gradient of each output, of its type; `nil` where nothing depends on that output.
  public let cotangents: [ValueID?]
  /// Which inputs' gradients are asked for.
  public let needed: [Bool]

  public init(inputs: [ValueID?], outputs: [ValueID?], cotangents: [ValueID?], needed: [Bool]) {
    self.inputs = inputs
    self.outputs = outputs
    self.cotangents = cotangents
    self.needed = needed
  }

  /// An input that must be there.
  public func input(_ index: Int) throws -> ValueID {
    guard let value = optional(index) else { throw LigatureError(.arity, "input \(index) is missing") }
    return value
  }

  public func optional(_ index: Int) -> ValueID? { index < inputs.count ? inputs[index] : nil }

  /// An output that the node must have.
  public func output(_ index: Int = 0) throws -> ValueID {
    guard index < outputs.count, let value = outputs[index] else {
      throw LigatureError(.arity, "output \(index) is missing")
    }
    return value
  }

  /// The gradient of an output that must have one.
  public func cotangent(_ index: Int = 0) throws -> ValueID {
    guard let value = optionalCotangent(index) else {
      throw LigatureError(.unsupported, "only the gradient of another output than \(index) is given")
    }
    return value
  }

  public func optionalCotangent(_ index: Int) -> ValueID? { index < cotangents.count ? cotangents[index] : nil }

  public func needs(_ index: Int) -> Bool { index < needed.count && needed[index] }

  /// Throws when the gradient of an input is asked for that the rule does not know.
  public func refuse(_ index: Int, _ what: String) throws {
    guard needs(index) else { return }
    throw LigatureError(.unsupported, "has no gradient rule for \(what); keep it out of what is trained")
  }
}
