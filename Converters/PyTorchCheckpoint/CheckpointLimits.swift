/// What a checkpoint may cost at most to read. Every limit is checked before memory is taken.
public struct CheckpointLimits: Sendable {
  /// Bytes of one pickle (the object tree without the weights); real ones take some megabytes.
  public var pickleByteCount = 64 << 20
  /// Objects and container entries that a pickle may make.
  public var objectCount = 2_000_000
  /// Bytes of texts and byte strings that a pickle may make.
  public var textByteCount = 64 << 20
  /// How deep values may be nested in each other.
  public var nesting = 256
  /// Dimensions of one tensor.
  public var rank = 64
  /// Bytes of weights that may be copied (views that are not contiguous, storages that are unaligned, deflated or
  /// big-endian), as a multiple of the file's size, in addition to `copiedByteCount`.
  public var copiesOfFile = 4
  public var copiedByteCount = 64 << 20

  public init() {}
}
