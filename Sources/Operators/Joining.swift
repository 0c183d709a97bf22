public import GraphIR
import TensorCore

/// `[…, nᵢ, …], … → […, Σ nᵢ, …]` along `axis`.
public struct Concat: Operator {
  public let axis: Int

  public static let names = [OperatorName("Concat")]
  public var name: OperatorName { Concat.names[0] }
  public init(axis: Int) { self.axis = axis }
  public init(name: OperatorName, attributes: Attributes) throws { self.init(axis: try attributes.int("axis")) }
  public var attributes: Attributes {
    var result = Attributes()
    result.set("axis", axis)
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...Int(Int32.max))
    let inputs = try context.allInputs()
    let element = try sharedElement(inputs)
    guard let known = inputs.compactMap(\.shape).first else { return [TensorType(element, nil)] }
    let axis = try normalizedAxis(axis, rank: known.count)
    var result = known
    result[axis] = 0
    for input in inputs {
      guard let shape = input.shape else {
        result[axis] = .unknown("concatenated")
        break
      }
      guard shape.count == known.count else {
        throw LigatureError(.rank, "inputs of ranks \(known.count) and \(shape.count) cannot be concatenated")
      }
      for index in shape.indices where index != axis {
        switch (result[index], shape[index]) {
        case (.symbol, .fixed): result[index] = shape[index]
        case (.fixed(let a), .fixed(let b)) where a != b:
          throw LigatureError(.shape, "dimension \(index) of the inputs is \(a) and \(b), but must be one")
        default: break
        }
      }
      result[axis] = try result[axis] + shape[axis]
    }
    return [TensorType(element, result)]
  }

  public func inferContents(_ context: InferenceContext) throws -> [Dimension]? {
    var result: [Dimension] = []
    for index in context.inputs.indices {
      guard let next = try context.dimensions(index) else { return nil }
      result += next
    }
    return result
  }

  public func sharedBytes(_ context: InferenceContext, outputs: [TensorType]) throws -> SharedBytes? {
    guard let shape = outputs.first?.sizes else { return nil }
    return isOutermost(try normalizedAxis(axis, rank: shape.count), of: shape) ? .joined : nil
  }
}

/// Whether nothing but ones lies outside of an axis: what is cut along it lies in one stretch.
func isOutermost(_ axis: Int, of shape: [Int]) -> Bool { shape[..<axis].allSatisfy { $0 == 1 } }

/// The bytes of one index of an axis, with all that lies inside it.
func byteStride(_ axis: Int, of type: TensorType) throws -> Int {
  try Checked.byteCount(type.element, Array((type.sizes ?? [])[(axis + 1)...]))
}

/// `[…, n, …], sizes? int64 [k] → […, nᵢ, …] × k` along `axis`: pieces of those sizes, or of equal ones but the last.
public struct Split: Operator {
  public let axis: Int
  /// Into how many pieces, where no sizes are given.
  public let pieces: Int?

  public static let names = [OperatorName("Split")]
  public var name: OperatorName { Split.names[0] }
  public init(axis: Int = 0, pieces: Int? = nil) {
    self.axis = axis
    self.pieces = pieces
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(axis: try attributes.int("axis", default: 0), pieces: try attributes.optionalInt("num_outputs"))
    if let pieces, pieces < 1 {
      throw LigatureError(.attribute, "attribute 'num_outputs' is \(pieces), but must be positive")
    }
  }
  public var attributes: Attributes {
    var result = Attributes()
    if axis != 0 { result.set("axis", axis) }
    if let pieces { result.set("num_outputs", pieces) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...2)
    let input = try context.input(0)
    let count = context.outputCount
    guard let shape = input.shape else { return Array(repeating: TensorType(input.element, nil), count: count) }
    let axis = try normalizedAxis(axis, rank: shape.count)
    return try sizes(context, of: shape[axis], count).map { size in
      var piece = shape
      piece[axis] = size
      return TensorType(input.element, piece)
    }
  }

