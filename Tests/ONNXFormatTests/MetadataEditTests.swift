import Foundation
import GraphIR
import ONNXFormat
import Operators
import TensorCore
import Testing

@Suite struct MetadataEditTests {
  private func inFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "metadata-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder)
  }

  private func model() throws -> Model {
    var model = Model(graph: Graph())
    model.metadata = ["character": "a\nb", "recipe": "old"]
    return model
  }

  @Test func entriesAreReplacedAndAdded() throws {
    try inFolder { folder in
      let path = folder.appending(path: "model.onnx").path
      try model().write(to: path)
      let long = String(repeating: "字", count: 100_000)
      try setMetadata(["recipe": "new", "more": long], ofModelAt: path, writingTo: path)
      let read = try Model(contentsOf: path, operators: .standard)
      #expect(read.metadata == ["character": "a\nb", "recipe": "new", "more": long])
    }
  }

  @Test func otherBytesStayAsTheyAre() throws {
    try inFolder { folder in
      let (path, target) = (folder.appending(path: "a.onnx").path, folder.appending(path: "b.onnx").path)
      try model().write(to: path)
      try setMetadata(["new": "1"], ofModelAt: path, writingTo: target)
      let (old, new) = (try Data(contentsOf: URL(filePath: path)), try Data(contentsOf: URL(filePath: target)))
      // Tag, length, key "ligature.checksum", value "crc32:" and eight digits; it is made anew.
      let seal = 2 + 2 + 17 + 2 + 14
      #expect(new.starts(with: old.dropLast(seal)))
      // Tag, length, key "new", value "1".
      let added = Array(new.dropFirst(old.count - seal).dropLast(seal))
      #expect(added == [0x72, 8, 0x0A, 3] + Array("new".utf8) + [0x12, 1] + Array("1".utf8))
      #expect(new.suffix(seal).starts(with: [0x72, 35, 0x0A, 17] + Array("ligature.checksum".utf8)))
      try setMetadata(["new": "1"], ofModelAt: target, writingTo: target)
      #expect(try Data(contentsOf: URL(filePath: target)) == new)
    }
  }

  @Test func damagedFilesAreErrorsAndNothingIsWritten() throws {
    let good = try model().encoded()
    var damaged: [[UInt8]] = (1..<good.count).map { Array(good.prefix($0)) }
    damaged += [
      [0xFF], [0x72], [0x72, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x0B], [0x00, 0x00],
    ]
    try inFolder { folder in
      let (path, target) = (folder.appending(path: "a.onnx"), folder.appending(path: "b.onnx"))
      var refused = 0
      for bytes in damaged {
        try Data(bytes).write(to: path)
        do {
          try setMetadata(["new": "1"], ofModelAt: path.path, writingTo: target.path)
          try FileManager.default.removeItem(at: target)
        } catch let error as LigatureError {
          refused += 1
          #expect(error.code == .format)
          #expect(!FileManager.default.fileExists(atPath: target.path))
        }
      }
      #expect(refused >= 5)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.onnx"])
    }
  }
}
