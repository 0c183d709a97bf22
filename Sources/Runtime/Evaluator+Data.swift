import GraphIR
import Kernels
import Operators
import TensorCore

extension Evaluator {
  /// Runs one operator on data of any kind.
  func evaluate(_ op: any Operator, data inputs: [Datum?], outputCount: Int) throws -> [Datum] {
    if kernels.takesData(op) {
      return try budget.limiting { try kernels.evaluate(op, data: inputs, DataContext(byteLimit: byteLimit)) }
    }
    if op is Identity, let first = inputs.first, let first { return [first] }
    let tensors = try inputs.enumerated().map { index, datum in try datum?.tensor("input \(index)") }
    let takesText = tensors.contains { $0?.element == .string }
    if let cast = op as? Cast, takesText || cast.target == .string {
      return [.tensor(try convert(cast, tensors))]
    }
    guard takesText else {
      return try evaluate(op, tensors, outputCount: outputCount).map { .tensor($0) }
    }
    return try evaluateOnTexts(op, tensors, outputCount: outputCount).map { .tensor($0) }
  }

  /// What only moves or compares elements works on the places of the texts in their sorted order instead.
  private func evaluateOnTexts(_ op: any Operator, _ inputs: [Tensor?], outputCount: Int) throws -> [Tensor] {
    let gives: TextResults
    switch op {
    case is Reshape, is Squeeze, is Unsqueeze, is Flatten, is Expand, is Transpose, is Concat, is Tile, is Gather,
      is GatherElements, is GatherND, is Slice, is Where, is Compress, is Unique:
      gives = .first
    case is Split: gives = .all
    case let op as Binary where op.function == .equal: gives = .none
    case is Shape, is Size: gives = .none
    default:
      throw LigatureError(
        .unsupported, "\(op.name) does not compute with texts; convert them to numbers before, or leave it out")
    }
    // By their bytes: texts that only look alike are different.
    var texts = Set(inputs.compactMap { $0 }.flatMap { $0.strings.map { Array($0.utf8) } })
      .sorted { $0.lexicographicallyPrecedes($1) }
    if texts.isEmpty { texts = [[]] }
    let places = Dictionary(uniqueKeysWithValues: texts.enumerated().map { ($1, Int64($0)) })
    let numbers = try inputs.map { tensor in
      guard let tensor, tensor.element == .string else { return tensor }
      return try Tensor(tensor.strings.map { places[Array($0.utf8)] ?? 0 }, tensor.shape)
    }
    let results = try evaluate(op, numbers, outputCount: outputCount)
    return try results.enumerated().map { index, tensor in
      guard gives == .all || (gives == .first && index == 0) else { return tensor }
      return try Tensor(strings: tensor.integers().map { String(decoding: texts[$0], as: UTF8.self) }, tensor.shape)
    }
  }
  private enum TextResults { case first, all, none }

  // ── Numbers and texts ──
  private func convert(_ op: Cast, _ inputs: [Tensor?]) throws -> Tensor {
    guard let x = inputs.first, let x else { throw LigatureError(.arity, "input 0 is missing") }
    let target = op.isLike ? inputs.last.flatMap { $0?.element } ?? .undefined : op.target
    if x.element == target { return x }
    if target == .string { return try Tensor(strings: spelled(x), x.shape) }
    guard x.element == .string else { throw LigatureError(.type, "\(x.element) cannot be converted to \(target)") }
    func number(_ text: String) throws -> Double {
      let plain = text.trimmingSpaces.lowercased()
      if let number = Double(plain.hasPrefix("+") ? String(plain.dropFirst()) : plain) { return number }
      throw LigatureError(.numeric, "the text '\(text.prefix(40))' is no number")
    }
    if target.isInteger {
      let whole = try x.strings.map { text in
        guard let number = Int64(text.trimmingSpaces) else {
          throw LigatureError(.numeric, "the text '\(text.prefix(40))' is no whole number")
        }
        return number
      }
      return try evaluate(Cast(to: target), [try Tensor(whole, x.shape)], outputCount: 1)[0]
    }
    return try evaluate(Cast(to: target), [try Tensor(try x.strings.map(number), x.shape)], outputCount: 1)[0]
  }

  private func spelled(_ x: Tensor) throws -> [String] {
    func name<Number: BinaryFloatingPoint & LosslessStringConvertible>(_ number: Number) -> String {
      if number.isNaN { return "NaN" }
      if number.isInfinite { return number < 0 ? "-INF" : "INF" }
      return number.description
    }
    switch x.element {
    case .float64: return try x.scalars(as: Double.self).map(name)
    case .bool: return try x.integers().map { $0 == 0 ? "0" : "1" }
    case .uint64: return try x.scalars(as: UInt64.self).map(\.description)
    case let element where element.isFloatingPoint: return try x.floats().map(name)
    default: return try x.integers().map(\.description)
    }
  }
}

extension String {
  fileprivate var trimmingSpaces: String {
    String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
