import Foundation
import GraphIR
import Kernels
import Loading
import ONNXFormat
import Operators
import Runtime
import Synchronization
import TensorCore
import Testing

@Suite struct CacheTests {
  /// A model in a folder of its own, and a cache beside it.
  private final class Place: Sendable {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cache-\(UUID().uuidString)")
    var model: String { folder.appending(path: "model.onnx").path }
    var cache: String { folder.appending(path: "cache").path }
    let notes = Mutex<[String]>([])

    init(seed: Float = 1) throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try CacheTests.model(seed: seed).write(to: model)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func load(
      precision: Precision? = nil, limit: Int? = nil, model: String? = nil
    ) throws -> (model: Model, session: Session) {
      var options = Session.Options(threads: 1)
      options.cache = cache
      options.precision = precision
      if let limit { options.cacheLimit = limit }
      options.log = { note in self.notes.withLock { $0.append(note) } }
      return try Session.load(model ?? self.model, options: options)
    }

    func files(_ kind: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: cache).filter { $0.hasSuffix(kind) }.map { cache + "/" + $0 }
    }

    var noteCount: Int { notes.withLock { $0.count } }
  }

  /// Convolution, normalisation and product: weights that are folded, and packed in two ways.
  private static func model(seed: Float) throws -> Model {
    var graph = Graph(name: "small")
    func numbers(_ shape: [Int], _ factor: Float) throws -> Tensor {
      try Tensor((0..<shape.reduce(1, *)).map { (Float($0 * 7 % 23) - 11) * factor * seed }, shape)
    }
    let x = try graph.addInput("x", TensorType(.float32, ["N", 3, 16, 16]))
    let w = try graph.addConstant("conv.weight", numbers([32, 3, 3, 3], 0.02))
    let convolved = try graph.append(Conv(ConvolutionWindow(pads: [1, 1, 1, 1])), [x, w], name: "conv")
    let scale = try graph.addConstant("scale", numbers([1, 32, 1, 1], 0.1))
    let scaled = try graph.append(Binary(.mul), [convolved, scale], name: "scaled")
    let matrix = try graph.addConstant("fc.weight", numbers([16, 40], 0.05))
    let y = try graph.append(MatMul(), [scaled, matrix], name: "fc")
    try graph.addOutput(y, name: "y")
    var model = Model(graph: graph)
    model.metadata["note"] = "kept"
    return model
  }

  private func input(_ batch: Int = 1) throws -> Tensor {
    try Tensor((0..<batch * 768).map { Float($0 % 101) / 50 - 1 }, [batch, 3, 16, 16])
  }

  private func result(_ session: Session, _ batch: Int = 1) throws -> [Float] {
    try session.run([input(batch)])[0].floats()
  }

  @Test func theSecondStartPacksNothingAndGivesTheSameBits() throws {
    let place = try Place()
    let first = try place.load()
    let expected = try result(first.session)
    #expect(first.session.packedCount > 0)
    let second = try place.load()
    #expect(second.model.metadata["note"] == "kept")
    #expect(try result(second.session) == expected)
    #expect(second.session.packedCount == 0)
    #expect(try result(second.session, 3).prefix(expected.count) == expected[...])
    let plain = try Session.load(place.model, options: Session.Options(threads: 1))
    #expect(try result(plain.session) == expected)
    #expect(place.noteCount == 0)
  }

  @Test func anotherModelUnderTheSameNameIsAnotherEntry() throws {
    let place = try Place()
    let old = try result(place.load().session)
    try CacheTests.model(seed: 2).write(to: place.model)
    let new = try result(place.load().session)
    #expect(old != new)
    #expect(try place.files(".onnx").count == 2)
    #expect(place.noteCount == 0)
  }

  /// Weights for one precision may be packed in another way than for another.
  @Test func eachPrecisionIsAnEntryOfItsOwn() throws {
    let place = try Place()
    for (count, precision) in [Precision.float32, .strict].enumerated() {
      let first = try place.load(precision: precision)
      _ = try result(first.session)
      #expect(first.session.packedCount > 0)
      #expect(try place.files(".packed").count == count + 1)
    }
    // What no option says is `.float32`.
    let again = try place.load()
    _ = try result(again.session)
    #expect(again.session.packedCount == 0)
  }

  @Test func whatWasNotUsedForLongestGoesFirst() throws {
    let place = try Place()
    func use(_ seed: Int, limit: Int? = nil) throws -> Bool {
      let path = place.folder.appending(path: "\(seed).onnx").path
      if unsafe access(path, F_OK) != 0 { try CacheTests.model(seed: Float(seed)).write(to: path) }
      let session = try place.load(limit: limit, model: path).session
      _ = try result(session)
      return session.packedCount == 0
    }
    for seed in 1...3 { #expect(try !use(seed)) }
    let size = try place.files("").reduce(0) { sum, path in
      try sum + max(4096, #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int))
    }
    // The first is used again, so that the second is the oldest.
    #expect(try use(1))
    #expect(try !use(4, limit: size))
    #expect(try place.files(".packed").count == 3)
    #expect(try use(1, limit: size))
    #expect(try use(3, limit: size))
    #expect(try use(4, limit: size))
    #expect(try !use(2, limit: size))
    // Files of others stay, and nothing of ours fits.
    let foreign = place.cache + "/notes.onnx"
    try Data(count: 100).write(to: URL(filePath: foreign))
    #expect(try !use(5, limit: 1))
    #expect(try place.files("") == [foreign])
    #expect(place.noteCount == 0)
  }

  @Test(arguments: [".onnx", ".packed"]) func damagedFilesAreMadeAgain(kind: String) throws {
    let place = try Place()
    let expected = try result(place.load().session)
    let path = try #require(try place.files(kind).first)
    let whole = try Data(contentsOf: URL(filePath: path))
    let damages: [(Data) -> Data] = [
      { _ in Data() },
      { $0.prefix(40) },
      { $0.prefix($0.count - 64) },
      { $0 + Data(repeating: 0, count: 64) },
      { data in
        var data = data
        data[data.count / 2] ^= 4
        return data
      },
      { data in
        var data = data
        data[70] ^= 0x80
        return data
      },
      { Data(repeating: 0xFF, count: $0.count) },
    ]
    for (number, damage) in damages.enumerated() {
      try damage(whole).write(to: URL(filePath: path))
      #expect(try result(place.load().session) == expected, "damage \(number)")
      #expect(place.noteCount == number + 1, "damage \(number)")
      #expect(try result(place.load().session) == expected)
      #expect(place.noteCount == number + 1, "damage \(number) was not repaired")
    }
  }

  /// Weights that were packed for another model, in a file that is whole: they are told by their key.
  @Test func filesOfAnotherEntryAreNotTaken() throws {
    let (place, other) = (try Place(), try Place(seed: 3))
    let expected = try result(place.load().session)
    _ = try result(other.load().session)
    let (ours, theirs) = (try place.files(".packed")[0], try other.files(".packed")[0])
    try Data(contentsOf: URL(filePath: theirs)).write(to: URL(filePath: ours))
    #expect(try result(place.load().session) == expected)
    #expect(place.noteCount == 1)
  }

  @Test func manyAtOnceDoNotDisturbEachOther() async throws {
    let place = try Place()
    let expected = try result(Session.load(place.model, options: Session.Options(threads: 1)).session)
    let (model, cache) = (place.model, place.cache)
    try await withThrowingTaskGroup(of: [Float].self) { group in
      for _ in 0..<8 {
        group.addTask {
          var options = Session.Options(threads: 1)
          options.cache = cache
          return try self.result(Session.load(model, options: options).session)
        }
      }
      for try await found in group { #expect(found == expected) }
    }
    let rest = try FileManager.default.contentsOfDirectory(atPath: cache).filter { $0.hasSuffix(".partial") }
    #expect(rest.isEmpty)
    #expect(try result(place.load().session) == expected)
    #expect(place.noteCount == 0)
  }

  @Test func aFolderThatCannotBeMadeIsNoReasonToStop() throws {
    let place = try Place()
    try Data().write(to: URL(filePath: place.cache))  // a file of that name
    _ = try result(place.load().session)
    #expect(place.noteCount == 1)
  }

  @Test func aModelThatIsNotThereIsAnError() throws {
    let place = try Place()
    try FileManager.default.removeItem(atPath: place.model)
    #expect(throws: LigatureError.self) { try place.load() }
  }
}
