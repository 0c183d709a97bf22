import CKernels
import Operators
import TensorCore

/// Operands are multiplied two at a time, as batched matrix products that read them where they lie if their axes
/// allow it; else they are first copied into order.
enum EinsumKernels {
  static func register(in table: inout KernelTable) {
    table.register(Einsum.self, prepare: computingInFloat32(prepare))
  }

  private static func prepare(_ op: Einsum, _ context: KernelContext) throws -> Step {
    let inputs = try context.inputs.indices.map { try context.input($0) }
    let y = try context.output()
    guard y.count > 0 else { return Step { _ in } }
    guard inputs.allSatisfy({ $0.element == .float32 }) else { return try prepareSlowly(op, inputs, y, context) }
    let labels = try op.labels(ranks: inputs.map(\.shape.count))
    var program = EinsumProgram(result: labels.result, shape: y.shape, y: y)
    var factors = try zip(inputs, labels.operands).map { try EinsumFactor($0, $1) }
    while factors.count > 1 {
      let later = factors[2...].reduce(into: Set(labels.result)) { $0.formUnion($1.labels) }
      let product = try program.multiply(
        factors[0], factors[1], needed: later, isLast: factors.count == 2, context.threads)
      factors.replaceSubrange(0..<2, with: [product])
    }
    try program.finish(factors[0])
    let (actions, scratch) = (program.actions, program.scratch)
    let size = try Checked.add(program.scratchBytes, scratch)
    let offset = program.scratchBytes
    return Step(workspace: size) { memory in
      for action in actions { action(memory, offset) }
    }
  }
}

extension EinsumKernels {
  /// As the equation says, in double precision: for the types that matrix products do not take.
  fileprivate static func prepareSlowly(
    _ op: Einsum, _ inputs: [Operand], _ y: Operand, _ context: KernelContext
  ) throws -> Step {
    guard inputs.allSatisfy({ [.float64, .int32, .uint32, .int16, .uint16, .int8, .uint8].contains($0.element) }) else {
      throw context.unsupportedTypes(op)
    }
    let labels = try op.labels(ranks: inputs.map(\.shape.count))
    var sizes: [Int: Int] = [:]
    for (operand, axes) in zip(inputs, labels.operands) {
      for (axis, label) in axes.enumerated() {
        let size = operand.shape[axis]
        let known = sizes[label] ?? 1
        guard known == 1 || size == 1 || size == known else {
          throw LigatureError(.shape, "an axis of the equation is \(known) in one operand, \(size) in another")
        }
        if known == 1 { sizes[label] = size }
      }
    }
    let order = labels.result + Set(sizes.keys).subtracting(labels.result).sorted()
    let shape = order.map { sizes[$0] ?? 1 }
    guard try Checked.elementCount(labels.result.map { sizes[$0] ?? 1 }) == y.count else {
      throw LigatureError(.shape, "the equation does not give \(y.shape)")
    }
    // How far each operand steps for each label.
    let steps = zip(inputs, labels.operands).map { operand, axes in
      order.map { label in
        zip(axes, zip(operand.shape, rowMajorStrides(operand.shape)))
          .reduce(0) { $0 + ($1.0 == label && $1.1.0 != 1 ? $1.1.1 : 0) }
      }
    }
    let inner = try Checked.elementCount(Array(shape[labels.result.count...]))
    return try .portable(context) { operands in
      let y = try operands.output()
      y.fill(0)
      let factors = try inputs.indices.map { try operands.input($0) }
      var index = 0
      try forEachPlace(shape) { place in
        var value = 1.0
        for (factor, step) in zip(factors, steps) { value *= factor[zip(place, step).reduce(0) { $0 + $1.0 * $1.1 }] }
        y[index / inner] += value
        index += 1
      }
    }
  }
}

/// A tensor with labelled axes: an input, or something made on the way. Axes of size 1 are left out.
private struct EinsumFactor {
  var place: Place
  var labels: [Int]
  var sizes: [Int: Int]
  /// Elements from one position of an axis to the next.
  var steps: [Int: Int]

