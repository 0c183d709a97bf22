import CKernels
public import GraphIR
import Synchronization
public import TensorCore

/// A tensor as a kernel sees it: type and shape are settled, the address comes with `StepMemory`.
public struct Operand: Sendable {
  public let element: ElementType
  public let shape: [Int]
  /// Number of elements.
  public let count: Int
  /// Its content, if it is a constant: kernels may pack it while they prepare.
  public let constant: Tensor?
  /// Where `StepMemory` keeps its address.
  package let slot: Int
  /// Its content, if it is not in memory: then whoever reads it by address has it made, and kept.
  let deferred: TensorStorage?

  package init(element: ElementType, shape: [Int], constant: Tensor?, slot: Int) throws {
    self.element = element
    self.shape = shape
    self.constant = constant
    self.slot = slot
    deferred = constant?.storage.isDeferred == true ? constant?.storage : nil
    count = try Checked.elementCount(shape)
  }

  public var byteCount: Int { count * element.byteSize }
}

/// The addresses that a step computes with, settled before the first step runs.
///
/// Inputs and outputs of a step never overlap, unless the operator's traits allow it. Each is aligned to its element
/// (but for large constants, which a file has at any address); those that lie in a block of their own, to 64 bytes.
@safe public struct StepMemory: @unchecked Sendable {
  private let addresses: UnsafePointer<UnsafeMutableRawPointer>
  /// The workspace of the step that runs, as large as it asked for; aligned to 64 bytes.
  @unsafe public let workspace: UnsafeMutableRawPointer
  /// The pool that C kernels share their work on (`lig_pool *`); nil runs on the calling thread.
  @unsafe public let pool: OpaquePointer?

  @unsafe package init(
    addresses: UnsafePointer<UnsafeMutableRawPointer>, workspace: UnsafeMutableRawPointer, pool: OpaquePointer?
  ) {
    unsafe self.addresses = addresses
    unsafe self.workspace = workspace
    unsafe self.pool = pool
  }

  @inlinable @unsafe public func raw(_ operand: Operand) -> UnsafeMutableRawPointer { unsafe address(operand) }

  @usableFromInline @unsafe func address(_ operand: Operand) -> UnsafeMutableRawPointer {
    if let constant = operand.constant, operand.deferred != nil {
      return unsafe UnsafeMutableRawPointer(mutating: constant.address)
    }
    return unsafe addresses[operand.slot]
  }

  /// The elements of an input.
  @inlinable @unsafe public func read<Scalar: TensorScalar>(
    _ operand: Operand, as type: Scalar.Type = Scalar.self
  ) -> UnsafePointer<Scalar> {
    unsafe UnsafePointer(address(operand).assumingMemoryBound(to: type))
  }

  /// The elements of an output.
  @inlinable @unsafe public func write<Scalar: TensorScalar>(
    _ operand: Operand, as type: Scalar.Type = Scalar.self
  ) -> UnsafeMutablePointer<Scalar> {
    unsafe address(operand).assumingMemoryBound(to: type)
  }
}

/// What `prepare` makes of an operator: the work itself, with every choice already taken.
public struct Step: Sendable {
  public typealias Body = @Sendable (StepMemory) throws -> Void

  /// Scratch bytes that the body finds at `StepMemory.workspace`.
  public let workspace: Int
  /// Allocates nothing; throws only for values that are out of range (an index, a divisor).
  public let body: Body

  public init(workspace: Int = 0, _ body: @escaping Body) {
    self.workspace = workspace
    self.body = body
  }
}

/// What a kernel knows while it prepares.
public struct KernelContext: Sendable {
  /// `nil` where an optional input is left out.
  public let inputs: [Operand?]
  /// `nil` where an optional output is not wanted.
  public let outputs: [Operand?]
  /// Threads that will run the step, for the size of per-thread workspaces.
  public let threads: Int
  /// Weights packed for this machine, shared by all plans of a session.
  public let packed: PackedConstants
  /// The threads that packing is shared on; the calling one alone if nil.
  public let pool: ThreadPool?
  /// How exactly convolutions and matrix products with constant weights are wanted.
  public let precision: Precision

  public init(
    inputs: [Operand?], outputs: [Operand?], threads: Int, packed: PackedConstants, pool: ThreadPool? = nil,
    precision: Precision = .strict
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.threads = threads
    self.packed = packed
    self.pool = pool
    self.precision = precision
  }

  /// An input that must be there.
  public func input(_ index: Int) throws -> Operand {
    guard let operand = optional(index) else { throw LigatureError(.arity, "input \(index) is missing") }
    return operand
  }

  /// An input that may be left out.
  public func optional(_ index: Int) -> Operand? { index < inputs.count ? inputs[index] : nil }

  /// The first output, or another that must be there.
  public func output(_ index: Int = 0) throws -> Operand {
    guard let operand = optionalOutput(index) else { throw LigatureError(.arity, "output \(index) is missing") }
    return operand
  }

