import Foundation
import PyTorchCheckpoint
import TensorCore
import TensorFiles
import Testing

/// What is written is read again, is the same bytes each time, and is what PyTorch loads
/// (`Tests/Parity/checkpoint_parity.py`).
@Suite struct WriterTests {
  /// One tensor of every type that PyTorch has, a shared storage, an empty one, a scalar, and an mmcv-like frame.
  static func sample() throws -> PythonValue {
    var state = StateDictionary()
    let elements: [ElementType] = [
      .float32, .float64, .float16, .bfloat16, .int64, .int32, .int16, .int8, .uint8, .bool, .complex64, .complex128,
    ]
    for element in elements { state["dtype.\(element)"] = try pattern(element, [3, 5]) }
    let shared = try TensorStorage(byteCount: 4 * 48)
    unsafe shared.withUnsafeMutableBytes { bytes in
      for index in 0..<48 { unsafe bytes.storeBytes(of: Float(index) / 4, toByteOffset: 4 * index, as: Float.self) }
    }
    state["tied.whole"] = try Tensor(.float32, [8, 6], storage: shared)
    state["tied.same"] = try Tensor(.float32, [6, 8], storage: shared)
    state["tied.rows"] = try Tensor(.float32, [2, 6], storage: shared, byteOffset: 4 * 12)
    state["scalar"] = Tensor(scalar: Int64(-7))
    state["empty"] = try Tensor(zeros: .float32, [0, 3])
    let meta = PythonDictionary([
      "epoch": .integer(3), "iter": .integer(70_000), "seed": .integer(-5), "large": .integer(1 << 40),
      "huge": .bigInteger([0, 0, 0, 0, 0, 0, 0, 0, 1]), "config": .string("model = dict(type='DBNet')\n"),
      "CLASSES": .tuple([.string("text")]), "accented": .string("é 文"), "rate": .float(0.007), "none": .none,
      "flags": .list([.boolean(true), .boolean(false)]), "raw": .bytes([0, 127, 128, 255]),
      "many": .list((0..<2500).map { .integer($0) }), "five": .tuple((0..<5).map { .integer($0) }),
    ])
    let momentum = PythonDictionary(["momentum_buffer": .tensor(CheckpointTensor(try pattern(.float32, [4])))])
    let group = PythonDictionary(["lr": .float(0.007), "params": .list([.integer(0), .integer(1)])])
    let optimizer = PythonDictionary([
      "state": .dictionary(PythonDictionary([(.integer(0), .dictionary(momentum))])),
      "param_groups": .list([.dictionary(group)]),
    ])
    return Checkpoint.value(stateDictionary: state, meta: meta, optimizer: .dictionary(optimizer))
  }

  /// Numbers that tell each place and type apart: i·3 − 4 (i odd for bool); complex numbers i·3 − 4 + i·1j.
  static func pattern(_ element: ElementType, _ shape: [Int]) throws -> Tensor {
    let numbers = (0..<shape.reduce(1, *)).map { $0 * 3 - 4 }
    switch element {
    case .float32: return try Tensor(numbers.map { Float($0) }, shape)
    case .float64: return try Tensor(numbers.map { Double($0) }, shape)
    case .int64: return try Tensor(numbers.map { Int64($0) }, shape)
    case .int32: return try Tensor(numbers.map { Int32($0) }, shape)
    case .int16: return try Tensor(numbers.map { Int16($0) }, shape)
    case .int8: return try Tensor(numbers.map { Int8($0) }, shape)
    case .uint8: return try Tensor(numbers.map { UInt8(truncatingIfNeeded: $0) }, shape)
    case .bool: return try Tensor(numbers.indices.map { $0 % 2 == 1 }, shape)
    case .float16: return try bits(numbers.map { halfFromFloat(Float($0)) }, element, shape)
    case .bfloat16: return try bits(numbers.map { bfloatFromFloat(Float($0)) }, element, shape)
    case .complex64: return try bits(numbers.enumerated().flatMap { [Float($1), Float($0)] }, element, shape)
    default: return try bits(numbers.enumerated().flatMap { [Double($1), Double($0)] }, element, shape)
    }
  }

  private static func bits<Bits: TensorScalar>(
    _ values: [Bits], _ element: ElementType, _ shape: [Int]
  ) throws -> Tensor {
    try Tensor(element, shape, storage: try Tensor(values, [values.count]).storage)
  }

