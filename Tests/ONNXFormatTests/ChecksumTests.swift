import Foundation
import GraphIR
import ONNXFormat
import Operators
import TensorCore
import Testing

@Suite struct ChecksumTests {
  private func model() throws -> Model {
    var graph = Graph(name: "one")
    let x = try graph.addParameter("x", Tensor([1, 2, 3] as [Float], [3]))
    try graph.addOutput(x)
    var model = Model(graph: graph)
    model.metadata["ligature.recipe"] = "{}"
    return model
  }

  /// CRC-32 bit by bit, as its definition has it.
  private func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
  }

  /// Tag, length, key, value.
  private let sealByteCount = 2 + 2 + "ligature.checksum".utf8.count + 2 + "crc32:00000000".utf8.count

  @Test func itIsTheCRC32OfWhatStandsBeforeIt() throws {
    #expect(crc32("123456789".utf8) == 0xCBF4_3926)
    let bytes = try model().encoded()
    let digits = String(crc32(bytes.dropLast(sealByteCount)), radix: 16)
    let expected = "crc32:" + String(repeating: "0", count: 8 - digits.count) + digits
    #expect(String(decoding: bytes.suffix(14), as: UTF8.self) == expected)
    let read = try Model(bytes: bytes, operators: .standard)
    #expect(read.checksum == expected)
    // It belongs to the file, not to what the model says of itself.
    #expect(read.metadata == ["ligature.recipe": "{}"])
    #expect(try read.encoded() == bytes)
  }

  @Test func everyFlipIsFound() throws {
    let bytes = try model().encoded()
    for index in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[index] ^= 1 << UInt8(bit)
        #expect(throws: LigatureError.self, "byte \(index), bit \(bit)") {
          try Model(bytes: damaged, operators: .standard)
        }
      }
    }
  }

  @Test func theOrderOfFieldsDoesNotMatter() throws {
    let bytes = try model().encoded()
    // Protobuf writers may put metadata anywhere; the checksum is of the others in their order.
    let turned = bytes.suffix(sealByteCount) + bytes.dropLast(sealByteCount)
    #expect(try Model(bytes: Array(turned), operators: .standard).checksum != nil)
  }

  @Test func foreignFilesNeedNone() throws {
    let bytes = ONNX.single(ONNX.node("Relu", ["x"], ["y"]), opset: 13)
    #expect(try Model(bytes: bytes, operators: .standard).checksum == nil)
    // Ours do: without it, an entry of ours tells that something is lost.
    let bare = try Array(model().encoded().dropLast(sealByteCount))
    #expect(throws: LigatureError.self) { try Model(bytes: bare, operators: .standard) }
  }

  @Test func externalTensorsAreCovered() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "checksum-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (path, data) = (folder.appending(path: "m.onnx").path, folder.appending(path: "m.onnx.data"))
    try model().write(to: path, options: WriteOptions(externalDataThreshold: 1))
    #expect(try Model(contentsOf: path, operators: .standard).externalFiles == ["m.onnx.data"])
    var bytes = try Data(contentsOf: data)
    bytes[0] ^= 1
    try bytes.write(to: data)
    #expect(throws: LigatureError.self) { try Model(contentsOf: path, operators: .standard) }
    #expect(try Model(contentsOf: path, operators: .standard, checksum: .ignored).checksum != nil)
  }
}
