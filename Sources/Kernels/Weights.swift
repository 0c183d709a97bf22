import TensorCore

/// Floats that a C kernel wants in a form of its own: packed once if they are constant, at each run otherwise.
@safe struct PackedWeights: Sendable {
  typealias Pack =
    @Sendable (
      _ pool: OpaquePointer?, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>
    ) -> Void

  private let source: Operand
  private let packed: Tensor?
  private let pack: Pack
  /// Bytes at the start of the workspace that hold weights packed while running.
  let workspace: Int

  /// - Parameters:
  ///   - form: names the packing with everything that it depends on.
  ///   - count: floats of the packed form.
  init(_ source: Operand, _ context: KernelContext, form: String, count: Int, pack: @escaping Pack) throws {
    self.source = source
    unsafe self.pack = pack
    if let constant = source.constant {
      packed = try unsafe context.packed.tensor(constant, form: form, .float32, [count]) { bytes in
        guard let to = bytes.baseAddress, count > 0 else { return }
        unsafe constant.withUnsafeBytes { bytes in
          guard let from = unsafe bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
          unsafe pack(context.pool?.handle, from, to.assumingMemoryBound(to: Float.self))
        }
      }
      workspace = 0
    } else {
      packed = nil
      workspace = try alignedBytes(Checked.byteCount(.float32, [count]))
    }
  }

  /// The packed floats. Called once a run.
  @unsafe func address(_ memory: StepMemory) -> UnsafePointer<Float> {
    if let packed { return unsafe packed.address.assumingMemoryBound(to: Float.self) }
    let to = unsafe memory.workspace.assumingMemoryBound(to: Float.self)
    unsafe pack(memory.pool, memory.read(source), to)
    return unsafe UnsafePointer(to)
  }
}

extension KernelContext {
  /// What a C kernel makes of a constant, once per session; `nil` for an operand that is no constant.
  ///
  /// - Parameters:
  ///   - form: names the packing with everything that it depends on.
  ///   - size: bytes of the packed form.
  func packedBytes(
    _ source: Operand, form: String, size: Int, _ pack: (UnsafeRawPointer, UnsafeMutableRawPointer) -> Void
  ) throws -> Tensor? {
    guard let constant = source.constant else { return nil }
    return try unsafe packed.tensor(constant, form: form, .uint8, [size]) { bytes in
      guard let target = bytes.baseAddress, size > 0 else { return }
      unsafe constant.withUnsafeBytes { bytes in
        if let from = bytes.baseAddress { unsafe pack(from, target) }
      }
    }
  }
}

/// Rounded up so that what follows is aligned as tensors are.
func alignedBytes(_ bytes: Int) throws -> Int { try Checked.add(bytes, 63, "a workspace") & ~63 }

extension StepMemory {
  /// The elements of an input that may be left out.
  @unsafe func read(_ operand: Operand?) -> UnsafePointer<Float>? { unsafe operand.map { unsafe read($0) } }
  /// The elements of an output that may not be wanted.
  @unsafe func write(_ operand: Operand?) -> UnsafeMutablePointer<Float>? { unsafe operand.map { unsafe write($0) } }
}