  /// The fixture is what the parity script gives to PyTorch, so these bytes are known to load.
  @Test func bytesAreThoseThatPyTorchLoads() throws {
    let bytes = try Checkpoint.encoded(try Self.sample())
    let path = CheckpointFixtures.path("written.pth")
    if ProcessInfo.processInfo.environment["LIGATURE_RECORD"] != nil {
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
    #expect(bytes == (try CheckpointFixtures.bytes("written.pth")))
    #expect(bytes == (try Checkpoint.encoded(try Self.sample())))
  }

  @Test func everythingComesBack() throws {
    let value = try Self.sample()
    let checkpoint = try Checkpoint(bytes: try Checkpoint.encoded(value))
    #expect(difference(checkpoint.value, value) == nil)
    let state = checkpoint.stateDictionary
    let whole = try #require(state["tied.whole"])
    for name in ["tied.same", "tied.rows"] { #expect(try #require(state[name]).storage === whole.storage) }
    let keys = Dictionary(uniqueKeysWithValues: checkpoint.storedTensors.map { ($0.name, $0.tensor) })
    #expect(keys["tied.rows"]?.storageKey == keys["tied.whole"]?.storageKey)
    #expect(keys["tied.rows"]?.storageOffset == 12)
  }

  @Test func sharedStoragesAreSeparatedWhereAsked() throws {
    let bytes = try Checkpoint.encoded(try Self.sample(), sharing: .separate)
    let checkpoint = try Checkpoint(bytes: bytes)
    let keys = checkpoint.storedTensors.map(\.tensor.storageKey)
    #expect(Set(keys).count == keys.count)
    #expect(difference(checkpoint.value, try Self.sample()) == nil)
  }

  /// The structures for files beyond 4 GiB, forced on a small one.
  @Test(arguments: [1, 100, 1000, 4000]) func wideArchivesAreReadToo(wideFrom: Int) throws {
    let value = try Self.sample()
    let bytes = try Checkpoint.encoded(value, wideFrom: wideFrom)
    try hand(bytes, as: "written-wide-\(wideFrom)")
    #expect(difference(try Checkpoint(bytes: bytes).value, value) == nil)
  }

  @Test func filesAreWrittenAtomicallyAndReadBack() throws {
    let path = NSTemporaryDirectory() + "ligature-checkpoint-\(UUID().uuidString).pth"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let source = try Checkpoint(contentsOf: CheckpointFixtures.path("dbnet_zip.pth"))
    try Checkpoint.write(
      stateDictionary: source.stateDictionary, meta: source.metadata, optimizer: source.optimizer, to: path)
    let copy = try Checkpoint(contentsOf: path)
    #expect(difference(copy.value, source.value) == nil)
    // Over a file that is mapped: the old content stays whole.
    try Checkpoint.write(stateDictionary: StateDictionary(), to: path)
    #expect(difference(copy.value, source.value) == nil)
    #expect(try Checkpoint(contentsOf: path).stateDictionary.count == 0)
    #expect(throws: LigatureError.self) {
      try Checkpoint.write(.none, to: "/nonexistent-folder/a.pth")
    }
  }

  /// Leaves a written file for `Tests/Parity/checkpoint_parity.py`, where it is wanted.
  private func hand(_ bytes: [UInt8], as name: String) throws {
    guard let folder = ProcessInfo.processInfo.environment["LIGATURE_WRITE_TO"] else { return }
    try Data(bytes).write(to: URL(fileURLWithPath: folder).appendingPathComponent("\(name).pth"))
  }

  /// Every good file survives: read, written, read.
  @Test(arguments: CorpusTests.good) func goodFilesSurviveARoundTrip(name: String) throws {
    let first = try Checkpoint(contentsOf: CheckpointFixtures.path("\(name).pth"))
    let bytes = try Checkpoint.encoded(first.value)
    try hand(bytes, as: name)
    let second = try Checkpoint(bytes: bytes)
    #expect(difference(second.value, first.value) == nil)
    #expect(second.stateDictionary.names == first.stateDictionary.names)
  }

  @Test func whatIsNoPlainDataIsRefused() throws {
    let object = PythonValue.reference("posix.system")
    #expect(throws: LigatureError.self) { try Checkpoint.encoded(.list([object])) }
    #expect(throws: LigatureError.self) {
      try Checkpoint.encoded(.tensor(CheckpointTensor(try Tensor(zeros: .uint16, [1]))))
    }
  }

  @Test func safetensorsBothWaysKeepOrderAndBits() throws {
    let state = try Checkpoint(contentsOf: CheckpointFixtures.path("satrn_bare.pth")).stateDictionary
    let file = try SafeTensors(bytes: try state.safeTensors(metadata: ["task": "textrecog"]).encoded())
    #expect(file.metadata["task"] == "textrecog")
    let back = StateDictionary(file)
    #expect(back.names == state.names)
    for (name, tensor) in state.entries { #expect(same(tensor, try #require(back[name]))) }
    // Without an order: by name, numbers by value.
    let plain = SafeTensors([
      "b.10": Tensor(scalar: Float(1)), "b.9": Tensor(scalar: Float(2)), "a": Tensor(scalar: Float(3)),
    ])
    #expect(StateDictionary(plain).names == ["a", "b.9", "b.10"])
  }
}

/// Where two values differ; floats compare by bits.
func difference(_ a: PythonValue, _ b: PythonValue, at path: String = "value") -> String? {
  func parts(_ a: [PythonValue], _ b: [PythonValue]) -> String? {
    guard a.count == b.count else { return "\(path): \(a.count) and \(b.count) elements" }
    return zip(a, b).enumerated().lazy.compactMap { difference($1.0, $1.1, at: "\(path)[\($0)]") }.first
  }
  switch (a, b) {
  case (.none, .none): return nil
  case (.boolean(let a), .boolean(let b)) where a == b: return nil
  case (.integer(let a), .integer(let b)) where a == b: return nil
  case (.bigInteger(let a), .bigInteger(let b)) where a == b: return nil
  case (.float(let a), .float(let b)) where a.bitPattern == b.bitPattern: return nil
  case (.string(let a), .string(let b)) where a == b: return nil
  case (.bytes(let a), .bytes(let b)) where a == b: return nil
  case (.reference(let a), .reference(let b)) where a == b: return nil
  case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)), (.set(let a), .set(let b)): return parts(a, b)
  case (.dictionary(let a), .dictionary(let b)):
    guard a.isOrdered == b.isOrdered else { return "\(path): ordered and not" }
    return parts(a.entries.map(\.key), b.entries.map(\.key)) ?? parts(a.entries.map(\.value), b.entries.map(\.value))
  case (.tensor(let a), .tensor(let b)):
    guard a.isParameter == b.isParameter, a.requiresGradient == b.requiresGradient else { return "\(path): flags" }
    return same(a.tensor, b.tensor) ? nil : "\(path): tensors differ"
  default: return "\(path): \(a.kind) and \(b.kind)"
  }
}