  public func optionalOutput(_ index: Int) -> Operand? { index < outputs.count ? outputs[index] : nil }

  /// What inference knows of the inputs: all sizes, and what constants hold.
  var inference: InferenceContext {
    InferenceContext(
      inputs: inputs.map { $0.map { TensorType($0.element, sizes: $0.shape) } }, constants: inputs.map { $0?.constant },
      contents: inputs.map { _ in nil }, outputCount: outputs.count)
  }

  /// The error for element types that a kernel does not compute with.
  public func unsupportedTypes(_ op: any Operator) -> LigatureError {
    let types = inputs.map { $0?.element.description ?? "none" }.joined(separator: ", ")
    return LigatureError(
      .unsupported, "\(op.name) has no kernel for inputs of \(types); convert them with Cast, or export in float32")
  }
}

/// What operators on data may take.
public struct DataContext: Sendable {
  /// The most bytes that what they make may hold.
  public let byteLimit: Int
  /// The most elements of a sequence.
  public static let longestSequence = 1 << 20

  public init(byteLimit: Int) { self.byteLimit = byteLimit }
}

/// Operator type to kernel. All packing and choice of instruction set happens in `prepare`, once.
public struct KernelTable: Sendable {
  public typealias Prepare<O: Operator> = @Sendable (O, KernelContext) throws -> Step
  /// For operators whose output sizes follow from values: they run on tensors, between two plans.
  public typealias Evaluate<O: Operator> = @Sendable (O, [Tensor?], KernelContext) throws -> [Tensor]

  private var preparers: [ObjectIdentifier: @Sendable (any Operator, KernelContext) throws -> Step] = [:]
  private var evaluators: [ObjectIdentifier: @Sendable (any Operator, [Tensor?], KernelContext) throws -> [Tensor]] =
    [:]

  private var dataEvaluators: [ObjectIdentifier: @Sendable (any Operator, [Datum?], DataContext) throws -> [Datum]] =
    [:]

  public init() {}

  /// For operators on sequences, optionals and strings: they run on data, between two plans.
  public mutating func register<O: Operator>(
    _ type: O.Type, onData evaluate: @escaping @Sendable (O, [Datum?], DataContext) throws -> [Datum]
  ) {
    dataEvaluators[ObjectIdentifier(type)] = { op, inputs, context in
      guard let op = op as? O else { throw KernelTable.mismatch(op) }
      return try evaluate(op, inputs, context)
    }
  }

  public mutating func register<O: Operator>(_ type: O.Type, prepare: @escaping Prepare<O>) {
    preparers[ObjectIdentifier(type)] = { op, context in
      guard let op = op as? O else { throw KernelTable.mismatch(op) }
      return try prepare(op, context)
    }
  }

  /// Only for operators with `Traits.hasDataDependentShape`. The context has inputs, but no outputs.
  public mutating func register<O: Operator>(_ type: O.Type, evaluate: @escaping Evaluate<O>) {
    evaluators[ObjectIdentifier(type)] = { op, inputs, context in
      guard let op = op as? O else { throw KernelTable.mismatch(op) }
      return try evaluate(op, inputs, context)
    }
  }

  private static func mismatch(_ op: any Operator) -> LigatureError {
    LigatureError(.unsupported, "the kernel of another operator was asked to run \(op.name)")
  }

  public func canRun(_ op: any Operator) -> Bool {
    let id = ObjectIdentifier(type(of: op))
    return preparers[id] != nil || evaluators[id] != nil || dataEvaluators[id] != nil
  }

  public func takesData(_ op: any Operator) -> Bool { dataEvaluators[ObjectIdentifier(type(of: op))] != nil }

  public func evaluate(_ op: any Operator, data inputs: [Datum?], _ context: DataContext) throws -> [Datum] {
    guard let evaluate = dataEvaluators[ObjectIdentifier(type(of: op))] else { throw noKernel(op) }
    return try evaluate(op, inputs, context)
  }

  public func prepare(_ op: any Operator, _ context: KernelContext) throws -> Step {
    guard let prepare = preparers[ObjectIdentifier(type(of: op))] else { throw noKernel(op) }
    // Results without elements take no work, and their other dimensions may be too large to be multiplied.
    let wanted = context.outputs.compactMap { $0 }
    if !wanted.isEmpty, wanted.allSatisfy({ $0.count == 0 }) { return Step { _ in } }
    return try prepare(op, context)
  }

  public func evaluate(_ op: any Operator, _ inputs: [Tensor?], _ context: KernelContext) throws -> [Tensor] {
    guard let evaluate = evaluators[ObjectIdentifier(type(of: op))] else { throw noKernel(op) }
    return try evaluate(op, inputs, context)
  }

  private func noKernel(_ op: any Operator) -> LigatureError {
    LigatureError(
      .unsupported,
      "the operator \(op.name) is not supported; export the model without it, or see README, \"Add an operator\"")
  }
}
