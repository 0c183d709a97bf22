import GraphIR
public import TensorCore

/// The outputs of a run, lent until its closure returns.
public struct Results {
  private let session: Session
  private let plan: Plan
  private let isCommitted: Bool
  /// What is no tensor of numbers.
  private let others: [ValueID: Datum]

  init(session: Session, plan: Plan, isCommitted: Bool = true, others: [ValueID: Datum] = [:]) {
    self.session = session
    self.plan = plan
    self.isCommitted = isCommitted
    self.others = others
  }

  public var count: Int { session.graph.outputs.count }

  private func exit(_ index: Int) throws -> Plan.Exit {
    let value = session.graph.outputs[index]
    for exit in plan.exits where exit.value == value {
      guard isCommitted || !exit.isLate else {
        throw LigatureError(
          .usage,
          "the output '\(session.graph.outputNames[index])' is made when state is written: a check cannot see it")
      }
      return exit
    }
    throw LigatureError(.cycle, "the output '\(session.graph.outputNames[index])' was not made")
  }

  public func element(_ index: Int) throws -> ElementType { try exit(index).element }
  public func shape(_ index: Int) throws -> [Int] { try exit(index).shape }

  /// The bytes of an output, row-major, where the run left them.
  public func withUnsafeBytes<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result
  {
    try unsafe body(plan.bytes(of: try exit(index)))
  }

  public func tensor(_ index: Int) throws -> Tensor {
    try datum(index).tensor("the output '\(session.graph.outputNames[index])'")
  }
  public func tensors() throws -> [Tensor] { try (0..<count).map(tensor) }

  /// An output that may also be a sequence, an optional or texts.
  public func datum(_ index: Int) throws -> Datum {
    let value = session.graph.outputs[index]
    if let datum = others[value] { return datum }
    if let tensor = session.graph[value].tensor, tensor.element == .string { return .tensor(tensor) }
    return .tensor(try plan.tensor(of: exit(index)))
  }
  public func data() throws -> [Datum] { try (0..<count).map(datum) }
}
