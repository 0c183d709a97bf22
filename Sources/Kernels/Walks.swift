import CKernels
import TensorCore

// The walks over several tensors that C kernels share, settled while a step is prepared.

/// The number of elements; 0 wins before anything is multiplied, since beside it dimensions may be of any size.
func extent(_ shape: some Collection<Int>) -> Int { shape.contains(0) ? 0 : shape.reduce(1, *) }

/// How to step through tensors that broadcast to one shape.
struct BroadcastWalk: Sendable {
  let plan: lig_broadcast

  init(_ inputs: [Operand], _ output: Operand) throws {
    try self.init(shapes: inputs.map(\.shape), output.shape)
  }

  init(shapes: [[Int]], _ result: [Int]) throws {
    let rank = result.count
    guard shapes.allSatisfy({ $0.count <= rank }) else {
      throw LigatureError(.shape, "the shapes \(shapes) do not broadcast to \(result)")
    }
    let padded = shapes.flatMap { Array(repeating: 1, count: rank - $0.count) + $0 }
    var plan = lig_broadcast()
    guard unsafe lig_broadcast_prepare(&plan, Int32(shapes.count), Int32(rank), result, padded) == 0 else {
      throw LigatureError(
        .shape, "the shapes \(shapes) do not broadcast to \(result), or have more than \(LIG_MAX_RANK) dimensions")
    }
    self.plan = plan
  }

  func withPlan(_ body: (UnsafePointer<lig_broadcast>) -> Void) {
    unsafe withUnsafePointer(to: plan) { unsafe body($0) }
  }
}

/// A copy from one strided view to another; offsets and strides in elements.
struct StridedCopy: Sendable {
  private let plan: lig_copy
  private let fromOffset: Int
  private let toOffset: Int

  init(
    _ element: ElementType, _ shape: [Int], source: [Int], target: [Int], sourceOffset: Int = 0, targetOffset: Int = 0
  ) throws {
    var plan = lig_copy()
    guard
      unsafe lig_copy_prepare(&plan, element.byteSize, Int32(shape.count), shape, source, target) == 0
    else {
      throw LigatureError(
        .unsupported,
        "cannot copy \(element)\(shape): at most \(LIG_MAX_RANK) dimensions of numbers or bool can be moved")
    }
    self.plan = plan
    fromOffset = sourceOffset * element.byteSize
    toOffset = targetOffset * element.byteSize
  }

  /// `input` repeated along the axes where it has 1, as broadcasting says.
  init(broadcasting input: Operand, to output: Operand) throws {
    let missing = output.shape.count - input.shape.count
    guard missing >= 0 else { throw LigatureError(.shape, "\(input.shape) does not broadcast to \(output.shape)") }
    let strides = rowMajorStrides(input.shape)
    let source = try output.shape.indices.map { axis -> Int in
      guard axis >= missing, input.shape[axis - missing] != 1 else { return 0 }
      guard input.shape[axis - missing] == output.shape[axis] else {
        throw LigatureError(.shape, "\(input.shape) does not broadcast to \(output.shape)")
      }
      return strides[axis - missing]
    }
    try self.init(output.element, output.shape, source: source, target: rowMajorStrides(output.shape))
  }

  @unsafe func run(from: UnsafeRawPointer, to: UnsafeMutableRawPointer, _ pool: OpaquePointer?) {
    unsafe withUnsafePointer(to: plan) { plan in
      unsafe lig_copy_run(plan, from + fromOffset, to + toOffset, pool)
    }
  }

  /// A step of this one copy.
  func step(from x: Operand, to y: Operand) -> Step {
    Step { memory in unsafe run(from: memory.raw(x), to: memory.raw(y), memory.pool) }
  }
}

extension StepMemory {
  /// The elements of an int64 operand as C's `long`.
  @unsafe func longs(_ operand: Operand) -> UnsafeMutablePointer<Int> {
    unsafe raw(operand).assumingMemoryBound(to: Int.self)
  }

  /// The first element of an int32 or int64 operand.
  @unsafe func index(_ operand: Operand) -> Int {
    unsafe operand.element == .int32 ? Int(read(operand, as: Int32.self).pointee) : longs(operand).pointee
  }
}
