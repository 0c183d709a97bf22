import CKernels
import GraphIR
import Operators
import TensorCore

// Operators that are seldom asked for compute in double precision, element by element, whatever the element type.

/// The elements of an operand in double precision. An index out of range ends the program instead of reading or
/// writing elsewhere.
@safe struct Numbers {
  private let base: UnsafeMutablePointer<Double>
  let count: Int

  @unsafe init(_ base: UnsafeMutablePointer<Double>, count: Int) {
    unsafe self.base = base
    self.count = count
  }

  subscript(_ index: Int) -> Double {
    get {
      precondition(index >= 0 && index < count, "a portable kernel left its operand")
      return unsafe base[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "a portable kernel left its operand")
      unsafe base[index] = newValue
    }
  }

  func fill(_ value: Double) { for index in 0..<count { unsafe base[index] = value } }

  /// An element as an integer; throws `.numeric` for what is none.
  func integer(_ index: Int, _ what: @autoclosure () -> String = "an element") throws -> Int {
    guard let value = Int(exactly: self[index]) else {
      throw LigatureError(.numeric, "\(what()) must be an integer, but is \(self[index])")
    }
    return value
  }
}

/// What a portable kernel computes with.
struct PortableOperands {
  let inputs: [Numbers?]
  let outputs: [Numbers?]

  func input(_ index: Int) throws -> Numbers {
    guard let numbers = optional(index) else { throw LigatureError(.arity, "input \(index) is missing") }
    return numbers
  }
  func optional(_ index: Int) -> Numbers? { index < inputs.count ? inputs[index] : nil }
  /// The only element of an input.
  func scalar(_ index: Int) throws -> Double {
    let numbers = try input(index)
    guard numbers.count == 1 else {
      throw LigatureError(.shape, "input \(index) must be one number, not \(numbers.count)")
    }
    return numbers[0]
  }
  func output(_ index: Int = 0) throws -> Numbers {
    guard let numbers = optionalOutput(index) else { throw LigatureError(.arity, "output \(index) is missing") }
    return numbers
  }
  func optionalOutput(_ index: Int) -> Numbers? { index < outputs.count ? outputs[index] : nil }
}

extension Step {
  /// A step whose operands are converted to double precision before and back after; integers past 2^53 are not exact.
  ///
  /// - Parameters:
  ///   - scratch: further numbers that the body may write to; they come after the outputs.
  ///   - saturates: what is too large for a float of 8 bits becomes its largest value.
  static func portable(
    _ context: KernelContext, scratch: [Int] = [], saturates: Bool = true,
    _ body: @escaping @Sendable (PortableOperands) throws -> Void
  ) throws -> Step {
    var bytes = 0
    func reserve(_ count: Int) throws -> Int {
      defer { bytes = (bytes + 63) & ~63 }
      let offset = bytes
      bytes = try Checked.add(bytes, Checked.byteCount(.float64, [count]), "a workspace")
      return offset
    }
    let known = Set<ElementType>.movable.union(Set.narrow)
    for operand in (context.inputs + context.outputs).compactMap({ $0 }) where !known.contains(operand.element) {
      throw LigatureError(.unsupported, "there is no kernel for \(operand.element) here; convert it with Cast")
    }
    let inputs = try context.inputs.map { try $0.map { (operand: $0, offset: try reserve($0.count)) } }
    let outputs = try context.outputs.map { try $0.map { (operand: $0, offset: try reserve($0.count)) } }
    let extra = try scratch.map { (count: $0, offset: try reserve($0)) }
    return Step(workspace: bytes) { memory in
      func numbers(_ offset: Int, _ count: Int) -> Numbers {
        unsafe Numbers((memory.workspace + offset).assumingMemoryBound(to: Double.self), count: count)
      }
      for case (let operand, let offset)? in inputs {
        unsafe convert(
          operand.element, .float64, memory.raw(operand), memory.workspace + offset, operand.count, memory.pool)
      }
      // What was left out in the middle of an input must not be taken for its elements.
      try checkTime()
      try body(
        PortableOperands(
          inputs: inputs.map { $0.map { numbers($0.offset, $0.operand.count) } },
          outputs: outputs.map { $0.map { numbers($0.offset, $0.operand.count) } }
            + extra.map { numbers($0.offset, $0.count) }))
      for case (let operand, let offset)? in outputs {
        unsafe convert(
          .float64, operand.element, memory.workspace + offset, memory.raw(operand), operand.count, memory.pool,
          saturates: saturates)
      }
    }
  }
}

@unsafe private func convert(
  _ from: ElementType, _ to: ElementType, _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int,
  _ pool: OpaquePointer?, saturates: Bool = true
) {
  if from == to { return unsafe y.copyMemory(from: x, byteCount: count * from.byteSize) }
  if from.isNarrow {
    return unsafe lig_from_narrow(
      from.rawValue, x.assumingMemoryBound(to: UInt8.self), y.assumingMemoryBound(to: Double.self), count)
  }
  if to.isNarrow {
    return unsafe lig_to_narrow(
      to.rawValue, saturates ? 1 : 0, x.assumingMemoryBound(to: Double.self), y.assumingMemoryBound(to: UInt8.self),
      count)
  }
  unsafe _ = lig_cast(from.rawValue, to.rawValue, x, y, count, pool)
}

/// For loops that may take long and do not use the pool: throws once the time of the run is over.
func checkTime() throws {
  guard lig_is_over() == 0 else { throw LigatureError(.limit, "the time of the run is over") }
}

/// Calls `body` with every place of a shape, in row-major order. Throws as well once the time of the run is over.
func forEachPlace(_ shape: [Int], _ body: ([Int]) throws -> Void) throws {
  guard !shape.contains(0) else { return }
  var place = [Int](repeating: 0, count: shape.count)
  var left = 1024
  while true {
    left -= 1
    if left == 0 {
      try checkTime()
      left = 1024
    }
    try body(place)
    var axis = shape.count - 1
    while axis >= 0 {
      place[axis] += 1
      if place[axis] < shape[axis] { break }
      place[axis] = 0
      axis -= 1
    }
    if axis < 0 { return }
  }
}
