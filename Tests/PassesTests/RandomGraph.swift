import GraphIR
import Operators
import TensorCore

/// A graph of operators drawn at random, the way exporters write them: with detours. Sizes of its input are open; two
/// settings of them are known to fit.
final class RandomGraph {
  private(set) var graph = Graph(name: "random")
  /// The same nodes for settled sizes, which tell what fits.
  private var concrete: [Graph]
  private let sizes: [[Int]]
  private(set) var random: SplitMix64
  /// Values of float32 to go on with.
  private var pool: [ValueID] = []
  private var names = 0
  private static let most = 4096

  init(seed: UInt64, steps: Int = 14) throws {
    random = SplitMix64(seed)
    let channels = [2, 4, 6].randomElement(using: &random) ?? 4
    sizes = [
      [Int.random(in: 1...2, using: &random), channels, 2 * Int.random(in: 2...4, using: &random), 6],
      [3, channels, 4, 2 * Int.random(in: 1...3, using: &random)],
    ]
    concrete = sizes.map { _ in Graph(name: "concrete") }
    let x = try graph.addInput("x", TensorType(.float32, ["N", .fixed(channels), "H", "W"]))
    for index in concrete.indices {
      _ = try concrete[index].addInput("x", TensorType(.float32, sizes: sizes[index]))
    }
    pool = [x]
    var attempts = 0
    while names < 10 * steps, pool.count <= steps, attempts < 20 * steps {
      attempts += 1
      try step()
    }
    var outputs = [pool[pool.count - 1]]
    for value in pool.dropFirst() where Int.random(in: 0..<6, using: &random) == 0 && !outputs.contains(value) {
      outputs.append(value)
    }
    for output in outputs { try graph.addOutput(output) }
  }

  /// Tensors for the input, of both sizes.
  func inputs() throws -> [[Tensor]] {
    try sizes.map { shape in
      var random = SplitMix64(7)
      let count = try Checked.elementCount(shape)
      return [try Tensor((0..<count).map { _ in Float.random(in: -1...1, using: &random) }, shape)]
    }
  }
}

// ── Appending ───────────────────────────────────────────────────────────────
extension RandomGraph {
  private func name(_ base: String) -> String {
    names += 1
    return "\(base)\(names)"
  }

  func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }
  func pick<T>(_ items: [T]) -> T { items[Int.random(in: 0..<items.count, using: &random)] }
  private func number(_ range: ClosedRange<Float>) -> Float { Float.random(in: range, using: &random) }

  private func constant(_ tensor: Tensor) throws -> ValueID {
    let name = name("c")
    for index in concrete.indices { _ = try concrete[index].addConstant(name, tensor) }
    return try graph.addConstant(name, tensor)
  }
  func constant(_ shape: [Int], _ range: ClosedRange<Float> = -1...1) throws -> ValueID {
    try constant(Tensor((0..<Checked.elementCount(shape)).map { _ in number(range) }, shape))
  }
  func integers(_ values: [Int]) throws -> ValueID {
    try constant(Tensor(values.map(Int64.init), [values.count]))
  }
  func scalar(_ value: Float) throws -> ValueID { try constant(Tensor(scalar: value)) }

  private func append(_ op: any Operator, _ inputs: [ValueID?], outputs count: Int = 1) throws -> [ValueID] {
    let name = name(op.name.type)
    let names = (0..<count).map { count == 1 ? name : "\(name).\($0)" }
    for index in concrete.indices { _ = try concrete[index].append(op, inputs, name: name, outputs: names) }
    return try graph.append(op, inputs, name: name, outputs: names).compactMap { $0 }
  }
  func node(_ op: any Operator, _ inputs: [ValueID?]) throws -> ValueID {
    try append(op, inputs)[0]
  }
  func node(
    _ type: String, _ inputs: [ValueID?], _ attributes: [String: Attribute] = [:]
  ) throws -> ValueID {
    guard let op = try OperatorSet.standard.decode(OperatorName(type), Attributes(attributes)) else {
      throw LigatureError(.unsupported, "there is no operator \(type)")
    }
    return try node(op, inputs)
  }

  func shapes(_ value: ValueID) -> [[Int]] { concrete.compactMap { $0[value].type.sizes } }
  func rank(_ value: ValueID) -> Int { shapes(value).first?.count ?? 0 }
  /// Sizes that do not depend on the input; nil where they do.
  func fixed(_ value: ValueID) -> [Int?] {
    let shapes = shapes(value)
    return (0..<rank(value)).map { axis in
      graph[value].type.shape?[axis].value == nil || Set(shapes.map { $0[axis] }).count > 1 ? nil : shapes[0][axis]
    }
  }
  private func isUsable(_ value: ValueID) -> Bool {
    shapes(value).count == sizes.count
      && shapes(value).allSatisfy { !$0.contains(0) && $0.reduce(1, *) <= RandomGraph.most && $0.count <= 5 }
  }

  private func add(_ value: ValueID) { if isUsable(value) { pool.append(value) } }

  /// Late values often, so that chains grow.
  func operand(_ isFit: (ValueID) -> Bool = { _ in true }) -> ValueID? {
    let fit = pool.filter(isFit)
    guard !fit.isEmpty else { return nil }
    return chance(3) ? pick(fit) : fit[fit.count - 1]
  }
}