  private func sizes(_ context: InferenceContext, of whole: Dimension, _ count: Int) throws -> [Dimension] {
    if context.optional(1) != nil {
      guard let sizes = try context.dimensions(1) else { return (0..<count).map { .unknown("piece\($0) of \(whole)") } }
      let total = try sizes.reduce(Dimension.fixed(0)) { try $0 + $1 }
      if sizes.contains(where: { ($0.value ?? 0) < 0 }) || sizes.count < count
        || (total.value != nil && whole.value != nil && total != whole)
      {
        throw LigatureError(.shape, "the sizes \(sizes) do not split \(whole) into \(count) pieces")
      }
      return sizes
    }
    let parts = pieces ?? count
    guard parts >= count, parts <= 1 << 20 else {
      throw LigatureError(.arity, "is split into \(parts) pieces, but has \(count) outputs")
    }
    guard let size = whole.value else {
      let each = try (whole + .fixed(parts - 1)).dividedRoundingDown(by: .fixed(parts))
      return try (0..<parts).map { $0 < parts - 1 ? each : try whole - each * .fixed(parts - 1) }
    }
    let each = (size + parts - 1) / parts
    return (0..<parts).map { .fixed(max(0, min(each, size - each * $0))) }
  }

  public func sharedBytes(_ context: InferenceContext, outputs: [TensorType]) throws -> SharedBytes? {
    let input = try context.input(0)
    guard let shape = input.sizes else { return nil }
    let axis = try normalizedAxis(axis, rank: shape.count)
    guard isOutermost(axis, of: shape) else { return nil }
    let each = try byteStride(axis, of: input)
    var offset = 0
    return .pieces(
      outputs.prefix(context.outputCount).map { type in
        defer { offset += (type.sizes?[axis] ?? 0) * each }
        return offset
      })
  }
}

/// `[…], repeats int64 [rank] → […]`: the whole tensor repeated along each axis.
public struct Tile: Operator {
  public static let names = [OperatorName("Tile")]
  public var name: OperatorName { Tile.names[0] }
  public var attributes: Attributes { Attributes() }
  public init() {}
  public init(name: OperatorName, attributes: Attributes) throws {}

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...2)
    let input = try context.input(0)
    guard let shape = input.shape else { return [input] }
    guard let repeats = try context.dimensions(1) else {
      return [TensorType(input.element, shape.map { .unknown("tiled(\($0))") })]
    }
    guard repeats.count == shape.count, repeats.allSatisfy({ ($0.value ?? 0) >= 0 }) else {
      throw LigatureError(
        .shape, "the repeats \(repeats) must be one number, 0 or more, for each dimension of \(input)")
    }
    return [TensorType(input.element, try zip(shape, repeats).map { try $0 * $1 })]
  }
}

/// `[…], pads int64 [2 n], value? [], axes? int64 [n] → […]`: more at both ends of axes, or less where negative.
public struct Pad: Operator {
  public enum Mode: String, CaseIterable, Sendable { case constant, reflect, edge, wrap }
  public let mode: Mode

  public static let names = [OperatorName("Pad")]
  public var name: OperatorName { Pad.names[0] }
  public init(_ mode: Mode = .constant) { self.mode = mode }
  public init(name: OperatorName, attributes: Attributes) throws {
    self.init(try attributes.choice("mode", default: .constant))
  }
  public var attributes: Attributes {
    var result = Attributes()
    if mode != .constant { result.set("mode", mode.rawValue) }
    return result
  }

