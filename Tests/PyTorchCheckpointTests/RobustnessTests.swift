import Foundation
import PyTorchCheckpoint
import TensorCore
import Testing

/// Damaged files give a value or an error; never a crash, endless work or much memory.
@Suite struct RobustnessTests {
  static let sources = [
    "hostile/plain_good.pth", "hostile/legacy_good.pth", "views_zip.pth", "views_legacy.pth", "satrn_parameters.pth",
  ]

  @Test func flippedAndTruncatedFilesAreReadOrRefused() throws {
    var random = Generator(state: 0x9E37_79B9_7F4A_7C15)
    let originals = try Self.sources.map(CheckpointFixtures.bytes)
    let before = residentBytes()
    let start = ContinuousClock.now
    var (read, refused) = (0, 0)
    for round in 0..<600 {
      var bytes = originals[round % originals.count]
      switch round % 3 {
      case 0:
        bytes = Array(bytes.prefix(Int(random.next() % UInt64(bytes.count))))
      case 1:
        for _ in 0..<1 + round % 4 { bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8) }
      default:
        // Whole bytes, where counts and operations change most.
        for _ in 0..<3 { bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next()) }
      }
      do {
        _ = try Checkpoint(bytes: bytes)
        read += 1
      } catch let error as LigatureError {
        #expect(!error.message.isEmpty)
        refused += 1
      }
    }
    #expect(read + refused == 600)
    #expect(refused > 300)
    #expect(start.duration(to: .now) < .seconds(30))
    #expect(residentBytes() - before < 256 << 20)
  }

  /// Damage inside the pickle, with a file around it that fits: the machine itself has to bear it. Neither legacy
  /// files nor this archive have checksums.
  @Test(arguments: [
    ("views_legacy.pth", 4000), ("satrn_torch2_nocrc.pth", 16800), ("variants/zip_protocol4.pth", 1700),
  ])
  func damagedPicklesAreReadOrRefused(file: String, pickle: Int) throws {
    var random = Generator(state: 42)
    var original = try CheckpointFixtures.bytes(file)
    // In an archive with checksums, those of the directory are taken out.
    for index in 0..<original.count - 20 where original[index...].starts(with: [0x50, 0x4B, 1, 2]) {
      original.replaceSubrange(index + 16..<index + 20, with: [0, 0, 0, 0])
    }
    let start = ContinuousClock.now
    var read = 0
    for _ in 0..<400 {
      var bytes = original
      for _ in 0..<1 + random.next() % 3 {
        bytes[Int(random.next() % UInt64(pickle))] = UInt8(truncatingIfNeeded: random.next())
      }
      do {
        _ = try Checkpoint(bytes: bytes)
        read += 1
      } catch is LigatureError {}
    }
    #expect(read < 400)
    #expect(start.duration(to: .now) < .seconds(30))
  }

  private func residentBytes() -> Int {
    let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
    return (fields.flatMap { $0.count > 1 ? Int($0[1]) : nil } ?? 0) * 4096
  }

  /// xorshift64*
  private struct Generator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state ^= state >> 12
      state ^= state << 25
      state ^= state >> 27
      return state &* 0x2545_F491_4F6C_DD1D
    }
  }

  // ── Pickles by hand ───────────────────────────────────────────────────────

  /// A legacy file without storages around a pickle.
  private func legacy(_ pickle: [UInt8]) -> [UInt8] {
    let magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
    let version: [UInt8] = [0x80, 2, 0x4D, 0xE9, 0x03, 0x2E]
    return magic + version + [0x80, 2, 0x7D, 0x2E] + pickle + [0x80, 2, 0x5D, 0x2E]
  }

  /// `{'v': VALUE}` as a top that has a state_dict: `{'state_dict': {}, 'meta': {'v': VALUE}}`.
  private func meta(_ value: [UInt8], textByteCount: Int = 64 << 20) throws -> PythonValue? {
    var limits = CheckpointLimits()
    limits.textByteCount = textByteCount
    func text(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }
    let pickle = [0x80, 4, 0x7D, 0x28] + text("state_dict") + [0x7D] + text("meta") + [0x7D] + text("v") + value
    return try Checkpoint(bytes: legacy(pickle + [0x73, 0x75, 0x2E]), limits: limits).metadata["v"]
  }

  private func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test func everyPlainValueIsRead() throws {
    func expect(_ bytes: [UInt8], _ value: PythonValue, _ line: SourceLocation = #_sourceLocation) throws {
      let found = try #require(try meta(bytes))
      #expect(difference(found, value) == nil, sourceLocation: line)
    }
    try expect(ascii("N"), .none)
    try expect(ascii("I01\n"), .boolean(true))
    try expect(ascii("I-12\n"), .integer(-12))
    try expect(ascii("L-9223372036854775808L\n"), .integer(.min))
    try expect(ascii("L9223372036854775808L\n"), .bigInteger([0, 0, 0, 0, 0, 0, 0, 0x80, 0]))
    try expect(ascii("L-9223372036854775809L\n"), .bigInteger([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF]))
    try expect(ascii("F1.5\n"), .float(1.5))
    try expect([0x47, 0xC0, 0, 0, 0, 0, 0, 0, 0], .float(-2))
    try expect([0x8A, 0], .integer(0))
    try expect([0x8A, 1, 0xFF], .integer(-1))
    try expect(
      [0x8A, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0],
      .bigInteger([UInt8](repeating: 0xFF, count: 8) + [0]))
    try expect([0x8B, 2, 0, 0, 0, 0, 0x80], .integer(-32768))
    try expect(ascii("S'a\\n\\x41\\\\'\n"), .string("a\nA\\"))
    try expect(ascii("V\\u6587x\n"), .string("文x"))
    try expect(ascii("U") + [2, 0xC3, 0x28], .bytes([0xC3, 0x28]))
    try expect(ascii("C") + [2, 1, 2], .bytes([1, 2]))
    try expect([0x96, 1, 0, 0, 0, 0, 0, 0, 0, 9], .bytes([9]))
    try expect([0x8F, 0x28, 0x4B, 1, 0x4B, 1, 0x4B, 2, 0x90], .set([.integer(1), .integer(2)]))
    try expect(ascii("(K") + [1] + ascii("l"), .list([.integer(1)]))
    try expect(
      ascii("(K") + [1] + ascii("K") + [2] + ascii("d"), .dictionary(PythonDictionary([(.integer(1), .integer(2))])))
    // 1, 1.0 and True are one key, the first; the value is the last.
    try expect(
      ascii("}K") + [1, 0x4E] + ascii("s") + [0x88, 0x89] + ascii("s"),
      .dictionary(PythonDictionary([(.integer(1), .boolean(false))])))
    try expect(ascii("c__builtin__\nset\n(]K") + [7] + ascii("atR"), .set([.integer(7)]))
    try expect(ascii("ctorch\nfloat32\n"), .reference("torch.float32"))
  }

  @Test func unknownClassesAreOpaqueButCallsAreErrors() throws {
    let made = try #require(
      try meta(ascii("cmy.module\nThing\n)") + [0x81] + ascii("}U") + [1] + ascii("aK") + [5] + ascii("sb")))
    guard case .object(let object) = made else { throw LigatureError(.usage, "no object: \(made)") }
    #expect(object.className == "my.module.Thing")
    #expect(object.state.dictionary?["a"]?.integer == 5)
    for call in [
      "cmy.module\nThing\n)R", "cos\nsystem\nU\u{1}a\u{85}R", "(cos\nsystem\nU\u{1}ao", "(U\u{1}aios\nsystem\n",
    ] {
      let bytes = call.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
      let error = try #require(throws: LigatureError.self) { try meta(bytes) }
      #expect(error.code == .unsupported && "\(error)".contains("nothing was executed"), "\(error)")
    }
  }

  /// Work that a few bytes ask for is refused by a limit.
  @Test func amplificationIsRefused() throws {
    // A text of 60000 bytes, encoded again and again: 360 MB of bytes.
    let text = [0x58, 0x60, 0xEA, 0, 0] + [UInt8](repeating: 0x61, count: 60000) + [0x71, 1, 0x30]
    let encode = ascii("c_codecs\nencode\nh") + [1] + ascii("U") + [6] + ascii("latin1") + [0x86] + ascii("R0")
    let copies: [UInt8] = text + (0..<6000).flatMap { _ in encode } + ascii("N")
    #expect(try #require(throws: LigatureError.self) { try meta(copies, textByteCount: 1 << 20) }.code == .limit)
    // Tuples in tuples as a dictionary key: 2^40 parts to compare.
    var key: [UInt8] = ascii("K") + [1]
    for _ in 0..<40 { key += [0x71, 1, 0x68, 1, 0x86] }
    #expect(try #require(throws: LigatureError.self) { try meta(ascii("}") + key + ascii("Ns")) }.code == .limit)
    // The same as a value is cheap: its parts are shared.
    #expect(try meta(key)?.elements?.count == 2)
    // Nested beyond the limit, by lists without marks.
    let deep = [UInt8](repeating: 0x5D, count: 100_000) + [UInt8](repeating: 0x61, count: 99_999)
    #expect(try #require(throws: LigatureError.self) { try meta(deep) }.code == .limit)
  }

  @Test func limitsCanBeSet() throws {
    var limits = CheckpointLimits()
    limits.pickleByteCount = 100
    #expect(throws: LigatureError.self) {
      try Checkpoint(contentsOf: CheckpointFixtures.path("satrn_bare.pth"), limits: limits)
    }
    limits = CheckpointLimits()
    limits.objectCount = 50
    #expect(throws: LigatureError.self) {
      try Checkpoint(contentsOf: CheckpointFixtures.path("satrn_bare.pth"), limits: limits)
    }
    limits = CheckpointLimits()
    limits.copiesOfFile = 0
    limits.copiedByteCount = 100
    #expect(throws: LigatureError.self) {
      try Checkpoint(contentsOf: CheckpointFixtures.path("views_zip.pth"), limits: limits)
    }
  }

  /// Big-endian storages are turned round.
  @Test func bigEndianFilesAreReadRight() throws {
    let state = try Checkpoint(contentsOf: CheckpointFixtures.path("hostile/big_endian.pth")).stateDictionary
    #expect(try state["w"]?.scalars(as: Float.self) == [0, 1, 2, 3, 4, 5])
  }

  @Test func movingAveragesAreFoundByName() throws {
    var state = StateDictionary()
    state["a.b.weight"] = Tensor(scalar: Float(1))
    state["ema_a_b_weight"] = Tensor(scalar: Float(2))
    #expect(state.movingAverages.names == ["a.b.weight"])
    #expect(try state.movingAverages["a.b.weight"]?.scalars(as: Float.self) == [2])
  }
}