  enum Place {
    case operand(Operand)
    /// Byte offset in the workspace.
    case scratch(Int)

    @unsafe func address(_ memory: StepMemory) -> UnsafeMutablePointer<Float> {
      switch self {
      case .operand(let operand): unsafe memory.raw(operand).assumingMemoryBound(to: Float.self)
      case .scratch(let offset): unsafe (memory.workspace + offset).assumingMemoryBound(to: Float.self)
      }
    }
  }

  init(_ operand: Operand, _ axes: [Int]) throws {
    self.init(.operand(operand), [], [:])
    for (label, (size, step)) in zip(axes, zip(operand.shape, rowMajorStrides(operand.shape))) where size != 1 {
      if sizes[label] == nil { labels.append(label) }
      guard sizes[label] ?? size == size else {
        throw LigatureError(
          .shape, "an operand has sizes \(sizes[label] ?? 0) and \(size) for one axis of the equation")
      }
      sizes[label] = size
      steps[label, default: 0] += step  // twice the same label: the diagonal
    }
  }

  /// Dense, in that order.
  init(_ place: Place, _ labels: [Int], _ sizes: [Int: Int]) {
    self.place = place
    self.labels = labels
    self.sizes = sizes.filter { labels.contains($0.key) }
    let shape = labels.map { sizes[$0] ?? 1 }
    steps = Dictionary(uniqueKeysWithValues: zip(labels, rowMajorStrides(shape)))
  }

  /// Those axes as one: its size and step, or `nil` if they do not lie so.
  func merged(_ axes: [Int]) -> (size: Int, step: Int)? {
    guard let last = axes.last, let inner = steps[last] else { return (1, 0) }
    var size = 1
    for label in axes.reversed() {
      guard steps[label] == inner * size else { return nil }
      size *= sizes[label] ?? 1
    }
    return (size, inner)
  }
}

private struct EinsumProgram {
  /// Gets the memory, and where scratch for a product starts in the workspace.
  typealias Action = @Sendable (StepMemory, Int) -> Void
  private let result: [Int]
  private let shape: [Int]
  private let y: Operand
  private(set) var actions: [Action] = []
  /// Bytes of what is made on the way, and the most that a product needs besides.
  private(set) var scratchBytes = 0
  private(set) var scratch = 0

  init(result: [Int], shape: [Int], y: Operand) {
    (self.result, self.shape, self.y) = (result, shape, y)
  }

  private func position(_ label: Int) -> Int { result.firstIndex(of: label) ?? result.count }
  private var wanted: [Int] { zip(result, shape).filter { $0.1 != 1 }.map(\.0) }

