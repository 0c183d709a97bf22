import Foundation
import Synchronization
import TensorCore
import Testing

@Suite struct StorageTests {
  private func folder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "storage-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  private func bytes(_ storage: TensorStorage) -> [UInt8] { unsafe storage.withUnsafeBytes { unsafe [UInt8]($0) } }

  /// Of the heap, of whole huge pages, and of what lies between.
  @Test(arguments: [1, 63, 4096, 1 << 20, 2 << 20, (2 << 20) + 1, (4 << 20) - 5, 5 << 20])
  func freshBytesAreZeroAlignedAndWritable(size: Int) throws {
    let storage = try TensorStorage(byteCount: size)
    #expect(storage.byteCount == size)
    let address = unsafe Int(bitPattern: storage.address)
    #expect(address % 64 == 0)
    #expect(bytes(storage).allSatisfy { $0 == 0 })
    unsafe storage.withUnsafeMutableBytes { unsafe $0[size - 1] = 7 }
    #expect(bytes(storage).last == 7)
  }

  @Test func sizesThatCannotBeHadAreErrors() throws {
    for size in [Int.max, Int.max - 4096, 1 << 60] {
      #expect(throws: LigatureError.self) { try TensorStorage(byteCount: size) }
      #expect(throws: LigatureError.self) { try TensorStorage(uninitialized: size) }
    }
    var arena = Arena()
    #expect(throws: LigatureError.self) { try arena.reserve(.max) }
    try arena.reserve(3 << 20)
    #expect(arena.byteCount == 3 << 20)
  }

  @Test func smallFilesAreCopied() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "small").path
    try Data((0..<1000).map { UInt8($0 % 251) }).write(to: URL(filePath: path))
    let storage = try TensorStorage(mapping: path)
    // What happens to the file now is of no matter.
    _ = unsafe truncate(path, 0)
    #expect(bytes(storage) == (0..<1000).map { UInt8($0 % 251) })
  }

  @Test func releasedPagesComeBack() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "large").path
    let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try Data(content).write(to: URL(filePath: path))
    let storage = try TensorStorage(mapping: path)
    #expect(!storage.isWritable)
    for range in [0..<300_000, 5..<299_999, 4096..<8192, 10..<11, 0..<400_000] { storage.release(range) }
    #expect(bytes(storage) == content)
  }

  /// Counts how often bytes were made.
  private final class Maker: Sendable {
    let count = Atomic(0)
    func storage(_ size: Int, _ factor: Int) throws -> TensorStorage {
      try unsafe TensorStorage(deferred: size) { bytes in
        self.count.add(1, ordering: .relaxed)
        for index in bytes.indices { unsafe bytes[index] = UInt8(truncatingIfNeeded: index &* factor) }
      }
    }
    static func expected(_ size: Int, _ factor: Int) -> [UInt8] {
      (0..<size).map { UInt8(truncatingIfNeeded: $0 &* factor) }
    }
  }

  @Test(arguments: [1, 5000, 3 << 20]) func deferredBytesAreMadeForEachReaderAndKeptForAnAddress(size: Int) throws {
    let maker = Maker()
    let (a, b) = (try maker.storage(size, 3), try maker.storage(size, 7))
    #expect(a.isDeferred && !a.isKept && maker.count.load(ordering: .relaxed) == 0)
    for _ in 0..<2 {
      #expect(bytes(a) == Maker.expected(size, 3))
      #expect(bytes(b) == Maker.expected(size, 7))
    }
    #expect(maker.count.load(ordering: .relaxed) == 4)
    // One within the other, and a reader while the same bytes come to be kept.
    unsafe a.withUnsafeBytes { outer in
      unsafe b.withUnsafeBytes { inner in
        #expect(unsafe [UInt8](outer) == Maker.expected(size, 3))
        #expect(unsafe [UInt8](inner) == Maker.expected(size, 7))
      }
      let kept = unsafe UnsafeRawBufferPointer(start: a.address, count: size)
      #expect(unsafe [UInt8](kept) == Maker.expected(size, 3))
      #expect(unsafe [UInt8](outer) == Maker.expected(size, 3))
    }
    #expect(a.isKept && !b.isKept)
    let made = maker.count.load(ordering: .relaxed)
    #expect(bytes(a) == Maker.expected(size, 3))
    #expect(maker.count.load(ordering: .relaxed) == made)
    TensorStorage.releaseScratch()
    #expect(bytes(b) == Maker.expected(size, 7))
  }

  @Test func deferredBytesAreTheSameForReadersSideBySide() async throws {
    let storages = try (1...3).map { try Maker().storage(200_000, $0) }
    let expected = (1...3).map { Maker.expected(200_000, $0) }
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<12 {
        group.addTask {
          (0..<20).allSatisfy { round in
            let which = (task + round) % 3
            if task == 11, round == 10 { _ = unsafe storages[which].address }
            if task == 5 { TensorStorage.releaseScratch() }
            return unsafe storages[which].withUnsafeBytes { unsafe $0.elementsEqual(expected[which]) }
          }
        }
      }
      for await same in group { #expect(same) }
    }
  }

  /// Weights of a protobuf file lie anywhere; large ones are not copied, and read the same.
  @Test func floatsOfAFileAreReadWhereTheyLie() throws {
    let numbers = (0..<2000).map { Float($0) / 3 }
    let bytes = unsafe numbers.withUnsafeBytes { unsafe [UInt8]($0) }
    for shift in 0..<5 {
      let storage = try TensorStorage(copying: [UInt8](repeating: 9, count: shift) + bytes)
      let tensor = try Tensor.view(.float32, [2000], storage, byteOffset: shift)
      #expect(try tensor.floats() == numbers)
      #expect(tensor.storage === storage)
      // A few are copied: most readers want them aligned, and they cost nothing.
      let few = try Tensor.view(.float32, [10], storage, byteOffset: shift)
      #expect(try few.floats() == Array(numbers[..<10]))
      #expect((few.storage === storage) == (shift % 4 == 0))
    }
    let short = try TensorStorage(copying: Array(bytes[1...]))
    #expect(throws: LigatureError.self) { try Tensor.view(.float32, [2000], short, byteOffset: 0) }
  }

  /// A file that another program makes shorter ends this one with a message, not with a signal.
  @Test func aFileThatBecomesShorterIsAClearEnd() async throws {
    let result = await #expect(processExitsWith: .exitCode(2), observing: [\.standardErrorContent]) {
      guardMappings(exitCode: 2)
      let path = FileManager.default.temporaryDirectory.appending(path: "shrinks-\(getpid()).onnx").path
      try Data(repeating: 1, count: 1 << 20).write(to: URL(filePath: path))
      let storage = try TensorStorage(mapping: path)
      guard unsafe truncate(path, 4096) == 0 else { return }
      _ = unsafe unlink(path)
      let last = unsafe storage.withUnsafeBytes { unsafe $0[1 << 19] }
      print("read \(last)")
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("shrinks-") && text.contains("became shorter"))
  }
}