// ── What is drawn ───────────────────────────────────────────────────────────
extension RandomGraph {
  private func step() throws {
    guard let x = operand() else { return }
    switch Int.random(in: 0..<24, using: &random) {
    case 0, 1: add(try unary(x))
    case 2: add(try spelledActivation(x))
    case 3, 4: try convolution()
    case 5: try sum(x)
    case 6, 7: try withConstant(x)
    case 8, 9: try product(x)
    case 10, 11: try transpose(x)
    case 12, 13: try reshape(x)
    case 14: try joined(x)
    case 15: try piece(x)
    case 16: try reduction(x)
    case 17: try resize()
    case 18: try idle(x)
    case 19, 20, 21: if let y = try module(x) { add(y) }
    case 22: try choice(x)
    default: try again()
    }
  }

  private func unary(_ x: ValueID) throws -> ValueID {
    switch Int.random(in: 0..<8, using: &random) {
    case 0: try node("Relu", [x])
    case 1: try node("Sigmoid", [x])
    case 2: try node("Tanh", [x])
    case 3: try node("HardSwish", [x])
    case 4: try node("LeakyRelu", [x], ["alpha": .float(0.1)])
    case 5: try node("Clip", [x, try scalar(-0.5), try scalar(0.75)])
    case 6: try node("Neg", [x])
    default: try node("Abs", [x])
    }
  }

  private func spelledActivation(_ x: ValueID) throws -> ValueID {
    if chance(2) { return try node("Mul", chance(2) ? [x, node("Sigmoid", [x])] : [node("Sigmoid", [x]), x]) }
    let gate = try node("Clip", [try node("Add", [x, try scalar(3)]), try scalar(0), try scalar(6)])
    if chance(3) { return try node("Div", [gate, try scalar(6)]) }
    return try node("Div", [try node("Mul", [x, gate]), try scalar(6)])
  }

