public import TensorCore

/// What a checkpoint may cost at most to read: `Limits` in the terms of its format. Every limit is checked before
/// memory is taken.
public struct CheckpointLimits: Sendable {
  /// Bytes of one pickle (the object tree without the weights); real ones take some megabytes.
  public var pickleByteCount: Int
  /// Objects and container entries that a pickle may make.
  public var objectCount: Int
  /// Bytes of texts and byte strings that a pickle may make.
  public var textByteCount: Int
  /// How deep values may be nested in each other.
  public var nesting: Int
  /// Dimensions of one tensor.
  public var rank = 64
  /// Bytes of weights that may be copied (views that are not contiguous, storages that are unaligned, deflated or
  /// big-endian), as a multiple of the file's size, in addition to `copiedByteCount`.
  public var copiesOfFile = 4
  public var copiedByteCount: Int

  public init(_ limits: Limits = Limits()) {
    pickleByteCount = limits.bytes / 4
    textByteCount = limits.bytes / 4
    copiedByteCount = limits.bytes / 4
    objectCount = limits.nodes
    nesting = Int(clamping: 4 * limits.nesting)
  }
}
