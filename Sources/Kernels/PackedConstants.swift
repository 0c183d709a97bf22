import Synchronization
package import TensorCore

/// Constants in the form that a kernel wants them in, made once per session however many plans use them.
///
/// They live as long as the session, side by side in a few large blocks: each page is touched for the first time when
/// weights are packed into it, and huge pages make that cheap.
public final class PackedConstants: Sendable {
  private struct Key: Hashable {
    let storage: ObjectIdentifier
    let byteOffset: Int
    let form: String

    init(_ source: Tensor, _ form: String) {
      storage = ObjectIdentifier(source.storage)
      byteOffset = source.byteOffset
      self.form = form
    }
  }
  private struct Entry: Sendable {
    let source: Tensor  // keeps the storage alive, hence its identifier unique
    let packed: Tensor
  }
  private struct State {
    var entries: [Key: Entry] = [:]
    var block: TensorStorage?
    var used = 0
    var reserved = 0
    var made = 0
  }
  private let state = Mutex(State())
  /// Who keeps what outlives this.
  private let lasting: (constants: PackedConstants, has: @Sendable (Tensor) -> Bool)?

  public init() { lasting = nil }

  /// For one plan: constants of the graph are kept where all plans find them, others (those that follow from the sizes
  /// of inputs) go with the plan.
  package init(lasting: PackedConstants, for isLasting: @escaping @Sendable (Tensor) -> Bool) {
    self.lasting = (lasting, isLasting)
  }

  /// What a constant was packed to, as a cache keeps it.
  package struct Packed: Sendable {
    package let source: Tensor
    package let form: String
    package let packed: Tensor

    package init(source: Tensor, form: String, packed: Tensor) {
      self.source = source
      self.form = form
      self.packed = packed
    }
  }

  /// Everything that was packed so far.
  package var contents: [Packed] {
    state.withLock { state in
      state.entries.map { Packed(source: $1.source, form: $0.form, packed: $1.packed) }
    }
  }

  /// How often something was packed here: what was restored does not count.
  package var madeCount: Int { state.withLock { $0.made } }

  /// Takes over what was packed before, by this or another process.
  package func restore(_ contents: [Packed]) {
    state.withLock { state in
      for item in contents {
        state.entries[Key(item.source, item.form)] = Entry(source: item.source, packed: item.packed)
      }
    }
  }

  /// - Parameters:
  ///   - form: names the packing with everything that it depends on.
  ///   - fill: writes the packed form to bytes that are zero.
  /// - Returns: a tensor of that type, aligned to 64 bytes.
  func tensor(
    _ source: Tensor, form: String, _ element: ElementType, _ shape: [Int],
    filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> Tensor {
    if let lasting, lasting.has(source) {
      return try unsafe lasting.constants.tensor(source, form: form, element, shape, filledBy: fill)
    }
    let key = Key(source, form)
    // What was restored comes from a file: kernels rely on the size.
    if let known = state.withLock({ $0.entries[key]?.packed }), known.element == element, known.shape == shape {
      return known
    }
    let byteCount = try Checked.byteCount(element, shape)
    let (block, offset) = try reserve(byteCount)
    try unsafe block.withUnsafeMutableBytes { bytes in
      try unsafe fill(UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + byteCount]))
    }
    let packed = try Tensor(element, shape, storage: block, byteOffset: offset)
    state.withLock {
      $0.entries[key] = Entry(source: source, packed: packed)
      $0.made += 1
    }
    // From now on only the packed form is read, as a rule: a file's pages need not be in memory beside it.
    source.releaseFilePages()
    return packed
  }

  /// Room that nobody else gets. Blocks grow with what is there, so that small models do not pay for large ones.
  private func reserve(_ byteCount: Int) throws -> (TensorStorage, offset: Int) {
    let size = try alignedBytes(byteCount)
    return try state.withLock { state in
      if let block = state.block, size <= block.byteCount - state.used {
        state.used += size
        return (block, state.used - size)
      }
      let block = try TensorStorage(byteCount: max(size, min(max(state.reserved, 256 << 10), 16 << 20)))
      state.reserved += block.byteCount
      (state.block, state.used) = (block, size)
      return (block, 0)
    }
  }

  public var byteCount: Int { state.withLock { $0.entries.values.reduce(0) { $0 + $1.packed.byteCount } } }
}
