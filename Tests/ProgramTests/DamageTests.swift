import Foundation
import Imaging
import ONNXFormat
import Operators
import TensorCore
import Testing

/// Empty, cut, foreign and bit-flipped files: each gives an error that helps or, where nothing can tell, a result;
/// never a crash, never a wait, never more than 2 GiB.
@Suite(.serialized) struct DamageTests {
  static let flips = 200
  static let memory = 2 << 30

  private func inspect(_ path: String) throws -> Program.Outcome {
    try Program.run(["inspect", path], seconds: 10, memory: DamageTests.memory)
  }

  // ── Models that we wrote: no damage goes unnoticed ────────────────────────

  @Test func everyFlipInAModelOfOursIsFound() throws {
    let folder = try Folder()
    let sound = try TinyModels.recognizer().encoded()
    #expect(try inspect(folder.write(sound, "m.onnx")).status == 0)
    for number in 0..<DamageTests.flips {
      let bytes = flipped(sound, number)
      #expect(throws: LigatureError.self, "flip \(number)") { try Model(bytes: bytes, operators: .standard) }
      guard number % 4 == 0 else { continue }
      expectError(try inspect(folder.write(bytes, "m.onnx")), 2, says: "m.onnx")
    }
  }

  @Test func flipsInAFetchedModelAreFound() throws {
    let sound = try [UInt8](Data(contentsOf: Program.fetched("ppocrv4-det.onnx")))
    let folder = try Folder()
    for number in 0..<20 {
      let path = try folder.write(flipped(sound, number), "m.onnx")
      // Nearly all bytes are weights, which only the checksum guards.
      expectError(try inspect(path), 2, says: "m.onnx", "again")
    }
  }

  @Test func cutModelsOfOursAreFound() throws {
    let sound = try TinyModels.recognizer().encoded()
    let folder = try Folder()
    for length in Array(stride(from: 0, to: sound.count, by: max(sound.count / 24, 1))) + [sound.count - 1] {
      expectError(try inspect(folder.write(sound.prefix(length), "m.onnx")), 2, says: "m.onnx")
    }
  }

  @Test func tensorsBesideAModelAreGuarded() throws {
    let folder = try Folder()
    try TinyModels.mixed().write(to: folder("m.onnx"), options: WriteOptions(externalDataThreshold: 16))
    #expect(try inspect(folder("m.onnx")).status == 0)
    let data = try folder.bytes("m.onnx.data")
    for number in 0..<10 {
      try folder.write(flipped(data, number), "m.onnx.data")
      expectError(try inspect(folder("m.onnx")), 2, says: "beside it do not fit its checksum")
    }
    try folder.write(data.dropLast(8), "m.onnx.data")
    expectError(try inspect(folder("m.onnx")), 2, says: "m.onnx.data")
  }

