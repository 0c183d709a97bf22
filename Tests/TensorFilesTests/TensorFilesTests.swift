import Foundation
import TensorCore
import TensorFiles
import Testing

private func fails(_ code: LigatureError.Code, _ body: () throws -> Void) -> Bool {
  do {
    try body()
    return false
  } catch {
    return (error as? LigatureError)?.code == code
  }
}

private let numeric = ElementType.allCases.filter { $0.byteSize > 0 && !$0.isNarrow }

/// A tensor with recognisable bytes.
private func sample(_ element: ElementType, _ shape: [Int]) throws -> Tensor {
  try unsafe Tensor(element, shape) { bytes in
    for index in bytes.indices { unsafe bytes[index] = element == .bool ? UInt8(index & 1) : UInt8(index & 0x3F) }
  }
}

private func same(_ a: Tensor, _ b: Tensor) -> Bool {
  guard a.element == b.element, a.shape == b.shape else { return false }
  return unsafe a.withUnsafeBytes { a in unsafe b.withUnsafeBytes { unsafe a.elementsEqual($0) } }
}

private func temporary(_ name: String) -> String {
  FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString)-\(name)").path
}

@Suite struct NPYTests {
  private func file(_ header: String, version: UInt8 = 1, _ data: [UInt8] = []) -> [UInt8] {
    let width = version == 1 ? 2 : 4
    let length = (0..<width).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(header.utf8) + data
  }

  @Test func everyTypeRoundTrips() throws {
    for element in numeric where element != .bfloat16 {
      for shape in [[], [0], [3], [2, 3], [1, 2, 3, 4]] {
        let tensor = try sample(element, shape)
        #expect(same(try NPY.decode(NPY.encode(tensor)), tensor), "\(element)\(shape)")
      }
    }
    #expect(fails(.unsupported) { _ = try NPY.encode(sample(.bfloat16, [2])) })
    #expect(fails(.unsupported) { _ = try NPY.encode(Tensor(strings: ["a"], [1])) })
  }

  /// The exact bytes that numpy.save writes for arange(3, dtype=int16).
  @Test func bytesAreNumPys() throws {
    let header = "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }"
    let padded = header + String(repeating: " ", count: 128 - 10 - header.utf8.count - 1) + "\n"
    let expected = file(padded, [0, 0, 1, 0, 2, 0])
    #expect(try NPY.decode(expected).scalars(as: Int16.self) == [0, 1, 2])
    let ours = try NPY.encode(Tensor([Int16(0), 1, 2], [3]))
    #expect(ours.count % 64 == 6 && ours.suffix(6) == expected.suffix(6))
    #expect(ours.prefix(8) == expected.prefix(8))
    #expect(String(decoding: ours[10..<10 + header.utf8.count], as: UTF8.self) == header)
  }

  @Test func allVersions() throws {
    let header = "{\"shape\":(2L,1),'fortran_order' : False,'descr':'<f4'}\n"
    for version: UInt8 in 1...3 {
      let tensor = try NPY.decode(file(header, version: version, [0, 0, 128, 63, 0, 0, 0, 192]))
      #expect(tensor.shape == [2, 1])
      #expect(try tensor.floats() == [1, -2])
    }
    #expect(fails(.unsupported) { _ = try NPY.decode(file(header, version: 4, [UInt8](repeating: 0, count: 8))) })
  }

  @Test func fortranOrderIsTransposed() throws {
    let bytes = file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", [0, 3, 1, 4, 2, 5])
    #expect(try NPY.decode(bytes).integers() == [0, 1, 2, 3, 4, 5])
    // [2, 3, 4], each scalar its own position in C order.
    var data = [UInt8](repeating: 0, count: 24)
    for a in 0..<2 { for b in 0..<3 { for c in 0..<4 { data[a + 2 * b + 6 * c] = UInt8(12 * a + 4 * b + c) } } }
    let cube = try NPY.decode(file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }\n", data))
    #expect(try cube.integers() == Array(0..<24))
  }

  @Test func boolsAreNormalised() throws {
    let tensor = try NPY.decode(file("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n", [0, 2, 255]))
    #expect(try tensor.scalars(as: Bool.self) == [false, true, true])
  }

  @Test func badFiles() throws {
    let good = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", [UInt8](repeating: 0, count: 8))
    _ = try NPY.decode(good)
    for length in 0..<good.count {
      #expect(throws: LigatureError.self) { try NPY.decode(Array(good[..<length])) }
    }
    #expect(fails(.format) { _ = try NPY.decode(good + [0]) })
    #expect(fails(.format) { _ = try NPY.decode(Array("not an array at all".utf8)) })
    let data = [UInt8](repeating: 0, count: 8)
    let headers: [(String, LigatureError.Code)] = [
      ("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", .unsupported),
      ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", .unsupported),
      ("{'descr': '<U2', 'fortran_order': False, 'shape': (1,), }", .unsupported),
      ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", .unsupported),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", .format),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", .format),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", .shape),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", .format),
      ("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", .format),
      ("{'descr': '<f4', 'fortran_order': False}", .format),
      ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", .format),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", .format),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} trailing", .format),
      ("{'descr': '<f4", .format), ("", .format), ("{", .format), ("(((((((", .format),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,", .format),
    ]
    for (header, code) in headers { #expect(fails(code) { _ = try NPY.decode(file(header, data)) }, "\(header)") }
    #expect(fails(.format) { _ = try NPY.decode([0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0x7F]) })
  }

  @Test func files() throws {
    let path = temporary("a.npy")
    defer { try? FileManager.default.removeItem(atPath: path) }
    let tensor = try sample(.float32, [100, 7])
    try NPY.write(tensor, to: path)
    let read = try NPY.read(path)
    #expect(same(read, tensor))
    #expect(fails(.file) { _ = try NPY.read(path + ".none") })
    #expect(fails(.file) { try NPY.write(tensor, to: path + "/below.npy") })
  }
}

