/// What flows along an edge of a graph while it runs. Nearly always a tensor; operators on sequences and optionals, and
/// sub-graphs, pass the others around.
public indirect enum Datum: Sendable {
  case tensor(Tensor)
  /// Data of one kind, in order.
  case sequence([Datum])
  /// Something that may be missing.
  case optional(Datum?)
}

/// The kind of a `Datum`, as a file declares it.
public indirect enum DatumKind: Sendable, Hashable, CustomStringConvertible {
  case tensor
  case sequence(DatumKind)
  case optional(DatumKind)

  public var description: String {
    switch self {
    case .tensor: "a tensor"
    case .sequence(let inner): "a sequence (\(inner))"
    case .optional(let inner): "an optional (\(inner))"
    }
  }
}

extension Datum {
  /// For messages: `float32[2, 3]`, `a sequence of 4`.
  public var summary: String {
    switch self {
    case .tensor(let tensor): "\(tensor.element)\(tensor.shape)"
    case .sequence(let elements): "a sequence of \(elements.count)"
    case .optional(nil): "an empty optional"
    case .optional(let content?): "an optional with \(content.summary)"
    }
  }

  /// Throws `.type` for anything but a tensor, or an optional that holds one.
  public func tensor(_ what: @autoclosure () -> String = "the input") throws -> Tensor {
    switch self {
    case .tensor(let tensor): return tensor
    case .optional(let content?): return try content.tensor(what())
    default: throw LigatureError(.type, "\(what()) must be a tensor, but is \(summary)")
    }
  }

  /// Throws `.type` for anything but a sequence, or an optional that holds one.
  public func elements(_ what: @autoclosure () -> String = "the input") throws -> [Datum] {
    switch self {
    case .sequence(let elements): return elements
    case .optional(let content?): return try content.elements(what())
    default: throw LigatureError(.type, "\(what()) must be a sequence, but is \(summary)")
    }
  }

  /// A tensor that kernels compute with: not one of strings.
  package var flatTensor: Tensor? {
    if case .tensor(let tensor) = self, tensor.element != .string { tensor } else { nil }
  }

  /// Bytes that it holds; what several tensors share counts each time. Saturates.
  public var byteCount: Int {
    func sum(_ parts: some Sequence<Int>) -> Int {
      parts.reduce(0) { total, part in
        let (sum, overflow) = total.addingReportingOverflow(part)
        return overflow ? .max : sum
      }
    }
    switch self {
    case .tensor(let tensor):
      return tensor.element == .string ? sum(tensor.strings.lazy.map { $0.utf8.count + 16 }) : tensor.byteCount
    case .sequence(let elements): return sum(elements.lazy.flatMap { [$0.byteCount, 64] })
    case .optional(let content): return content?.byteCount ?? 0
    }
  }

  /// Whether both are sequences, both optionals, or both tensors of one element type.
  package func isAlike(_ other: Datum) -> Bool {
    switch (self, other) {
    case (.tensor(let a), .tensor(let b)): a.element == b.element
    case (.sequence, .sequence), (.optional, .optional): true
    default: false
    }
  }
}