  private func convolution() throws {
    guard let x = operand({ rank($0) == 4 && fixed($0)[1] != nil }), let channels = fixed(x)[1] else { return }
    let (filters, side) = (pick([2, 4]), pick([1, 3]))
    let reach = 1 / Float(channels * side * side).squareRoot()
    var inputs: [ValueID?] = [x]
    var y: ValueID
    let pads: Attribute = .ints(Array(repeating: Int64(side / 2), count: 4))
    if chance(5) {
      inputs.append(try constant([channels, filters, 2, 2], -reach...reach))
      y = try node("ConvTranspose", inputs, ["strides": .ints([2, 2])])
    } else {
      let groups = channels % 2 == 0 && chance(4) ? 2 : 1
      inputs.append(try constant([filters, channels / groups, side, side], -reach...reach))
      if chance(2) { inputs.append(try constant([filters])) }
      y = try node("Conv", inputs, ["pads": pads, "group": .int(Int64(groups))])
    }
    guard isUsable(y) else { return }
    if chance(2) {
      let parameters = [
        try constant([filters], 0.5...1.5), try constant([filters]), try constant([filters]),
        try constant([filters], 0.5...1.5),
      ]
      y = try node("BatchNormalization", [y] + parameters)
    }
    if chance(3), let other = operand({ shapes($0) == shapes(y) }) { y = try node("Add", [y, other]) }
    if chance(2) { y = try unary(y) }
    add(y)
  }