  /// What is added before and after each of `rank` axes.
  package static func ends(pads: [Int], axes: [Int]?, rank: Int) throws -> (begin: [Int], end: [Int]) {
    let axes = try axes.map { try normalizedAxes($0, rank: rank) } ?? Array(0..<rank)
    guard pads.count == 2 * axes.count else {
      throw LigatureError(.shape, "there are \(pads.count) pads for \(axes.count) axes; two each are needed")
    }
    var begin = [Int](repeating: 0, count: rank)
    var end = begin
    for (index, axis) in axes.enumerated() {
      begin[axis] = pads[index]
      end[axis] = pads[axes.count + index]
    }
    return (begin, end)
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(2...4)
    let input = try context.input(0)
    if let value = context.optional(2) { _ = try sharedElement([input, value]) }
    guard let shape = input.shape else { return [input] }
    let axes = context.optional(3) == nil ? nil : try context.integers(3)
    guard let pads = try context.integers(1), axes != nil || context.optional(3) == nil else {
      return [TensorType(input.element, shape.map { .unknown("padded(\($0))") })]
    }
    let (begin, end) = try Pad.ends(pads: pads, axes: axes, rank: shape.count)
    let result = try shape.indices.map { axis -> Dimension in
      let size = try shape[axis] + .fixed(Checked.add(begin[axis], end[axis], "padding"))
      guard (size.value ?? 0) >= 0 else {
        throw LigatureError(.shape, "padding by \(begin[axis]) and \(end[axis]) leaves nothing of \(shape[axis])")
      }
      if mode != .constant, shape[axis] == 0, size != 0 {
        throw LigatureError(.shape, "an axis without elements can only be padded with a constant")
      }
      return size
    }
    return [TensorType(input.element, result)]
  }
}

/// `DepthToSpace` `[N, C b², H, W] → [N, C, H b, W b]` and `SpaceToDepth`, its inverse.
public struct BlockShuffle: Operator {
  public enum Kind: String, CaseIterable, Sendable {
    case depthToSpace = "DepthToSpace"
    case spaceToDepth = "SpaceToDepth"
  }
  public enum Mode: String, CaseIterable, Sendable {
    /// The block is the outer part of the channels (as `SpaceToDepth` always has it).
    case depthColumnRow = "DCR"
    /// The block is the inner part of the channels (pixel shuffle).
    case columnRowDepth = "CRD"
  }
  public let kind: Kind
  public let blockSize: Int
  public let mode: Mode

  public static let names = Kind.allCases.map { OperatorName($0.rawValue) }
  public var name: OperatorName { OperatorName(kind.rawValue) }
  public init(_ kind: Kind, blockSize: Int, mode: Mode = .depthColumnRow) {
    self.kind = kind
    self.blockSize = blockSize
    self.mode = mode
  }
  public init(name: OperatorName, attributes: Attributes) throws {
    kind = name.type == Kind.depthToSpace.rawValue ? .depthToSpace : .spaceToDepth
    blockSize = try attributes.int("blocksize")
    mode = kind == .depthToSpace ? try attributes.choice("mode", default: .depthColumnRow) : .depthColumnRow
    guard blockSize > 0, blockSize <= 1 << 20 else {
      throw LigatureError(.attribute, "attribute 'blocksize' is \(blockSize), but must be positive")
    }
  }
  public var attributes: Attributes {
    var result = Attributes()
    result.set("blocksize", blockSize)
    if mode != .depthColumnRow { result.set("mode", mode.rawValue) }
    return result
  }

  public func inferTypes(_ context: InferenceContext) throws -> [TensorType] {
    try context.expectInputs(1...1)
    let input = try context.input(0)
    guard let shape = input.shape else { return [input] }
    guard shape.count == 4 else { throw LigatureError(.rank, "the input must be [N, C, H, W], but is \(input)") }
    let (block, area) = (Dimension.fixed(blockSize), Dimension.fixed(blockSize * blockSize))
    func divide(_ dimension: Dimension, _ divisor: Dimension) throws -> Dimension {
      if let a = dimension.value, let b = divisor.value, a % b != 0 {
        throw LigatureError(.shape, "\(dimension) of \(input) does not divide by \(divisor)")
      }
      return try dimension.dividedRoundingDown(by: divisor)
    }
    switch kind {
    case .depthToSpace:
      return [
        TensorType(input.element, [shape[0], try divide(shape[1], area), try shape[2] * block, try shape[3] * block])
      ]
    case .spaceToDepth:
      return [
        TensorType(
          input.element, [shape[0], try shape[1] * area, try divide(shape[2], block), try divide(shape[3], block)])
      ]
    }
  }
}
