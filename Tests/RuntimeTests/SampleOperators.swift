import GraphIR
import Kernels
import TensorCore

/// Element-wise sum of two float tensors of one shape; may overwrite its first operand.
struct Plus: Operator {
  static var names: [OperatorName] { [OperatorName("Plus")] }
  var name: OperatorName { Plus.names[0] }
  var attributes: Attributes { Attributes() }
  var traits: Traits { .canReuseInput0 }
  init() {}
  init(name: OperatorName, attributes: Attributes) throws {}
  func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    guard try context.input(0).isCompatible(with: try context.input(1)) else {
      throw LigatureError(.shape, "operands differ")
    }
    return [try context.input(0)]
  }
}

/// The same bytes under another name.
struct Alias: Operator {
  static var names: [OperatorName] { [OperatorName("Alias")] }
  var name: OperatorName { Alias.names[0] }
  var attributes: Attributes { Attributes() }
  var traits: Traits { .isView }
  init() {}
  init(name: OperatorName, attributes: Attributes) throws {}
  func inferTypes(_ context: InferenceContext) throws -> [TensorType] { [try context.input(0)] }
}

/// The positive elements: how many there are, only running tells.
struct Positives: Operator {
  static var names: [OperatorName] { [OperatorName("Positives")] }
  var name: OperatorName { Positives.names[0] }
  var attributes: Attributes { Attributes() }
  var traits: Traits { .hasDataDependentShape }
  init() {}
  init(name: OperatorName, attributes: Attributes) throws {}
  func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    [TensorType(try context.input(0).element, ["positives"])]
  }
}

/// Throws while running.
struct Failing: Operator {
  static var names: [OperatorName] { [OperatorName("Failing")] }
  var name: OperatorName { Failing.names[0] }
  var attributes: Attributes { Attributes() }
  init() {}
  init(name: OperatorName, attributes: Attributes) throws {}
  func inferTypes(_ context: InferenceContext) throws -> [TensorType] { [try context.input(0)] }
}

let sampleKernels: KernelTable = {
  var table = KernelTable()
  table.register(Plus.self) { _, context in
    let (a, b, c) = (try context.input(0), try context.input(1), try context.output())
    return Step(workspace: 64) { memory in
      let (x, y) = unsafe (memory.read(a, as: Float.self), memory.read(b, as: Float.self))
      let z = unsafe memory.write(c, as: Float.self)
      for index in 0..<c.count { unsafe z[index] = x[index] + y[index] }
    }
  }
  table.register(Alias.self) { _, context in
    let (a, b) = (try context.input(0), try context.output())
    return Step { memory in unsafe memory.raw(b).copyMemory(from: memory.raw(a), byteCount: a.byteCount) }
  }
  table.register(Failing.self) { _, _ in
    Step { _ in throw LigatureError(.numeric, "index 7 is out of range") }
  }
  table.register(Positives.self) { (_, inputs: [Tensor?], _) in
    let values = try inputs[0]?.floats() ?? []
    let positives = values.filter { $0 > 0 }
    return [try Tensor(positives, [positives.count])]
  }
  return table
}()