@Suite struct SafeTensorsTests {
  private func file(_ header: String, _ data: [UInt8] = [], length: Int? = nil) -> [UInt8] {
    let count = length ?? header.utf8.count
    return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8) + data
  }

  private func entry(_ name: String, _ type: String, _ shape: String, _ begin: Int, _ end: Int) -> String {
    "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}"
  }

  @Test func everyTypeRoundTrips() throws {
    var tensors: [String: Tensor] = [:]
    for element in numeric where element != .complex128 {
      tensors["\(element) \"quoted\" / ä"] = try sample(element, [2, 3])
      tensors["empty \(element)"] = try sample(element, [0, 3])
      tensors["scalar \(element)"] = try sample(element, [])
    }
    let written = SafeTensors(tensors, metadata: ["format": "pt", "note": "line\nbreak"])
    let bytes = try written.encoded()
    #expect(try SafeTensors(tensors, metadata: written.metadata).encoded() == bytes)
    let read = try SafeTensors(bytes: bytes)
    #expect(read.metadata == written.metadata)
    #expect(Set(read.tensors.keys) == Set(tensors.keys))
    for (name, tensor) in tensors { #expect(same(try #require(read.tensors[name]), tensor), "\(name)") }

    let path = temporary("a.safetensors")
    defer { try? FileManager.default.removeItem(atPath: path) }
    try written.write(to: path)
    #expect(try Data(contentsOf: URL(filePath: path)) == Data(bytes))
    let mapped = try SafeTensors(contentsOf: path)
    #expect(mapped.tensors.count == tensors.count)
    // Every tensor is a view of the one file, so all are aligned; bools are copied.
    for tensor in mapped.tensors.values where tensor.element != .bool {
      #expect(tensor.storage.byteCount == bytes.count)
    }
    #expect(fails(.file) { _ = try SafeTensors(contentsOf: path + ".none") })
  }

  @Test func whatCannotBeWritten() throws {
    #expect(fails(.unsupported) { _ = try SafeTensors(["a": sample(.complex128, [1])]).encoded() })
    #expect(fails(.unsupported) { _ = try SafeTensors(["a": Tensor(strings: ["b"], [1])]).encoded() })
    #expect(fails(.usage) { _ = try SafeTensors(["__metadata__": sample(.int8, [1])]).encoded() })
    #expect(try SafeTensors(bytes: SafeTensors().encoded()).tensors.isEmpty)
  }

  @Test func headerOfAnotherWriter() throws {
    let header = "{" + entry("b", "F32", "[1]", 3, 7) + ", " + entry("a", "U8", "[3]", 0, 3) + "}   "
    let read = try SafeTensors(bytes: file(header, [1, 2, 3, 0, 0, 128, 63]))
    #expect(try read.tensors["a"]?.integers() == [1, 2, 3])
    #expect(try read.tensors["b"]?.floats() == [1])
  }

  @Test func badFiles() throws {
    func code(_ bytes: [UInt8]) -> LigatureError.Code? {
      do {
        _ = try SafeTensors(bytes: bytes)
        return nil
      } catch {
        return (error as? LigatureError)?.code
      }
    }
    let eight = [UInt8](repeating: 0, count: 8)
    let good = file("{" + entry("a", "F32", "[2]", 0, 8) + "}", eight)
    #expect(code(good) == nil)
    for length in 0..<good.count { #expect(code(Array(good[..<length])) == .format) }
    #expect(code(good + [0]) == .format)
    #expect(code(file("{}", [], length: -1)) == .format)
    #expect(code(file("{}", [], length: .max)) == .format)
    #expect(code(file("{}", [], length: 1 << 30)) == .format)
    for header in ["", "[]", "nonsense", "{\"a\":1}", "{\"a\":{}}", String(repeating: "[", count: 100_000)] {
      #expect(code(file(header)) == .format)
    }
    let entries: [(String, LigatureError.Code)] = [
      (entry("a", "F32", "[2]", 0, 4), .format),  // size and shape differ
      (entry("a", "F32", "[3]", 0, 12), .format),  // past the end
      (entry("a", "F32", "[2]", -8, 0), .format),
      (entry("a", "F32", "[2]", 8, 0), .format),
      (entry("a", "F32", "[-2]", 0, 8), .shape),
      (entry("a", "F32", "[4611686018427387904,4]", 0, 8), .shape),
      (entry("a", "F32", "[2.5]", 0, 8), .format),
      (entry("a", "F32", "[1e30]", 0, 8), .format),
      (entry("a", "F8_E4M3", "[8]", 0, 8), .unsupported),
      (entry("a", "F32", "[1]", 0, 4), .format),  // the rest belongs to nobody
      (entry("a", "F32", "[1]", 4, 8), .format),  // a gap before it
      (entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[1]", 4, 8), .format),  // an overlap
      (entry("a", "U8", "[3]", 0, 3) + "," + entry("b", "U8", "[4]", 4, 8), .format),  // a gap between
      ("\"__metadata__\":{\"n\":1}," + entry("a", "F32", "[2]", 0, 8), .format),
    ]
    for (text, expected) in entries { #expect(code(file("{" + text + "}", eight)) == expected, "\(text)") }
  }
}