  private func sum(_ x: ValueID) throws {
    guard let y = operand({ shapes($0) == shapes(x) }) else { return }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: add(try node("Mul", [x, try node("Tanh", [y])]))
    case 1: add(try node("Max", [x, y]))
    case 2:
      // Continuous, so that rounding cannot make it jump.
      let half = try node("Mul", [x, try scalar(0.5)])
      add(try node("Where", [try node("Greater", [x, try scalar(0)]), x, half]))
    default: add(try node("Add", [x, y]))
    }
  }

  private func withConstant(_ x: ValueID) throws {
    let shape = fixed(x)
    let value: ValueID
    switch Int.random(in: 0..<5, using: &random) {
    case 0: value = try scalar(pick([0, 1]))
    case 1: value = try constant(shape.map { $0 ?? 1 }.map { chance(2) ? $0 : 1 })
    case 2 where rank(x) >= 2 && shape[1] != nil:
      value = try constant([shape[1] ?? 1] + Array(repeating: 1, count: rank(x) - 2))
    case 3 where rank(x) >= 1 && shape[rank(x) - 1] != nil: value = try constant([shape[rank(x) - 1] ?? 1])
    default: value = try constant(Array(repeating: 1, count: Int.random(in: 0...max(rank(x), 1), using: &random)))
    }
    let type = pick(["Add", "Add", "Mul", "Sub"])
    add(try node(type, type != "Sub" && chance(3) ? [value, x] : [x, value]))
  }

  private func product(_ x: ValueID) throws {
    guard rank(x) >= 2 else { return }
    if let k = fixed(x)[rank(x) - 1] {
      let n = pick([2, 3, 4])
      let weights = try constant([k, n], -1 / Float(k).squareRoot()...1 / Float(k).squareRoot())
      var y: ValueID
      if rank(x) == 2, chance(2) {
        let turned = try chance(2) ? weights : constant([n, k])
        y = try node(
          "Gemm", [x, turned] + (chance(2) ? [constant([n])] : []),
          ["transB": .int(turned == weights ? 0 : 1), "alpha": .float(0.5)])
      } else {
        y = try node("MatMul", [x, weights])
      }
      if chance(2) { y = try node("Add", [y, try constant([n])]) }
      if chance(3) { y = try node("Mul", [y, try scalar(0.25)]) }
      if chance(4) { y = try node("Mul", [y, try constant([n])]) }
      return add(y)
    }
    // x times its own transposition.
    var order = Array(0..<rank(x))
    order.swapAt(order.count - 1, order.count - 2)
    let turned = try node(Transpose(perm: order), [x])
    add(try node("Tanh", [try node("MatMul", [x, turned])]))
  }

  private func transpose(_ x: ValueID) throws {
    let order = Array(0..<rank(x)).shuffled(using: &random)
    var y = try node(Transpose(perm: order), [x])
    add(y)
    guard chance(2), rank(x) > 0 else { return }
    // Something on the way back.
    for _ in 0..<Int.random(in: 0...2, using: &random) {
      y =
        chance(3)
        ? try node(Softmax(axis: Int.random(in: 0..<rank(y), using: &random)), [y])
        : chance(2) ? try unary(y) : try node("Mul", [y, try constant(fixed(y).map { $0 ?? 1 })])
    }
    let back = order.indices.map { place in order.firstIndex(of: place) ?? 0 }
    add(try node(Transpose(perm: chance(3) ? order.shuffled(using: &random) : back), [y]))
  }

  /// A target out of the sizes of the input, as PyTorch writes `x.view(n, c, -1)`.
  private func computedTarget(_ x: ValueID, _ axes: [Int]) throws -> ValueID {
    let shape = try node(Shape(), [x])
    var parts: [ValueID] = []
    for axis in axes {
      if chance(3) {
        parts.append(try node("Slice", [shape, try integers([axis]), try integers([axis + 1]), try integers([0])]))
      } else {
        let one = try node("Gather", [shape, try constant(Tensor(scalar: Int64(axis)))])
        parts.append(try node("Unsqueeze", [one, try integers([0])]))
      }
    }
    if axes.count < rank(x) { parts.append(try integers([-1])) }
    return try node("Concat", parts, ["axis": .int(0)])
  }

  private func reshape(_ x: ValueID) throws {
    guard rank(x) > 0 else { return }
    switch Int.random(in: 0..<7, using: &random) {
    case 0: add(try node(Reshape(), [x, try integers(Array(repeating: 0, count: rank(x)))]))
    case 1: add(try node(Reshape(), [x, try computedTarget(x, Array(0..<rank(x)))]))
    case 2, 3:
      let kept = Int.random(in: 1...rank(x), using: &random)
      add(try node(Reshape(), [x, try computedTarget(x, Array(0..<kept))]))
    case 4:
      let axis = Int.random(in: 0...rank(x), using: &random)
      let wide = try node("Unsqueeze", [x, try integers([axis])])
      add(wide)
      let place = chance(3) ? axis : Int.random(in: 0...rank(x), using: &random)
      if shapes(wide).allSatisfy({ $0[place] == 1 }), graph[wide].type.shape?[place] == 1 {
        add(try node("Squeeze", [wide, try integers([place])]))
      }
    case 5: add(try node("Flatten", [x], ["axis": .int(Int64(Int.random(in: 0...rank(x), using: &random)))]))
    default: add(try node("Expand", [x, try node(Shape(), [x])]))
    }
  }

  private func joined(_ x: ValueID) throws {
    guard rank(x) > 0 else { return }
    var parts = [x]
    while parts.count < 3, !chance(2), let other = operand({ shapes($0) == shapes(x) }) { parts.append(other) }
    let axis = Int.random(in: -rank(x)..<rank(x), using: &random)
    if chance(3) {
      let order = Array(0..<rank(x)).shuffled(using: &random)
      parts = try parts.map { try node(Transpose(perm: order), [$0]) }
    }
    add(try node(Concat(axis: axis), parts))
  }

  private func piece(_ x: ValueID) throws {
    guard rank(x) > 0 else { return }
    let axis = Int.random(in: 0..<rank(x), using: &random)
    switch Int.random(in: 0..<5, using: &random) {
    case 0:
      add(try node("Slice", [x, try integers([0]), try integers([.max]), try integers([axis]), try integers([1])]))
    case 1:
      add(try node("Slice", [x, try integers([-1]), try integers([.min]), try integers([axis]), try integers([-1])]))
    case 2:
      let size = try node("Gather", [try node(Shape(), [x]), try integers([axis])])
      add(try node("Slice", [x, try integers([0]), size, try integers([axis])]))
    case 3 where shapes(x).allSatisfy({ $0[axis] % 2 == 0 }):
      for half in try append(Split(axis: axis, pieces: 2), [x], outputs: 2) { add(half) }
    default:
      var pads = [Int](repeating: 0, count: 2 * rank(x))
      if chance(2) { pads[axis] = 1 }
      add(try node("Pad", [x, try integers(pads)]))
    }
  }

  private func reduction(_ x: ValueID) throws {
    guard rank(x) > 1 else { return }
    if chance(3) { return add(try node(Softmax(axis: Int.random(in: 0..<rank(x), using: &random)), [x])) }
    let type = pick(["ReduceMean", "ReduceMax", "ReduceSum"])
    let axis = Int.random(in: -rank(x)..<rank(x), using: &random)
    let y = try node(type, [x, try integers([axis])], ["keepdims": .int(chance(2) ? 1 : 0)])
    add(type == "ReduceSum" ? try node("Tanh", [y]) : y)
  }

  private func resize() throws {
    guard let x = operand({ rank($0) == 4 }) else { return }
    let mode: [String: Attribute] = [
      "mode": .string(pick(["nearest", "linear"])), "coordinate_transformation_mode": .string("asymmetric"),
      "nearest_mode": .string("floor"),
    ]
    let scale = pick([1, 2, 2]) as Float
    var y: ValueID
    if chance(2) {
      y = try node("Resize", [x, nil, try constant(Tensor([1, 1, scale, scale], [4]))], mode)
    } else {
      let twice = try node("Mul", [try node(Shape(), [x]), try integers([1, 1, Int(scale), Int(scale)])])
      y = try node("Resize", [x, nil, nil, twice], mode)
    }
    guard isUsable(y) else { return }
    if chance(2), let other = operand({ shapes($0) == shapes(y) }) { y = try node("Add", [other, y]) }
    add(y)
  }

  private func idle(_ x: ValueID) throws {
    switch Int.random(in: 0..<5, using: &random) {
    case 0: add(try node("Identity", [x]))
    case 1: add(try node("Dropout", [x]))
    case 2: add(try node("Cast", [x], ["to": .int(1)]))
    case 3: add(try node("Add", [x, try node("Mul", [try scalar(0.5), try scalar(0)])]))
    default:
      let wide = try node("Cast", [try node(Shape(), [x])], ["to": .int(1)])
      // As large as the input's shape says: a number that only running tells, and no shape.
      add(try node("Mul", [x, try node("Reciprocal", [try node("ReduceMax", [wide], ["keepdims": .int(0)])])]))
    }
  }

  /// One of two branches, by a condition that is a constant or follows from the size of the input.
  private func choice(_ x: ValueID) throws {
    let size =
      try chance(2)
      ? constant(Tensor(scalar: Int64(2))) : node("ReduceMax", [node("Shape", [x])], ["keepdims": .int(0)])
    let condition = try node("Greater", [size, try constant(Tensor(scalar: Int64(pick([1, 4]))))])
    let name = name("If")
    func decide(_ graph: inout Graph) throws -> ValueID {
      let type = graph[x].type
      func branch(_ type: TensorType, _ op: any Operator) throws -> Graph {
        var branch = Graph(name: "branch")
        let captured = try branch.addInput("captured", type)
        try branch.addOutput(branch.append(op, [captured], name: "\(name).\(op.name.type)"))
        return branch
      }
      let op = try If(whenTrue: branch(type, Unary(.abs)), whenFalse: branch(type, Unary(.neg)))
      return try graph.append(op, [condition], captures: [x], name: name, outputs: [name]).compactMap { $0 }[0]
    }
    for index in concrete.indices { _ = try decide(&concrete[index]) }
    add(try decide(&graph))
  }

  /// A node that is there already.
  private func again() throws {
    let ids = graph.order.filter { graph[$0].outputs.count == 1 && graph[$0].captures.isEmpty }
    guard !ids.isEmpty else { return }
    let node = graph[pick(ids)]
    let twin = try self.node(node.op, node.inputs)
    guard graph[twin].type.element == .float32, isUsable(twin) else { return }
    if let first = node.outputs[0], pool.contains(first), chance(2) {
      add(try self.node("Add", [first, twin]))
    } else {
      add(twin)
    }
  }
}
