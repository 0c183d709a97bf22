public import GraphIR
import TensorCore

/// Dropout while training: `x […], generator int64 [2] → […]`: elements are dropped with the probability `ratio`, the
/// others divided by `1 - ratio`.
///
/// What is dropped follows from the seed and the number of the draw (the generator's two numbers), the `site` and the
/// place of the element alone (Philox4x32-10, see `lig_dropout`), so that the gradient drops the same elements without
/// keeping a mask, and nothing depends on the number of threads. Each place in a network takes a site of its own.
public struct Dropout: Operator {
  public static let names = [OperatorName("Dropout", domain: "ligature")]
  public var name: OperatorName { Dropout.names[0] }
  public let ratio: Float
  public let site: Int

  public init(ratio: Float, site: Int) throws {
    guard ratio >= 0, ratio < 1 else {
      throw LigatureError(.attribute, "the dropout ratio \(ratio) does not lie in 0..<1; choose another")
    }
    guard UInt32(exactly: site) != nil else {
      throw LigatureError(.attribute, "the dropout site \(site) is no number from 0 to \(UInt32.max); choose another")
    }
    self.ratio = ratio
    self.site = site
  }

  public init(name: OperatorName, attributes: Attributes) throws {
    try self.init(ratio: attributes.float("ratio", default: 0.5), site: attributes.int("site"))
  }

  public var attributes: Attributes {
    var result = Attributes()
    result.set("ratio", ratio)
    result.set("site", site)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let (x, generator) = (try context.input(0), try context.input(1))
    try expect(x.element, in: [.float32], "the input")
    guard generator.isCompatible(with: TensorType(.int64, [2])) else {
      throw LigatureError(.type, "the generator must be int64[2] (seed, number of the draw), but is \(generator)")
    }
    return [x]
  }

  public func cost(_ context: InferenceContext, outputs: [TensorType]) -> Cost {
    context.elementwiseCost(outputs, perElement: 8)
  }
  public var traits: Traits { .canReuseInput0 }
}

extension Dropout: Differentiable {
  public func gradient(_ context: GradientContext, into builder: inout GraphBuilder) throws -> [ValueID?] {
    [try builder.append(self, [context.cotangent(), context.input(1)]), nil]
  }
}

/// The random numbers of a training graph: one state in the graph, read by every dropout, advanced by every step.
public struct RandomState: Sendable {
  /// int64 [2]: the seed, and how many steps have been done.
  public let state: ValueID
  /// What advances it: to be listed among the objective's updates.
  public let update: StateUpdate
  /// The site of the next dropout.
  public private(set) var nextSite = 0

  public static let name = "random.state"

  /// Adds the state `random.state` and the node that advances it.
  public init(seed: Int64, in builder: inout GraphBuilder) throws {
    state = try builder.graph.addParameter(RandomState.name, Tensor([seed, 0], [2]))
    let one = try builder.constant(Tensor([0, 1] as [Int64], [2]), name: "random.advance")
    let next = try builder.append(Binary(.add), [state, one], name: "random.next")
    update = StateUpdate(state: state, next: next)
  }

  /// Appends a dropout at a site of its own; nothing for a ratio of 0.
  public mutating func dropout(_ x: ValueID, ratio: Float, in builder: inout GraphBuilder) throws -> ValueID {
    guard ratio != 0 else { return x }
    defer { nextSite += 1 }
    return try builder.append(Dropout(ratio: ratio, site: nextSite), [x, state])
  }
}
