import CKernels
import GraphIR
import Operators
import TensorCore

enum BinaryKernels {
  static func register(in table: inout KernelTable) {
    table.register(Binary.self, prepare: computingInFloat32(prepare))
    table.register(Variadic.self, prepare: computingInFloat32(prepareVariadic))
    table.register(Where.self, prepare: prepareWhere)
  }

  private static func prepare(_ op: Binary, _ context: KernelContext) throws -> Step {
    let (a, b, y) = (try context.input(0), try context.input(1), try context.output())
    if op.function == .pow, a.element != b.element { return try preparePower(a, b, y, op, context) }
    let (code, type) = (Int32(code(op)), a.element.rawValue)
    guard a.element == b.element, lig_binary_knows(code, type) != 0 else { throw context.unsupportedTypes(op) }
    let walk = try BroadcastWalk([a, b], y)
    return Step { memory in
      unsafe walk.withPlan { plan in
        unsafe _ = lig_binary(code, type, plan, memory.raw(a), memory.raw(b), memory.raw(y), memory.pool)
      }
    }
  }

  /// Base and exponent of different types: both become float64, the result the base's type again.
  private static func preparePower(
    _ a: Operand, _ b: Operand, _ y: Operand, _ op: Binary, _ context: KernelContext
  ) throws -> Step {
    guard Set<ElementType>.numbers.isSuperset(of: [a.element, b.element]) else { throw context.unsupportedTypes(op) }
    let walk = try BroadcastWalk([a, b], y)
    let wide = ElementType.float64.rawValue
    func bytes(_ operand: Operand) throws -> Int { try Checked.byteCount(.float64, operand.shape) }
    let (forB, forY) = (try bytes(a), try Checked.add(bytes(a), bytes(b)))
    return Step(workspace: try Checked.add(forY, bytes(y))) { memory in
      let base = unsafe memory.workspace
      unsafe _ = lig_cast(a.element.rawValue, wide, memory.raw(a), base, a.count, memory.pool)
      unsafe _ = lig_cast(b.element.rawValue, wide, memory.raw(b), base + forB, b.count, memory.pool)
      unsafe walk.withPlan { plan in
        unsafe _ = lig_binary(Int32(LIG_BINARY_POW), wide, plan, base, base + forB, base + forY, memory.pool)
      }
      unsafe _ = lig_cast(wide, y.element.rawValue, base + forY, memory.raw(y), y.count, memory.pool)
    }
  }

  static func code(_ op: Binary) -> Int {
    switch op.function {
    case .add: LIG_BINARY_ADD
    case .sub: LIG_BINARY_SUB
    case .mul: LIG_BINARY_MUL
    case .div: LIG_BINARY_DIV
    case .pow: LIG_BINARY_POW
    case .mod: op.followsDividend ? LIG_BINARY_FMOD : LIG_BINARY_MOD
    case .prelu: LIG_BINARY_PRELU
    case .equal: LIG_BINARY_EQUAL
    case .less: LIG_BINARY_LESS
    case .lessOrEqual: LIG_BINARY_LESS_OR_EQUAL
    case .greater: LIG_BINARY_GREATER
    case .greaterOrEqual: LIG_BINARY_GREATER_OR_EQUAL
    case .and: LIG_BINARY_AND
    case .or: LIG_BINARY_OR
    case .xor: LIG_BINARY_XOR
    case .bitShift: op.shiftsLeft ? LIG_BINARY_SHIFTLEFT : LIG_BINARY_SHIFTRIGHT
    case .bitwiseAnd: LIG_BINARY_BITAND
    case .bitwiseOr: LIG_BINARY_BITOR
    case .bitwiseXor: LIG_BINARY_BITXOR
    }
  }

  /// From left to right: y = x0 op x1, then y = y op x2, …
  private static func prepareVariadic(_ op: Variadic, _ context: KernelContext) throws -> Step {
    let y = try context.output()
    let inputs = try context.inputs.indices.map(context.input)
    let code: Int
    switch op.function {
    case .min: code = LIG_BINARY_MIN
    case .max: code = LIG_BINARY_MAX
    case .sum, .mean: code = LIG_BINARY_ADD
    }
    let (operation, type) = (Int32(code), y.element.rawValue)
    guard lig_binary_knows(operation, type) != 0 else { throw context.unsupportedTypes(op) }
    let first = try StridedCopy(broadcasting: inputs[0], to: y)
    let rest = try inputs.dropFirst().map {
      (operand: $0, walk: try BroadcastWalk(shapes: [y.shape, $0.shape], y.shape))
    }
    let scale = op.function == .mean ? 1 / Double(inputs.count) : nil
    return Step { memory in
      unsafe first.run(from: memory.raw(inputs[0]), to: memory.raw(y), memory.pool)
      for (operand, walk) in rest {
        unsafe walk.withPlan { plan in
          unsafe _ = lig_binary(operation, type, plan, memory.raw(y), memory.raw(operand), memory.raw(y), memory.pool)
        }
      }
      guard let scale else { return }
      if y.element == .float32 {
        unsafe _ = lig_unary_f32(
          Int32(LIG_UNARY_AFFINE), memory.read(y), memory.write(y), y.count, Float(scale), 0, memory.pool)
      } else {
        unsafe _ = lig_unary_f64(
          Int32(LIG_UNARY_AFFINE), memory.read(y), memory.write(y), y.count, scale, 0, memory.pool)
      }
    }
  }

  private static func prepareWhere(_ op: Where, _ context: KernelContext) throws -> Step {
    let (c, a, b) = (try context.input(0), try context.input(1), try context.input(2))
    let y = try context.output()
    guard c.element == .bool, Set<ElementType>.movable.contains(y.element) else { throw context.unsupportedTypes(op) }
    let walk = try BroadcastWalk([c, a, b], y)
    let size = Int32(y.element.byteSize)
    return Step { memory in
      unsafe walk.withPlan { plan in
        unsafe _ = lig_where(
          size, plan, memory.read(c, as: UInt8.self), memory.raw(a), memory.raw(b), memory.raw(y), memory.pool)
      }
    }
  }
}
