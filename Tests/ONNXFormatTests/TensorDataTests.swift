import Foundation
import GraphIR
import ONNXFormat
import TensorCore
import Testing

/// Tensor data in all the places where a file can have it.
@Suite struct TensorDataTests {
  private func scratch() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tensors-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  private func value(_ tensor: Proto) throws -> Tensor { try decodeTensor(tensor.bytes).tensor }

  @Test func typedFields() throws {
    func ints(_ type: Int, _ field: Int, _ values: [Int], packed: Bool) -> Proto {
      ONNX.tensor("t", type, [values.count]) { proto in
        if packed {
          proto.data(
            field, Proto { inner in for value in values { inner.varint(UInt64(bitPattern: Int64(value))) } }.bytes)
        } else {
          for value in values { proto.int(field, value) }
        }
      }
    }
    for packed in [true, false] {
      #expect(try value(ints(6, 5, [-7, 8], packed: packed)).scalars(as: Int32.self) == [-7, 8])
      #expect(try value(ints(3, 5, [-7, 8], packed: packed)).scalars(as: Int8.self) == [-7, 8])
      #expect(try value(ints(2, 5, [200, 8], packed: packed)).scalars(as: UInt8.self) == [200, 8])
      #expect(try value(ints(5, 5, [-700, 8], packed: packed)).scalars(as: Int16.self) == [-700, 8])
      #expect(try value(ints(4, 5, [60_000, 8], packed: packed)).scalars(as: UInt16.self) == [60_000, 8])
      #expect(try value(ints(9, 5, [0, 1, 2], packed: packed)).scalars(as: Bool.self) == [false, true, true])
      #expect(try value(ints(7, 7, [-1 << 40, 8], packed: packed)).scalars(as: Int64.self) == [-1 << 40, 8])
      #expect(try value(ints(12, 11, [4_000_000_000], packed: packed)).scalars(as: UInt32.self) == [4_000_000_000])
      #expect(try value(ints(13, 11, [-1], packed: packed)).scalars(as: UInt64.self) == [.max])
      #expect(try value(ints(10, 5, [0x3C00, 0xC000], packed: packed)).floats() == [1, -2])
      #expect(try value(ints(16, 5, [0x3F80, 0xC000], packed: packed)).floats() == [1, -2])
    }
    let packedFloats = ONNX.tensor("t", 1, [2]) { $0.data(4, floatBytes([1.5, -2])) }
    #expect(try value(packedFloats).floats() == [1.5, -2])
    let looseFloats = ONNX.tensor("t", 1, [2]) { for value: Float in [1.5, -2] { $0.float(4, value) } }
    #expect(try value(looseFloats).floats() == [1.5, -2])
    let doubles = ONNX.tensor("t", 11, [1]) { $0.data(10, littleEndian(Double(0.25).bitPattern)) }
    #expect(try value(doubles).scalars(as: Double.self) == [0.25])
    let complex = ONNX.tensor("t", 14, [1]) { $0.data(4, floatBytes([1, 2])) }
    #expect(try value(complex).byteCount == 8)
    let strings = ONNX.tensor("t", 8, [2]) { for text in ["甲", ""] { $0.text(6, text) } }
    #expect(try value(strings).strings == ["甲", ""])
    #expect(throws: LigatureError.self) { try value(ints(6, 5, [1, 2, 3], packed: true).shaped([4])) }
  }

  @Test func everyTypeRoundTrips() throws {
    for element in ElementType.allCases where element.byteSize > 0 {
      for count in [0, 1, 3, 1000] {
        let tensor = try unsafe Tensor(
          element, [1, count],
          filledBy: { bytes in
            for index in bytes.indices {
              unsafe bytes[index] =
                element == .bool ? UInt8(index & 1) : UInt8(index & (element.isPackedInFiles ? 7 : 0x3F))
            }
          })
        let (name, read) = try decodeTensor(encodeTensor(tensor, name: "t"))
        #expect(name == "t" && read.element == element && read.shape == [1, count])
        let same = unsafe tensor.withUnsafeBytes { a in unsafe read.withUnsafeBytes { unsafe a.elementsEqual($0) } }
        #expect(same, "\(element)")
      }
    }
    let strings = try Tensor(strings: ["a", "ß", ""], [3])
    #expect(try decodeTensor(encodeTensor(strings)).tensor.strings == strings.strings)
  }

  /// Bytes other than 0 and 1 are no Swift Bool.
  @Test func boolsAreNormalised() throws {
    let raw = ONNX.tensor("t", 9, [4]) { $0.data(9, [0, 1, 2, 255]) }
    #expect(try value(raw).scalars(as: Bool.self) == [false, true, true, true])
    let long = ONNX.tensor("t", 9, [400]) { $0.data(9, [UInt8](repeating: 7, count: 400)) }
    #expect(try value(long).integers() == [Int](repeating: 1, count: 400))
  }

