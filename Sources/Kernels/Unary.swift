import CKernels
import GraphIR
import Operators
import TensorCore

enum UnaryKernels {
  static func register(in table: inout KernelTable) {
    table.register(Unary.self, prepare: computingInFloat32(prepare))
    table.register(ReluGradient.self, prepare: computingInFloat32(prepareReluGradient))
    table.register(Clip.self, prepare: computingInFloat32(prepareClip))
    table.register(Not.self, prepare: prepareNot)
    table.register(Classify.self, prepare: prepareClassify)
    table.register(Cast.self, prepare: prepareCast)
    table.register(Identity.self, prepare: prepareIdentity)
  }

  private static func prepare(_ op: Unary, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let code = Int32(code(op))
    let (alpha, beta) = (op.alpha, op.beta)
    switch x.element {
    case .float32:
      return Step { memory in
        unsafe _ = lig_unary_f32(code, memory.read(x), memory.write(y), x.count, alpha, beta, memory.pool)
      }
    case .float64:
      return Step { memory in
        unsafe _ = lig_unary_f64(
          code, memory.read(x), memory.write(y), x.count, Double(alpha), Double(beta), memory.pool)
      }
    case let element where element.isInteger:
      let type = element.rawValue
      return Step { memory in
        unsafe _ = lig_unary_integer(code, type, memory.raw(x), memory.raw(y), x.count, 0, 0, memory.pool)
      }
    default: throw context.unsupportedTypes(op)
    }
  }

  private static func prepareReluGradient(_ op: ReluGradient, _ context: KernelContext) throws -> Step {
    let (y, g, dx) = (try context.input(0), try context.input(1), try context.output())
    guard y.count == g.count else { throw LigatureError(.shape, "the gradient is \(g.shape), the result \(y.shape)") }
    switch dx.element {
    case .float32:
      return Step { memory in
        unsafe lig_relu_gradient(memory.read(y), memory.read(g), memory.write(dx), dx.count, memory.pool)
      }
    case .float64:
      return Step { memory in
        unsafe lig_relu_gradient_f64(memory.read(y), memory.read(g), memory.write(dx), dx.count)
      }
    default: throw context.unsupportedTypes(op)
    }
  }

  static func code(_ op: Unary) -> Int {
    switch op.function {
    case .relu: LIG_UNARY_RELU
    case .sigmoid: LIG_UNARY_SIGMOID
    case .tanh: LIG_UNARY_TANH
    case .exp: LIG_UNARY_EXP
    case .log: LIG_UNARY_LOG
    case .sqrt: LIG_UNARY_SQRT
    case .reciprocal: LIG_UNARY_RECIPROCAL
    case .neg: LIG_UNARY_NEG
    case .abs: LIG_UNARY_ABS
    case .floor: LIG_UNARY_FLOOR
    case .ceil: LIG_UNARY_CEIL
    case .round: LIG_UNARY_ROUND
    case .sign: LIG_UNARY_SIGN
    case .erf: LIG_UNARY_ERF
    case .softplus: LIG_UNARY_SOFTPLUS
    case .softsign: LIG_UNARY_SOFTSIGN
    case .hardSigmoid: LIG_UNARY_HARDSIGMOID
    case .hardSwish: LIG_UNARY_HARDSWISH
    case .leakyRelu: LIG_UNARY_LEAKYRELU
    case .elu: LIG_UNARY_ELU
    case .selu: LIG_UNARY_SELU
    case .celu: LIG_UNARY_CELU
    case .gelu: op.approximatesByTanh ? LIG_UNARY_GELU_TANH : LIG_UNARY_GELU
    case .mish: LIG_UNARY_MISH
    case .thresholdedRelu: LIG_UNARY_THRESHOLDEDRELU
    case .shrink: LIG_UNARY_SHRINK
    case .swish: LIG_UNARY_SWISH
    case .sin: LIG_UNARY_SIN
    case .cos: LIG_UNARY_COS
    case .tan: LIG_UNARY_TAN
    case .asin: LIG_UNARY_ASIN
    case .acos: LIG_UNARY_ACOS
    case .atan: LIG_UNARY_ATAN
    case .sinh: LIG_UNARY_SINH
    case .cosh: LIG_UNARY_COSH
    case .asinh: LIG_UNARY_ASINH
    case .acosh: LIG_UNARY_ACOSH
    case .atanh: LIG_UNARY_ATANH
    }
  }