  @Test func aChangeThatWasMeantCanBeAccepted() throws {
    let folder = try Folder()
    var bytes = try TinyModels.recognizer().encoded()
    // One weight, as another program might set it: 20 becomes 22.
    let weight = [UInt8]([0, 0, 0xA0, 0x41])
    let place = try #require(bytes.indices.last { bytes[$0...].starts(with: weight) })
    bytes[place + 2] = 0xB0
    let changed = try folder.write(bytes, "changed.onnx")
    expectError(try inspect(changed), 2, says: "do not fit its checksum", "--reseal")
    let recipe = Program.root.appending(path: "Models/Recipes/ppocrv4-cls.json").path
    expectError(
      try Program.run(["annotate", changed, "--recipe", recipe, "-o", folder("o.onnx")]), 2, says: "checksum")
    let outcome = try Program.run(["annotate", changed, "--reseal", "-o", folder("resealed.onnx")])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try inspect(folder("resealed.onnx")).status == 0)
    // Without its checksum a file with a recipe is not whole either.
    let key = Array("ligature.checksum".utf8)
    let entry = try #require(bytes.indices.last { bytes[$0...].starts(with: key) })
    expectError(try inspect(folder.write(bytes[..<(entry - 4)], "bare.onnx")), 2, says: "no checksum")
  }

  // ── Models of others: what still reads, runs ──────────────────────────────

  @Test func flipsInForeignModels() throws {
    let sealed = try TinyModels.mixed().encoded()
    let key = Array("ligature.checksum".utf8)
    let entry = try #require(sealed.indices.last { sealed[$0...].starts(with: key) })
    let foreign = Array(sealed[..<(entry - 4)])
    let folder = try Folder()
    for number in 0..<DamageTests.flips {
      let path = try folder.write(flipped(foreign, number), "m.onnx")
      let outcome = try Program.run(
        ["run", path, "--shape", "x=1x1x16x24", "--threads", "1"], seconds: 10, memory: DamageTests.memory)
      if outcome.status == 0 || outcome.status == 64 { continue }
      expectError(outcome, 2)
    }
  }

  @Test func filesThatAreNoModels() throws {
    let folder = try Folder()
    let files: [String] = [
      try folder.write([], "empty.onnx"),
      try folder.write(Array("%PDF-1.7 no model".utf8), "document.onnx"),
      try folder.write([UInt8](repeating: 0, count: 4096), "zeros.onnx"),
      try folder.write([UInt8](repeating: 0xFF, count: 4096), "ones.onnx"),
      try folder.write(TinyModels.picture().encoded(as: .png), "picture.onnx"),
    ]
    for file in files {
      expectError(try inspect(file), 2, says: (file as NSString).lastPathComponent)
      let read = try Program.run(
        ["read", Program.fixtures.path + "/sample/page.jpg", "--detector", file], memory: DamageTests.memory)
      expectError(read, 2, says: (file as NSString).lastPathComponent)
    }
  }

  // ── Pictures ──────────────────────────────────────────────────────────────

  private struct Page: Decodable {
    struct Line: Decodable { var text: String }
    var image: String
    var lines: [Line]?
    var error: String?
  }

  private func read(_ folder: Folder, _ inside: String, _ models: [String]) throws -> [Page] {
    let outcome = try Program.run(
      ["read", folder(inside), "--json", "--threads", "1"] + models, memory: DamageTests.memory)
    #expect(outcome.status == 0 || outcome.status == 1, "\(outcome.status): \(outcome.errors.suffix(400))")
    let pages = try JSONDecoder().decode([Page].self, from: Data(outcome.output.utf8))
    for page in pages { #expect((page.lines == nil) != (page.error == nil), "\(page.image)") }
    #expect(outcome.status == (pages.contains { $0.error != nil } ? 1 : 0))
    return pages
  }

  private func samples() throws -> [String: [UInt8]] {
    let picture = try TinyModels.picture()
    let webp = Program.fixtures.appending(path: "imaging/samples/webp_lossy.webp")
    let lossless = Program.fixtures.appending(path: "imaging/samples/webp_lossless.webp")
    let progressive = Program.fixtures.appending(path: "imaging/samples/jpeg_progressive.jpg")
    return [
      "png": try picture.encoded(as: .png), "jpg": try picture.encoded(as: .jpeg),
      "progressive.jpg": try [UInt8](Data(contentsOf: progressive)),
      "webp": try [UInt8](Data(contentsOf: webp)), "lossless.webp": try [UInt8](Data(contentsOf: lossless)),
    ]
  }

  @Test func flipsInPictures() throws {
    let folder = try Folder()
    let models = try TinyModels.writeReader(to: folder)
    for (suffix, bytes) in try samples() {
      for number in 0..<DamageTests.flips { try folder.write(flipped(bytes, number), "\(suffix)/\(number).\(suffix)") }
      let pages = try read(folder, suffix, models)
      #expect(pages.count == DamageTests.flips)
      // PNG has checksums: what is read is what was there.
      guard suffix == "png" else { continue }
      for page in pages where page.error == nil {
        #expect(page.lines?.map(\.text) == [TinyModels.pictureText], "\(page.image)")
      }
      #expect(pages.filter { $0.error != nil }.count > DamageTests.flips * 9 / 10)
    }
  }

  @Test func cutPictures() throws {
    let folder = try Folder()
    let models = try TinyModels.writeReader(to: folder)
    for (suffix, bytes) in try samples() {
      let lengths = Array(stride(from: 0, to: bytes.count * 9 / 10, by: max(bytes.count / 40, 1)))
      for length in lengths { try folder.write(bytes.prefix(length), "\(suffix)/\(length).\(suffix)") }
      let pages = try read(folder, suffix, models)
      #expect(pages.count == lengths.count)
      #expect(pages.allSatisfy { $0.error != nil }, "\(pages.filter { $0.error == nil }.map(\.image))")
    }
  }

  /// Headers that promise far more than the file holds, and than anybody would read.
  @Test func picturesThatPromiseTooMuch() throws {
    let folder = try Folder()
    let models = try TinyModels.writeReader(to: folder)
    var png = try TinyModels.picture().encoded(as: .png)
    png.replaceSubrange(16..<24, with: [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0xFF, 0xFF])
    var jpeg = try TinyModels.picture().encoded(as: .jpeg)
    let frame = try #require(jpeg.indices.first { jpeg[$0...].starts(with: [0xFF, 0xC0]) })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0xFF, 0xFF, 0xFF])
    for (name, bytes) in [("a.png", png), ("b.jpg", jpeg)] {
      let outcome = try Program.run(
        ["read", folder.write(bytes, name)] + models, seconds: 10, memory: DamageTests.memory)
      expectError(outcome, 2, says: name)
    }
    // A sparse file: large to look at, nothing on the disk.
    let sparse = try folder.write([0xFF, 0xD8, 0xFF], "sparse.jpg")
    let handle = try FileHandle(forWritingTo: URL(filePath: sparse))
    try handle.truncate(atOffset: 1 << 40)
    try handle.close()
    expectError(try Program.run(["read", sparse] + models, memory: DamageTests.memory), 2, says: "sparse.jpg", "limit")
    let model = try Program.run(["inspect", sparse], seconds: 20, memory: DamageTests.memory)
    expectError(model, 2, says: "sparse.jpg")
  }
}
