import FoundationEssentials
public import TensorCore

/// `.safetensors` files: named tensors behind a JSON header. Nothing in them is ever executed.
///
/// Source: the format's own description (github.com/huggingface/safetensors).
public struct SafeTensors: Sendable {
  public var tensors: [String: Tensor]
  /// The header's `__metadata__`.
  public var metadata: [String: String]

  public init(_ tensors: [String: Tensor] = [:], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }

  /// Longest header that is read: some hundred thousand tensors.
  private static let longestHeader = 32 << 20
  private static let metadataKey = "__metadata__"

  private static let types: [String: ElementType] = [
    "BOOL": .bool, "U8": .uint8, "I8": .int8, "U16": .uint16, "I16": .int16, "F16": .float16, "BF16": .bfloat16,
    "U32": .uint32, "I32": .int32, "F32": .float32, "U64": .uint64, "I64": .int64, "F64": .float64, "C64": .complex64,
  ]
}

// ── Reading ─────────────────────────────────────────────────────────────────
extension SafeTensors {
  /// Reads a file; its tensors stay in it, mapped.
  ///
  /// - Throws: `.file` when it cannot be read, `.format` when its header or its offsets are wrong (tensors must fill
  ///   the file without gap or overlap), `.unsupported` for element types that Ligature does not know.
  public init(contentsOf path: String) throws {
    let storage = try TensorStorage(mapping: path)
    do {
      try self.init(storage)
    } catch let error as LigatureError {
      throw LigatureError(error.code, "'\(path)': \(error.message)", cause: error.cause)
    }
  }

  public init(bytes: [UInt8]) throws { try self.init(TensorStorage(copying: bytes)) }

  private init(_ storage: TensorStorage) throws {
    let json = try unsafe storage.withUnsafeBytes { try unsafe SafeTensors.headerBytes($0) }
    let header: [String: Entry]
    do {
      header = try JSONDecoder().decode([String: Entry].self, from: json)
    } catch {
      throw LigatureError(.format, "the .safetensors header is damaged; obtain the file again", cause: error)
    }
    let start = 8 + json.count
    tensors = [:]
    metadata = [:]
    var places: [(name: String, begin: Int, end: Int)] = []
    for (name, entry) in header {
      switch entry {
      case .metadata(let values):
        guard name == SafeTensors.metadataKey else {
          throw LigatureError(.format, "the entry '\(name)' of the header describes no tensor; obtain the file again")
        }
        metadata = values
      case .tensor(let place):
        guard let element = SafeTensors.types[place.dtype] else {
          throw LigatureError(.unsupported, "the tensor '\(name)' is of type \(place.dtype); convert it to F32 first")
        }
        guard place.data_offsets.count == 2, place.data_offsets[0] >= 0,
          place.data_offsets[1] >= place.data_offsets[0], place.data_offsets[1] <= storage.byteCount - start
        else {
          throw LigatureError(
            .format, "the tensor '\(name)' lies at \(place.data_offsets), outside the data; obtain the file again")
        }
        let (begin, end) = (place.data_offsets[0], place.data_offsets[1])
        let needed = try Checked.byteCount(element, place.shape)
        guard end - begin == needed else {
          throw LigatureError(
            .format, "the tensor '\(name)' has \(end - begin) bytes, \(element)\(place.shape) takes \(needed)")
        }
        places.append((name, begin, end))
        tensors[name] = try Tensor.view(element, place.shape, storage, byteOffset: start + begin)
      }
    }
    try SafeTensors.checkCoverage(places, byteCount: storage.byteCount - start)
  }

  private static func headerBytes(_ bytes: UnsafeRawBufferPointer) throws -> Data {
    guard bytes.count >= 8 else {
      throw LigatureError(.format, "not a .safetensors file: it is shorter than its header; obtain it again")
    }
    let length = UInt64(littleEndian: unsafe bytes.loadUnaligned(as: UInt64.self))
    guard length <= longestHeader, Int(length) <= bytes.count - 8 else {
      throw LigatureError(
        .format, "not a .safetensors file: a header of \(length) bytes does not fit (at most \(longestHeader) bytes)")
    }
    return unsafe Data(bytes[8..<8 + Int(length)])
  }

  /// Gaps could hide data, overlaps could make one tensor change with another.
  private static func checkCoverage(_ places: [(name: String, begin: Int, end: Int)], byteCount: Int) throws {
    var reached = 0
    for place in places.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
      guard place.begin == reached else {
        let what = place.begin < reached ? "overlaps the tensor before it" : "leaves a gap before it"
        throw LigatureError(.format, "the tensor '\(place.name)' \(what); obtain the file again")
      }
      reached = place.end
    }
    guard reached == byteCount else {
      throw LigatureError(.format, "the last \(byteCount - reached) bytes belong to no tensor; obtain the file again")
    }
  }
}

// ── Writing ─────────────────────────────────────────────────────────────────
extension SafeTensors {
  public func write(to path: String) throws {
    let (header, order) = try layout()
    let file = try AtomicFile(path)
    try unsafe header.withUnsafeBytes { try unsafe file.write($0) }
    for tensor in order { try unsafe tensor.withUnsafeBytes { try unsafe file.write($0) } }
    try file.commit()
  }

  /// The bytes of a file. Equal content gives equal bytes.
  public func encoded() throws -> [UInt8] {
    let (header, order) = try layout()
    var bytes = header
    for tensor in order { unsafe tensor.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
    return bytes
  }

  /// The header with its length, and the tensors in the order of their bytes: wide scalars first, so that all are
  /// aligned.
  private func layout() throws -> (header: [UInt8], order: [Tensor]) {
    var header: [String: Entry] = [:]
    if !metadata.isEmpty { header[SafeTensors.metadataKey] = .metadata(metadata) }
    var offset = 0
    var order: [Tensor] = []
    let sorted = tensors.sorted { (-$0.value.element.byteSize, $0.key) < (-$1.value.element.byteSize, $1.key) }
    for (name, tensor) in sorted {
      guard name != SafeTensors.metadataKey else {
        throw LigatureError(.usage, "a tensor cannot bear the name '\(name)'; rename it")
      }
      guard let type = SafeTensors.types.first(where: { $0.value == tensor.element })?.key else {
        throw LigatureError(.unsupported, ".safetensors has no type for \(tensor.element), the type of '\(name)'")
      }
      let end = try Checked.add(offset, tensor.byteCount)
      header[name] = .tensor(Place(dtype: type, shape: tensor.shape, data_offsets: [offset, end]))
      offset = end
      order.append(tensor)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var json = [UInt8](try encoder.encode(header))
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
    let length = (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) }
    return (length + json, order)
  }
}

// ── The header's entries ────────────────────────────────────────────────────
/// The names are the format's.
private struct Place: Codable {
  var dtype: String
  var shape: [Int]
  var data_offsets: [Int]
}

private enum Entry: Codable {
  case tensor(Place)
  case metadata([String: String])

  init(from decoder: any Decoder) throws {
    if let last = decoder.codingPath.last, last.stringValue == "__metadata__" {
      self = .metadata(try [String: String](from: decoder))
    } else {
      self = .tensor(try Place(from: decoder))
    }
  }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .tensor(let place): try place.encode(to: encoder)
    case .metadata(let values): try values.encode(to: encoder)
    }
  }
}