  /// The factor's elements, in that order of axes and summed over all others.
  private mutating func arrange(_ factor: EinsumFactor, _ order: [Int], to place: EinsumFactor.Place?) throws
    -> EinsumFactor
  {
    var plan = lig_strided_sum()
    guard factor.labels.count <= Int(LIG_STRIDED_RANK) else {
      throw LigatureError(.unsupported, "Einsum takes operands of at most \(LIG_STRIDED_RANK) axes")
    }
    for label in order { unsafe lig_strided_sum_add_axis(&plan, factor.sizes[label] ?? 1, factor.steps[label] ?? 0) }
    for label in factor.labels where !order.contains(label) {
      unsafe lig_strided_sum_add_sum(&plan, factor.sizes[label] ?? 1, factor.steps[label] ?? 0)
    }
    let target = EinsumFactor(try place ?? reserve(order.map { factor.sizes[$0] ?? 1 }), order, factor.sizes)
    let (from, to, settled) = (factor.place, target.place, plan)
    actions.append { memory, _ in
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_strided_sum_run($0, memory.pool, from.address(memory), to.address(memory))
      }
    }
    return target
  }

  private mutating func reserve(_ shape: [Int]) throws -> EinsumFactor.Place {
    let place = EinsumFactor.Place.scratch(scratchBytes)
    scratchBytes = try Checked.add(scratchBytes, alignedBytes(Checked.byteCount(.float32, shape)))
    return place
  }

  mutating func multiply(
    _ first: EinsumFactor, _ second: EinsumFactor, needed: Set<Int>, isLast: Bool, _ threads: Int
  ) throws -> EinsumFactor {
    for label in first.labels {
      guard let size = second.sizes[label], size != first.sizes[label] else { continue }
      throw LigatureError(
        .shape, "an axis of the equation is \(first.sizes[label] ?? 0) in one operand, \(size) in another")
    }
    var (a, b) = (try withoutLoneAxes(first, second, needed), try withoutLoneAxes(second, first, needed))
    // The operand whose axes come first in the result gives the rows.
    func own(_ x: EinsumFactor, _ other: EinsumFactor) -> [Int] {
      x.labels.filter { other.sizes[$0] == nil }.sorted { position($0) < position($1) }
    }
    if let row = own(a, b).first, let column = own(b, a).first, position(column) < position(row) { swap(&a, &b) }
    let (rows, columns) = (own(a, b), own(b, a))
    let shared = a.labels.filter { b.sizes[$0] != nil }
    let batch = shared.filter(needed.contains).sorted { position($0) < position($1) }
    let inner = shared.filter { !needed.contains($0) }.sorted { (a.steps[$0] ?? 0) > (a.steps[$1] ?? 0) }
    if a.merged(rows) == nil || a.merged(inner) == nil { a = try arrange(a, batch + rows + inner, to: nil) }
    if b.merged(inner) == nil || b.merged(columns) == nil { b = try arrange(b, batch + inner + columns, to: nil) }
    guard let m = a.merged(rows), let k = a.merged(inner), let depth = b.merged(inner), let n = b.merged(columns),
      batch.count <= Int(LIG_MATMUL_BATCH_RANK)
    else {
      throw LigatureError(.unsupported, "Einsum takes at most \(LIG_MATMUL_BATCH_RANK) axes that both operands keep")
    }
    var plan = lig_matmul()
    (plan.m, plan.n, plan.k, plan.alpha) = (m.size, n.size, k.size, 1)
    (plan.a_row, plan.a_column, plan.b_row, plan.b_column) = (m.step, k.step, depth.step, max(n.step, 1))
    if inner.isEmpty { (plan.a_column, plan.b_row) = (1, n.size) }
    plan.batch_rank = Int32(batch.count)
    for (axis, label) in batch.enumerated() {
      unsafe lig_matmul_set_batch(
        &plan, Int32(axis), a.sizes[label] ?? 1, a.steps[label] ?? 0, b.steps[label] ?? 0)
    }
    unsafe lig_matmul_prepare(&plan)
    scratch = max(scratch, unsafe lig_matmul_workspace(&plan, Int32(threads)))
    let order = batch + rows + columns
    let sizes = a.sizes.merging(b.sizes) { own, _ in own }
    let place = isLast && order == wanted ? .operand(y) : try reserve(order.map { sizes[$0] ?? 1 })
    let (left, right, settled) = (a.place, b.place, plan)
    actions.append { memory, offset in
      unsafe withUnsafePointer(to: settled) {
        unsafe lig_matmul_run(
          $0, memory.pool, left.address(memory), right.address(memory), nil, place.address(memory),
          memory.workspace + offset)
      }
    }
    return EinsumFactor(place, order, sizes)
  }

  /// Sums over axes that neither the other operand nor anything later has.
  private mutating func withoutLoneAxes(_ factor: EinsumFactor, _ other: EinsumFactor, _ needed: Set<Int>) throws
    -> EinsumFactor
  {
    let kept = factor.labels.filter { needed.contains($0) || other.sizes[$0] != nil }
    return kept.count == factor.labels.count ? factor : try arrange(factor, kept, to: nil)
  }

  mutating func finish(_ factor: EinsumFactor) throws {
    if case .operand(let operand) = factor.place, operand.slot == y.slot { return }
    _ = try arrange(factor, wanted, to: .operand(y))
  }
}