  private static func prepareClip(_ op: Clip, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let (low, high) = (context.optional(1), context.optional(2))
    let clip = Int32(LIG_UNARY_CLIP)
    switch x.element {
    case .float32:
      return Step { memory in
        let a = low.map { unsafe memory.read($0, as: Float.self).pointee } ?? -.infinity
        let b = high.map { unsafe memory.read($0, as: Float.self).pointee } ?? .infinity
        unsafe _ = lig_unary_f32(clip, memory.read(x), memory.write(y), x.count, a, b, memory.pool)
      }
    case .float64:
      return Step { memory in
        let a = low.map { unsafe memory.read($0, as: Double.self).pointee } ?? -.infinity
        let b = high.map { unsafe memory.read($0, as: Double.self).pointee } ?? .infinity
        unsafe _ = lig_unary_f64(clip, memory.read(x), memory.write(y), x.count, a, b, memory.pool)
      }
    case let element where element.isInteger:
      let type = element.rawValue
      return Step { memory in
        let a = low.map { integer(memory, $0) } ?? .min
        let b = high.map { integer(memory, $0) } ?? .max
        unsafe _ = lig_unary_integer(clip, type, memory.raw(x), memory.raw(y), x.count, a, b, memory.pool)
      }
    default: throw context.unsupportedTypes(op)
    }
  }

  /// The first element of an integer operand; what exceeds `Int` becomes its largest value.
  private static func integer(_ memory: StepMemory, _ operand: Operand) -> Int {
    var wide: Int64 = 0
    let to = ElementType.int64.rawValue
    unsafe _ = lig_cast(operand.element.rawValue, to, memory.raw(operand), &wide, 1, nil)
    return operand.element == .uint64 && wide < 0 ? .max : Int(wide)
  }

  private static func prepareNot(_ op: Not, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard op.isBitwise ? x.element.isInteger : x.element == .bool else { throw context.unsupportedTypes(op) }
    let bytes = op.isBitwise ? x.byteCount : 0
    return Step { memory in
      let (from, to) = unsafe (memory.read(x, as: UInt8.self), memory.write(y, as: UInt8.self))
      if bytes == 0 { unsafe lig_not(from, to, x.count) }
      for index in 0..<bytes { unsafe to[index] = ~from[index] }
    }
  }

  private static func prepareClassify(_ op: Classify, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    guard x.element.isFloatingPoint else { throw context.unsupportedTypes(op) }
    let type = x.element.rawValue
    let (positive, negative): (Int32, Int32) = (op.detectsPositive ? 1 : 0, op.detectsNegative ? 1 : 0)
    switch op.kind {
    case .isNaN:
      return Step { memory in
        unsafe _ = lig_is_nan(type, memory.raw(x), memory.write(y, as: UInt8.self), x.count)
      }
    case .isInf:
      return Step { memory in
        unsafe _ = lig_is_inf(type, memory.raw(x), memory.write(y, as: UInt8.self), x.count, positive, negative)
      }
    }
  }

  private static func prepareCast(_ op: Cast, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    if x.element.isNarrow || y.element.isNarrow {
      // The second input of CastLike gives its type only.
      let only = KernelContext(inputs: [x], outputs: [y], threads: context.threads, packed: context.packed)
      return try .portable(only, saturates: op.saturates) { operands in
        let (x, y) = (try operands.input(0), try operands.output())
        for index in 0..<x.count { y[index] = x[index] }
      }
    }
    guard Set<ElementType>.movable.isSuperset(of: [x.element, y.element]) else { throw context.unsupportedTypes(op) }
    let (from, to) = (x.element.rawValue, y.element.rawValue)
    return Step { memory in
      unsafe _ = lig_cast(from, to, memory.raw(x), memory.raw(y), x.count, memory.pool)
    }
  }

  private static func prepareIdentity(_ op: Identity, _ context: KernelContext) throws -> Step {
    let (x, y) = (try context.input(0), try context.output())
    let mask = context.optionalOutput(1)
    if case .dropout(let seed) = op.kind, context.optional(2) != nil {
      return try RandomKernels.dropout(seed: seed, context)
    }
    return Step { memory in
      unsafe memory.raw(y).copyMemory(from: memory.raw(x), byteCount: x.byteCount)
      if let mask { unsafe memory.raw(mask).initializeMemory(as: UInt8.self, repeating: 1, count: mask.count) }
    }
  }
}
