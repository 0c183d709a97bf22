public import GraphIR
import Kernels
import TensorCore

/// A stretch of nodes for one set of input sizes, with everything decided: steps, addresses, peak memory.
///
/// Where the size of a node's result cannot be known before running, the plan ends in a `Tail`: that node is run on
/// its own, and what follows is planned when the sizes are there.
@safe final class Plan {
  /// Where a slot's address comes from.
  enum Place {
    case arena(offset: Int)
    case constant(Tensor, offset: Int)
    /// Of a constant whose bytes are made when a kernel asks for them.
    case deferred
    case entry(Int, offset: Int)
    case state(Int)
  }
  struct PlannedStep {
    let node: NodeID
    let body: Step.Body
    let workspaceOffset: Int
    /// What it leaves, for whoever looks at every result.
    let outputs: [Exit]
    let cost: Cost
  }
  /// A value that is there before the first step.
  struct Entry {
    let value: ValueID
    let element: ElementType
    let shape: [Int]
  }
  /// A value that outlives the plan: an output, or what the tail still needs.
  struct Exit {
    let value: ValueID
    let element: ElementType
    let shape: [Int]
    let slot: Int
    /// Made only after the check of a run.
    var isLate = false
  }
  /// A result that replaces a state at the end of a run.
  struct Copy {
    let slot: Int
    let state: Int
  }
  /// The node that needs values to know its sizes, and all nodes after it.
  struct Tail {
    let node: NodeID
    let rest: ArraySlice<NodeID>
    let known: [ValueID: Tensor]
    let cache: PlanCache
    /// How many plans each plan in the cache may keep after it.
    let planCapacity: Int
  }

  let entries: [Entry]
  let steps: [PlannedStep]
  let places: [Place]
  let exits: [Exit]
  /// The first step that writes state.
  let commitStep: Int
  let copies: [Copy]
  let tail: Tail?
  let memory: MemoryUse
  let cost: Cost
  /// The node at which most bytes are needed at once.
  let peak: NodeID?
  let map: MemoryMap?
  private let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private var boundTo: UnsafeMutableRawPointer?

  init(
    entries: [Entry], steps: [PlannedStep], places: [Place], exits: [Exit], commitStep: Int, copies: [Copy],
    tail: Tail?, memory: MemoryUse, cost: Cost, peak: NodeID?, map: MemoryMap?
  ) {
    self.entries = entries
    self.steps = steps
    self.places = places
    self.exits = exits
    self.commitStep = commitStep
    self.copies = copies
    self.tail = tail
    self.memory = memory
    self.cost = cost
    self.peak = peak
    self.map = map
    unsafe addresses = .allocate(capacity: max(places.count, 1))
  }

  deinit { unsafe addresses.deallocate() }

  /// Settles all addresses. Cheap when the arena has not moved since the last time.
  func bind(arena: UnsafeMutableRawPointer, entries: [Tensor], states: StateStore) {
    let moved = unsafe boundTo != arena
    for (slot, place) in places.enumerated() {
      switch place {
      case .arena(let offset): if moved { unsafe addresses[slot] = arena + offset }
      case .constant(let tensor, let offset):
        if moved { unsafe addresses[slot] = UnsafeMutableRawPointer(mutating: tensor.address + offset) }
      // Kernels find it by the operand. Nothing reads this.
      case .deferred: if moved { unsafe addresses[slot] = arena }
      case .entry(let index, let offset):
        unsafe addresses[slot] = UnsafeMutableRawPointer(mutating: entries[index].address + offset)
      case .state(let index): unsafe addresses[slot] = states.address(index)
      }
    }
    unsafe boundTo = unsafe arena
  }

  /// The loop. Allocates nothing.
  ///
  /// - Parameter budget: `nil` for what must not be broken off.
  func run(
    _ range: Range<Int>, arena: UnsafeMutableRawPointer, pool: OpaquePointer?, budget: RunBudget?,
    observer: (any StepObserver)?
  ) throws(StepFailure) {
    for index in range {
      let step = steps[index]
      let memory = unsafe StepMemory(
        addresses: UnsafePointer(addresses), workspace: arena + step.workspaceOffset, pool: pool)
      do {
        if let budget { try budget.limiting { try step.body(memory) } } else { try step.body(memory) }
      } catch {
        throw StepFailure(node: step.node, cause: error)
      }
      observer?.didRun(index, of: step.node, step.cost, output: step.outputs.first?.shape ?? [])
    }
  }