  @Test func tensorFiles() throws {
    let folder = try scratch()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "input_0.pb").path
    let tensor = try Tensor((0..<600).map(Float.init), [20, 30])
    try TensorFile.write(tensor, name: "x", to: path)
    let (name, read) = try TensorFile.read(path)
    #expect(name == "x")
    #expect(try read.floats() == tensor.floats())
    #expect(throws: LigatureError.self) { try TensorFile.read(folder.path) }
    #expect(throws: LigatureError.self) { try TensorFile.read(folder.appending(path: "none.pb").path) }
    #expect(throws: LigatureError.self) { try decodeTensor([]) }
    #expect(throws: LigatureError.self) { try decodeTensor(Array("not a tensor".utf8)) }
  }

  /// Weights are views of the mapped file, not copies, wherever they are aligned.
  @Test func weightsStayInTheFile() throws {
    let folder = try scratch()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "m.onnx").path
    for padding in 0..<8 {
      let graph = ONNX.graph(
        [], outputs: [ONNX.value("w")], constants: [ONNX.floats("w", (0..<500).map(Float.init))],
        name: String(repeating: "n", count: padding + 1))
      let bytes = ONNX.model(graph, opset: 21)
      try Data(bytes).write(to: URL(filePath: path))
      let model = try Model(contentsOf: path, operators: OperatorSet([]))
      let tensor = try #require(model.graph[model.graph.outputs[0]].tensor)
      #expect(try tensor.floats() == (0..<500).map(Float.init))
      let place = try #require(Data(bytes).range(of: Data(floatBytes([0, 1, 2])))).lowerBound
      #expect((tensor.storage.byteCount == bytes.count) == (place % 4 == 0))
    }
  }

  // ── External data ─────────────────────────────────────────────────────────
  private func external(_ location: String, offset: String? = nil, length: String? = nil, count: Int = 4) -> [UInt8] {
    let tensor = ONNX.tensor("w", 1, [count]) { proto in
      for (key, value) in [("location", location), ("offset", offset), ("length", length)] {
        guard let value else { continue }
        proto.message(
          13,
          Proto {
            $0.text(1, key)
            $0.text(2, value)
          })
      }
      proto.int(14, 1)
    }
    return ONNX.model(ONNX.graph([], outputs: [ONNX.value("w")], constants: [tensor]), opset: 21)
  }

  @Test func externalDataStaysInsideTheFolder() throws {
    let outer = try scratch()
    defer { try? FileManager.default.removeItem(at: outer) }
    let folder = outer.appending(path: "model")
    try FileManager.default.createDirectory(at: folder.appending(path: "sub"), withIntermediateDirectories: true)
    let weights = Data(floatBytes([0, 1, 2, 3, 4]))
    for place in ["secret.bin", "model/w.bin", "model/sub/w.bin"] {
      try weights.write(to: outer.appending(path: place))
    }
    let manager = FileManager.default
    try manager.createSymbolicLink(
      at: folder.appending(path: "link.bin"), withDestinationURL: outer.appending(path: "secret.bin"))
    try manager.createSymbolicLink(at: folder.appending(path: "up"), withDestinationURL: outer)
    let path = folder.appending(path: "m.onnx").path

    func read(_ bytes: [UInt8]) throws -> [Float] {
      try Data(bytes).write(to: URL(filePath: path))
      let graph = try Model(contentsOf: path, operators: OperatorSet([])).graph
      return try #require(graph[graph.outputs[0]].tensor).floats()
    }
    func code(_ bytes: [UInt8]) -> LigatureError.Code? {
      do {
        _ = try read(bytes)
        return nil
      } catch {
        return (error as? LigatureError)?.code
      }
    }
    #expect(try read(external("w.bin", offset: "4", length: "16")) == [1, 2, 3, 4])
    #expect(try read(external("sub/w.bin")) == [0, 1, 2, 3])
    #expect(try read(external("./w.bin", offset: "0")) == [0, 1, 2, 3])
    let secret = outer.appending(path: "secret.bin").path
    for escape in [
      "../secret.bin", secret, "sub/../../secret.bin", "link.bin", "up/secret.bin", "sub", ".", "", "none.bin",
      "w.bin/", "//w.bin",
    ] {
      #expect(code(external(escape)) == .file, "\(escape)")
    }
    #expect(code(external("w.bin", offset: "8")) == .format)
    #expect(code(external("w.bin", offset: "-4")) == .format)
    #expect(code(external("w.bin", offset: "9223372036854775807")) != nil)
    #expect(code(external("w.bin", offset: "99999999999999999999")) == .format)
    #expect(code(external("w.bin", length: "12")) == .format)
    #expect(code(external("w.bin", offset: "four")) == .format)
    #expect(code(external("w.bin", count: 1 << 40)) == .format)
    // Unaligned data is copied.
    #expect(try read(external("w.bin", offset: "1")).count == 4)
    #expect(throws: LigatureError.self) { try Model(plain: external("w.bin")) }
    let made = unsafe mkfifo(folder.appending(path: "pipe").path, 0o600)
    #expect(made == 0)
    #expect(code(external("pipe")) == .file)
  }

  @Test func externalDataIsWritten() throws {
    let folder = try scratch()
    defer { try? FileManager.default.removeItem(at: folder) }
    var graph = Graph()
    let large = try graph.addConstant("large", Tensor((0..<1000).map(Float.init), [10, 100]))
    let small = try graph.addConstant("small", Tensor([Int64(7)], [1]))
    let odd = try graph.addConstant("odd", Tensor([UInt8](repeating: 9, count: 300), [300]))
    for id in [large, small, odd] { try graph.addOutput(id) }
    let path = folder.appending(path: "m.onnx").path
    for _ in 0..<2 {  // the second time over the first
      try Model(graph: graph).write(to: path, options: WriteOptions(externalDataThreshold: 100))
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      #expect(names == ["m.onnx", "m.onnx.data"])
      #expect(try Data(contentsOf: URL(filePath: path)).count < 1000)
      graph = try Model(contentsOf: path, operators: OperatorSet([])).graph
      let tensors = graph.outputs.compactMap { graph[$0].tensor }
      #expect(try tensors[0].floats() == (0..<1000).map(Float.init))
      #expect(try tensors[1].integers() == [7])
      #expect(try tensors[2].integers() == [Int](repeating: 9, count: 300))
    }
  }

  /// A link, planted where the data will be written, is replaced, and what it leads to stays; so does the other name of
  /// a file. A pipe is refused.
  @Test func externalDataIsNotWrittenThroughLinks() throws {
    let folder = try scratch()
    defer { try? FileManager.default.removeItem(at: folder) }
    var graph = Graph()
    try graph.addOutput(graph.addConstant("w", Tensor((0..<1000).map(Float.init), [1000])))
    let path = folder.appending(path: "m.onnx").path
    let victim = folder.appending(path: "victim")
    let options = WriteOptions(externalDataThreshold: 100)
    for makesLink in [
      { try FileManager.default.createSymbolicLink(atPath: path + ".data", withDestinationPath: victim.path) },
      { try FileManager.default.linkItem(atPath: victim.path, toPath: path + ".data") },
    ] {
      try Data("precious".utf8).write(to: victim)
      try? FileManager.default.removeItem(atPath: path + ".data")
      try makesLink()
      try Model(graph: graph).write(to: path, options: options)
      #expect(try String(contentsOf: victim, encoding: .utf8) == "precious")
      let read = try Model(contentsOf: path, operators: OperatorSet([])).graph
      #expect(try read[read.outputs[0]].tensor?.floats().last == 999)
    }
    try FileManager.default.removeItem(atPath: path + ".data")
    let made = unsafe mkfifo(path + ".data", 0o600)
    #expect(made == 0)
    let error = try #require(throws: LigatureError.self) { try Model(graph: graph).write(to: path, options: options) }
    #expect(error.code == .file)
  }

  /// A hard link cannot be told from the file; it is read like any other, and never waits as a pipe would.
  @Test func hardLinksAreFiles() throws {
    let folder = try scratch()
    defer { try? FileManager.default.removeItem(at: folder) }
    try Data(floatBytes([5, 6, 7, 8])).write(to: folder.appending(path: "w.bin"))
    try FileManager.default.linkItem(
      at: folder.appending(path: "w.bin"), to: folder.appending(path: "again.bin"))
    let path = folder.appending(path: "m.onnx")
    try Data(external("again.bin")).write(to: path)
    let graph = try Model(contentsOf: path.path, operators: OperatorSet([])).graph
    #expect(try graph[graph.outputs[0]].tensor?.floats() == [5, 6, 7, 8])
  }

  /// Each file is a map of the process, of which there are not many.
  @Test func manyExternalFilesAreRefused() throws {
    let folder = try scratch()
    defer { try? FileManager.default.removeItem(at: folder) }
    try Data(floatBytes([1])).write(to: folder.appending(path: "w"))
    let tensors = (0..<5000).map { number -> Proto in
      let name = String(repeating: "./", count: number) + "w"
      return ONNX.tensor("w\(number)", 1, [1]) { proto in
        proto.message(
          13,
          Proto {
            $0.text(1, "location")
            $0.text(2, name)
          })
        proto.int(14, 1)
      }
    }
    let path = folder.appending(path: "m.onnx")
    try Data(ONNX.model(ONNX.graph([], outputs: [], constants: tensors), opset: 21)).write(to: path)
    let error = try #require(throws: LigatureError.self) {
      try Model(contentsOf: path.path, operators: OperatorSet([]))
    }
    #expect(error.code == .limit || error.code == .file, "\(error)")
  }

  @Test func writingLeavesNothingHalf() throws {
    let folder = try scratch()
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(throws: LigatureError.self) {
      try Model(graph: Graph()).write(to: folder.appending(path: "no/m.onnx").path)
    }
    // A folder stands where the file should go.
    let taken = folder.appending(path: "taken.onnx")
    try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
    #expect(throws: LigatureError.self) { try Model(graph: Graph()).write(to: taken.path) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken.onnx"])
  }
}

extension Proto {
  /// The same tensor with a further dimension.
  fileprivate func shaped(_ shape: [Int]) -> Proto {
    var copy = self
    for size in shape { copy.int(1, size) }
    return copy
  }
}
