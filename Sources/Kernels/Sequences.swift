import GraphIR
import Operators
import TensorCore

/// Operators on sequences and optionals. Tensors are shared, not copied.
enum SequenceKernels {
  static func register(in table: inout KernelTable) {
    table.register(SequenceOperator.self, onData: sequence)
    table.register(SplitToSequence.self, onData: split)
    table.register(ConcatFromSequence.self, onData: concatenate)
    table.register(OptionalOperator.self, onData: optional)
  }

  private static func sequence(
    _ op: SequenceOperator, _ inputs: [Datum?], _ context: DataContext
  ) throws -> [Datum] {
    switch op.function {
    case .empty: return [.sequence([])]
    case .construct:
      let elements = try inputs.indices.map { Datum.tensor(try required(inputs, $0).tensor("element \($0)")) }
      return [try checked(elements, context)]
    case .insert:
      var elements = try required(inputs, 0).elements("input 0")
      let place = try position(inputs, 2, count: elements.count, past: true) ?? elements.count
      elements.insert(try required(inputs, 1), at: place)
      return [try checked(elements, context)]
    case .erase:
      var elements = try required(inputs, 0).elements("input 0")
      guard !elements.isEmpty else { throw LigatureError(.numeric, "nothing can be erased: the sequence is empty") }
      elements.remove(at: try position(inputs, 1, count: elements.count) ?? elements.count - 1)
      return [.sequence(elements)]
    case .at:
      let elements = try required(inputs, 0).elements("input 0")
      guard let place = try position(inputs, 1, count: elements.count) else {
        throw LigatureError(.arity, "input 1, the position, is missing")
      }
      return [elements[place]]
    case .length: return [.tensor(Tensor(scalar: Int64(try required(inputs, 0).elements("input 0").count)))]
    }
  }

  /// Elements must be alike, not too many, and not hold too much.
  private static func checked(_ elements: [Datum], _ context: DataContext) throws -> Datum {
    if let first = elements.first, let other = elements.first(where: { !$0.isAlike(first) }) {
      throw LigatureError(
        .type, "the elements of a sequence must be of one kind, but are \(first.summary) and \(other.summary)")
    }
    guard elements.count <= DataContext.longestSequence else {
      throw LigatureError(
        .limit,
        "a sequence of \(elements.count) elements is longer than the limit of \(DataContext.longestSequence); "
          + "join its tensors")
    }
    let result = Datum.sequence(elements)
    guard result.byteCount <= context.byteLimit else {
      throw LigatureError(
        .limit,
        "a sequence holds \(result.byteCount) bytes, more than the limit of \(context.byteLimit); "
          + "raise the memory limit")
    }
    return result
  }

  private static func required(_ inputs: [Datum?], _ index: Int) throws -> Datum {
    guard index < inputs.count, let datum = inputs[index] else {
      throw LigatureError(.arity, "input \(index) is missing")
    }
    return datum
  }

  /// A place in a sequence, counted from its end if negative; `nil` where it is left out.
  private static func position(_ inputs: [Datum?], _ index: Int, count: Int, past: Bool = false) throws -> Int? {
    guard index < inputs.count, let datum = inputs[index] else { return nil }
    let values = try datum.tensor("the position").integers()
    guard values.count == 1 else {
      throw LigatureError(.shape, "the position must be one number, but is \(datum.summary)")
    }
    let place = values[0]
    guard place >= -count, place < count + (past ? 1 : 0) else {
      throw LigatureError(.numeric, "the position \(place) lies outside of a sequence of \(count)")
    }
    return place < 0 ? place + count : place
  }

  // ── Cutting and joining ──
  private static func split(_ op: SplitToSequence, _ inputs: [Datum?], _ context: DataContext) throws -> [Datum] {
    let x = try required(inputs, 0).tensor()
    let axis = try normalizedAxis(op.axis, rank: x.shape.count)
    let whole = x.shape[axis]
    var sizes: [Int]
    var keepsAxis = true
    if inputs.count > 1, let given = inputs[1] {
      let tensor = try given.tensor("the sizes")
      sizes = try tensor.integers()
      if tensor.shape.isEmpty {
        guard sizes[0] > 0 else { throw LigatureError(.numeric, "pieces of \(sizes[0]) indices cannot be cut") }
        try refuse(whole / sizes[0], context)
        sizes = stride(from: 0, to: whole, by: sizes[0]).map { min(sizes[0], whole - $0) }
      }
    } else {
      try refuse(whole, context)
      sizes = Array(repeating: 1, count: whole)
      keepsAxis = op.keepsAxis
    }
    try refuse(sizes.count, context)
    let total = try sizes.reduce(0) { try Checked.add($0, $1, "the sizes of pieces") }
    guard sizes.allSatisfy({ $0 >= 0 }), total == whole else {
      throw LigatureError(.shape, "the sizes \(sizes.prefix(16)) do not split axis \(axis) of \(x.shape)")
    }
    var start = 0
    return [
      .sequence(
        try sizes.map { size in
          let piece = try x.piece(axis: axis, from: start, count: size)
          start += size
          return .tensor(keepsAxis ? piece : try piece.removingAxis(axis))
        })
    ]
  }

  private static func refuse(_ count: Int, _ context: DataContext) throws {
    guard count > DataContext.longestSequence else { return }
    throw LigatureError(
      .limit,
      "cutting a tensor into \(count) pieces passes the limit of \(DataContext.longestSequence) elements; "
        + "cut it into larger pieces")
  }

  private static func concatenate(
    _ op: ConcatFromSequence, _ inputs: [Datum?], _ context: DataContext
  ) throws -> [Datum] {
    let tensors = try required(inputs, 0).elements("input 0").map { try $0.tensor("an element") }
    guard let first = tensors.first else {
      throw LigatureError(.shape, "an empty sequence cannot be joined: the shape of the result is not known")
    }
    let axis = try normalizedAxis(op.axis, rank: first.shape.count + (op.makesAxis ? 1 : 0))
    return [
      .tensor(
        op.makesAxis
          ? try .stacked(tensors, axis: axis, byteLimit: context.byteLimit)
          : try .joined(tensors, axis: axis, byteLimit: context.byteLimit))
    ]
  }

  // ── Optionals ──
  private static func optional(_ op: OptionalOperator, _ inputs: [Datum?], _ context: DataContext) throws -> [Datum] {
    let input = inputs.first ?? nil
    switch op.function {
    case .make: return [.optional(input)]
    case .hasElement:
      // A tensor or a sequence is there, whatever it holds.
      if case .optional(nil) = input { return [.tensor(Tensor(scalar: false))] }
      return [.tensor(Tensor(scalar: input != nil))]
    case .element:
      switch input {
      case .optional(let content?): return [content]
      case .some(.optional(nil)):
        throw LigatureError(.numeric, "the optional is empty; ask OptionalHasElement before taking its element")
      case let datum?: return [datum]
      case nil: throw LigatureError(.arity, "input 0 is missing")
      }
    }
  }
}