  /// Brings what was computed in the arena into the states' storage.
  func copyStates(_ states: StateStore) {
    for copy in copies {
      unsafe states.address(copy.state).copyMemory(
        from: addresses[copy.slot], byteCount: states.byteCount(copy.state))
    }
  }

  /// Bytes of an exit. Valid until the next run.
  func bytes(of exit: Exit) -> UnsafeRawBufferPointer {
    // Beside a 0, other dimensions may be too large to be multiplied.
    let count = exit.shape.contains(0) ? 0 : exit.shape.reduce(exit.element.byteSize, *)
    return unsafe UnsafeRawBufferPointer(start: addresses[exit.slot], count: count)
  }

  /// An exit's content, copied.
  func tensor(of exit: Exit) throws -> Tensor {
    try unsafe Tensor(unzeroed: exit.element, exit.shape) { unsafe $0.copyMemory(from: bytes(of: exit)) }
  }

  /// The same, but what only passed through, or is a view of an entry, shares the entry's bytes.
  func keep(_ exit: Exit, entries: [Tensor]) throws -> Tensor {
    guard case .entry(let index, let offset) = places[exit.slot],
      let view = try? Tensor(
        exit.element, exit.shape, storage: entries[index].storage, byteOffset: entries[index].byteOffset + offset)
    else { return try tensor(of: exit) }
    return view
  }
}

struct StepFailure: Error {
  let node: NodeID
  let cause: any Error
}

/// Told after every step, with the step's place in the plan.
public protocol StepObserver: AnyObject, Sendable {
  func didRun(_ step: Int)
  /// The same with what the step was: its node, what it costs, and the sizes of its first output. Also told, with no
  /// place, of the nodes between two plans.
  func didRun(_ step: Int?, of node: NodeID, _ cost: Cost, output: [Int])
}

extension StepObserver {
  public func didRun(_ step: Int?, of node: NodeID, _ cost: Cost, output: [Int]) {
    if let step { didRun(step) }
  }
}

/// What a plan takes of memory, known before anything runs.
public struct MemoryUse: Sendable, Equatable, Codable {
  /// Bytes of the arena: the peak.
  public var arena = 0
  /// The largest sum of tensors and workspaces needed at once: what no plan can go below.
  public var lowerBound = 0
  /// What all intermediate tensors would take together, each in a place of its own.
  public var sumOfAll = 0
  /// Bytes of constants.
  public var constants = 0
  /// Bytes of what lives from run to run: parameters, moments, counters.
  public var state = 0

  public init() {}
}

/// The plans of a session by input sizes: at most `capacity`, the one that was not used for longest goes first.
final class PlanCache {
  private let capacity: Int
  private var plans: [Plan] = []  // the latest used last

  init(capacity: Int) { self.capacity = max(capacity, 1) }

  /// Finds without allocating.
  /// - Parameter values: what the entries are, where that is not always the same.
  func plan(for entries: [Tensor], values: [ValueID]? = nil) -> Plan? {
    guard let index = plans.lastIndex(where: { $0.fits(entries, values) }) else { return nil }
    if index != plans.count - 1 { plans.append(plans.remove(at: index)) }
    return plans.last
  }

  func insert(_ plan: Plan) {
    if plans.count == capacity { plans.removeFirst() }
    plans.append(plan)
  }

  var count: Int { plans.count }
}

extension Plan {
  fileprivate func fits(_ tensors: [Tensor], _ values: [ValueID]?) -> Bool {
    guard entries.count == tensors.count else { return false }
    for (entry, tensor) in zip(entries, tensors) where entry.shape != tensor.shape || entry.element != tensor.element {
      return false
    }
    guard let values else { return true }
    for (entry, value) in zip(entries, values) where entry.value != value { return false }
    return true
  }
}
